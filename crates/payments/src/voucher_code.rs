//! What is written on a voucher: sixteen letters that nobody guesses and everybody can read.

use aws_lc_rs::rand;
use edge::token::sha256;

use crate::PaymentError;

/// No I, L, O, U, 0, 1: nothing to be mistaken for something else.
const LETTERS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 16;

/// A fresh code, like `K7MP-X2QH-93TB-WNAC`: 78 bits.
pub(crate) fn fresh() -> Result<String, PaymentError> {
    let mut letters = String::with_capacity(LENGTH);
    while letters.len() < LENGTH {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes)?;
        // Bytes beyond the last whole round of the alphabet would prefer its first letters.
        let even = bytes.into_iter().filter(|byte| usize::from(*byte) < 256 - 256 % LETTERS.len());
        let found = even.filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()));
        letters.extend(found.map(|letter| char::from(*letter)).take(LENGTH - letters.len()));
    }
    let groups: Vec<String> =
        letters.as_bytes().chunks(4).map(|it| String::from_utf8_lossy(it).into_owned()).collect();
    Ok(groups.join("-"))
}

/// The hash that the database keeps; spaces, dashes and small letters do not matter.
pub(crate) fn code_hash(code: &str) -> Vec<u8> {
    sha256(plain(code).as_bytes()).to_vec()
}

/// The last four letters.
pub(crate) fn hint(code: &str) -> String {
    let plain = plain(code);
    plain.chars().skip(plain.chars().count().saturating_sub(4)).collect()
}

fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = fresh().unwrap();
        assert_eq!(code.len(), 19);
        let typed = format!(" {} ", code.replace('-', " ").to_lowercase());
        assert_eq!(code_hash(&code), code_hash(&typed));
        assert_eq!(hint(&code), code[15..]);
        assert_ne!(code, fresh().unwrap());
    }
}
