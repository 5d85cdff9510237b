//! Sweep held reservations that are past their time: say so, and free their tables.
//!
//! Nothing depends on it. A hold past its time keeps no table from anybody who asks; the sweep only
//! tells those who watch. Any worker sweeps; what one has locked the others leave to it.

use edge::App;
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Tx;

use crate::FloorError;
use crate::carry_out::finish;
use crate::floor::Touched;
use crate::reservation::ReservationStatus;
use crate::store::{floor, reservations};

/// Venues of one sweep.
const VENUES_MAX: i64 = 100;
/// Holds of one transaction.
const HOLDS_PER_SWEEP_MAX: i64 = 100;

/// One sweep over all venues.
///
/// # Errors
/// When PostgreSQL is away or busy: the next sweep does it.
pub async fn expire_holds(app: &App) -> Result<(), FloorError> {
    let offset = app.clock().offset_micros();
    let due = app.db().read(Scope::job(), async |q| {
        reservations::venues_with_due_holds(q, offset, VENUES_MAX).await
    });
    for venue in due.await? {
        sweep(app, venue).await?;
    }
    Ok(())
}

async fn sweep(app: &App, venue: VenueId) -> Result<(), FloorError> {
    let scope = Scope::venue(venue, None);
    app.job("expire_table_holds", scope, async |tx| sweep_venue(tx).await).await
}

async fn sweep_venue(tx: &mut Tx) -> Result<(), FloorError> {
    let due = reservations::lock_due_holds(tx, HOLDS_PER_SWEEP_MAX).await?;
    if due.is_empty() {
        return Ok(());
    }
    let touched = Touched { reservations: due.clone(), ..Touched::default() };
    let mut found = floor::lock_floor(tx, &touched).await?;
    for id in due {
        found.change_reservation(id, "expired")?.status = ReservationStatus::Cancelled;
    }
    finish(tx, &found)
}
