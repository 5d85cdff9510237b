//! Tables of a show as the slice above sees them: their chairs, locked, and who has them.
//!
//! A chair is a seat. A guest's claim on it stands in the same table as those of holds and
//! bookings, under the same key, so that no chair is given out twice between the two.

use std::collections::HashSet;

use kernel::ids::{BookingId, ShowId};
use pg::{DbError, Reader, Tx};
use uuid::Uuid;

use crate::model::{SeatState, SeatStatus, Show};
use crate::plan::{BlockKind, Plan};
use crate::store::tables as store;
use crate::{BookingError, event};

/// Whose a chair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChairOwner {
    /// Nobody's.
    Free,
    /// The house keeps it, or a share that not everybody may sell has it.
    Kept,
    /// A hold or a booking has it.
    Booked,
    /// A guest sits there.
    Guest(Uuid),
}

/// A seat at a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chair {
    /// Its number in the show, and in the order of the locks.
    pub number: i32,
    /// Block and number.
    pub label: String,
    /// Its table.
    pub table: String,
    /// Whether a wheelchair reaches it.
    pub accessible: bool,
    /// Whose it is.
    pub owner: ChairOwner,
}

/// A show with some or all of its tables.
#[derive(Clone, Debug)]
pub struct Tables {
    /// The show.
    pub show: Show,
    /// The names of all its tables, in the order of the plan.
    pub names: Vec<String>,
    /// The chairs that were asked for, table by table in the order of the plan.
    pub chairs: Vec<Chair>,
}

impl Tables {
    pub(crate) fn new(show: Show, plan: &Plan, mut chairs: Vec<Chair>) -> Self {
        let tables = plan.blocks.iter().filter(|block| block.kind == BlockKind::Table);
        let names: Vec<String> = tables.map(|block| block.name.clone()).collect();
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        chairs.retain(|chair| known.contains(chair.table.as_str()));
        Self { show, names, chairs }
    }

    /// The chairs of one table.
    pub fn of(&self, table: &str) -> impl Iterator<Item = &Chair> {
        self.chairs.iter().filter(move |chair| chair.table == table)
    }
}

/// Locks the chairs of these tables in seat order, as every hold does, and looks at who has them.
/// What is no table of the plan has no chairs here.
///
/// # Errors
/// The database's failures.
pub async fn lock_tables(
    tx: &mut Tx,
    show: ShowId,
    names: &[String],
) -> Result<Option<Tables>, DbError> {
    store::lock_chairs(tx, show, names).await
}

/// All tables, without a lock: for what is told besides a refusal.
///
/// # Errors
/// The database's failures.
pub async fn look_at_tables(tx: &mut Tx, show: ShowId) -> Result<Option<Tables>, DbError> {
    store::look_at_chairs(tx, show).await
}

/// All tables as of the reader's snapshot.
///
/// # Errors
/// The database's failures.
pub async fn find_tables(
    q: &mut Reader,
    show: ShowId,
    offset_micros: i64,
) -> Result<Option<Tables>, DbError> {
    store::find_chairs(q, show, offset_micros).await
}

/// A seat that a booking has for good, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedChair {
    /// Block and number.
    pub label: String,
    /// The booking.
    pub booking: BookingId,
    /// The name of whoever has booked.
    pub customer: String,
}

/// The chairs of tables that confirmed bookings have.
///
/// # Errors
/// The database's failures.
pub async fn find_booked(q: &mut Reader, show: ShowId) -> Result<Vec<BookedChair>, DbError> {
    store::find_booked(q, show).await
}

/// Takes the chairs of these guests away and gives others theirs, under the locks of all of them,
/// and tells the public: it hears of chairs, never of guests.
///
/// # Errors
/// The database's failures; `claim_pkey` and `claim_guest_once` are the walls behind the locks.
pub fn change_chairs(
    tx: &mut Tx,
    show: ShowId,
    freed: &[(&Chair, Uuid)],
    given: &[(&Chair, Uuid)],
) -> Result<(), BookingError> {
    if !freed.is_empty() {
        store::free_chairs(tx, show, freed.iter().map(|(_, guest)| *guest).collect())?;
    }
    if !given.is_empty() {
        let numbers: Vec<i32> = given.iter().map(|(chair, _)| chair.number).collect();
        crate::store::seats::delete_expired_claims(tx, show, &numbers)?;
        store::give_chairs(tx, show, numbers, given.iter().map(|(_, guest)| *guest).collect())?;
    }
    let state = |chair: &Chair, status| SeatState { id: chair.label.clone(), status };
    let taken: HashSet<i32> = given.iter().map(|(chair, _)| chair.number).collect();
    let left = freed.iter().filter(|(chair, _)| !taken.contains(&chair.number));
    let states: Vec<SeatState> = given
        .iter()
        .map(|(chair, _)| state(chair, SeatStatus::Sold))
        .chain(left.map(|(chair, _)| state(chair, SeatStatus::Free)))
        .collect();
    if !states.is_empty() {
        tx.emit(event::seats_changed(show, "seated", &states)?);
    }
    Ok(())
}
