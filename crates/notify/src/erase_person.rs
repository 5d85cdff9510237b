//! Erase a person: mails to them go, sent or not. And what is kept of them.

use jiff::Timestamp;
use pg::{DbError, Reader, Tx};
use uuid::Uuid;

use crate::store::{self, pushes};

/// Mails that are given to a person at most: the latest month is kept, and nobody gets more.
const MAILS_MAX: i64 = 10_000;

/// A mail that was sent to a person, or will be. What it said is not kept once it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailKept {
    /// What it was about: `password_reset`.
    pub kind: String,
    /// Its subject.
    pub subject: String,
    /// `queued`, `sent` or `failed`.
    pub state: String,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// Takes the mails to `email`, in lower case, away, and messages about `things` that wait to be sent. Runs in a job's transaction, because a person is
/// in many venues.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(tx: &mut Tx, email: &str, things: &[Uuid]) -> Result<(), DbError> {
    store::erase_mails(tx, email).await?;
    pushes::erase_pushes(tx, things).await
}

/// The mails to `email`, in lower case, that are still known of. In a job's scope.
///
/// # Errors
/// The database's failures.
pub async fn export_person(q: &mut Reader, email: &str) -> Result<Vec<MailKept>, DbError> {
    store::list_mails_to(q, email, MAILS_MAX).await
}
