//! Erase a person: their bookings stay, without a name and an address. And what is kept of them.

use kernel::ids::UserId;
use pg::{Reader, Tx};
use uuid::Uuid;

use crate::BookingError;
use crate::model::Booking;
use crate::store::{bookings, people, waiting};
use crate::waiting::Waiting;

/// Bookings, or places in line, that are read at a time.
const PAGE: i64 = 200;

/// Takes this slice's part of a person away and gives the ids of what told of them. Runs in a
/// job's transaction, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(
    tx: &mut Tx,
    user: UserId,
    email: &str,
) -> Result<Vec<Uuid>, BookingError> {
    Ok(people::erase(tx, user, email).await?)
}

/// All places in line of `user`. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_waiting(q: &mut Reader, user: UserId) -> Result<Vec<Waiting>, BookingError> {
    let mut all: Vec<Waiting> = Vec::new();
    loop {
        let after = all.last().map_or(Uuid::nil(), |waiting| waiting.id.0);
        let page = waiting::list_of_user(q, user, (after, PAGE)).await?;
        let more = !page.is_empty();
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}

/// All bookings of `user`. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_person(q: &mut Reader, user: UserId) -> Result<Vec<Booking>, BookingError> {
    let mut all: Vec<Booking> = Vec::new();
    loop {
        let after = all.last().map_or(Uuid::nil(), |booking| booking.id.0);
        let page = bookings::list_bookings_of_user(q, user, (after, PAGE)).await?;
        let more = !page.is_empty();
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}
