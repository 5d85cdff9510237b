//! Attacks on access tokens: what is minted passes, and nothing else does.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::{Keyring, TokenError};
use kernel::clock::Clock;
use kernel::ids::UserId;
use serde_json::{Value, json};

use super::*;
use crate::keys::tests::keys;

struct Setting {
    clock: Clock,
    signer: std::sync::Arc<Signer>,
    ring: Keyring,
    public: Vec<u8>,
}

fn setting() -> Setting {
    let clock = Clock::default();
    let (signer, ring, public) = keys(&clock);
    Setting { clock, signer, ring, public }
}

fn opened(now: Timestamp, venues: u128) -> Opened {
    let user = User {
        id: UserId::fresh(now),
        email: "ana@example.org".to_owned(),
        name: "Ana".to_owned(),
        created_at: now,
    };
    let roles = (0..venues).map(|n| (VenueId(Uuid::from_u128(n)), Role::BoxOffice)).collect();
    let (session, refresh_token) = (SessionId::fresh(now), "rlr_x".to_owned());
    Opened { user, session, roles, refresh_token, now, ends_at: now }
}

fn payload(now: Timestamp) -> Value {
    json!({
        "iss": ISSUER, "aud": ISSUER, "sub": Uuid::nil(), "sid": Uuid::nil(),
        "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + 600,
        "jti": "1", "roles": {},
    })
}

impl Setting {
    fn signed(&self, header: &Header, payload: &Value) -> String {
        jsonwebtoken::encode(header, payload, &self.signer.key).unwrap()
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.signer.kid.clone());
        header
    }

    fn with(&self, name: &str, value: Value) -> Result<(), TokenError> {
        let mut changed = payload(self.clock.now());
        changed[name] = value;
        self.ring.verify(&self.signed(&self.header(), &changed)).map(drop)
    }
}

fn raw(header: &Value, payload: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(payload), URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn what_is_minted_is_verified() {
    let it = setting();
    let opened = opened(it.clock.now(), 40);
    let (user, session) = (opened.user.id, opened.session);
    let tokens = tokens(&it.signer, opened).unwrap();
    // The ring takes at most 4 KiB: forty roles have to fit.
    let claims = it.ring.verify(&tokens.access_token).unwrap();
    assert_eq!((claims.user, claims.session, claims.roles.len()), (user, session, 40));
    assert_eq!(it.with("jti", json!("1")), Ok(()));
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let it = setting();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": alg, "typ": TOKEN_TYPE, "kid": it.signer.kid});
        let token = raw(&header, &payload(it.clock.now()), b"");
        assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid, "{alg}");
    }
    let header = json!({"alg": "EdDSA", "typ": TOKEN_TYPE, "kid": it.signer.kid});
    for signature in [&b""[..], &[0; 64], &[0; 32]] {
        let token = raw(&header, &payload(it.clock.now()), signature);
        assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
    }
}

#[test]
fn the_public_key_is_no_shared_secret() {
    let it = setting();
    let (public, now) = (it.public.clone(), it.clock.now());
    for secret in [public.clone(), URL_SAFE_NO_PAD.encode(&public).into_bytes()] {
        let header = json!({"alg": "HS256", "typ": TOKEN_TYPE, "kid": it.signer.kid});
        let unsigned = raw(&header, &payload(now), b"");
        let message = unsigned.trim_end_matches('.');
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
        assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
    }
}

#[test]
fn an_unknown_key_is_refused_and_noticed() {
    let (it, stranger) = (setting(), setting());
    let token = stranger.signed(&stranger.header(), &payload(it.clock.now()));
    assert!(!it.ring.take_unknown_kid());
    assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
    assert!(it.ring.take_unknown_kid());
    assert!(!it.ring.take_unknown_kid());
    // The stranger's signature under the name of our key.
    let token = stranger.signed(&it.header(), &payload(it.clock.now()));
    assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
    let mut nameless = it.header();
    nameless.kid = None;
    let token = it.signed(&nameless, &payload(it.clock.now()));
    assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
}

#[test]
fn a_key_in_the_header_is_not_used() {
    let (it, stranger) = (setting(), setting());
    let x = URL_SAFE_NO_PAD.encode(&stranger.public);
    let own = stranger.signed(&stranger.header(), &payload(it.clock.now()));
    let signature = URL_SAFE_NO_PAD.decode(own.rsplit('.').next().unwrap()).unwrap();
    let header = json!({
        "alg": "EdDSA", "typ": TOKEN_TYPE, "kid": it.signer.kid,
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": x},
        "jku": "https://evil.example/jwks.json", "x5u": "https://evil.example/x",
    });
    let token = raw(&header, &payload(it.clock.now()), &signature);
    assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let it = setting();
    assert_eq!(it.with("aud", json!("another")), Err(TokenError::Invalid));
    assert_eq!(it.with("iss", json!("another")), Err(TokenError::Invalid));
    assert_eq!(it.with("sub", json!("nobody")), Err(TokenError::Invalid));
    assert_eq!(it.with("roles", json!({"x": "owner"})), Err(TokenError::Invalid));
    for name in ["aud", "iss", "sub", "exp", "nbf"] {
        assert_eq!(it.with(name, Value::Null), Err(TokenError::Invalid), "{name}");
    }
    for typ in [None, Some("JWT"), Some("refresh+jwt")] {
        let mut header = it.header();
        header.typ = typ.map(str::to_owned);
        let token = it.signed(&header, &payload(it.clock.now()));
        assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid, "{typ:?}");
    }
}

#[test]
fn a_token_counts_only_in_its_time() {
    let it = setting();
    let now = it.clock.now().as_second();
    assert_eq!(it.with("exp", json!(now - 60)), Err(TokenError::Expired));
    assert_eq!(it.with("exp", json!(i64::MAX)), Err(TokenError::Invalid));
    assert_eq!(it.with("nbf", json!(now + 60)), Err(TokenError::Invalid));
    // One that was remembered expires like any other.
    let token = it.signed(&it.header(), &payload(it.clock.now()));
    assert!(it.ring.verify(&token).is_ok());
    it.clock.advance(SignedDuration::from_mins(11));
    assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Expired);
}

#[test]
fn a_tampered_or_huge_token_is_refused() {
    let it = setting();
    let token = it.signed(&it.header(), &payload(it.clock.now()));
    assert!(it.ring.verify(&token).is_ok());
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(it.ring.verify(&changed).is_err(), "byte {at}");
    }
    let mut big = payload(it.clock.now());
    big["jti"] = json!("x".repeat(16 * 1024));
    let token = it.signed(&it.header(), &big);
    assert_eq!(it.ring.verify(&token).unwrap_err(), TokenError::Invalid);
}
