//! The part of the floor that a write works on: what was locked and what was seen under the locks.
//!
//! Rules change it in memory, one after the other; `save` sends all changes with the commit. A
//! batch is therefore nothing but several rules on one `Floor`, and a refusal leaves no trace.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kernel::event::Event;
use kernel::ids::{GuestId, LevelId, ReservationId, SectionId, TableId, UserId};

use crate::error::{Kind, stale};
use crate::event;
use crate::model::{Level, Party, Section, Table};
use crate::reservation::{Booked, Reservation};
use crate::settings::FloorSettings;
use crate::{FloorError, choose};

/// What a write locks and looks at. The locks are always taken in the order of the fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    pub(crate) reservations: Vec<ReservationId>,
    pub(crate) guests: Vec<GuestId>,
    pub(crate) tables: Vec<TableId>,
    /// Every table: the rule chooses among them, or promises one for later.
    pub(crate) all_tables: bool,
    pub(crate) sections: Vec<SectionId>,
    /// Every level: there are few, and they change seldom.
    pub(crate) levels: bool,
    /// The time whose reservations count; the hours from now on, unless given.
    pub(crate) window: Option<(Timestamp, Timestamp)>,
}

/// One entity of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Level(LevelId),
    Section(SectionId),
    Table(TableId),
    Guest(GuestId),
    Reservation(ReservationId),
}

/// What became of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Created,
    Updated,
    Deleted,
}

/// What is to be told of an entity when the write commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) key: Key,
    pub(crate) fate: Fate,
    pub(crate) action: &'static str,
}

/// What was found under the locks.
#[derive(Clone, Debug)]
pub(crate) struct Floor {
    pub(crate) now: Timestamp,
    pub(crate) settings: FloorSettings,
    /// All of the venue and locked, if they were asked for; none otherwise.
    pub(crate) levels: BTreeMap<LevelId, Level>,
    /// All of the venue; locked are those that were asked for.
    pub(crate) sections: BTreeMap<SectionId, Section>,
    pub(crate) tables: BTreeMap<TableId, Table>,
    pub(crate) guests: BTreeMap<GuestId, Party>,
    pub(crate) reservations: BTreeMap<ReservationId, Reservation>,
    /// Whose the locked reservations are, and the hashes of their secrets.
    pub(crate) tokens: BTreeMap<ReservationId, (Option<UserId>, Option<String>)>,
    /// Tables that are promised to somebody within the window.
    pub(crate) booked: Vec<Booked>,
    pub(crate) turns: BTreeMap<SectionId, choose::Turn>,
    /// Who sat where before this write.
    pub(crate) seated_before: BTreeMap<TableId, GuestId>,
    /// Until when the parties that sit somewhere are expected to stay.
    pub(crate) occupied_until: BTreeMap<TableId, Timestamp>,
    /// How many guests of other reservations begin when, within the window.
    pub(crate) starts: Vec<(ReservationId, Timestamp, i32)>,
    /// What is to be told, in order.
    pub(crate) told: Vec<Told>,
}

impl Floor {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            settings: FloorSettings::default(),
            levels: BTreeMap::new(),
            sections: BTreeMap::new(),
            tables: BTreeMap::new(),
            guests: BTreeMap::new(),
            reservations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            booked: Vec::new(),
            turns: BTreeMap::new(),
            seated_before: BTreeMap::new(),
            occupied_until: BTreeMap::new(),
            starts: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Whether this write has changed it already.
    fn is_told(&self, key: Key) -> bool {
        self.told.iter().any(|told| told.key == key)
    }

    /// Remembers what to tell. Several changes of one entity are told once, by the last action.
    /// Gives whether it is the first one: the version rises once in a write.
    pub(crate) fn tell(&mut self, key: Key, fate: Fate, action: &'static str) -> bool {
        let Some(told) = self.told.iter_mut().find(|told| told.key == key) else {
            self.told.push(Told { key, fate, action });
            return true;
        };
        let still_new = told.fate == Fate::Created && fate == Fate::Updated;
        if !still_new {
            (told.fate, told.action) = (fate, action);
        }
        false
    }

    /// The table, to look at.
    pub(crate) fn table(&self, id: TableId) -> Result<&Table, FloorError> {
        let found = self.tables.get(&id).filter(|_| !self.is_gone(Key::Table(id)));
        found.ok_or(FloorError::Absent(Kind::Table))
    }

    /// The party, to look at.
    pub(crate) fn guest(&self, id: GuestId) -> Result<&Party, FloorError> {
        let found = self.guests.get(&id).filter(|_| !self.is_gone(Key::Guest(id)));
        found.ok_or(FloorError::Absent(Kind::Guest))
    }

    /// The reservation, to look at.
    pub(crate) fn reservation(&self, id: ReservationId) -> Result<&Reservation, FloorError> {
        self.reservations.get(&id).ok_or(FloorError::Absent(Kind::Reservation))
    }

