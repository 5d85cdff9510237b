//! Erase a person: what staff wrote about their discounts and refunds goes, also from receipts. Sums,
//! numbers, days and who took the money stay, as the law of bookkeeping wants it; there are no names
//! in them. And what is kept of their payments.

use pg::{DbError, Reader, Tx};
use uuid::Uuid;

use crate::model::Payment;
use crate::store::kept;

/// Payments that are read at a time.
const PAGE: i64 = 200;

/// Takes this slice's part of a person away, by what they paid for, and gives the ids of what told of
/// it. Runs in a job's transaction, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(tx: &mut Tx, subjects: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    kept::erase(tx, subjects).await
}

/// All payments for these subjects. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_person(q: &mut Reader, subjects: &[Uuid]) -> Result<Vec<Payment>, DbError> {
    let mut all: Vec<Payment> = Vec::new();
    loop {
        let after = all.last().map_or(Uuid::nil(), |payment| payment.id.0);
        let page = kept::list_of_subjects(q, subjects, (after, PAGE)).await?;
        let more = !page.is_empty();
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}
