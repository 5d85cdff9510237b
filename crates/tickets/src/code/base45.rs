//! Base45 (RFC 9285): the alphabet of a QR code's alphanumeric mode.

const LETTERS: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

pub(super) fn encode(bytes: &[u8]) -> String {
    let letter = |value: u32| {
        let at = usize::try_from(value % 45).unwrap_or(0);
        char::from(LETTERS.get(at).copied().unwrap_or(b'0'))
    };
    let mut text = String::with_capacity(bytes.len().div_ceil(2) * 3);
    for pair in bytes.chunks(2) {
        let value = pair.iter().fold(0, |value, byte| value * 256 + u32::from(*byte));
        text.extend([letter(value), letter(value / 45)]);
        if pair.len() == 2 {
            text.push(letter(value / (45 * 45)));
        }
    }
    text
}

/// The bytes, if the text is exactly what `encode` makes of them.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for part in text.as_bytes().chunks(3) {
        let mut value = 0;
        for letter in part.iter().rev() {
            value = value * 45 + digit(*letter)?;
        }
        match part.len() {
            3 => bytes.extend_from_slice(&u16::try_from(value).ok()?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

fn digit(letter: u8) -> Option<u32> {
    let at = LETTERS.iter().position(|known| *known == letter)?;
    u32::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (plain, text) in [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581")]
        {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), plain.as_bytes());
        }
        assert_eq!(decode("QED8WEX0").unwrap(), b"ietf!");
    }

    #[test]
    fn one_text_stands_for_one_value() {
        for wrong in ["A", "GGW", ":::", "::", "5U", "ab", "BB8A", "ä"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
        for byte in 0..=u8::MAX {
            assert_eq!(decode(&encode(&[byte])).unwrap(), [byte]);
        }
    }
}
