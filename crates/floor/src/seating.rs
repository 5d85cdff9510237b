//! Who sits where: the rules of seating, on the locked floor. Pure.

use std::collections::BTreeSet;

use kernel::ids::{GuestId, ReservationId, TableId};

use crate::FloorError;
use crate::choose::{self, Choice};
use crate::floor::{Fate, Floor, Key};
use crate::model::{Guest, GuestStatus, Party, TABLES_PER_PARTY_MAX, Table, TableStatus};
use crate::reservation::ReservationStatus;

/// How strictly tables are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Free, large enough, combinable, and not promised to anybody else.
    Strict,
    /// On somebody's word: only whether another party sits there counts. The exception is counted.
    Anyway,
    /// An undo: the party was there a moment ago.
    Back,
}

impl Care {
    pub(crate) fn of(anyway: bool) -> Self {
        if anyway { Self::Anyway } else { Self::Strict }
    }
}

impl Floor {
    /// Whether a table is promised to somebody else than `own` while a party of `size` would sit
    /// there from now on.
    fn is_promised(&self, table: TableId, size: i32, own: Option<ReservationId>) -> bool {
        let until = self.now + self.settings.rules.turn(size);
        self.booked.iter().any(|it| {
            it.table == table
                && Some(it.reservation) != own
                && it.from < until
                && it.to > self.now
                && self.is_awaited(it.reservation)
        })
    }

    /// Tables where a party of `size` can sit down now.
    pub(crate) fn free_now(&self, size: i32, own: Option<ReservationId>) -> Vec<&Table> {
        let free = |table: &&Table| {
            table.guest_id.is_none()
                && table.status == TableStatus::Available
                && !self.is_promised(table.id, size, own)
                && !self.is_gone(Key::Table(table.id))
        };
        self.tables.values().filter(free).collect()
    }

    /// Chooses tables for the party, or says that there are none.
    pub(crate) fn choose_for(&self, id: GuestId) -> Result<Choice, FloorError> {
        let guest = &self.guest(id)?.guest;
        if let Some(kept) = self.kept_for(guest) {
            return Ok(kept);
        }
        let free = self.free_now(guest.party_size, guest.reservation_id);
        choose::choose(&free, guest.party_size, &self.turns).ok_or(FloorError::NoTable)
    }

    /// The tables of the party's own reservation, if it can sit there.
    fn kept_for(&self, guest: &Guest) -> Option<Choice> {
        let found = self.reservations.get(&guest.reservation_id?)?;
        let free = |id: &TableId| {
            self.tables.get(id).is_some_and(|table| {
                table.guest_id.is_none()
                    && matches!(table.status, TableStatus::Available | TableStatus::Reserved)
            })
        };
        let seats: i32 =
            found.table_ids.iter().filter_map(|id| self.tables.get(id)).map(|t| t.max_seats).sum();
        let whole = !found.table_ids.is_empty() && found.table_ids.iter().all(free);
        (whole && seats >= guest.party_size).then(|| Choice {
            tables: found.table_ids.clone(),
            why: "The tables that were reserved.".to_owned(),
        })
    }

    /// Seats a party that waits.
    pub(crate) fn seat(
        &mut self,
        id: GuestId,
        tables: &[TableId],
        care: Care,
    ) -> Result<(), FloorError> {
        let party = self.guest(id)?;
        if !party.guest.is_waiting() {
            return Err(FloorError::NoWay(Box::new(party.guest.clone())));
        }
        let (now, since) = (self.now, party.guest.created_at);
        self.change_guest(id, "seated")?.step(GuestStatus::Seated, now);
        self.place(id, tables, care)?;
        let guest = &mut self.change_guest(id, "seated")?.guest;
        guest.seated_at = Some(now);
        guest.waited_minutes = Some(now.duration_since(since).as_mins().max(0));
        self.follow(id, ReservationStatus::Seated)
    }

