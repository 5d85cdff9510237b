//! What a password must be. Length does the work; the list takes out what is guessed first.

use edge::body::Errors;
use kernel::problem::FieldError;

use crate::IdentityError;
use crate::model::{Email, Password};

/// Characters of a password, at least.
pub(crate) const PASSWORD_MIN_CHARS: usize = 12;
/// Characters of a password, at most.
pub(crate) const PASSWORD_MAX_CHARS: usize = 128;
/// Different characters of a password, at least.
const DISTINCT_MIN: usize = 5;
/// Words that passwords are made of, and the words of this product.
const REFUSED: &str = include_str!("password/refused.txt");

/// Adds to `errors` what is wrong with a new password of the account `email`.
pub(crate) fn check(password: &Password, email: &Email, errors: &mut Errors) {
    if !check_length(password, errors) {
        return;
    }
    errors.require(
        !is_common(password.text(), email),
        "/password",
        "too_common",
        "It is easily guessed: common words, your address or a simple row of characters. Four \
         random words are a good password.",
    );
}

/// Whether the length is right; all that can be said before the account is known.
pub(crate) fn check_length(password: &Password, errors: &mut Errors) -> bool {
    let chars = password.text().chars().count();
    let right = (PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS).contains(&chars);
    let detail = format!("Use {PASSWORD_MIN_CHARS} to {PASSWORD_MAX_CHARS} characters.");
    errors.require(right, "/password", "length", detail);
    right
}

/// The same as `check`, as a refusal of its own.
///
/// # Errors
/// `WeakPassword`.
pub(crate) fn check_new(password: &Password, email: &Email) -> Result<(), IdentityError> {
    let mut errors = Errors::default();
    check(password, email, &mut errors);
    let errors: Vec<FieldError> = errors.iter().cloned().collect();
    if errors.is_empty() { Ok(()) } else { Err(IdentityError::WeakPassword(errors)) }
}

/// Whether nothing is left of it when common words, the address, digits and rows are taken out.
fn is_common(text: &str, email: &Email) -> bool {
    let plain: String = text.to_lowercase().chars().map(without_disguise).collect();
    let mut distinct: Vec<char> = plain.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < DISTINCT_MIN || is_row(text) {
        return true;
    }
    let local = email.as_str().split('@').next().unwrap_or_default();
    let local: String = local.chars().map(without_disguise).collect();
    let mut words: Vec<&str> = REFUSED.lines().collect();
    words.extend(local.split(|c: char| !c.is_alphabetic()).filter(|part| part.len() >= 3));
    // Longest first, so that `passwords` leaves nothing but an `s`.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut rest = plain;
    for word in words {
        rest = rest.replace(word, " ");
    }
    rest.chars().filter(|c| c.is_alphabetic()).count() < 4
        && text.chars().filter(char::is_ascii_digit).count() < 10
}

/// `P4$$w0rd` is `password`.
fn without_disguise(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Each character follows the one before, or the same few come again and again: `123456789012`,
/// `abcabcabcabc`.
fn is_row(text: &str) -> bool {
    let chars: Vec<u32> = text.to_lowercase().chars().map(u32::from).collect();
    let steps = chars.windows(2).filter(|pair| match pair {
        [a, b] => a.abs_diff(*b) <= 1 || (*a == u32::from('9') && *b == u32::from('0')),
        _ => false,
    });
    let follows = steps.count() * 4 >= (chars.len() - 1) * 3;
    let repeats = (1..=chars.len() / 2)
        .any(|len| chars.iter().zip(chars.iter().skip(len)).all(|(a, b)| a == b));
    follows || repeats
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<&'static str> {
        let mut errors = Errors::default();
        let email = Email::of("carolina.lopes@example.org");
        check(&Password::from(text.to_owned()), &email, &mut errors);
        errors.iter().next().map(|error| error.code)
    }

    #[test]
    fn the_length_is_bounded_on_both_sides() {
        assert_eq!(refused("short-one-1"), Some("length"));
        assert_eq!(refused("otters-fly"), Some("length"));
        assert_eq!(refused("otters-fly-low"), None);
        let long = "otter plays lute ".repeat(8);
        assert_eq!(refused(&long[..128]), Some("too_common"), "it repeats");
        assert_eq!(refused(&format!("{long}x")), Some("length"));
        // Characters count, not bytes.
        assert_eq!(refused("señorío-égale"), None);
        assert_eq!(refused("éééééééé"), Some("length"));
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        for common in [
            "password1234",
            "P4$$w0rd2024!",
            "passwordpassword",
            "rowlock-admin1",
            "RowlockDemo2026",
            "123456789012",
            "987654321098",
            "abcdefghijkl",
            "qwertyuiop12",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "carolina.lopes",
            "CarolinaLopes1",
            "welcome-2026!!",
            "letmein letmein",
        ] {
            assert_eq!(refused(common), Some("too_common"), "{common}");
        }
    }

    #[test]
    fn words_of_ones_own_and_random_characters_pass() {
        for good in [
            "correct horse battery staple",
            "password manager otter lute",
            "x7#Lq2vR9!mT",
            "82049571630284",
            "mein Rad ist gruen",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
    }
}
