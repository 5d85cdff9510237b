//! Keep what the floor is like from time to time, so that the log between can tell what it was like
//! at any moment. Any worker may do it; the same keyframe twice is one.

use edge::App;
use kernel::ids::VenueId;
use kernel::scope::Scope;

use crate::FloorError;
use crate::look_back::Frame;
use crate::store::{floor, keyframes};

/// Venues of one look.
const VENUES_MAX: i64 = 200;
/// Events after which a keyframe is due, whatever the time.
pub(crate) const EVENTS_MAX: i64 = 2_000;

/// One look at all venues.
///
/// # Errors
/// When PostgreSQL is away or busy: the next look does it.
pub async fn keep_keyframes(app: &App, log_days: i32) -> Result<(), FloorError> {
    let offset = app.clock().offset_micros();
    let mut after = VenueId(uuid::Uuid::nil());
    loop {
        let read = app.db().read(Scope::job(), async |q| {
            keyframes::list_floors(q, offset, (after, VENUES_MAX)).await
        });
        let floors = read.await?;
        let Some(last) = floors.last() else { break };
        after = last.venue;
        let venues: Vec<_> = floors.iter().map(|it| it.venue).collect();
        let heads = app.db().heads(&venues).await?;
        for known in &floors {
            let head = heads.iter().find(|head| head.venue == known.venue).map_or(0, |it| it.seq);
            let behind = head - known.seq;
            if behind >= EVENTS_MAX || (behind > 0 && known.is_old) {
                keep(app, known.venue).await?;
            }
        }
    }
    app.job("forget_keyframes", Scope::job(), async |tx| {
        keyframes::forget_keyframes(tx, log_days);
        Ok(())
    })
    .await
}

async fn keep(app: &App, venue: VenueId) -> Result<(), FloorError> {
    let scope = Scope::venue(venue, None);
    let rows = app.db().read(scope, async |q| floor::find_floor(q).await).await?;
    let Some(pos) = rows.pos else { return Ok(()) };
    let at = jiff::Timestamp::from_microsecond(pos.at_micros).unwrap_or_default();
    let frame = Frame::of(&rows)?;
    app.job("keep_keyframe", scope, async move |tx| {
        keyframes::insert_keyframe(tx, (pos.seq, at), frame.clone())?;
        Ok(())
    })
    .await
}
