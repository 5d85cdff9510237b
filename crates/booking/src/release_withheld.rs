//! Give seats free whose release time has come: say so, and mark them.
//!
//! Nothing depends on it. A seat past its release time is free for everybody who asks; this only
//! tells those who watch. Any worker does it; what one has locked the others leave to it.

use edge::App;
use kernel::scope::Scope;
use pg::Tx;

use crate::store::withheld;
use crate::{BookingError, event};

/// Venues of one sweep.
const VENUES_MAX: i64 = 100;
/// Seats of one transaction.
const SEATS_PER_SWEEP_MAX: i64 = 300;

/// One sweep over all venues.
///
/// # Errors
/// When PostgreSQL is away or busy: the next sweep does it.
pub(crate) async fn release_withheld(app: &App) -> Result<(), BookingError> {
    let offset = app.clock().offset_micros();
    let due = app
        .db()
        .read(Scope::job(), async |q| withheld::venues_with_due_seats(q, offset, VENUES_MAX).await);
    for venue in due.await? {
        let scope = Scope::venue(venue, None);
        app.job("release_withheld", scope, async |tx| release_due(tx).await).await?;
    }
    Ok(())
}

async fn release_due(tx: &mut Tx) -> Result<(), BookingError> {
    let due = withheld::lock_due_seats(tx, SEATS_PER_SWEEP_MAX).await?;
    for (show, seats) in due {
        withheld::release(tx, show, &seats)?;
        tx.emit(event::seats_freed(show, "released", &seats, tx.now())?);
    }
    Ok(())
}
