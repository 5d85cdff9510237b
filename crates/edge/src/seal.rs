//! Sealing what the database keeps but may not know: AES-256-GCM with a fresh nonce for each, and
//! what it belongs to as associated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The key that seals what the database keeps but may not know: `ROWLOCK_KEY`.
pub struct SealKey(SecretBox<[u8; KEY_BYTES]>);

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is 32 random bytes in hex or base64, as `openssl rand -base64 32` prints them")]
pub struct NotAKey;

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

impl std::str::FromStr for SealKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let text = text.trim();
        let bytes = match hex(text) {
            Some(bytes) => bytes,
            None => STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')))
                .map_err(|_| NotAKey)?,
        };
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| NotAKey)?;
        // A key of equal bytes is a placeholder that somebody forgot.
        if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return Err(NotAKey);
        }
        Ok(Self::from_bytes(bytes))
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

impl SealKey {
    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// A key that only whoever has `secret` can make again.
    ///
    /// # Errors
    /// Never, for keys of this length.
    pub fn derived(secret: &[u8], purpose: &[u8]) -> Result<Self, Unspecified> {
        let mut bytes = [0; KEY_BYTES];
        let source = Salt::new(HKDF_SHA256, b"rowlock").extract(secret);
        source.expand(&[purpose], HKDF_SHA256)?.fill(&mut bytes)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The seed of a key pair that only whoever has this key can make again.
    ///
    /// # Errors
    /// Never, for keys of this length.
    pub fn seed(&self, purpose: &[u8]) -> Result<[u8; KEY_BYTES], Unspecified> {
        let Self(seed) = Self::derived(self.0.expose_secret(), purpose)?;
        Ok(*seed.expose_secret())
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, self.0.expose_secret())
    }

    /// `plain` sealed, for `belongs_to` only.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn seal(&self, plain: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut text = plain.to_vec();
        let nonce = self.cipher()?.seal_in_place_append_tag(Aad::from(belongs_to), &mut text)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    /// What was sealed for `belongs_to`.
    ///
    /// # Errors
    /// When it was sealed by another key or for something else, or was changed.
    pub fn open(&self, sealed: &[u8], belongs_to: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let mut text = text.to_vec();
        let plain = self.cipher()?.open_in_place(nonce, Aad::from(belongs_to), &mut text)?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_owner_open_a_seal() {
        let key = SealKey::from_bytes([7; 32]);
        let sealed = key.seal(b"secret", b"kid-1").unwrap();
        assert_eq!(key.open(&sealed, b"kid-1").unwrap(), b"secret");
        assert!(key.open(&sealed, b"kid-2").is_err());
        assert!(SealKey::from_bytes([8; 32]).open(&sealed, b"kid-1").is_err());
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert!(key.open(&broken, b"kid-1").is_err(), "byte {at}");
        }
        assert!(key.open(&sealed[..5], b"kid-1").is_err());
        assert_ne!(sealed, key.seal(b"secret", b"kid-1").unwrap());
    }

    #[test]
    fn a_derived_key_depends_on_secret_and_purpose() {
        let key = |secret: &[u8], purpose: &[u8]| {
            SealKey::derived(secret, purpose).unwrap().0.expose_secret().to_vec()
        };
        assert_eq!(key(b"a", b"x"), key(b"a", b"x"));
        assert_ne!(key(b"a", b"x"), key(b"b", b"x"));
        assert_ne!(key(b"a", b"x"), key(b"a", b"y"));
    }

    #[test]
    fn a_key_is_32_bytes_in_hex_or_base64() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let bytes = |text: &str| text.parse::<SealKey>().unwrap().0.expose_secret().to_vec();
        assert_eq!(bytes(hex), bytes(base64));
        assert_eq!(bytes(base64), bytes(base64.trim_end_matches('=')));
        for wrong in ["", "changeme", &hex[..62], &"00".repeat(32), &"é".repeat(32)] {
            assert!(wrong.parse::<SealKey>().is_err(), "{wrong}");
        }
    }
}
