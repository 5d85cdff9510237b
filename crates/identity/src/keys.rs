//! The keys that sign access tokens: made once, sealed in the database, changed without a pause.
//!
//! `next` is published before it signs, `retired` verifies for an hour after it has signed last.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::{Keyring, sha256};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::EncodingKey;
use kernel::scope::Scope;
use pg::{Db, Tx};
use serde::Serialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::store::keys::{self, KeyRow};
use crate::store::revocations;
use crate::task;
use edge::seal::SealKey;

/// A key signs for this long.
const SIGNS_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Without a reason to look, keys are read again after this long.
const RELOAD_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// With a reason (an unknown `kid`), no sooner than this after the last time.
const RELOAD_AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// A public key, as RFC 7517 writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwk {
    /// Key type.
    #[schema(example = "OKP")]
    pub kty: &'static str,
    /// Curve.
    #[schema(example = "Ed25519")]
    pub crv: &'static str,
    /// The key.
    pub x: String,
    /// Its name: the thumbprint of RFC 7638.
    pub kid: String,
    /// The only algorithm that it is for.
    #[schema(example = "EdDSA")]
    pub alg: &'static str,
    /// What it is for.
    #[schema(example = "sig")]
    pub r#use: &'static str,
}

/// The public keys that verify access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JwkSet {
    /// All keys that sign, will sign soon, or have signed what may still count.
    pub keys: Vec<Jwk>,
}

/// What signs a token.
pub(crate) struct Signer {
    pub(crate) kid: String,
    pub(crate) key: EncodingKey,
}

struct Loaded {
    rows: Vec<KeyRow>,
    signer: Arc<Signer>,
    signs_since: Timestamp,
}

/// The keys of this process. Clones share them.
#[derive(Clone)]
pub struct Keys {
    seal: Arc<SealKey>,
    ring: Keyring,
    loaded: Arc<RwLock<Loaded>>,
    looked_at: Arc<Mutex<Timestamp>>,
}

impl Keys {
    /// Reads the keys, or makes the first ones, and puts the public halves on `ring`.
    ///
    /// # Errors
    /// `Crypto` when `seal` does not open them; the database's failures.
    pub async fn load_or_create(
        db: &Db,
        seal: Arc<SealKey>,
        ring: Keyring,
    ) -> Result<Self, IdentityError> {
        let rows = task::write(db, "make_keys", Scope::person(None), async |tx| {
            let mut rows = keys::lock_keys(tx).await?;
            for state in ["active", "next"] {
                if !rows.iter().any(|row| row.state == state) {
                    rows.push(make(tx, &seal, state)?);
                }
            }
            Ok(rows)
        })
        .await?;
        let loaded = open(&seal, rows)?;
        set_ring(&ring, &loaded);
        let looked_at = Arc::new(Mutex::new(db.clock().now()));
        Ok(Self { seal, ring, loaded: Arc::new(RwLock::new(loaded)), looked_at })
    }

    /// One step of the job that keeps the keys: reads them again when it is time or when a token
    /// named an unknown one, and changes them after thirty days. Call it every second or so.
    ///
    /// # Errors
    /// As `load_or_create`.
    pub async fn keep(&self, db: &Db) -> Result<(), IdentityError> {
        let now = db.clock().now();
        if !self.is_time(now) {
            return Ok(());
        }
        self.reload(db).await?;
        if now.duration_since(self.read().signs_since) > SIGNS_FOR {
            self.rotate_older_than(db, now - SIGNS_FOR).await?;
        }
        Ok(())
    }

    /// Reads the keys again.
    ///
    /// # Errors
    /// As `load_or_create`.
    pub async fn reload(&self, db: &Db) -> Result<(), IdentityError> {
        let now = db.clock().now();
        let rows = db.read(Scope::person(None), async |q| keys::list_keys(q, now).await).await;
        self.take(rows.map_err(IdentityError::from)?)
    }

