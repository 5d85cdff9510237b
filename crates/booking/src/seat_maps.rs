//! The seat maps that this worker keeps, patched by the events of the log.
//!
//! A map is never older than any write that was acknowledged before it was asked for: each request
//! is answered from a comparison with the head of the venue's log that began after the request
//! came. All that come while one runs share the next one, so a rush of readers costs the database
//! one small question at a time, and not one map each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use edge::{App, Rejection};
use jiff::SignedDuration;
use kernel::event::Pos;
use kernel::ids::{ShowId, VenueId};
use kernel::scope::Scope;
use pg::Stored;
use pg::control::Control;
use tokio::sync::{Mutex as Turn, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::BookingError;
use crate::seat_map::{Applied, Map};
use crate::store::seats;

/// Seats of all maps that are kept; the least used go first.
const SEATS_KEPT_MAX: usize = 400_000;
/// Maps that are kept, however small.
const MAPS_KEPT_MAX: usize = 1_000;
/// Events that are applied one by one; whoever is further behind reads the map anew.
const EVENTS_MAX: u16 = 500;

/// However well it was patched, a map is read anew after so long: rows that somebody has mended by
/// hand, past the log, are seen then.
const MAP_LASTS: Duration = Duration::from_mins(1);
/// So far a worker's clock may be behind PostgreSQL's, and a seat is free on time all the same.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_secs(1);

/// Whose map.
pub(crate) type Key = (VenueId, ShowId);

/// One map and when it was last compared.
#[derive(Default)]
pub(crate) struct Kept {
    map: Option<Map>,
    read: Option<Instant>,
    compared: Option<Instant>,
}

struct Place {
    kept: Arc<Turn<Kept>>,
    used: Instant,
    seats: usize,
}

/// All of this worker.
pub(crate) struct SeatMaps(Mutex<Option<HashMap<Key, Place>>>);

/// The maps of this process.
pub(crate) static MAPS: SeatMaps = SeatMaps(Mutex::new(None));

/// A map that nobody else touches meanwhile.
pub(crate) type OwnedMap = OwnedMappedMutexGuard<Kept, Map>;

impl SeatMaps {
    /// The map as of now, read if it is not kept.
    pub(crate) async fn get(&self, app: &App, key: Key) -> Result<OwnedMap, Rejection> {
        let kept = self.place(key);
        self.fresh(app, key, kept).await
    }

    /// The map as of now, if it is kept.
    pub(crate) async fn find(&self, app: &App, key: Key) -> Option<Result<OwnedMap, Rejection>> {
        let kept = {
            let maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&maps.as_ref()?.get(&key)?.kept)
        };
        Some(self.fresh(app, key, kept).await)
    }

    async fn fresh(
        &self,
        app: &App,
        key: Key,
        kept: Arc<Turn<Kept>>,
    ) -> Result<OwnedMap, Rejection> {
        let asked = Instant::now();
        let mut kept = kept.lock_owned().await;
        if kept.compared.is_none_or(|compared| compared < asked) {
            let began = Instant::now();
            if let Err(error) = bring_up(app, key, &mut kept).await {
                kept.map = None;
                self.forget(key);
                return Err(Rejection::of(&error));
            }
            kept.compared = Some(began);
        }
        let seats = kept.map.as_ref().map_or(0, Map::seat_count);
        self.note(key, seats);
        OwnedMutexGuard::try_map(kept, |kept| kept.map.as_mut())
            .map_err(|_| Rejection::of(&BookingError::NoSuchShow))
    }

    fn place(&self, key: Key) -> Arc<Turn<Kept>> {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let maps = maps.get_or_insert_default();
        let fresh = || Place { kept: Arc::default(), used: Instant::now(), seats: 0 };
        let place = maps.entry(key).or_insert_with(fresh);
        Arc::clone(&place.kept)
    }

    /// A show that is not there needs no place.
    fn forget(&self, key: Key) {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(maps) = maps.as_mut() {
            maps.remove(&key);
        }
    }

    /// Notes that it was used, and lets go of those that were not, if there are too many.
    fn note(&self, key: Key, seats: usize) {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(maps) = maps.as_mut() else { return };
        if let Some(place) = maps.get_mut(&key) {
            (place.used, place.seats) = (Instant::now(), seats);
        }
        let mut all: usize = maps.values().map(|place| place.seats).sum();
        while (all > SEATS_KEPT_MAX || maps.len() > MAPS_KEPT_MAX) && maps.len() > 1 {
            let oldest = maps.iter().min_by_key(|(_, place)| place.used).map(|(key, _)| *key);
            let Some(place) = oldest.and_then(|oldest| maps.remove(&oldest)) else { break };
            all -= place.seats;
        }
    }
}

/// Brings the map to the head of the log: by its events, or by reading it anew.
async fn bring_up(app: &App, key: Key, kept: &mut Kept) -> Result<(), BookingError> {
    let young = kept.read.is_some_and(|read| read.elapsed() < MAP_LASTS);
    if let Some(map) = &mut kept.map
        && young
        && patched(app, key, map).await?
    {
        metrics::counter!("booking_seat_maps_total", "by" => "memory").increment(1);
        return Ok(());
    }
    metrics::counter!("booking_seat_maps_total", "by" => "database").increment(1);
    let offset = app.clock().offset_micros();
    let scope = Scope::venue(key.0, None);
    let rows = app.db().read(scope, async |q| seats::find_seat_map(q, key.1, offset).await).await?;
    kept.map = Some(Map::of(rows).ok_or(BookingError::NoSuchShow)?);
    kept.read = Some(Instant::now());
    Ok(())
}

/// Whether the map is at the head of the log now; if not, it must be read anew.
async fn patched(app: &App, (venue, show): Key, map: &mut Map) -> Result<bool, BookingError> {
    if Control::FreshMaps.is_out() {
        return Ok(true);
    }
    // Before the head: what an event of after this look says is applied after it.
    let due = map.due(app.clock().now() + CLOCK_MARGIN);
    if !due.is_empty() {
        let (offset, scope) = (app.clock().offset_micros(), Scope::venue(venue, None));
        let now = app
            .db()
            .read(scope, async |q| seats::find_map_seats(q, show, offset, &due).await)
            .await?;
        for row in now {
            map.set(&row.seat.id, row.seat.status, row.until);
        }
    }
    let head = app.db().heads(&[venue]).await?.pop().ok_or(BookingError::NoSuchShow)?;
    let from = map.pos();
    if head.pos() == from {
        return Ok(true);
    }
    if head.seq <= from.seq || head.seq - from.seq > i64::from(EVENTS_MAX) {
        return Ok(false);
    }
    let rows = app.db().full_events(venue, from.seq, EVENTS_MAX + 1).await?;
    Ok(apply(map, from, head.seq, &rows))
}

/// Applies what follows `from`, if nothing is missing up to `to`.
fn apply(map: &mut Map, from: Pos, to: i64, rows: &[Stored]) -> bool {
    let mut last = from;
    for row in rows {
        let pos = Pos::new(row.seq, row.at);
        // The first row is the one that we have seen: the same, or the log is another.
        let seen = row.seq == from.seq;
        let next = row.seq == last.seq + 1;
        if (seen && pos != from) || (!seen && !next) {
            return false;
        }
        if next && map.apply(&row.frame.json) == Applied::Reload {
            return false;
        }
        last = pos;
    }
    let whole = rows.first().is_some_and(|row| row.seq <= from.seq.max(1)) && last.seq >= to;
    if whole {
        map.reach(last);
    }
    whole
}
