//! How long a party will wait: the line is replayed on the tables' expected turns. Pure, and the
//! two reads that use it.
//!
//! Each table is free when its party is expected to leave. The line is gone through in order, each
//! party takes the table that suits it first and keeps it for its turn; the wait of the next party
//! is what is left. A quote is computed anew whenever somebody asks; what was told last is kept only
//! to tell no more than what has changed (`quote_anew.rs`).

use std::collections::BTreeMap;

use actix_web::{get, web};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{GuestId, TableId};
use kernel::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::FloorError;
use crate::choose;
use crate::floor::Floor;
use crate::model::{GuestStatus, Party, Table, TableStatus};
use crate::reads::VenuePath;
use crate::store::floor;

/// How long a table is made that was left.
const CLEARING: SignedDuration = SignedDuration::from_mins(5);
/// A party that stays longer than expected is thought to stay so much longer still.
const OVERTIME: SignedDuration = SignedDuration::from_mins(10);
/// Reservations so far ahead keep tables from parties that walk in.
const AHEAD: SignedDuration = SignedDuration::from_hours(13);
/// Quotes are told in steps of so many minutes.
const STEP_MINUTES: i64 = 5;
/// A wait is quoted up to a third more than expected.
const SPREAD: i64 = 3;

/// For how many.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct QuoteQuery {
    /// How many they are.
    #[param(minimum = 1, maximum = 100)]
    pub party_size: i32,
}

/// A range of waiting time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Parties before it.
    pub ahead: i64,
    /// Whether a table will be large enough at all.
    pub possible: bool,
    /// The least wait, in minutes.
    #[schema(example = 15)]
    pub from_minutes: i64,
    /// The longest wait, in minutes.
    #[schema(example = 25)]
    pub to_minutes: i64,
}

/// A party in the line with its wait as of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PartyInLine)]
pub struct Waiting {
    /// The party.
    pub guest_id: GuestId,
    /// How long it still has to wait, as of now.
    pub quote: Quote,
}

/// The line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waitlist {
    /// First come first.
    pub items: Vec<Waiting>,
}

/// When each table is free, while the line is replayed.
struct Replay<'a> {
    floor: &'a Floor,
    free_at: BTreeMap<TableId, Timestamp>,
}

impl<'a> Replay<'a> {
    fn of(floor: &'a Floor) -> Self {
        let in_service = |table: &&Table| table.status != TableStatus::OutOfService;
        let free_at = floor.tables.values().filter(in_service).map(|table| {
            let at = match floor.occupied_until.get(&table.id) {
                Some(until) if *until <= floor.now => floor.now + OVERTIME,
                Some(until) => *until,
                None if table.status == TableStatus::Dirty => floor.now + CLEARING,
                None => floor.now,
            };
            (table.id, at)
        });
        Self { free_at: free_at.collect(), floor }
    }

    /// When the table is free for so long, after what is promised.
    fn start(&self, table: TableId, turn: SignedDuration) -> Option<Timestamp> {
        let mut at = *self.free_at.get(&table)?;
        let mut promised: Vec<_> = self
            .floor
            .booked
            .iter()
            .filter(|it| it.table == table && self.floor.is_awaited(it.reservation))
            .collect();
        promised.sort_by_key(|it| it.from);
        for it in promised {
            if it.from < at + turn && at < it.to {
                at = it.to;
            }
        }
        Some(at)
    }

    /// Seats a party of that size at the table that suits it first; gives when.
    fn seat(&mut self, size: i32) -> Option<Timestamp> {
        let turn = self.floor.settings.rules.turn(size);
        let tables = self.floor.tables.values().filter(|table| table.max_seats >= size);
        let singles = tables.filter_map(|table| {
            let at = self.start(table.id, turn)?;
            Some((at, table.max_seats, table.id))
        });
        let (at, tables) = match singles.min() {
            Some((at, _, table)) => (at, vec![table]),
            None => self.joined(size, turn)?,
        };
        for table in tables {
            self.free_at.insert(table, at + turn);
        }
        Some(at)
    }

    /// Tables pushed together, where no single one is ever large enough.
    fn joined(&self, size: i32, turn: SignedDuration) -> Option<(Timestamp, Vec<TableId>)> {
        let in_service = |table: &&Table| self.free_at.contains_key(&table.id);
        let all: Vec<_> = self.floor.tables.values().filter(in_service).collect();
        let tables = choose::choose(&all, size, &BTreeMap::new())?.tables;
        let at = tables.iter().filter_map(|table| self.start(*table, turn)).max()?;
        Some((at, tables))
    }
}

fn in_line(floor: &Floor) -> Vec<&Party> {
    let waits =
        |party: &&Party| matches!(party.guest.status, GuestStatus::Waiting | GuestStatus::Notified);
    let mut line: Vec<_> = floor.guests.values().filter(waits).collect();
    line.sort_by_key(|party| (party.guest.created_at, party.guest.id));
    line
}

