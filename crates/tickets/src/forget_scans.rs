//! The job that forgets where scans came from. A scan is kept for ever, with who, when, where and the
//! verdict; the network address and the program that sent it are for those who look into a fraud, and
//! for no more than a month.

use edge::App;
use jiff::SignedDuration;
use kernel::scope::Scope;
use pg::Tx;

use crate::TicketsError;
use crate::store::alerts;

/// How long addresses and programs are kept, in hours.
const KEPT_HOURS: i64 = 30 * 24;
/// Venues of one round.
const VENUES_MAX: i64 = 100;
/// Scans of one transaction; a venue with more is done by the rounds that follow.
const SCANS_MAX: i64 = 2_000;

/// One round over the venues whose turn it is. Any worker may run it at any time.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn forget_scans(app: &App) -> Result<(), TicketsError> {
    let bounds = (app.clock().offset_micros(), KEPT_HOURS);
    let due = app
        .db()
        .read(Scope::job(), async |q| alerts::forgetful_venues(q, bounds, VENUES_MAX).await)
        .await?;
    for venue in due {
        app.job("forget_scans", Scope::venue(venue, None), async |tx| forget(tx).await).await?;
    }
    Ok(())
}

async fn forget(tx: &mut Tx) -> Result<(), TicketsError> {
    let Some(from) = alerts::claim_forgetting(tx).await? else { return Ok(()) };
    let to = tx.now() - SignedDuration::from_hours(KEPT_HOURS);
    let forgotten = alerts::forget_addresses(tx, (from, to), SCANS_MAX).await?;
    // Fewer than there could have been: nothing is left before that time.
    if i64::try_from(forgotten).unwrap_or(i64::MAX) < SCANS_MAX {
        alerts::save_forgotten(tx, to)?;
    }
    Ok(())
}
