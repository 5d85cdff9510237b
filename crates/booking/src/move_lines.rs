//! Move the lines in front of shows: give passes to whoever came first, as fast as seats can be
//! given away and never more than there are seats.
//!
//! A job that every worker runs; for each line one of them at a time, and once a second. All that it
//! does to a line is told by one event, however many stand there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge::App;
use jiff::SignedDuration;
use kernel::ids::{ShowId, VenueId};
use kernel::scope::Scope;
use pg::Tx;
use pg::control::Control;

use crate::line::{PlaceStatus, ShowLine};
use crate::model::ShowStatus;
use crate::store::lines::{self, Moving};
use crate::{BookingError, event};

/// How often each worker looks.
pub const MOVE_EVERY: Duration = Duration::from_millis(500);
/// How often a line moves, whoever moves it.
const STEP: SignedDuration = SignedDuration::from_millis(950);

/// Requests of this worker that were refused a connection, when the lines were last moved.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// One round over all open lines.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn move_lines(app: &App) -> Result<(), BookingError> {
    let all = pg::db::refused_connections();
    let refused = REFUSED.swap(all, Ordering::Relaxed) != all;
    let open = app.db().read(Scope::job(), async |q| lines::open_lines(q).await);
    for (venue, show) in open.await? {
        step(app, venue, show, refused).await?;
    }
    Ok(())
}

async fn step(app: &App, venue: VenueId, show: ShowId, refused: bool) -> Result<(), BookingError> {
    app.job("move_lines", Scope::venue(venue, None), async |tx| move_line(tx, show, refused).await)
        .await
}

/// Forgets the places of shows that are long over.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn forget_old(app: &App) -> Result<(), BookingError> {
    app.job("forget_places", Scope::job(), async |tx| {
        lines::forget(tx);
        Ok(())
    })
    .await
}

async fn move_line(tx: &mut Tx, show: ShowId, refused: bool) -> Result<(), BookingError> {
    let Some(line) = lines::try_line(tx, show).await? else { return Ok(()) };
    if tx.now() < line.moved_at + STEP {
        return Ok(());
    }
    let before = (line.served, line.sold_out);
    let Some(house) = lines::look_at_house(tx, line).await? else { return Ok(()) };
    let now = tx.now();
    let mut line = ShowLine { moved_at: now, ..house.line.clone() };
    if !Control::Pace.is_out() {
        line.per_sec = line.pace(house.lock_waits, refused);
    }
    let over = house.show.status == ShowStatus::Cancelled || now >= house.show.starts_at;
    // What is held may come free again; what is sold hardly.
    line.sold_out = over || (house.free == 0 && house.held == 0);
    if line.sold_out && line.served < line.joined {
        lines::end_places(tx, show, &[PlaceStatus::Waiting])?;
        line.served = line.joined;
    }
    if line.served < line.joined {
        let places = lines::lock_next(tx, show, passes(&house, &line)).await?;
        // With room for more and nobody there, all the others have left.
        let nobody = places.is_empty() && passes(&house, &line) > 0;
        line.served = places.last().copied().unwrap_or(line.served);
        if nobody {
            line.served = line.joined;
        }
        if !places.is_empty() {
            lines::give_passes(tx, show, places, now + line.pass_time())?;
        }
    } else if before == (line.served, line.sold_out) {
        // Nobody waits: a line that stands still writes nothing.
        return Ok(());
    }
    lines::save_line(tx, &line)?;
    if before != (line.served, line.sold_out) {
        let action = if line.sold_out { "sold_out" } else { "moved" };
        tx.emit(event::line_moved(action, &line)?);
    }
    Ok(())
}

/// How many passes to give now: one for each free seat that no pass is out for, and no more than
/// the pace allows.
fn passes(house: &Moving, line: &ShowLine) -> i64 {
    if house.show.status != ShowStatus::OnSale {
        return 0;
    }
    (house.free - house.unused).clamp(0, line.per_sec.into())
}