fn quote(floor: &Floor, ahead: usize, at: Option<Timestamp>) -> Quote {
    let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
    let Some(at) = at else {
        return Quote { ahead, possible: false, from_minutes: 0, to_minutes: 0 };
    };
    let minutes = at.duration_since(floor.now).as_mins().max(0);
    let up = |minutes: i64| (minutes + STEP_MINUTES - 1) / STEP_MINUTES * STEP_MINUTES;
    let from_minutes = minutes / STEP_MINUTES * STEP_MINUTES;
    let to_minutes = up(minutes + minutes / SPREAD);
    Quote { ahead, possible: true, from_minutes, to_minutes }
}

/// The wait of each party in the line.
pub(crate) fn quote_line(floor: &Floor) -> Vec<Waiting> {
    let mut replay = Replay::of(floor);
    let line = in_line(floor).into_iter().enumerate().map(|(ahead, party)| {
        let at = replay.seat(party.guest.party_size);
        Waiting { guest_id: party.guest.id, quote: quote(floor, ahead, at) }
    });
    line.collect()
}

/// The wait of a party that would come now.
pub(crate) fn quote_next(floor: &Floor, size: i32) -> Quote {
    let (mut replay, line) = (Replay::of(floor), in_line(floor));
    for party in &line {
        replay.seat(party.guest.party_size);
    }
    quote(floor, line.len(), replay.seat(size))
}

/// Quote a wait
///
/// For a party that would come now, from the expected turns of the tables and those who wait.
#[utoipa::path(
    operation_id = "quoteWait", tag = "floor", params(VenuePath, QuoteQuery),
    responses((status = 200, body = Quote), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/waitlist/quote")]
pub(crate) async fn get_quote(
    actor: Actor<can::AskForTables>,
    _at: Path<VenuePath>,
    query: Query<QuoteQuery>,
    app: web::Data<App>,
) -> Result<web::Json<Quote>, Rejection> {
    if !(1..=100).contains(&query.party_size) {
        let detail = "partySize is 1 to 100.";
        return Err(Problem::new(400, "bad_query", "The query cannot be used", detail).into());
    }
    Ok(web::Json(quote_next(&look(&actor, &app).await?, query.party_size)))
}

/// Get the waitlist
///
/// Each party in the line with its wait as of now.
#[utoipa::path(
    operation_id = "getWaitlist", tag = "floor", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Waitlist), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/waitlist")]
pub(crate) async fn get_waitlist(
    actor: Actor<can::ReadGuests>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Waitlist>, Rejection> {
    Ok(web::Json(Waitlist { items: quote_line(&look(&actor, &app).await?) }))
}

async fn look<G>(actor: &Actor<G>, app: &App) -> Result<Floor, Rejection> {
    let now = app.clock().now();
    app.read(actor, async |q| {
        floor::look_at_floor(q, now, (now, now + AHEAD)).await.map_err(FloorError::from)
    })
    .await
}

#[cfg(test)]
mod replay_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, party, table};

    fn floor() -> Floor {
        let mut floor = Floor::new(at("2026-01-01T20:00:00Z"));
        for table in [table(1, 2), table(2, 4)] {
            floor.tables.insert(table.id, table);
        }
        floor
    }

    fn sits(floor: &mut Floor, number: u128, until: &str) {
        let id = table(number, 2).id;
        floor.tables.get_mut(&id).unwrap().status = TableStatus::Occupied;
        floor.occupied_until.insert(id, at(until));
    }

    fn range(quote: Quote) -> (i64, i64) {
        (quote.from_minutes, quote.to_minutes)
    }

    #[test]
    fn who_finds_a_free_table_does_not_wait() {
        assert_eq!(range(quote_next(&floor(), 4)), (0, 0));
        assert!(!quote_next(&floor(), 9).possible);
    }

    #[test]
    fn the_line_is_replayed_on_the_expected_turns() {
        let mut floor = floor();
        sits(&mut floor, 1, "2026-01-01T20:30:00Z");
        sits(&mut floor, 2, "2026-01-01T20:45:00Z");
        assert_eq!(range(quote_next(&floor, 2)), (30, 40));
        assert_eq!(range(quote_next(&floor, 4)), (45, 60));
        // Ana takes the small table at half past; the next couple gets the large one.
        floor.guests.insert(GuestId(uuid::Uuid::from_u128(1)), party(1, 2));
        let bob = quote_next(&floor, 2);
        assert_eq!((bob.ahead, range(bob)), (1, (45, 60)));
        assert_eq!(quote_line(&floor)[0].quote.from_minutes, 30);
        // As the floor moves, so does the quote.
        floor.occupied_until.clear();
        for table in floor.tables.values_mut() {
            table.status = TableStatus::Available;
        }
        assert_eq!(range(quote_next(&floor, 2)), (0, 0));
    }

    #[test]
    fn a_party_that_stays_too_long_is_waited_for_a_little_more() {
        let mut floor = floor();
        sits(&mut floor, 2, "2026-01-01T19:00:00Z");
        assert_eq!(range(quote_next(&floor, 4)), (10, 15));
    }
}
