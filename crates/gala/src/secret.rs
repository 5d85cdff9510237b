//! Secrets that are shown once and kept as a hash, and codes that people read.

use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::sha256;

/// Letters and digits that nobody mistakes for one another.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Letters of a party's code: it opens nothing.
pub(crate) const CODE_CHARS: usize = 8;
/// Letters of an invitation's code: 60 random bits, still short enough to be read out.
const INVITATION_CHARS: usize = 12;

/// A fresh secret of 128 random bits, as text.
pub(crate) fn fresh() -> Result<String, Unspecified> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &str) -> Vec<u8> {
    sha256(secret.as_bytes()).to_vec()
}

/// A code of a party, for people to read to each other.
pub(crate) fn code() -> Result<String, Unspecified> {
    letters::<CODE_CHARS>()
}

/// A code that lets somebody sit at a captain's table.
pub(crate) fn invitation() -> Result<String, Unspecified> {
    letters::<INVITATION_CHARS>()
}

/// A code as people type it.
pub(crate) fn plain_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn letters<const N: usize>() -> Result<String, Unspecified> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'X');
    Ok(bytes.into_iter().map(|byte| char::from(letter(byte))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_however_they_are_typed() {
        assert_eq!(plain_code(" k7mp-x2qh"), "K7MPX2QH");
        assert_eq!(code().unwrap().len(), CODE_CHARS);
        assert_eq!(plain_code(&invitation().unwrap()).len(), INVITATION_CHARS);
        assert_ne!(fresh().unwrap(), fresh().unwrap());
        assert_ne!(hash("a"), hash("b"));
    }
}
