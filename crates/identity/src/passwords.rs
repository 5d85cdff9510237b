//! Hashing and checking passwords: Argon2id, one at a time, with a short queue.
//!
//! One hash takes 19 MiB and tens of milliseconds of a processor. Done side by side they would
//! starve the sale on the same machine; queued without a bound they would never be done.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::IdentityError;
use crate::model::Password;

/// Memory of one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Passwords that may wait besides the one that is worked on.
const QUEUE_MAX: usize = 16;
/// A hash of nobody's password: whoever has no account waits as long as everybody else.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$cm93bG9jay1ub2JvZHktMDA$\
                      47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/// The one place of this process where passwords are worked on. Clones share its queue.
#[derive(Clone, Debug)]
pub struct Passwords {
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), places: Arc::new(Semaphore::new(QUEUE_MAX + 1)) }
    }
}

impl Passwords {
    /// The hash of a new password, with a salt of its own.
    ///
    /// # Errors
    /// `QueueFull`, or `Crypto` when no random salt could be made.
    pub async fn hash(&self, password: Password) -> Result<String, IdentityError> {
        self.queue(move || {
            let hash = argon2()?.hash_password(password.text().as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|_| IdentityError::Crypto)
        })
        .await
    }

    /// Whether the password is the one of `hash`; without a hash it never is, and takes as long.
    ///
    /// # Errors
    /// `QueueFull`, or `Crypto` when the hash cannot be read.
    pub async fn verify(
        &self,
        password: Password,
        hash: Option<String>,
    ) -> Result<bool, IdentityError> {
        self.queue(move || {
            let text = hash.as_deref().unwrap_or(NOBODY);
            let parsed = PasswordHash::new(text).map_err(|_| IdentityError::Crypto)?;
            let right = argon2()?.verify_password(password.text().as_bytes(), &parsed).is_ok();
            Ok(right && hash.is_some())
        })
        .await
    }

    async fn queue<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| IdentityError::QueueFull)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| IdentityError::QueueFull)?;
        // Both are given back when the work is done, not when a client stops waiting for it.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((turn, place));
            result
        });
        done.await.unwrap_or(Err(IdentityError::Crypto))
    }
}

fn argon2() -> Result<Argon2<'static>, IdentityError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|_| IdentityError::Crypto)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_matches_only_its_own_hash() {
        let passwords = Passwords::default();
        let hash = passwords.hash(password("otters-fly-low")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(password("otters-fly-low"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(password("otters-fly-high"), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_no_password_but_costs_the_same_work() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        assert_eq!(parsed.params.get_decimal("m"), Some(MEMORY_KIB));
        assert_eq!(parsed.params.get_decimal("t"), Some(PASSES));
        assert!(parsed.salt.is_some() && parsed.hash.is_some());
        assert!(!Passwords::default().verify(password(""), None).await.unwrap());
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let passwords = Passwords::default();
        let turn = passwords.turn.clone().acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..=QUEUE_MAX)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.queue(|| Ok(())).await })
            })
            .collect();
        while passwords.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.queue(|| Ok(())).await;
        assert!(matches!(refused, Err(IdentityError::QueueFull)));
        drop(turn);
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        passwords.queue(|| Ok(())).await.unwrap();
    }
}
