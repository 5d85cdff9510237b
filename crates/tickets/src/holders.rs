//! Who holds the tickets of a show, for the slices that stand on this one. No codes, no scans.

use kernel::ids::{BookingId, ShowId, TicketId};
use pg::{DbError, Reader, Tx};
use uuid::Uuid;

use crate::store::holders as store;

/// A ticket as the right of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The ticket.
    pub id: TicketId,
    /// What stands on it.
    pub number: String,
    /// Its holder's name, where it is known.
    pub name: Option<String>,
    /// Its holder's address, where it is known.
    pub email: Option<String>,
    /// The seat that it was sold with.
    pub seat: Option<String>,
    /// The booking that it came with.
    pub booking: Option<BookingId>,
    /// It counts no more.
    pub revoked: bool,
}

/// A number as it is compared: people leave out dashes and spaces, and write small letters.
#[must_use]
pub fn plain_number(number: &str) -> String {
    let letters = number.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    letters.flat_map(char::to_uppercase).collect()
}

/// The tickets of `show` whose numbers are these, however they are written. Two numbers that differ
/// in dashes alone are both found.
///
/// # Errors
/// The database's failures.
pub async fn find_by_numbers(
    tx: &mut Tx,
    show: ShowId,
    numbers: &[String],
) -> Result<Vec<Holder>, DbError> {
    let plain: Vec<String> = numbers.iter().map(|number| plain_number(number)).collect();
    store::find_by_numbers(tx, show, &plain).await
}

/// Those of these tickets that are of `show`.
///
/// # Errors
/// The database's failures.
pub async fn find_by_ids(tx: &mut Tx, show: ShowId, ids: &[Uuid]) -> Result<Vec<Holder>, DbError> {
    store::find_by_ids(tx, show, ids).await
}

/// The same on a reader's snapshot.
///
/// # Errors
/// The database's failures.
pub async fn list_by_ids(
    q: &mut Reader,
    show: ShowId,
    ids: &[Uuid],
) -> Result<Vec<Holder>, DbError> {
    store::list_by_ids(q, show, ids).await
}

/// The tickets of `show` that count and were sold with one of these seats.
///
/// # Errors
/// The database's failures.
pub async fn list_by_seats(
    q: &mut Reader,
    show: ShowId,
    seats: &[&str],
) -> Result<Vec<Holder>, DbError> {
    store::list_by_seats(q, show, seats).await
}

/// All tickets of `show`, in the order in which they were made.
///
/// # Errors
/// The database's failures.
pub async fn list_of_show(q: &mut Reader, show: ShowId) -> Result<Vec<Holder>, DbError> {
    store::list_of_show(q, show).await
}

/// The tickets of a person in all venues, by their address in small letters: for a job that erases
/// them elsewhere, before they are erased here.
///
/// # Errors
/// The database's failures.
pub async fn ids_of_person(tx: &mut Tx, email: &str) -> Result<Vec<Uuid>, DbError> {
    store::ids_of_person(tx, email).await
}

/// The same on a reader's snapshot.
///
/// # Errors
/// The database's failures.
pub async fn list_of_person(q: &mut Reader, email: &str) -> Result<Vec<Uuid>, DbError> {
    store::list_of_person(q, email).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_typed() {
        for typed in ["G-0042", "g0042", " g 00 42 ", "G\u{a0}0042"] {
            assert_eq!(plain_number(typed), "G0042");
        }
        assert_ne!(plain_number("G-0043"), "G0042");
    }
}
