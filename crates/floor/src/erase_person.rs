//! Erase a person: their reservations, and the parties that came with them, stay without a name, a
//! telephone and a note. And what is kept of them.

use kernel::ids::UserId;
use pg::{DbError, Reader, Tx};
use uuid::Uuid;

use crate::reservation::Reservation;
use crate::store::people;

/// Takes this slice's part of a person away and gives the ids of what told of them. Runs in a job's
/// transaction, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(tx: &mut Tx, user: UserId, email: &str) -> Result<Vec<Uuid>, DbError> {
    people::erase(tx, user, email).await
}

/// All reservations of `user`. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_person(q: &mut Reader, user: UserId) -> Result<Vec<Reservation>, DbError> {
    people::list_of_user(q, user).await
}