    /// The table, to change.
    pub(crate) fn change_table(
        &mut self,
        id: TableId,
        action: &'static str,
    ) -> Result<&mut Table, FloorError> {
        self.table(id)?;
        let first = self.tell(Key::Table(id), Fate::Updated, action);
        let table = self.tables.get_mut(&id).ok_or(FloorError::Absent(Kind::Table))?;
        table.version += i64::from(first);
        Ok(table)
    }

    /// The party, to change.
    pub(crate) fn change_guest(
        &mut self,
        id: GuestId,
        action: &'static str,
    ) -> Result<&mut Party, FloorError> {
        self.guest(id)?;
        let first = self.tell(Key::Guest(id), Fate::Updated, action);
        let party = self.guests.get_mut(&id).ok_or(FloorError::Absent(Kind::Guest))?;
        party.guest.version += i64::from(first);
        Ok(party)
    }

    /// The level, to change.
    pub(crate) fn change_level(
        &mut self,
        id: LevelId,
        action: &'static str,
    ) -> Result<&mut Level, FloorError> {
        self.check_level(Some(id))?;
        let first = self.tell(Key::Level(id), Fate::Updated, action);
        let level = self.levels.get_mut(&id).ok_or(FloorError::Absent(Kind::Level))?;
        level.version += i64::from(first);
        Ok(level)
    }

    /// Whether the level is there.
    pub(crate) fn check_level(&self, id: Option<LevelId>) -> Result<(), FloorError> {
        match id {
            Some(id) if !self.levels.contains_key(&id) || self.is_gone(Key::Level(id)) => {
                Err(FloorError::Absent(Kind::Level))
            }
            _ => Ok(()),
        }
    }

    /// The section, to change.
    pub(crate) fn change_section(
        &mut self,
        id: SectionId,
        action: &'static str,
    ) -> Result<&mut Section, FloorError> {
        if !self.sections.contains_key(&id) || self.is_gone(Key::Section(id)) {
            return Err(FloorError::Absent(Kind::Section));
        }
        let first = self.tell(Key::Section(id), Fate::Updated, action);
        let section = self.sections.get_mut(&id).ok_or(FloorError::Absent(Kind::Section))?;
        section.version += i64::from(first);
        Ok(section)
    }

    /// The reservation, to change.
    pub(crate) fn change_reservation(
        &mut self,
        id: ReservationId,
        action: &'static str,
    ) -> Result<&mut Reservation, FloorError> {
        self.reservation(id)?;
        let first = self.tell(Key::Reservation(id), Fate::Updated, action);
        let found = self.reservations.get_mut(&id);
        let reservation = found.ok_or(FloorError::Absent(Kind::Reservation))?;
        reservation.version += i64::from(first);
        Ok(reservation)
    }

    /// Refuses a version that is not the present one. What this write has changed itself is
    /// compared no more: its version has risen, and nobody else can have changed it.
    pub(crate) fn check_seen(&self, key: Key, seen: Option<i64>) -> Result<(), FloorError> {
        let Some(seen) = seen.filter(|_| !self.is_told(key)) else { return Ok(()) };
        match key {
            Key::Level(id) => match self.levels.get(&id) {
                Some(level) if level.version != seen => Err(stale(level)),
                _ => Ok(()),
            },
            Key::Section(id) => match self.sections.get(&id) {
                Some(section) if section.version != seen => Err(stale(section)),
                _ => Ok(()),
            },
            Key::Table(id) => match self.tables.get(&id) {
                Some(table) if table.version != seen => Err(stale(table)),
                _ => Ok(()),
            },
            Key::Guest(id) => match self.guests.get(&id) {
                Some(party) if party.guest.version != seen => Err(stale(&party.guest)),
                _ => Ok(()),
            },
            Key::Reservation(id) => match self.reservations.get(&id) {
                Some(found) if found.version != seen => Err(stale(found)),
                _ => Ok(()),
            },
        }
    }

    /// What to tell, in the order in which it came about.
    pub(crate) fn events(&self) -> Result<Vec<Event>, FloorError> {
        let mut events = Vec::with_capacity(self.told.len());
        for told in &self.told {
            let found = match told.key {
                Key::Level(id) => self.levels.get(&id).map(|it| event::level(told, it)),
                Key::Section(id) => self.sections.get(&id).map(|it| event::section(told, it)),
                Key::Table(id) => self.tables.get(&id).map(|it| event::table(told, it)),
                Key::Guest(id) => self.guests.get(&id).map(|it| event::guest(told, &it.guest)),
                Key::Reservation(id) => {
                    self.reservations.get(&id).map(|it| event::reservation(told, it))
                }
            };
            events.extend(found.transpose()?);
        }
        Ok(events)
    }

    /// Who sits where now, of the tables that are locked.
    pub(crate) fn seated_now(&self) -> BTreeMap<TableId, GuestId> {
        let gone = |id: &TableId| self.is_gone(Key::Table(*id));
        let seated = self.tables.values().filter(|table| !gone(&table.id));
        seated.filter_map(|table| table.guest_id.map(|guest| (table.id, guest))).collect()
    }

    /// Whether this write takes it away.
    pub(crate) fn is_gone(&self, key: Key) -> bool {
        self.told.iter().any(|told| told.key == key && told.fate == Fate::Deleted)
    }
}
