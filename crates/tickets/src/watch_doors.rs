//! The job that watches the doors: who is scanning, and what looks wrong. Nothing depends on it, and a
//! scan never waits for it. One worker at a time watches a venue.

use edge::App;
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Tx;

use crate::alerts::{WINDOW, activities, findings, refusals};
use crate::store::alerts;
use crate::{TicketsError, event};

/// Venues of one round.
const VENUES_MAX: i64 = 100;
/// Refused devices of one look.
const REFUSED_MAX: i64 = 100;
/// Scans of one look; in a minute with more the oldest are left out.
const SCANS_MAX: i64 = 5_000;

/// One round over all venues in which somebody scans.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn watch_doors(app: &App) -> Result<(), TicketsError> {
    let offset = app.clock().offset_micros();
    let busy =
        app.db().read(Scope::job(), async |q| alerts::busy_venues(q, offset, VENUES_MAX).await);
    for venue in busy.await? {
        let scope = Scope::venue(venue, None);
        app.job("watch_doors", scope, async |tx| watch(tx, venue).await).await?;
    }
    Ok(())
}

async fn watch(tx: &mut Tx, venue: VenueId) -> Result<(), TicketsError> {
    // Another worker has the row: it looks at this venue now.
    let Some(seen_at) = alerts::lock_watch(tx).await? else { return Ok(()) };
    let now = tx.now();
    let scans = alerts::recent_scans(tx, now - WINDOW, SCANS_MAX).await?;
    let refused = alerts::refused_devices(tx, now - WINDOW, REFUSED_MAX).await?;
    let seen = scans.iter().map(|scan| scan.received_at).chain(refused.iter().map(|it| it.at));
    let Some(last) = seen.max() else { return Ok(()) };
    for active in activities(&scans, seen_at.max(now - WINDOW)) {
        tx.emit(event::staff_activity(venue, &active)?);
    }
    for finding in findings(&scans).into_iter().chain(refusals(&refused)) {
        if let Some(alert) = alerts::note(tx, &finding).await? {
            tx.emit(event::security_alert(&alert)?);
        }
    }
    alerts::save_watch(tx, last.max(seen_at))?;
    Ok(())
}
