//! The job that forgets sessions that are over and attempts of long ago.

use edge::App;
use kernel::scope::Scope;

use crate::GalaError;
use crate::store::{attempts, parties};

/// Forgets them, in all venues.
///
/// # Errors
/// The database's failures.
pub async fn forget_old(app: &App) -> Result<(), GalaError> {
    app.job("forget_old_guests", Scope::job(), async |tx| {
        parties::forget_sessions(tx);
        attempts::forget_attempts(tx);
        Ok(())
    })
    .await
}