    /// Gives the tables to the party, which has none any more.
    fn place(&mut self, id: GuestId, ids: &[TableId], care: Care) -> Result<(), FloorError> {
        let guest = self.guest(id)?.guest.clone();
        let over = self.check_place(&guest, ids, care)?;
        let mut section = None;
        for table in ids {
            let table = self.change_table(*table, "occupied")?;
            table.guest_id = Some(id);
            table.status = TableStatus::Occupied;
            section = section.or(table.section_id);
        }
        let guest = &mut self.change_guest(id, "seated")?.guest;
        guest.table_id = ids.first().copied();
        guest.table_ids = ids.to_vec();
        guest.section_id = section;
        guest.over_capacity |= over;
        Ok(())
    }

    /// Whether the party may have the tables. Says whether only somebody's word allows it.
    fn check_place(&self, guest: &Guest, ids: &[TableId], care: Care) -> Result<bool, FloorError> {
        let distinct: BTreeSet<_> = ids.iter().collect();
        if ids.is_empty() || distinct.len() != ids.len() || ids.len() > TABLES_PER_PARTY_MAX {
            return Err(FloorError::BadTables);
        }
        let tables: Vec<_> = ids.iter().map(|id| self.table(*id)).collect::<Result<_, _>>()?;
        let own = guest.reservation_id.and_then(|id| self.reservations.get(&id));
        let may = |table: &&&Table| match table.status {
            _ if table.guest_id.is_some_and(|other| other != guest.id) => false,
            TableStatus::Available => true,
            TableStatus::Reserved => {
                care != Care::Strict || own.is_some_and(|own| own.table_ids.contains(&table.id))
            }
            TableStatus::Dirty | TableStatus::Occupied => care == Care::Back,
            TableStatus::OutOfService => false,
        };
        let taken: Vec<_> = tables.iter().filter(|table| !may(table)).copied().cloned().collect();
        if !taken.is_empty() {
            return Err(FloorError::TablesTaken(taken));
        }
        if care == Care::Back {
            return Ok(false);
        }
        let promised =
            ids.iter().any(|id| self.is_promised(*id, guest.party_size, guest.reservation_id));
        let seats: i32 = tables.iter().map(|table| table.max_seats).sum();
        let apart = tables.len() > 1 && !choose::make_one(&tables);
        let refused = match () {
            () if seats < guest.party_size => {
                Some(FloorError::OverCapacity { party: guest.party_size, seats })
            }
            () if apart => Some(FloorError::NotCombinable),
            () if promised => Some(FloorError::Promised),
            () => None,
        };
        match refused {
            Some(refused) if care == Care::Strict => Err(refused),
            refused => Ok(refused.is_some()),
        }
    }

    /// Takes the party's tables away; they become `to`.
    fn release(&mut self, id: GuestId, to: TableStatus) -> Result<(), FloorError> {
        let own = |table: &&Table| table.guest_id == Some(id);
        let tables: Vec<_> = self.tables.values().filter(own).map(|table| table.id).collect();
        for table in tables {
            let table = self.change_table(table, "freed")?;
            table.guest_id = None;
            table.status = to;
        }
        Ok(())
    }

    fn check_seated(&self, id: GuestId) -> Result<&Party, FloorError> {
        let party = self.guest(id)?;
        match party.guest.status {
            GuestStatus::Seated => Ok(party),
            _ => Err(FloorError::NoWay(Box::new(party.guest.clone()))),
        }
    }

    /// The party goes to other tables; those it leaves are cleared.
    pub(crate) fn move_to(
        &mut self,
        id: GuestId,
        tables: &[TableId],
        care: Care,
    ) -> Result<(), FloorError> {
        let left = self.check_seated(id)?.guest.table_ids.clone();
        let (now, cleared) = (self.now, self.settings.rules.cleared());
        self.change_guest(id, "moved")?.step(GuestStatus::Seated, now);
        self.release(id, TableStatus::Available)?;
        self.place(id, tables, care)?;
        for table in left.iter().filter(|table| !tables.contains(table)) {
            self.change_table(*table, "freed")?.status = cleared;
        }
        self.change_guest(id, "moved").map(drop)
    }

