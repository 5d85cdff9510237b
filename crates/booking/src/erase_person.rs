//! Erase a person: their bookings stay, without a name and an address. And what is kept of them.

use kernel::ids::UserId;
use pg::{Reader, Tx};
use uuid::Uuid;

use crate::BookingError;
use crate::model::Booking;
use crate::store::{bookings, people};

/// Bookings that are read at a time.
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

/// All bookings of `user`. The scope has to be the user's own.
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
