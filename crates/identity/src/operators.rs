//! What the people who run the server do with accounts and venues, from the command line.

use kernel::ids::VenueId;
use kernel::scope::Scope;
use pg::Db;

use crate::end_sessions::end_sessions;
use crate::model::{Email, Password};
use crate::passwords::Passwords;
use crate::store::{people, users};
use crate::{IdentityError, password, task};

/// Gives the account of this address another password and ends its sessions. Workers refuse its
/// access tokens within seconds.
///
/// # Errors
/// `NoSuchUser`, `WeakPassword`, or the database's failures.
pub async fn replace_password(
    db: &Db,
    passwords: &Passwords,
    email: &str,
    new: Password,
) -> Result<(), IdentityError> {
    let email = Email::of(email);
    password::check_new(&new, &email)?;
    let hash = passwords.hash(new).await?;
    task::write(db, "replace_password", Scope::person(None), async |tx| {
        let account = users::account_by_email(tx, &email).await?;
        let user = account.ok_or(IdentityError::NoSuchUser)?.user;
        end_sessions(tx, user.id, None).await?;
        users::set_password(tx, user.id, &hash);
        Ok(tx.audit("password_replaced", ("user", user.id.0), &serde_json::json!({}))?)
    })
    .await
}

/// All venues with their names, oldest first.
///
/// # Errors
/// The database's failures.
pub async fn list_all_venues(db: &Db) -> Result<Vec<(VenueId, String)>, IdentityError> {
    let found = db.read(Scope::job(), async |q| people::list_all_venues(q).await).await;
    found.map_err(IdentityError::from)
}