    /// Two seated parties change places.
    pub(crate) fn swap(
        &mut self,
        one: GuestId,
        other: GuestId,
        care: Care,
    ) -> Result<(), FloorError> {
        if one == other {
            return Err(FloorError::SameGuest);
        }
        let first = self.check_seated(one)?.guest.table_ids.clone();
        let second = self.check_seated(other)?.guest.table_ids.clone();
        let now = self.now;
        for id in [one, other] {
            self.change_guest(id, "swapped")?.step(GuestStatus::Seated, now);
            self.release(id, TableStatus::Available)?;
        }
        self.place(one, &second, care)?;
        self.place(other, &first, care)?;
        for id in [one, other] {
            self.change_guest(id, "swapped")?;
        }
        Ok(())
    }

    /// `other` joins `id`: one party, with the tables of both. `other` is gone.
    pub(crate) fn merge(
        &mut self,
        id: GuestId,
        other: GuestId,
        care: Care,
    ) -> Result<(), FloorError> {
        if id == other {
            return Err(FloorError::SameGuest);
        }
        let (one, two) = (self.guest(id)?.guest.clone(), self.guest(other)?.guest.clone());
        for guest in [&one, &two] {
            let live = guest.is_waiting() || guest.status == GuestStatus::Seated;
            if !live || (one.reservation_id.is_some() && two.reservation_id.is_some()) {
                return Err(FloorError::NoWay(Box::new(guest.clone())));
            }
        }
        let tables = [one.table_ids.as_slice(), &two.table_ids].concat();
        self.release(id, TableStatus::Available)?;
        self.release(other, TableStatus::Available)?;
        let (now, seated) = (self.now, one.seated_at.or(two.seated_at));
        let party = self.change_guest(id, "merged")?;
        party.previous_status = None;
        party.guest.party_size += two.party_size;
        party.guest.reservation_id = one.reservation_id.or(two.reservation_id);
        if !tables.is_empty() {
            party.guest.status = GuestStatus::Seated;
            party.guest.seated_at = seated.or(Some(now));
            self.place(id, &tables, care)?;
        }
        if let Some(reservation) = two.reservation_id {
            self.change_reservation(reservation, "merged")?.guest_id = Some(id);
        }
        self.change_guest(id, "merged")?;
        self.tell(Key::Guest(other), Fate::Deleted, "merged");
        Ok(())
    }

    /// `size` of the party become one of their own, at `tables`: some of the party's own, or free
    /// ones; in the line without any.
    pub(crate) fn split(
        &mut self,
        id: GuestId,
        (new, name): (GuestId, Option<String>),
        size: i32,
        tables: &[TableId],
        care: Care,
    ) -> Result<(), FloorError> {
        let mut party = self.guest(id)?.clone();
        let live = party.guest.is_waiting() || party.guest.status == GuestStatus::Seated;
        let left: Vec<_> =
            party.guest.table_ids.iter().filter(|it| !tables.contains(it)).copied().collect();
        let homeless = party.guest.status == GuestStatus::Seated && left.is_empty();
        if !live || size >= party.guest.party_size || homeless {
            return Err(FloorError::NoWay(Box::new(party.guest)));
        }
        let was = party.guest.status;
        self.release(id, TableStatus::Available)?;
        let rest = self.change_guest(id, "split")?;
        rest.previous_status = None;
        rest.guest.party_size -= size;
        if was == GuestStatus::Seated {
            self.place(id, &left, Care::Anyway)?;
            self.change_guest(id, "split")?.guest.over_capacity = false;
        }
        (party.link_hash, party.previous_status, party.guest.reservation_id) = (None, None, None);
        let guest = &mut party.guest;
        (guest.id, guest.party_size, guest.version) = (new, size, 1);
        guest.guest_name = name.unwrap_or_else(|| guest.guest_name.clone());
        (guest.status, guest.table_ids, guest.table_id) = (GuestStatus::Waiting, Vec::new(), None);
        (guest.section_id, guest.over_capacity) = (None, false);
        self.guests.insert(new, party);
        self.tell(Key::Guest(new), Fate::Created, "split");
        if tables.is_empty() { Ok(()) } else { self.seat(new, tables, care) }
    }

