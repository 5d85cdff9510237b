//! How places change, whoever changes them: guests locked, then the chairs of all tables that are
//! involved, then one look, one plan, one write.

use std::collections::HashSet;

use booking::tables::{Chair, Tables};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use tickets::holders::{self, Holder};
use uuid::Uuid;

use crate::chairs::{Change, Wish, plan, table_state};
use crate::model::{By, GalaGuest, GuestRow, TableNote};
use crate::store::galas;
use crate::store::guests::{self, Seat};
use crate::store::moves::{self, Move};
use crate::store::tables as notes;
use crate::{GalaError, event};

/// What was found under the locks.
pub(crate) struct Locked {
    pub(crate) holders: Vec<Holder>,
    pub(crate) guests: Vec<GuestRow>,
    pub(crate) tables: Tables,
    pub(crate) notes: Vec<TableNote>,
}

/// The tickets of `show` with these ids.
///
/// # Errors
/// `NoSuchGuests` with those that are not.
pub(crate) async fn holders_of(
    tx: &mut Tx,
    show: ShowId,
    tickets: &[TicketId],
) -> Result<Vec<Holder>, GalaError> {
    let ids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.0).collect();
    let found = holders::find_by_ids(tx, show, &ids).await?;
    let known: HashSet<TicketId> = found.iter().map(|holder| holder.id).collect();
    let unknown = tickets.iter().filter(|ticket| !known.contains(ticket));
    let unknown: Vec<String> = unknown.map(ToString::to_string).collect();
    if unknown.is_empty() { Ok(found) } else { Err(GalaError::NoSuchGuests(unknown)) }
}

/// Locks the guests, in ticket order, then the chairs of where they are and of where they go.
///
/// # Errors
/// `NoSuchGuests`, `NoSuchTables`, `NoGala`.
pub(crate) async fn lock(tx: &mut Tx, show: ShowId, wishes: &[Wish]) -> Result<Locked, GalaError> {
    // A show without a gala has no guests to be locked.
    galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let tickets: Vec<TicketId> = wishes.iter().map(|wish| wish.guest).collect();
    let holders = holders_of(tx, show, &tickets).await?;
    let rows = guests::lock_guests(tx, show, &tickets).await?;
    let wanted = wishes.iter().filter_map(|wish| wish.table.as_deref());
    let (tables, notes) = lock_tables(tx, show, &rows, wanted).await?;
    Ok(Locked { holders, guests: rows, tables, notes })
}

/// Locks the chairs of where `guests` are and of `wanted`, then looks at what the house has said of
/// these tables.
///
/// # Errors
/// `NoSuchTables`, `NoGala`.
pub(crate) async fn lock_tables<'a>(
    tx: &mut Tx,
    show: ShowId,
    guests: &'a [GuestRow],
    wanted: impl Iterator<Item = &'a str>,
) -> Result<(Tables, Vec<TableNote>), GalaError> {
    let wanted: Vec<&str> = wanted.collect();
    let present = guests.iter().filter_map(|guest| guest.table.as_deref());
    let mut names: Vec<String> = present.chain(wanted.iter().copied()).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    let tables = booking::tables::lock_tables(tx, show, &names).await?;
    let tables = tables.ok_or(GalaError::NoGala)?;
    let mut unknown: Vec<String> = wanted
        .into_iter()
        .filter(|name| tables.of(name).next().is_none())
        .map(str::to_owned)
        .collect();
    unknown.dedup();
    if !unknown.is_empty() {
        return Err(GalaError::NoSuchTables(unknown));
    }
    let notes = notes::notes_of(tx, show, &names).await?;
    Ok((tables, notes))
}

/// Who sits where the booking says, because the ticket came with a chair.
pub(crate) fn booked_chair<'a>(holder: &'a Holder, tables: &Tables) -> Option<&'a str> {
    let seat = holder.seat.as_deref()?;
    let (block, _) = seat.rsplit_once('-')?;
    tables.names.iter().any(|name| name == block).then_some(seat)
}

