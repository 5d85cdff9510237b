//! Erase a person: name, address, password and sessions go; what they did stays, without them.

use kernel::ids::{UserId, VenueId};
use pg::{Db, Tx};
use uuid::Uuid;

use crate::IdentityError;
use crate::model::Email;
use crate::store::{people, revocations};

/// What is left to be forgotten elsewhere.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The address that the person had.
    pub email: String,
    /// The ids of what told of them.
    pub things: Vec<Uuid>,
}

/// Takes this slice's part of a person away. Runs in a job's transaction, because a person is in
/// many venues.
///
/// # Errors
/// `NoSuchUser`; `LastOwner` while a venue has no other owner; the database's failures.
pub async fn erase_person(tx: &mut Tx, user: UserId) -> Result<Erased, IdentityError> {
    let (email, alone) = people::lock_person(tx, user).await?.ok_or(IdentityError::NoSuchUser)?;
    if !alone.is_empty() {
        return Err(IdentityError::LastOwner);
    }
    let now = tx.now();
    let things = people::erase(tx, (user, &email), now).await?;
    Ok(Erased { email, things })
}

/// Notes for all workers that events up to these numbers were erased. Call it in the transaction
/// that erased them.
pub fn note_forgotten(tx: &mut Tx, heads: &[(VenueId, i64)]) {
    revocations::note_forgotten(tx, heads);
}

/// Who has registered with this address.
///
/// # Errors
/// `NoSuchUser`, or the database's failures.
pub async fn find_person(db: &Db, email: &str) -> Result<UserId, IdentityError> {
    let (email, scope) = (Email::of(email), kernel::scope::Scope::person(None));
    let found = db.read(scope, async |q| people::find_by_email(q, email.as_str()).await).await;
    found.map_err(IdentityError::from)?.ok_or(IdentityError::NoSuchUser)
}