    /// Changes the keys now: `next` signs, the one that signed retires, another `next` is made.
    ///
    /// # Errors
    /// As `load_or_create`.
    pub async fn rotate(&self, db: &Db) -> Result<(), IdentityError> {
        self.rotate_older_than(db, Timestamp::MAX).await
    }

    /// Throws all keys away and makes new ones: no token that was signed before counts any more.
    /// Other workers follow within five seconds. For when a key may be in wrong hands.
    ///
    /// # Errors
    /// As `load_or_create`.
    pub async fn replace(&self, db: &Db) -> Result<(), IdentityError> {
        let seal = &self.seal;
        let rows = task::write(db, "replace_keys", Scope::person(None), async |tx| {
            for row in keys::lock_keys(tx).await? {
                // Retired long ago: it verifies nothing, and the next `forget_old` takes it away.
                keys::move_key(tx, &row.kid, "retired", Timestamp::UNIX_EPOCH);
            }
            revocations::note_keys(tx);
            let (active, next) = (make(tx, seal, "active")?, make(tx, seal, "next")?);
            tx.audit("keys_replaced", ("signing_key", uuid::Uuid::nil()), &serde_json::json!({}))?;
            Ok(vec![active, next])
        });
        self.take(rows.await?)
    }

    /// The public halves.
    #[must_use]
    pub fn public(&self) -> JwkSet {
        JwkSet { keys: self.read().rows.iter().map(|row| jwk(&row.kid, &row.public_key)).collect() }
    }

    /// What seals what only this server may have made.
    pub(crate) fn seal(&self) -> &SealKey {
        &self.seal
    }

    pub(crate) fn signer(&self) -> Arc<Signer> {
        Arc::clone(&self.read().signer)
    }

    /// Two workers may find at the same moment that it is time: under the lock only one of them
    /// still finds a key that is old.
    async fn rotate_older_than(&self, db: &Db, before: Timestamp) -> Result<(), IdentityError> {
        let seal = &self.seal;
        let rows = task::write(db, "rotate_keys", Scope::person(None), async |tx| {
            let mut rows = keys::lock_keys(tx).await?;
            let old = |row: &KeyRow| row.state == "active" && row.changed_at < before;
            if !rows.iter().any(old) {
                return Ok(rows);
            }
            let now = tx.now();
            // Retired first: at no moment do two keys sign.
            for (from, to) in [("active", "retired"), ("next", "active")] {
                for row in rows.iter_mut().filter(|row| row.state == from) {
                    to.clone_into(&mut row.state);
                    row.changed_at = now;
                    keys::move_key(tx, &row.kid, to, now);
                }
            }
            rows.push(make(tx, seal, "next")?);
            Ok(rows)
        })
        .await?;
        self.take(rows)
    }

    fn is_time(&self, now: Timestamp) -> bool {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = now.duration_since(*looked_at);
        // The reason stays until somebody may look.
        let due = pause >= RELOAD_EVERY
            || (pause >= RELOAD_AT_MOST_EVERY && self.ring.take_unknown_kid());
        if due {
            *looked_at = now;
        }
        due
    }

