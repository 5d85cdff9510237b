//! Users, and where they work.

use std::collections::HashMap;

use kernel::ids::{UserId, VenueId};
use kernel::role::Role;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::model::{Email, Membership, User};

/// Roles that a token carries at most: it must stay small. The others are looked up when needed.
const ROLES_IN_TOKEN_MAX: i64 = 40;

pg::statements! {
    FIND_USER = "select id, email, name, created_at, password_hash, active, deactivated_by,
            email_verified_at is not null as email_verified
        from identity.user where id = $1";
    FIND_USER_BY_EMAIL = "select id, email, name, created_at, password_hash, active, deactivated_by,
            email_verified_at is not null as email_verified
        from identity.user where email = $1";
    INSERT_USER = "insert into identity.user (id, email, name, password_hash, created_at)
        values ($1, $2, $3, $4, $5) on conflict (email) do nothing returning id";
    INSERT_PROVEN_USER = "insert into identity.user (id, email, name, created_at, email_verified_at)
        values ($1, $2, $3, $4, $4) on conflict (email) do nothing returning id";
    SET_PASSWORD = "update identity.user set password_hash = $2 where id = $1";
    VERIFY_EMAIL = "update identity.user set email_verified_at = coalesce(email_verified_at, $2)
        where id = $1";
    DEACTIVATE = "update identity.user set active = false, deactivated_by = $2
        where id = $1 and active";
    REACTIVATE = "update identity.user set active = true, deactivated_by = null where id = $1";
    // Whoever opens a venue takes their own row: two at the same moment do not both find room. So
    // does whoever unlinks a login: one is left.
    LOCK_USER = "select id from identity.user where id = $1 for update";
    LIST_OWNED = "select venue_id from identity.member
        where user_id = $1 and active and role = 'owner' order by venue_id";
    ANY_USER = "select exists (select from identity.user) as some";
    // The scope shows a user their own memberships and the venues of these.
    LIST_MEMBERSHIPS = "select m.venue_id, v.name as venue_name, m.id as member_id, m.role
        from identity.member m join identity.venue v on v.venue_id = m.venue_id
        where m.user_id = $1 and m.active order by m.venue_id";
    LIST_ROLES = "select venue_id, role from identity.member
        where user_id = $1 and active order by created_at desc limit $2";
}

/// A user as signing in needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: User,
    pub(crate) password_hash: Option<String>,
    pub(crate) active: bool,
    /// Whether its person has deactivated it, and may begin again.
    pub(crate) may_reactivate: bool,
    /// Whether its person has followed a link that was mailed to the address.
    pub(crate) email_verified: bool,
}

fn account(row: &Row) -> Result<Account, DbError> {
    let deactivated_by: Option<&str> = row.col("deactivated_by")?;
    Ok(Account {
        user: User {
            id: row.col("id")?,
            email: row.col("email")?,
            name: row.col("name")?,
            created_at: row.col("created_at")?,
        },
        password_hash: row.col("password_hash")?,
        active: row.col("active")?,
        may_reactivate: deactivated_by == Some("self"),
        email_verified: row.col("email_verified")?,
    })
}

fn role(row: &Row) -> Result<Role, DbError> {
    // The table allows only known names; one of a newer version may do least here.
    Ok(Role::from_name(row.col("role")?).unwrap_or(Role::Monitor))
}

fn membership(row: &Row) -> Result<Membership, DbError> {
    Ok(Membership {
        venue_id: row.col("venue_id")?,
        venue_name: row.col("venue_name")?,
        member_id: row.col("member_id")?,
        role: role(row)?,
    })
}

pub(crate) async fn account_by_email(
    tx: &mut Tx,
    email: &Email,
) -> Result<Option<Account>, DbError> {
    let rows = tx.query(FIND_USER_BY_EMAIL, &[&email.as_str()]).await?;
    rows.first().map(account).transpose()
}

pub(crate) async fn account_by_id(tx: &mut Tx, id: UserId) -> Result<Option<Account>, DbError> {
    tx.query(FIND_USER, &[&id]).await?.first().map(account).transpose()
}

pub(crate) async fn find_user(q: &mut Reader, id: UserId) -> Result<Option<User>, DbError> {
    let found = q.query(FIND_USER, &[&id]).await?.first().map(account).transpose()?;
    Ok(found.filter(|account| account.active).map(|account| account.user))
}

/// Whether the address was free: then the user is there.
pub(crate) async fn insert_user(tx: &mut Tx, user: &User, hash: &str) -> Result<bool, DbError> {
    let User { id, email, name, created_at } = user;
    let rows = tx.execute(INSERT_USER, &[id, email, name, &hash, created_at]).await?;
    Ok(!rows.is_empty())
}

/// The same for a user without a password, whose address somebody else has proved.
pub(crate) async fn insert_proven_user(tx: &mut Tx, user: &User) -> Result<bool, DbError> {
    let User { id, email, name, created_at } = user;
    let rows = tx.execute(INSERT_PROVEN_USER, &[id, email, name, created_at]).await?;
    Ok(!rows.is_empty())
}

pub(crate) fn set_password(tx: &mut Tx, user: UserId, hash: &str) {
    tx.change(SET_PASSWORD, params![user, hash.to_owned()]);
}

pub(crate) fn verify_email(tx: &mut Tx, user: UserId) {
    let now = tx.now();
    tx.change(VERIFY_EMAIL, params![user, now]);
}

pub(crate) fn deactivate(tx: &mut Tx, user: UserId, by: &'static str) {
    tx.change(DEACTIVATE, params![user, by]);
}

pub(crate) fn reactivate(tx: &mut Tx, user: UserId) {
    tx.change(REACTIVATE, params![user]);
}

/// The venues that the user owns, in the order of their ids. The scope has to be the user's own.
pub(crate) async fn list_owned(tx: &mut Tx, user: UserId) -> Result<Vec<VenueId>, DbError> {
    tx.query(LIST_OWNED, &[&user]).await?.iter().map(|row| row.col("venue_id")).collect()
}

/// Locks the user's own row.
pub(crate) async fn lock_user(tx: &mut Tx, user: UserId) -> Result<(), DbError> {
    tx.query(LOCK_USER, &[&user]).await.map(drop)
}

/// The same under the lock of the user's own row.
pub(crate) async fn lock_owned(tx: &mut Tx, user: UserId) -> Result<Vec<VenueId>, DbError> {
    let [_, rows] =
        tx.pipeline([Query::new(LOCK_USER, &[&user]), Query::new(LIST_OWNED, &[&user])]).await?;
    rows.iter().map(|row| row.col("venue_id")).collect()
}

pub(crate) async fn any_user(q: &mut Reader) -> Result<bool, DbError> {
    q.query(ANY_USER, &[]).await?.first().map_or(Ok(false), |row| row.col("some"))
}

pub(crate) async fn list_memberships(
    q: &mut Reader,
    user: UserId,
) -> Result<Vec<Membership>, DbError> {
    q.query(LIST_MEMBERSHIPS, &[&user]).await?.iter().map(membership).collect()
}

/// The roles for a token, the newest first. The scope has to be the user's own.
pub(crate) async fn list_roles(
    tx: &mut Tx,
    user: UserId,
) -> Result<HashMap<VenueId, Role>, DbError> {
    let rows = tx.query(LIST_ROLES, &[&user, &ROLES_IN_TOKEN_MAX]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, role(row)?))).collect()
}
