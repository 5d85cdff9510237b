//! Erase a person: their tickets stay without a name and an address, and whom they let in is told
//! without theirs. And what is kept of them.

use kernel::ids::UserId;
use pg::{DbError, Reader, Tx};
use uuid::Uuid;

use crate::model::Ticket;
use crate::store::people;

/// Takes this slice's part of a person away and gives the ids of what told of them. Runs in a job's
/// transaction, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(tx: &mut Tx, user: UserId, email: &str) -> Result<Vec<Uuid>, DbError> {
    people::erase(tx, user, &email.to_lowercase()).await
}

/// All tickets with this address. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_person(q: &mut Reader, email: &str) -> Result<Vec<Ticket>, DbError> {
    people::list_of_person(q, &email.to_lowercase()).await
}
