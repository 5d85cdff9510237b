//! The job that forgets how customers wanted to be called, and what they told their therapist, some
//! weeks after the visit: most of them have no account by which they could ask for it.

use std::time::Duration;

use edge::App;
use edge::limits::NAMES_KEPT_DAYS;
use kernel::scope::Scope;

use crate::SpaError;
use crate::store::kept;

/// How often each worker looks.
pub const FORGET_NAMES_EVERY: Duration = Duration::from_hours(1);
/// Orders of one round.
const ORDERS_MAX: i64 = 1000;

/// One round over all venues.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn forget_names(app: &App) -> Result<(), SpaError> {
    app.job("forget_names", Scope::job(), async |tx| {
        kept::forget_names(tx, NAMES_KEPT_DAYS, ORDERS_MAX);
        Ok(())
    })
    .await
}