impl Locked {
    /// The changes that the wishes need.
    ///
    /// # Errors
    /// `Revoked`, `SeatedByBooking`, `TooSmall`.
    pub(crate) fn plan(&self, wishes: &[Wish]) -> Result<Vec<Change<'_>>, GalaError> {
        let numbers = |which: &dyn Fn(&Holder) -> bool| -> Vec<String> {
            self.holders.iter().filter(|one| which(one)).map(|one| one.number.clone()).collect()
        };
        let to_be_seated: HashSet<TicketId> =
            wishes.iter().filter(|wish| wish.table.is_some()).map(|wish| wish.guest).collect();
        let revoked = numbers(&|one| one.revoked && to_be_seated.contains(&one.id));
        if !revoked.is_empty() {
            return Err(GalaError::Revoked(revoked));
        }
        let concerned: HashSet<TicketId> = wishes.iter().map(|wish| wish.guest).collect();
        let booked = numbers(&|one| {
            concerned.contains(&one.id) && booked_chair(one, &self.tables).is_some()
        });
        if !booked.is_empty() {
            return Err(GalaError::SeatedByBooking(booked));
        }
        plan(&self.tables.chairs, &self.guests, wishes).map_err(GalaError::TooSmall)
    }

    /// A guest as everybody on the staff sees them, after `change`.
    fn guest_after(&self, ticket: TicketId, to: Option<&Chair>) -> Option<GalaGuest> {
        let holder = self.holders.iter().find(|holder| holder.id == ticket)?;
        let row = self.guests.iter().find(|row| row.ticket == ticket);
        let mut guest = told(holder, row, None);
        guest.table = to.map(|chair| chair.table.clone());
        guest.chair = to.map(|chair| chair.label.clone());
        Some(guest)
    }

    /// A guest who stays where they are.
    pub(crate) fn guest_now(&self, ticket: TicketId) -> Option<GalaGuest> {
        let row = self.guests.iter().find(|row| row.ticket == ticket)?;
        let chair = self.tables.chairs.iter().find(|chair| Some(chair.number) == row.chair);
        self.guest_after(ticket, chair)
    }

    /// Writes the changes, says who made them, and tells everybody. Gives the guests who moved.
    ///
    /// # Errors
    /// The database's failures.
    pub(crate) fn carry_out(
        &self,
        tx: &mut Tx,
        changes: &[Change<'_>],
        by: By,
    ) -> Result<Vec<GalaGuest>, GalaError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let show = self.tables.show.id;
        write(tx, show, changes, by)?;
        let mut names: Vec<&str> = changes
            .iter()
            .flat_map(|change| [change.from, change.to])
            .flatten()
            .map(|chair| chair.table.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let states: Vec<_> = names
            .into_iter()
            .map(|name| table_state(&self.tables, name, &self.notes, changes))
            .collect();
        tx.emit(event::tables(show, by.as_str(), &states)?);
        let moved: Vec<GalaGuest> =
            changes.iter().filter_map(|c| self.guest_after(c.guest, c.to)).collect();
        for guest in &moved {
            let action = if guest.table.is_some() { "seated" } else { "unseated" };
            tx.emit(event::guest(action, show, guest)?);
        }
        Ok(moved)
    }
}

fn write(tx: &mut Tx, show: ShowId, changes: &[Change<'_>], by: By) -> Result<(), GalaError> {
    let freed: Vec<(&Chair, Uuid)> =
        changes.iter().filter_map(|c| c.from.map(|chair| (chair, c.guest.0))).collect();
    let given: Vec<(&Chair, Uuid)> =
        changes.iter().filter_map(|c| c.to.map(|chair| (chair, c.guest.0))).collect();
    booking::tables::change_chairs(tx, show, &freed, &given)?;
    if !freed.is_empty() {
        let leaving = changes.iter().filter(|c| c.from.is_some()).map(|c| c.guest);
        guests::unseat_guests(tx, show, leaving.collect())?;
    }
    let seats: Vec<Seat> = changes
        .iter()
        .filter_map(|c| {
            c.to.map(|to| Seat { ticket: c.guest, table: to.table.clone(), chair: to.number })
        })
        .collect();
    if !seats.is_empty() {
        let now = tx.now();
        guests::seat_guests(tx, show, &seats, now)?;
    }
    let table = |chair: Option<&Chair>| chair.map(|chair| chair.table.clone());
    let rows: Vec<Move> = changes
        .iter()
        .map(|c| Move { ticket: c.guest, from: table(c.from), to: table(c.to) })
        .collect();
    Ok(moves::insert_moves(tx, show, &rows, by)?)
}

/// A guest, put together from the ticket, the row and the chair.
pub(crate) fn told(holder: &Holder, row: Option<&GuestRow>, chair: Option<&str>) -> GalaGuest {
    GalaGuest {
        id: holder.id,
        number: holder.number.clone(),
        name: holder.name.clone(),
        table: row.and_then(|row| row.table.clone()),
        chair: chair.map(str::to_owned),
        party: row.and_then(|row| row.code.clone()),
        with: row.and_then(|row| row.with.clone()),
        by_booking: false,
        revoked: holder.revoked,
        preferences: row.map(|row| row.preferences.clone()).unwrap_or_default(),
    }
}
