//! Verifying access tokens. One algorithm (EdDSA), keys by `kid`, nothing taken from the header
//! but the `kid`. Minting belongs to `identity`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest;
use bus::Control;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use kernel::clock::Clock;
use kernel::ids::{DeviceId, SessionId, UserId, VenueId};
use kernel::role::{Profile, Role};
use serde::{Deserialize, Serialize};

use crate::revoked::Revoked;

/// Who mints the tokens and whom they are for.
pub const ISSUER: &str = "rowlock";
/// The type in the token's header, so that no other token of ours passes for an access token.
pub const TOKEN_TYPE: &str = "at+jwt";
/// How long a token may be.
const TOKEN_MAX_BYTES: usize = 4096;
/// How many verified tokens are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// How far the clocks of two workers may be apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);

/// What an access token says, as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    /// Who minted it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// When it was minted, in seconds since 1970.
    pub iat: i64,
    /// From when on it counts.
    pub nbf: i64,
    /// Until when it counts.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// The user's roles, a hint: writes read them again.
    pub roles: HashMap<VenueId, Role>,
    /// The device that it is bound to; it then counts in the device's venue only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<DeviceClaim>,
}

/// The device that a token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceClaim {
    /// The device.
    pub id: DeviceId,
    /// Its venue.
    pub venue: VenueId,
    /// What it is for.
    pub profile: Profile,
}

/// What a verified token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// The user's roles, a hint: writes read them again.
    pub roles: Arc<HashMap<VenueId, Role>>,
    /// The device that it is bound to.
    pub device: Option<DeviceClaim>,
}

impl Claims {
    /// Whose limits its use counts against: a device has its own, whoever vouches for it.
    #[must_use]
    pub fn counted(&self) -> UserId {
        self.device.map_or(self.user, |device| UserId(device.id.0))
    }
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// Its session was ended.
    #[error("the token's session is over")]
    Revoked,
    /// It is not one of ours.
    #[error("the token is not valid")]
    Invalid,
}

/// The public keys by `kid`, and the tokens that were verified with them. Clones share both.
#[derive(Clone)]
pub struct Keyring {
    clock: Clock,
    keys: Arc<RwLock<HashMap<String, DecodingKey>>>,
    remembered: Arc<Mutex<HashMap<[u8; 32], Claims>>>,
    unknown_kid: Arc<AtomicBool>,
    revoked: Arc<Revoked>,
}

impl Keyring {
    /// A ring without keys: no token passes.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            keys: Arc::default(),
            remembered: Arc::default(),
            unknown_kid: Arc::default(),
            revoked: Arc::default(),
        }
    }

    /// Replaces all keys: `kid` and the 32 bytes of the Ed25519 public key.
    pub fn set(&self, keys: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let keys = keys.into_iter().map(|(kid, key)| (kid, DecodingKey::from_ed_der(&key)));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.collect();
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether there is a key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a token named a key that is not on the ring since this was asked last: another
    /// worker may have changed the keys.
    #[must_use]
    pub fn take_unknown_kid(&self) -> bool {
        self.unknown_kid.swap(false, Ordering::Relaxed)
    }

    /// Somebody's rights were taken back: from now on tokens that say otherwise are not believed.
    pub fn heed(&self, control: Control) {
        self.revoked.heed(control, self.clock.now());
    }

    /// Whether the role that tokens of `user` name for `venue` may be one of before a change: then
    /// only the database knows.
    #[must_use]
    pub fn distrusts(&self, user: UserId, venue: VenueId) -> bool {
        self.revoked.has_role(user, venue)
    }

    /// What the token says, when it is one of ours and still counts.
    ///
    /// # Errors
    /// `Expired`, `Revoked` or `Invalid`.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(TokenError::Invalid);
        }
        let hash = sha256(token.as_bytes());
        let known =
            self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        let claims = match known {
            Some(claims) => claims,
            None => self.check_signature(token)?,
        };
        if claims.expires_at + LEEWAY < self.clock.now() {
            self.remembered.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
            return Err(TokenError::Expired);
        }
        if self.revoked.has_session(claims.session) {
            return Err(TokenError::Revoked);
        }
        self.remember(hash, &claims);
        Ok(claims)
    }

    /// The device that a token of ours was made for, whether or not it still counts.
    pub(crate) fn device_of(&self, token: &str) -> Option<DeviceClaim> {
        let hash = sha256(token.as_bytes());
        let known =
            self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        known.or_else(|| self.check_signature(token).ok()).and_then(|claims| claims.device)
    }

    fn check_signature(&self, token: &str) -> Result<Claims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.typ.as_deref() != Some(TOKEN_TYPE) {
            return Err(TokenError::Invalid);
        }
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = keys.get(&kid) else {
            self.unknown_kid.store(true, Ordering::Relaxed);
            return Err(TokenError::Invalid);
        };
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[ISSUER]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked against our own clock, which tests can move.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let payload = jsonwebtoken::decode::<Payload>(token, key, &rules)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let instant = |secs| Timestamp::from_second(secs).map_err(|_| TokenError::Invalid);
        if instant(payload.nbf)? > self.clock.now() + LEEWAY {
            return Err(TokenError::Invalid);
        }
        Ok(Claims {
            user: payload.sub,
            session: payload.sid,
            expires_at: instant(payload.exp)?,
            roles: Arc::new(payload.roles),
            device: payload.dev,
        })
    }

    fn remember(&self, hash: [u8; 32], claims: &Claims) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            // All at once: every one of them can be verified again.
            remembered.clear();
        }
        remembered.entry(hash).or_insert_with(|| claims.clone());
    }
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_token_is_refused() {
        let ring = Keyring::new(Clock::default());
        for text in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", &"x".repeat(5000)] {
            assert_eq!(ring.verify(text).unwrap_err(), TokenError::Invalid);
        }
    }
}