    /// The party was not meant to sit there: it waits again, and the tables are free.
    pub(crate) fn unseat(&mut self, id: GuestId) -> Result<(), FloorError> {
        self.check_seated(id)?;
        let now = self.now;
        self.change_guest(id, "unseated")?.step(GuestStatus::Waiting, now);
        self.stand_up(id)?;
        self.follow(id, ReservationStatus::Arrived)
    }

    fn stand_up(&mut self, id: GuestId) -> Result<(), FloorError> {
        self.release(id, TableStatus::Available)?;
        let guest = &mut self.change_guest(id, "unseated")?.guest;
        (guest.table_ids, guest.table_id, guest.section_id) = (Vec::new(), None, None);
        (guest.seated_at, guest.waited_minutes, guest.over_capacity) = (None, None, false);
        Ok(())
    }

    /// The party has left.
    pub(crate) fn complete(&mut self, id: GuestId) -> Result<(), FloorError> {
        self.check_seated(id)?;
        let (now, cleared) = (self.now, self.settings.rules.cleared());
        self.release(id, cleared)?;
        self.change_guest(id, "completed")?.step(GuestStatus::Completed, now);
        self.follow(id, ReservationStatus::Completed)
    }

    /// A party that waits is told, goes away, or does not come.
    pub(crate) fn dismiss(
        &mut self,
        id: GuestId,
        to: GuestStatus,
        action: &'static str,
    ) -> Result<(), FloorError> {
        let party = self.guest(id)?;
        if !party.guest.is_waiting() {
            return Err(FloorError::NoWay(Box::new(party.guest.clone())));
        }
        let now = self.now;
        self.change_guest(id, action)?.step(to, now);
        match to {
            GuestStatus::Cancelled => self.follow(id, ReservationStatus::Cancelled),
            GuestStatus::NoShow => self.follow(id, ReservationStatus::NoShow),
            _ => Ok(()),
        }
    }

    /// Takes the last step back.
    pub(crate) fn undo(&mut self, id: GuestId) -> Result<(), FloorError> {
        let party = self.guest(id)?.clone();
        let Some(to) = party.undoable(self.now) else {
            return Err(FloorError::NothingToUndo(Box::new(party.guest)));
        };
        match (party.guest.status, to) {
            (_, GuestStatus::Seated) => {
                self.release(id, TableStatus::Available)?;
                self.place(id, &party.previous_tables, Care::Back)?;
            }
            (GuestStatus::Seated, _) => self.stand_up(id)?,
            _ => {}
        }
        let now = self.now;
        let party = self.change_guest(id, "undone")?;
        if party.guest.arrived_at == party.stepped_at {
            party.guest.arrived_at = None;
        }
        party.guest.status = to;
        party.guest.ended_at = None;
        match to {
            GuestStatus::Waiting => party.guest.notified_at = None,
            GuestStatus::Seated => {
                party.guest.seated_at = party.guest.seated_at.or(Some(now));
            }
            _ => {}
        }
        (party.previous_status, party.previous_tables) = (None, Vec::new());
        let seated = to == GuestStatus::Seated;
        self.follow(id, if seated { ReservationStatus::Seated } else { ReservationStatus::Arrived })
    }

