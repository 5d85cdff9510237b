//! Reservations: what they are, and where they find room. Pure.

use edge::answer::Versioned;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{GuestId, ReservationId, TableId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::choose;
use crate::floor::{Floor, Key};
use crate::model::{Table, TableStatus};

/// Covers are counted by the quarter of an hour.
pub(crate) const QUARTER: SignedDuration = SignedDuration::from_mins(15);
/// How far other times are looked for, in quarters before and after.
const QUARTERS_AROUND: i32 = 8;
/// Other times that are offered at most.
const TIMES_MAX: usize = 6;
/// A party that stays longer than expected is thought to stay so much longer still.
const OVERTIME: SignedDuration = SignedDuration::from_mins(15);

kernel::names! {
    /// Where a reservation stands.
    ReservationStatus {
        /// Kept for a few minutes, until it is booked.
        Held = "held",
        /// Promised.
        Booked = "booked",
        /// The party is here and waits.
        Arrived = "arrived",
        /// The party sits.
        Seated = "seated",
        /// The party has left.
        Completed = "completed",
        /// Given up, or never booked.
        Cancelled = "cancelled",
        /// The party did not come.
        NoShow = "no_show",
    }
}

/// Tables promised to a party for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// Whose it is.
    #[schema(example = "Ana Lopes")]
    pub guest_name: String,
    /// How many they are.
    pub party_size: i32,
    /// Where they can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phone: Option<String>,
    /// What the host should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub notes: Option<String>,
    /// When the party comes.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// When the tables are needed again.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Where it stands.
    pub status: ReservationStatus,
    /// The tables; several are pushed together.
    pub table_ids: Vec<TableId>,
    /// The party, once it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub guest_id: Option<GuestId>,
    /// Staff took it although the quarter of an hour was full.
    pub exceeds_pacing: bool,
    /// Until when it is held.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub expires_at: Option<Timestamp>,
    /// Why it got these tables.
    pub why: String,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Reservation {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Reservation {
    /// Whether its tables are kept for it: not yet seated, and not over.
    pub(crate) fn keeps_tables(&self, now: Timestamp) -> bool {
        match self.status {
            ReservationStatus::Held => self.expires_at.is_some_and(|at| at > now),
            ReservationStatus::Booked | ReservationStatus::Arrived => true,
            _ => false,
        }
    }
}

/// A table that is promised for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) reservation: ReservationId,
    pub(crate) table: TableId,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// A hold past its time counts for nobody, whether or not somebody has swept.
    pub(crate) live: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) starts_at: Timestamp,
    pub(crate) party_size: i32,
    /// Certain tables, or any.
    pub(crate) tables: Option<&'a [TableId]>,
    /// The reservation that is changed by it.
    pub(crate) own: Option<ReservationId>,
    /// Staff may exceed the pacing and the hours.
    pub(crate) by_staff: bool,
}

/// Where it finds room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tables: Vec<TableId>,
    pub(crate) ends_at: Timestamp,
    pub(crate) why: String,
    pub(crate) exceeds_pacing: bool,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The house is closed or pauses at that time.
    Closed,
    /// As many guests begin in that quarter of an hour as may.
    PacingFull,
    /// No table is free.
    NoTable,
}

/// What could be had instead, as of the same moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alternatives {
    /// Other times at which the party finds room.
    #[schema(value_type = Vec<String>)]
    pub times: Vec<String>,
    /// Other tables at the time that was asked for.
    pub tables: Vec<TableId>,
    /// Whether the party can come and wait.
    pub waitlist: bool,
}

impl Floor {
    /// Whether the tables of a reservation are still kept for it.
    pub(crate) fn is_awaited(&self, id: ReservationId) -> bool {
        match self.reservations.get(&id) {
            Some(found) => found.keeps_tables(self.now),
            None => self.booked.iter().any(|it| it.reservation == id && it.live),
        }
    }

