//! How every write of this slice is carried out: lock what it touches, apply the rule to the floor
//! in memory, save and tell what it changed.

use jiff::{SignedDuration, Timestamp};
use kernel::ids::{GuestId, ReservationId, SectionId, TableId};
use pg::Tx;

use crate::floor::{Floor, Touched};
use crate::store::floor;
use crate::{FloorError, summon};

impl Touched {
    /// This table.
    pub(crate) fn table(id: TableId) -> Self {
        Self { tables: vec![id], ..Self::default() }
    }

    /// This section.
    pub(crate) fn section(id: SectionId) -> Self {
        Self { sections: vec![id], ..Self::default() }
    }

    /// This party, with its tables and its reservation.
    pub(crate) fn guest(id: GuestId) -> Self {
        Self { guests: vec![id], ..Self::default() }
    }

    /// This reservation, with its party and its tables.
    pub(crate) fn reservation(id: ReservationId) -> Self {
        Self { reservations: vec![id], ..Self::default() }
    }

    /// And this party.
    pub(crate) fn and_guest(mut self, id: GuestId) -> Self {
        self.guests.push(id);
        self
    }

    /// And these tables; all of them, to choose among, when there are none named.
    pub(crate) fn and_tables(mut self, ids: Option<&[TableId]>) -> Self {
        match ids {
            Some(ids) => self.tables.extend_from_slice(ids),
            None => self.all_tables = true,
        }
        self
    }

    /// And the levels, if `are`.
    pub(crate) fn and_levels(mut self, are: bool) -> Self {
        self.levels |= are;
        self
    }

    /// And what is promised soon, where a window was asked for.
    pub(crate) fn and_soon(mut self, now: Timestamp, soon: SignedDuration) -> Self {
        let widened = self.window.map(|(from, to)| (from.min(now - soon), to.max(now + soon)));
        self.window = widened;
        self
    }

    /// And all that the other touches.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.reservations.extend(other.reservations);
        self.guests.extend(other.guests);
        self.tables.extend(other.tables);
        self.all_tables |= other.all_tables;
        self.sections.extend(other.sections);
        self.levels |= other.levels;
        self.window = match (self.window, other.window) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        self
    }
}

/// Locks, applies, saves, tells.
pub(crate) async fn carry_out<T>(
    tx: &mut Tx,
    touched: &Touched,
    rule: impl FnOnce(&mut Floor) -> Result<T, FloorError>,
) -> Result<T, FloorError> {
    let mut found = floor::lock_floor(tx, touched).await?;
    let told = rule(&mut found)?;
    finish(tx, &found)?;
    Ok(told)
}

/// The same for changes of the plan alone: tables that are moved, turned, renamed. Nobody sits down by
/// them and nothing is promised, so only the tables and who sits there are looked at; and the
/// sections, if one is `named`.
pub(crate) async fn carry_out_on_plan<T>(
    tx: &mut Tx,
    tables: &[TableId],
    named: Option<SectionId>,
    rule: impl FnOnce(&mut Floor) -> Result<T, FloorError>,
) -> Result<T, FloorError> {
    let mut found = floor::lock_plan(tx, tables, named.is_some()).await?;
    let told = rule(&mut found)?;
    finish(tx, &found)?;
    Ok(told)
}

/// Saves and tells what was changed.
pub(crate) fn finish(tx: &mut Tx, floor: &Floor) -> Result<(), FloorError> {
    floor::save(tx, floor)?;
    for event in floor.events()? {
        tx.emit(event);
    }
    summon::summon(tx, floor)
}
