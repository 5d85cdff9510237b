//! Sweep holds that are past their time: say so, and mark them. Seats past their release time and
//! bookings that were not paid next.
//!
//! Nothing depends on it. A claim past its time counts no more for anybody who asks; the sweep only
//! tells those who watch. Any worker sweeps; what one has locked the others leave to it.

use std::time::Duration;

use edge::App;
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Tx;

use crate::expire_bookings::expire_bookings;
use crate::model::Seat;
use crate::offer_seats::wake;
use crate::release_withheld::release_withheld;
use crate::store::holds;
use crate::{BookingError, event};

/// How often each worker looks. Watchers hear of an expiry within a second.
pub const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// Venues of one sweep.
const VENUES_MAX: i64 = 100;
/// Holds of one transaction.
const HOLDS_PER_SWEEP_MAX: i64 = 100;

/// One sweep over all venues.
///
/// # Errors
/// When PostgreSQL is away or busy: the next sweep does it.
pub async fn expire_holds(app: &App) -> Result<(), BookingError> {
    let offset = app.clock().offset_micros();
    let due = app
        .db()
        .read(Scope::job(), async |q| holds::venues_with_due_holds(q, offset, VENUES_MAX).await);
    for venue in due.await? {
        sweep(app, venue).await?;
    }
    release_withheld(app).await?;
    expire_bookings(app).await
}

async fn sweep(app: &App, venue: VenueId) -> Result<(), BookingError> {
    app.job("expire_holds", Scope::venue(venue, None), async |tx| sweep_venue(tx).await).await
}

async fn sweep_venue(tx: &mut Tx) -> Result<(), BookingError> {
    let (ids, shows, due) = holds::lock_due_holds(tx, HOLDS_PER_SWEEP_MAX).await?;
    if ids.is_empty() {
        return Ok(());
    }
    for show in &shows {
        let freed: Vec<Seat> =
            due.iter().filter(|d| d.show == *show).map(|d| d.seat.clone()).collect();
        if !freed.is_empty() {
            tx.emit(event::seats_freed(*show, "expired", &freed, tx.now())?);
            wake();
        }
    }
    holds::expire_holds(tx, ids, shows)?;
    Ok(())
}
