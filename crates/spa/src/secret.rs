//! Secrets that are shown once and kept as a hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::sha256;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_only_itself() {
        let (mine, other) = (fresh().unwrap(), fresh().unwrap());
        assert!(matches(&mine, &hash(&mine)));
        assert!(!matches(&other, &hash(&mine)));
    }
}