    /// The reservation goes where its party goes.
    fn follow(&mut self, id: GuestId, to: ReservationStatus) -> Result<(), FloorError> {
        let Some(own) = self.guest(id)?.guest.reservation_id else { return Ok(()) };
        if self.reservations.contains_key(&own) {
            self.change_reservation(own, to.as_str())?.status = to;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, party, table};

    const GUESTS: u128 = 8;
    const TABLES: u128 = 5;

    fn guest(number: u128) -> GuestId {
        GuestId(uuid::Uuid::from_u128(number))
    }

    fn floor() -> Floor {
        let mut floor = Floor::new(at("2026-01-01T20:00:00Z"));
        for number in 1..=TABLES {
            let mut table = table(number, 4);
            table.combinable_with = vec![TableId(uuid::Uuid::from_u128(number % TABLES + 1))];
            floor.tables.insert(table.id, table);
        }
        for number in 1..=GUESTS {
            floor.guests.insert(guest(number), party(number, i32::try_from(number).unwrap()));
        }
        floor
    }

    /// What holds after every step: a table is occupied if and only if a party sits there, and
    /// each party that sits says where.
    fn check(floor: &Floor) {
        for table in floor.tables.values() {
            let occupied = table.status == TableStatus::Occupied;
            assert_eq!(occupied, table.guest_id.is_some(), "{table:?}");
        }
        for party in floor.guests.values() {
            let guest = &party.guest;
            if floor.is_gone(Key::Guest(guest.id)) {
                continue;
            }
            let own = |table: &&Table| table.guest_id == Some(guest.id);
            let sits: BTreeSet<_> = floor.tables.values().filter(own).map(|it| it.id).collect();
            let says: BTreeSet<_> = guest.table_ids.iter().copied().collect();
            match guest.status {
                GuestStatus::Seated => assert!(sits == says && !sits.is_empty(), "{guest:?}"),
                _ => assert!(sits.is_empty(), "{guest:?}"),
            }
        }
    }

    /// A die that falls the same way in every run.
    struct Die(u64);

    impl Die {
        fn to(&mut self, sides: u128) -> u128 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            u128::from(self.0 >> 33) % sides + 1
        }
    }

    fn random_step(floor: &mut Floor, die: &mut Die) -> Result<(), FloorError> {
        let (one, other) = (guest(die.to(GUESTS)), guest(die.to(GUESTS)));
        let mut tables: Vec<_> =
            (0..die.to(2)).map(|_| TableId(uuid::Uuid::from_u128(die.to(TABLES)))).collect();
        let care = Care::of(die.to(2) == 1);
        match die.to(11) {
            1 | 2 => floor.seat(one, &tables, care),
            3 => floor.move_to(one, &tables, care),
            4 => floor.swap(one, other, care),
            5 if die.to(4) == 1 => floor.merge(one, other, care),
            6 => {
                let new = guest(100 + die.to(1_000));
                tables.truncate(1);
                floor.split(one, (new, None), 1, &tables, care)
            }
            7 => floor.unseat(one),
            8 => floor.complete(one),
            9 => floor.dismiss(one, GuestStatus::NoShow, "no_show"),
            10 => {
                let table = floor.change_table(tables[0], "status_changed")?;
                if table.status == TableStatus::Dirty {
                    table.status = TableStatus::Available;
                }
                Ok(())
            }
            _ => floor.undo(one),
        }
    }

    #[test]
    fn no_sequence_of_steps_seats_two_parties_at_a_table() {
        let mut done = 0;
        for seed in 0..40 {
            let (mut floor, mut die) = (floor(), Die(seed));
            for _ in 0..120 {
                // As a write does: what is refused leaves no trace.
                let mut tried = floor.clone();
                if random_step(&mut tried, &mut die).is_ok() {
                    tried.told.retain(|told| told.fate == Fate::Deleted);
                    floor = tried;
                    done += 1;
                }
                check(&floor);
            }
        }
        assert!(done > 500, "only {done} steps were possible");
    }
}