    /// What the reservation keeps from now on, for whoever comes after it in the same write.
    pub(crate) fn rebook(&mut self, new: &Reservation) {
        self.booked.retain(|it| it.reservation != new.id);
        self.starts.retain(|(id, ..)| *id != new.id);
        if !new.keeps_tables(self.now) {
            return;
        }
        self.starts.push((new.id, new.starts_at, new.party_size));
        self.booked.extend(new.table_ids.iter().map(|table| Booked {
            reservation: new.id,
            table: *table,
            from: new.starts_at,
            to: new.ends_at,
            live: true,
        }));
    }

    fn is_free(&self, table: &Table, wish: &Wish<'_>, (from, to): (Timestamp, Timestamp)) -> bool {
        let promised = self.booked.iter().any(|it| {
            it.table == table.id
                && Some(it.reservation) != wish.own
                && it.from < to
                && from < it.to
                && self.is_awaited(it.reservation)
        });
        let until = self
            .occupied_until
            .get(&table.id)
            .map(|until| if *until > self.now { *until } else { self.now + OVERTIME });
        !promised
            && !self.is_gone(Key::Table(table.id))
            && !table.walk_in_only
            && table.status != TableStatus::OutOfService
            && until.is_none_or(|until| until <= from)
    }

    /// Guests that begin in the same quarter of an hour, without the wish.
    fn covers_beside(&self, wish: &Wish<'_>) -> i32 {
        let quarter = |at: Timestamp| at.as_second().div_euclid(QUARTER.as_secs());
        let same = |(id, at, _): &&(ReservationId, Timestamp, i32)| {
            Some(*id) != wish.own && quarter(*at) == quarter(wish.starts_at)
        };
        self.starts.iter().filter(same).map(|(_, _, covers)| covers).sum()
    }

    /// The room for a wish, under the locks of all tables.
    pub(crate) fn find_room(&self, wish: &Wish<'_>) -> Result<Place, NoRoom> {
        let rules = &self.settings.rules;
        if !wish.by_staff && !rules.is_open(wish.starts_at) {
            return Err(NoRoom::Closed);
        }
        let covers = self.covers_beside(wish) + wish.party_size;
        let exceeds_pacing = rules.covers_per_quarter.is_some_and(|most| covers > most);
        if exceeds_pacing && !wish.by_staff {
            return Err(NoRoom::PacingFull);
        }
        let ends_at = wish.starts_at + rules.turn(wish.party_size);
        let during = (wish.starts_at, ends_at);
        let free: Vec<&Table> =
            self.tables.values().filter(|table| self.is_free(table, wish, during)).collect();
        let place = |tables, why| Place { tables, ends_at, why, exceeds_pacing };
        let Some(named) = wish.tables else {
            let choice = choose::choose(&free, wish.party_size, &self.turns);
            return choice.map(|it| place(it.tables, it.why)).ok_or(NoRoom::NoTable);
        };
        let found: Vec<&Table> =
            free.into_iter().filter(|table| named.contains(&table.id)).collect();
        let seats: i32 = found.iter().map(|table| table.max_seats).sum();
        let whole = found.len() == named.len()
            && (found.len() == 1 || choose::make_one(&found))
            && seats >= wish.party_size;
        if whole {
            Ok(place(named.to_vec(), "The tables that were asked for.".to_owned()))
        } else {
            Err(NoRoom::NoTable)
        }
    }

    /// What could be had instead.
    pub(crate) fn alternatives(&self, wish: &Wish<'_>) -> Alternatives {
        let anywhere = Wish { tables: None, ..*wish };
        let around = (1..=QUARTERS_AROUND).flat_map(|n| [-n, n]);
        let mut times: Vec<Timestamp> = around
            .map(|n| wish.starts_at + QUARTER * n)
            .filter(|at| *at > self.now)
            .filter(|at| self.find_room(&Wish { starts_at: *at, ..anywhere }).is_ok())
            .take(TIMES_MAX)
            .collect();
        times.sort();
        let tables = match wish.tables {
            Some(_) => self.find_room(&anywhere).map(|it| it.tables).unwrap_or_default(),
            None => Vec::new(),
        };
        let times = times.into_iter().map(kernel::time::text).collect();
        Alternatives { times, tables, waitlist: true }
    }

