//! The job that forgets what nobody needs any more.

use kernel::scope::Scope;
use pg::Db;

use crate::store::{attempts, devices, invitations, keys, oidc, resets, revocations, sessions};
use crate::{IdentityError, task};

/// Forgets sessions, links and invitations that are over, refresh tokens that were used long ago,
/// attempts, revocations and retired keys. Any worker may run it at any time; once an hour is enough.
///
/// # Errors
/// The database's failures.
pub async fn forget_old(db: &Db) -> Result<(), IdentityError> {
    task::write(db, "forget_old", Scope::job(), async |tx| {
        sessions::forget_sessions(tx);
        attempts::forget_attempts(tx);
        keys::forget_keys(tx);
        devices::forget_pairings(tx);
        oidc::forget_flows(tx);
        resets::forget_resets(tx);
        invitations::forget_invitations(tx);
        revocations::forget_revocations(tx);
        Ok(())
    })
    .await
}
