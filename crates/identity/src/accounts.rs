//! For the binary: accounts that are there without anybody registering (the command line, the first
//! start, the demo). All of these do nothing where what they make is there already.

use kernel::ids::{UserId, VenueId};
use kernel::problem::FieldError;
use kernel::role::Role;
use kernel::scope::Scope;
use pg::Db;

use crate::add_member::give_place;
use crate::deactivate_user::{By, deactivate_user, reactivate_user};
use crate::membership::{Told, tell};
use crate::model::{Email, Password, User};
use crate::open_venue::{OpenVenue, open_venue};
use crate::passwords::Passwords;
use crate::register_user::register_user;
use crate::store::{users, venues};
use crate::{IdentityError, password, task};

/// Somebody who is to have an account.
#[derive(Clone, Debug)]
pub struct Person {
    /// The address to sign in with.
    pub email: String,
    /// What people read.
    pub name: String,
    /// The password, when the account is made now; an account that is there keeps its own.
    pub password: Password,
}

/// Whether nobody has an account yet.
///
/// # Errors
/// The database's failures.
pub async fn is_empty(db: &Db) -> Result<bool, IdentityError> {
    let any = db.read(Scope::person(None), async |q| users::any_user(q).await).await;
    Ok(!any.map_err(IdentityError::from)?)
}

/// The user with this address; made when there is none.
///
/// # Errors
/// `WeakPassword`, or the database's failures.
pub async fn ensure_user(
    db: &Db,
    passwords: &Passwords,
    person: &Person,
) -> Result<UserId, IdentityError> {
    user(db, passwords, person).await.map(|user| user.id)
}

/// A venue of this name that the person owns; person and venue are made when there are none.
///
/// # Errors
/// `WeakPassword`, or the database's failures.
pub async fn create_owner(
    db: &Db,
    passwords: &Passwords,
    person: &Person,
    venue: &OpenVenue,
) -> Result<(UserId, VenueId), IdentityError> {
    let owner = user(db, passwords, person).await?.id;
    let scope = Scope::person(Some(owner));
    let found = db.read(scope, async |q| venues::find_owned(q, owner, venue.name.trim()).await);
    if let Some(venue) = found.await.map_err(IdentityError::from)? {
        return Ok((owner, venue));
    }
    let made =
        task::write(db, "create_owner", scope, async |tx| open_venue(tx, owner, venue).await);
    Ok((owner, made.await?.id))
}

/// The user with a role in the venue; user and role are given when they are missing. A member keeps
/// the role that it has.
///
/// # Errors
/// `WeakPassword`, or the database's failures.
pub async fn ensure_member(
    db: &Db,
    passwords: &Passwords,
    venue: VenueId,
    person: &Person,
    role: Role,
) -> Result<UserId, IdentityError> {
    let user = user(db, passwords, person).await?;
    let id = user.id;
    let given = task::write(db, "ensure_member", Scope::venue(venue, None), async |tx| {
        let (_, place) = venues::lock_member_of(tx, id).await?;
        let member = give_place(tx, user.clone(), place, role)?;
        tell(tx, "member_created", "created", &member, &Told::default())
    });
    match given.await {
        Ok(()) | Err(IdentityError::AlreadyMember(_)) => Ok(id),
        Err(error) => Err(error),
    }
}

/// Ends the account of this address until `reactivate_account`: only the people who run the server
/// give it back. Workers refuse its tokens within five seconds.
///
/// # Errors
/// `NoSuchUser`, `LastOwner`, or the database's failures.
pub async fn deactivate_account(db: &Db, email: &str) -> Result<UserId, IdentityError> {
    let user = find(db, &Email::of(email)).await?.ok_or(IdentityError::NoSuchUser)?.id;
    task::write(db, "deactivate_account", Scope::person(Some(user)), async |tx| {
        deactivate_user(tx, user, By::Operator).await.map(drop)
    })
    .await?;
    Ok(user)
}

/// Gives the account of this address back, whoever deactivated it.
///
/// # Errors
/// `NoSuchUser`, or the database's failures.
pub async fn reactivate_account(db: &Db, email: &str) -> Result<UserId, IdentityError> {
    let user = find(db, &Email::of(email)).await?.ok_or(IdentityError::NoSuchUser)?.id;
    task::write(db, "reactivate_account", Scope::person(None), async |tx| {
        reactivate_user(tx, user)
    })
    .await?;
    Ok(user)
}

async fn find(db: &Db, email: &Email) -> Result<Option<User>, IdentityError> {
    let found = task::write(db, "find_user", Scope::person(None), async |tx| {
        Ok(users::account_by_email(tx, email).await?)
    });
    Ok(found.await?.map(|account| account.user))
}

async fn user(db: &Db, passwords: &Passwords, person: &Person) -> Result<User, IdentityError> {
    let email = Email::of(&person.email);
    if let Some(user) = find(db, &email).await? {
        return Ok(user);
    }
    check(person, &email)?;
    let hash = passwords.hash(person.password.clone()).await?;
    let made = task::write(db, "ensure_user", Scope::person(None), async |tx| {
        register_user(tx, &person.name, &email, &hash).await
    });
    match made.await {
        // Another process made it between the look and the write.
        Err(IdentityError::EmailTaken) => find(db, &email).await?.ok_or(IdentityError::NoSuchUser),
        other => other,
    }
}

fn check(person: &Person, email: &Email) -> Result<(), IdentityError> {
    let mut errors = edge::body::Errors::default();
    errors.text(&person.name, "/name", (1, 120));
    errors.email(&person.email, "/email");
    password::check(&person.password, email, &mut errors);
    let errors: Vec<FieldError> = errors.iter().cloned().collect();
    if errors.is_empty() { Ok(()) } else { Err(IdentityError::WeakPassword(errors)) }
}
