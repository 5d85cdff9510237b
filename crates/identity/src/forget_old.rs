//! The job that forgets what nobody needs any more.

use kernel::scope::Scope;
use pg::Db;

use crate::store::{attempts, keys, sessions};
use crate::{IdentityError, task};

/// Forgets sessions that are over, refresh tokens that were used long ago, attempts and retired
/// keys. Any worker may run it at any time; once an hour is enough.
///
/// # Errors
/// The database's failures.
pub async fn forget_old(db: &Db) -> Result<(), IdentityError> {
    task::write(db, "forget_old", Scope::job(), async |tx| {
        sessions::forget_sessions(tx);
        attempts::forget_attempts(tx);
        keys::forget_keys(tx);
        Ok(())
    })
    .await
}
