//! Whether two names are the same person's, whatever the keyboard. Pure.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The parts of a name as they are compared: small letters without accents, in alphabetical order.
fn parts(name: &str) -> Vec<String> {
    let mut plain = String::with_capacity(name.len());
    for letter in name.nfkd().filter(|letter| !is_combining_mark(*letter)) {
        match letter {
            // What Unicode takes for letters of their own, and people type as others.
            'ß' | 'ẞ' => plain.push_str("ss"),
            'ø' | 'Ø' => plain.push('o'),
            'æ' | 'Æ' => plain.push_str("ae"),
            'œ' | 'Œ' => plain.push_str("oe"),
            'ł' | 'Ł' => plain.push('l'),
            'đ' | 'Đ' | 'ð' | 'Ð' => plain.push('d'),
            'þ' | 'Þ' => plain.push_str("th"),
            'ı' => plain.push('i'),
            letter if letter.is_alphanumeric() => plain.extend(letter.to_lowercase()),
            // O'Brien and OBrien are one, Anne-Marie and Anne Marie, too.
            '\'' | '’' | '‘' | '`' | '.' => {}
            _ => plain.push(' '),
        }
    }
    let mut parts: Vec<String> = plain.split_whitespace().map(str::to_owned).collect();
    parts.sort_unstable();
    parts
}

/// Whether the two are the same but for case, spaces, accents and the order of their parts.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let (one, other) = (parts(one), parts(other));
    !one.is_empty() && (one == other || glued(&one, &other))
}

/// `Annamaria Lopes` and `Anna Maria Lopes`: the letters are the same, a space is not. The parts
/// have lost their order, so it is enough that the shorter list is made by gluing neighbours of any
/// order of the longer one; names have few parts.
fn glued(one: &[String], other: &[String]) -> bool {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    // One space more or less, as it is typed by mistake.
    if short.len() + 1 != long.len() || long.len() > PARTS_MAX {
        return false;
    }
    let pairs = (0..long.len()).flat_map(|a| (0..long.len()).map(move |b| (a, b)));
    pairs.filter(|(a, b)| a != b).any(|(a, b)| {
        let (Some(first), Some(second)) = (long.get(a), long.get(b)) else { return false };
        let rest = long.iter().enumerate().filter(|(at, _)| *at != a && *at != b);
        let mut joined: Vec<String> = rest.map(|(_, part)| part.clone()).collect();
        joined.push(format!("{first}{second}"));
        joined.sort_unstable();
        joined == *short
    })
}

/// Parts of a name that are glued at most.
const PARTS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_spaces_accents_and_order_do_not_matter() {
        for typed in [
            "Ana Lopes",
            "ana  lopes",
            "LOPES, Ana",
            "Aña Lópes",
            " Lopes Ana ",
            "ANA LOPES",
            "An a Lopes",
        ] {
            assert!(same("Ana Lopes", typed), "{typed}");
        }
        assert!(same("Søren Müller-Weiß", "soren muller weiss"));
        assert!(same("Łukasz Żółć", "Lukasz Zolc"));
        assert!(same("Siobhán O’Brien", "Siobhan OBrien"));
        assert!(same("Anna Maria Lopes", "Annamaria Lopes"));
        assert!(same("Nguyễn Thị Minh Khai", "Minh Khai Nguyen Thi"));
        assert!(same("山田 太郎", "太郎 山田"));
    }

    #[test]
    fn somebody_else_is_not_the_same() {
        for other in ["Ana Lopez", "Ana", "Lopes", "", "Ana Ana Lopes", "Ana Lopes Silva", "---"] {
            assert!(!same("Ana Lopes", other), "{other}");
        }
        assert!(!same("", "") && !same("-", "-"), "nobody is nobody");
    }
}
