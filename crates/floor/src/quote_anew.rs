//! Quote the lines anew as their floors move, and tell what has changed.
//!
//! Not in the writes that move them: a quote is an estimate, and a host who seats a party must not
//! wait for it. Any worker does it; of several that would, one takes the line. A venue is quoted at
//! most once in a few seconds, and only when its log has gone on or a minute is over.

use edge::App;
use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Tx;

use crate::quote::{Waiting, Waitlist, quote_line};
use crate::store::floor;
use crate::store::line::{self, Quotes};
use crate::{FloorError, event};

/// Venues of one round.
const VENUES_MAX: i64 = 100;
/// Waits in one event: the same size as an event of a table.
const WAITS_PER_EVENT_MAX: usize = 50;

/// One round over all venues where somebody waits.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn quote_anew(app: &App) -> Result<(), FloorError> {
    let offset = app.clock().offset_micros();
    let due =
        app.db().read(Scope::job(), async |q| line::venues_that_wait(q, offset, VENUES_MAX).await);
    let due = due.await?;
    let venues: Vec<VenueId> = due.iter().map(|it| it.venue).collect();
    let heads = app.db().heads(&venues).await?;
    for line in due {
        let head = heads.iter().find(|head| head.venue == line.venue);
        if line.is_old || head.is_some_and(|head| head.seq > line.seq) {
            let scope = Scope::venue(line.venue, None);
            app.job("quote_anew", scope, async |tx| quote_venue(tx).await).await?;
        }
    }
    Ok(())
}

async fn quote_venue(tx: &mut Tx) -> Result<(), FloorError> {
    let Some(before) = line::lock_line(tx).await? else { return Ok(()) };
    let (seq, floor) = floor::look_at_line(tx).await?;
    let now = quote_line(&floor);
    let changed: Vec<Waiting> =
        now.iter().filter(|it| before.get(&it.guest_id) != Some(&it.quote)).cloned().collect();
    let quotes: Quotes = now.iter().map(|it| (it.guest_id, it.quote)).collect();
    let (venue, at) = (tx.venue()?, tx.now());
    line::save_line(tx, seq, at, quotes)?;
    for items in changed.chunks(WAITS_PER_EVENT_MAX) {
        tx.emit(event::quoted(venue, &Waitlist { items: items.to_vec() })?);
    }
    Ok(())
}