    fn take(&self, rows: Vec<KeyRow>) -> Result<(), IdentityError> {
        let loaded = open(&self.seal, rows)?;
        if self.read().rows == loaded.rows {
            return Ok(());
        }
        set_ring(&self.ring, &loaded);
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set_ring(ring: &Keyring, loaded: &Loaded) {
    ring.set(loaded.rows.iter().map(|row| (row.kid.clone(), row.public_key.clone())));
}

fn open(seal: &SealKey, mut rows: Vec<KeyRow>) -> Result<Loaded, IdentityError> {
    // One order, so that the same keys compare as the same wherever they come from.
    rows.sort_by(|a, b| a.kid.cmp(&b.kid));
    let active = rows.iter().find(|row| row.state == "active").ok_or(IdentityError::Crypto)?;
    let pkcs8 = seal.open(&active.private_sealed, active.kid.as_bytes())?;
    let signer = Signer { kid: active.kid.clone(), key: EncodingKey::from_ed_der(&pkcs8) };
    let signs_since = active.changed_at;
    Ok(Loaded { rows, signer: Arc::new(signer), signs_since })
}

/// A fresh key pair: its row, sealed.
fn make(tx: &mut Tx, seal: &SealKey, state: &'static str) -> Result<KeyRow, IdentityError> {
    let row = generate(seal, state, tx.now())?;
    keys::insert_key(tx, &row);
    Ok(row)
}

fn generate(seal: &SealKey, state: &str, at: Timestamp) -> Result<KeyRow, IdentityError> {
    let pair = Ed25519KeyPair::generate()?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der()?;
    let public_key = pair.public_key().as_ref().to_vec();
    let kid = thumbprint(&public_key);
    let private_sealed = seal.seal(pkcs8.as_ref(), kid.as_bytes())?;
    Ok(KeyRow { kid, public_key, private_sealed, state: state.to_owned(), changed_at: at })
}

/// RFC 7638: the SHA-256 of the members that make the key, in the order of their names.
fn thumbprint(public_key: &[u8]) -> String {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()))
}

fn jwk(kid: &str, public_key: &[u8]) -> Jwk {
    Jwk {
        kty: "OKP",
        crv: "Ed25519",
        x: URL_SAFE_NO_PAD.encode(public_key),
        kid: kid.to_owned(),
        alg: "EdDSA",
        r#use: "sig",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::clock::Clock;

    use super::*;

    /// Keys without a database, and the ring that verifies what they sign.
    pub(crate) fn keys(clock: &Clock) -> (Arc<Signer>, Keyring, Vec<u8>) {
        let seal = SealKey::from_bytes([9; 32]);
        let row = generate(&seal, "active", clock.now()).unwrap();
        let public = row.public_key.clone();
        let loaded = open(&seal, vec![row]).unwrap();
        let ring = Keyring::new(clock.clone());
        set_ring(&ring, &loaded);
        (loaded.signer, ring, public)
    }

    #[test]
    fn an_unknown_key_is_looked_for_at_most_every_five_seconds() {
        let clock = Clock::default();
        let (seal, start) = (SealKey::from_bytes([9; 32]), clock.now());
        let loaded = open(&seal, vec![generate(&seal, "active", start).unwrap()]).unwrap();
        let keys = Keys {
            seal: Arc::new(seal),
            ring: Keyring::new(clock.clone()),
            loaded: Arc::new(RwLock::new(loaded)),
            looked_at: Arc::new(Mutex::new(start)),
        };
        let at = |secs| start + SignedDuration::from_secs(secs);
        // Made by keys that this ring has never seen.
        let unknown = || {
            let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
            header.typ = Some(edge::token::TOKEN_TYPE.to_owned());
            header.kid = Some("stranger".to_owned());
            let token = jsonwebtoken::encode(&header, &(), &keys.signer().key).unwrap();
            assert!(keys.ring.verify(&token).is_err());
        };
        assert!(!keys.is_time(at(59)));
        unknown();
        assert!(!keys.is_time(at(4)), "too soon");
        assert!(keys.is_time(at(5)), "the reason was not forgotten");
        unknown();
        assert!(!keys.is_time(at(9)));
        assert!(keys.is_time(at(10)));
        assert!(!keys.is_time(at(69)));
        assert!(keys.is_time(at(70)), "and every minute without a reason");
    }

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037() {
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(thumbprint(&x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn another_seal_key_does_not_open_the_keys() {
        let row = generate(&SealKey::from_bytes([1; 32]), "active", Timestamp::UNIX_EPOCH).unwrap();
        assert!(open(&SealKey::from_bytes([1; 32]), vec![row.clone()]).is_ok());
        assert!(open(&SealKey::from_bytes([2; 32]), vec![row]).is_err());
        assert!(open(&SealKey::from_bytes([1; 32]), Vec::new()).is_err());
    }
}
