//! Secrets that are shown once and kept as a hash, and codes that people read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::sha256;

/// Letters and digits that nobody mistakes for one another.
const CODE_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A fresh secret of 128 random bits, as text.
pub(crate) fn fresh() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret.
pub(crate) fn hash(secret: &str) -> Vec<u8> {
    sha256(secret.as_bytes()).to_vec()
}

/// Whether `secret` is the one whose hash was kept. Takes the same time whatever differs.
pub(crate) fn matches(secret: &str, kept: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(&hash(secret), kept).is_ok()
}

/// A fresh code of eight letters (40 random bits), for people to read to each other.
pub(crate) fn code() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let letter = |byte: u8| CODE_LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'X');
    Ok(bytes.into_iter().map(|byte| char::from(letter(byte))).collect())
}

/// A number below `most`, 0 where that is 0: to spread those who would meet at the same seats.
pub(crate) fn below(most: usize) -> Result<usize, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 2];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(usize::from(u16::from_le_bytes(bytes)) % most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_only_itself() {
        let (mine, other) = (fresh().unwrap(), fresh().unwrap());
        assert!(matches(&mine, &hash(&mine)));
        assert!(!matches(&other, &hash(&mine)));
        assert_eq!(code().unwrap().len(), 8);
    }
}
