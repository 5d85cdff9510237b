//! Whoever changes an account shows its password once more: a screen that was left open is not
//! the person.

use edge::ClientAddress;
use kernel::ids::UserId;
use kernel::scope::Scope;
use pg::Db;

use crate::attempt::{Subjects, admit_sign_in, forgive};
use crate::model::{Email, Password, User};
use crate::state::Identity;
use crate::store::users;
use crate::{IdentityError, task};

/// The user, if `password` is theirs. Counted like a sign-in, so it is no way around its delays.
///
/// # Errors
/// `PresentPasswordWrong`, `TooManyAttempts`, `QueueFull`; the database's failures.
pub(crate) async fn check_present(
    db: &Db,
    identity: &Identity,
    from: ClientAddress,
    user: UserId,
    password: Password,
) -> Result<User, IdentityError> {
    let per_minute = identity.settings.attempts_per_minute;
    let scope = Scope::person(Some(user));
    let account = task::write(db, "admit_present_password", scope, async |tx| {
        let account = users::account_by_id(tx, user).await?;
        let account = account.ok_or(pg::DbError::UserGone)?;
        let subjects = Subjects::new(&Email::of(&account.user.email), from);
        admit_sign_in(tx, &subjects, per_minute).await?;
        Ok(account)
    })
    .await?;
    if !identity.passwords.verify(password, account.password_hash).await? {
        return Err(IdentityError::PresentPasswordWrong);
    }
    let subjects = Subjects::new(&Email::of(&account.user.email), from);
    task::write(db, "forgive_present_password", scope, async |tx| {
        forgive(tx, &subjects);
        Ok(())
    })
    .await?;
    Ok(account.user)
}