    /// The room for a wish, or a refusal with what could be had instead.
    pub(crate) fn room(&self, wish: &Wish<'_>) -> Result<Place, FloorError> {
        self.find_room(wish)
            .map_err(|why| FloorError::NoRoom(why, Box::new(self.alternatives(wish))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, table};

    fn floor() -> Floor {
        let mut floor = Floor::new(at("2026-01-02T12:00:00Z"));
        for table in [table(1, 2), table(2, 4)] {
            floor.tables.insert(table.id, table);
        }
        floor
    }

    fn wish(starts_at: &str, party_size: i32) -> Wish<'static> {
        Wish { starts_at: at(starts_at), party_size, tables: None, own: None, by_staff: false }
    }

    fn book(floor: &mut Floor, number: u128, wish: &Wish<'_>) -> Place {
        let place = floor.find_room(wish).unwrap();
        let reservation = ReservationId(uuid::Uuid::from_u128(number));
        let (from, to) = (wish.starts_at, place.ends_at);
        floor.booked.extend(place.tables.iter().map(|id| Booked {
            reservation,
            table: *id,
            from,
            to,
            live: true,
        }));
        floor.starts.push((reservation, wish.starts_at, wish.party_size));
        place
    }

    #[test]
    fn a_table_is_promised_for_its_time_and_not_for_the_day() {
        let mut floor = floor();
        let eight = wish("2026-01-02T20:00:00Z", 4);
        book(&mut floor, 1, &eight);
        assert_eq!(floor.find_room(&eight), Err(NoRoom::NoTable));
        // 90 minutes for four: at half past nine the table is free again, and before half past six.
        assert!(floor.find_room(&wish("2026-01-02T21:30:00Z", 4)).is_ok());
        assert!(floor.find_room(&wish("2026-01-02T21:15:00Z", 4)).is_err());
        assert!(floor.find_room(&wish("2026-01-02T18:30:00Z", 4)).is_ok());
        let instead = floor.alternatives(&eight);
        let times = ["2026-01-02T18:15:00.000000Z", "2026-01-02T18:30:00.000000Z"];
        assert!(times.iter().all(|time| instead.times.contains(&(*time).to_owned())));
    }

    #[test]
    fn a_hold_past_its_time_keeps_no_table() {
        let mut floor = floor();
        let eight = wish("2026-01-02T20:00:00Z", 4);
        book(&mut floor, 1, &eight);
        floor.booked[0].live = false;
        assert!(floor.find_room(&eight).is_ok());
    }

    #[test]
    fn staff_may_exceed_the_pacing_and_it_is_marked() {
        let mut floor = floor();
        floor.settings.rules.covers_per_quarter = Some(4);
        book(&mut floor, 1, &wish("2026-01-02T20:00:00Z", 4));
        let more = wish("2026-01-02T20:14:00Z", 2);
        assert_eq!(floor.find_room(&more), Err(NoRoom::PacingFull));
        assert!(floor.find_room(&wish("2026-01-02T20:15:00Z", 2)).is_ok());
        let by_staff = floor.find_room(&Wish { by_staff: true, ..more }).unwrap();
        assert!(by_staff.exceeds_pacing);
    }

    #[test]
    fn walk_in_tables_are_never_promised_and_guests_who_sit_are_waited_for() {
        let mut floor = floor();
        let large = TableId(uuid::Uuid::from_u128(2));
        floor.occupied_until.insert(large, at("2026-01-02T13:00:00Z"));
        assert!(floor.find_room(&wish("2026-01-02T12:45:00Z", 4)).is_err());
        assert!(floor.find_room(&wish("2026-01-02T13:00:00Z", 4)).is_ok());
        floor.tables.get_mut(&large).unwrap().walk_in_only = true;
        assert!(floor.find_room(&wish("2026-01-02T20:00:00Z", 4)).is_err());
    }
}
