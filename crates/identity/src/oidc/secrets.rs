//! The secrets of one trip to a provider.
//!
//! Two are drawn: `state`, which travels through the provider, and `browser`, which stays in a cookie
//! of the browser that began. PKCE's verifier and the nonce are derived from both, so the database
//! keeps nothing but hashes, and whoever reads a URL has not what the cookie has.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::sha256;

/// Bytes of each secret: 256 random bits.
const SECRET_BYTES: usize = 32;
/// Characters of the state that name its cookie: several tabs may be under way at once.
const NAME_CHARS: usize = 8;
/// Says what it is to whoever finds it where it should not be.
const CODE_PREFIX: &str = "rlo_";

/// The secrets of one trip.
pub(crate) struct Trip {
    pub(crate) state: String,
    pub(crate) browser: String,
}

impl Trip {
    pub(crate) fn fresh() -> Result<Self, Unspecified> {
        Ok(Self { state: fresh()?, browser: fresh()? })
    }

    /// The name of the cookie that the browser of a trip with this state has.
    pub(crate) fn cookie_name(state: &str) -> String {
        let name: String =
            state.chars().filter(char::is_ascii_alphanumeric).take(NAME_CHARS).collect();
        format!("rowlock_oidc_{name}")
    }

    /// PKCE's verifier.
    pub(crate) fn verifier(&self) -> Result<String, Unspecified> {
        self.derived(b"pkce")
    }

    /// What the ID token has to repeat.
    pub(crate) fn nonce(&self) -> Result<String, Unspecified> {
        self.derived(b"nonce")
    }

    fn derived(&self, purpose: &[u8]) -> Result<String, Unspecified> {
        let mut bytes = [0; SECRET_BYTES];
        let source = Salt::new(HKDF_SHA256, self.state.as_bytes()).extract(self.browser.as_bytes());
        source.expand(&[b"rowlock oidc ", purpose], HKDF_SHA256)?.fill(&mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// What the client exchanges for its tokens: good for one use, within a minute.
pub(crate) struct Code(pub(crate) String);

impl Code {
    pub(crate) fn fresh() -> Result<Self, Unspecified> {
        Ok(Self(format!("{CODE_PREFIX}{}", fresh()?)))
    }
}

fn fresh() -> Result<String, Unspecified> {
    let mut bytes = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What the database keeps of a secret.
pub(crate) fn hash_of(secret: &str) -> Vec<u8> {
    sha256(secret.as_bytes()).to_vec()
}

/// The bytes of a `challenge` (S256, as PKCE writes it); nothing when it is not one.
pub(crate) fn challenge_of(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == SECRET_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifier_and_nonce_need_both_secrets() {
        let trip = Trip::fresh().unwrap();
        let other_state = Trip { state: fresh().unwrap(), browser: trip.browser.clone() };
        let other_browser = Trip { state: trip.state.clone(), browser: fresh().unwrap() };
        for other in [other_state, other_browser] {
            assert_ne!(trip.verifier().unwrap(), other.verifier().unwrap());
            assert_ne!(trip.nonce().unwrap(), other.nonce().unwrap());
        }
        assert_ne!(trip.verifier().unwrap(), trip.nonce().unwrap());
        // What PKCE asks of a verifier: 43 to 128 characters.
        assert_eq!(trip.verifier().unwrap().len(), 43);
    }

    #[test]
    fn a_challenge_is_what_pkce_makes_of_a_verifier() {
        // RFC 7636, appendix B.
        let challenge = challenge_of("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert_eq!(challenge, hash_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        for wrong in ["", "short", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="] {
            assert!(challenge_of(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_name_of_a_cookie_is_plain() {
        assert_eq!(Trip::cookie_name("a-b_c=d;efghijkl"), "rowlock_oidc_abcdefgh");
    }
}
