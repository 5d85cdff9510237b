//! Users, and where they work.

use std::collections::HashMap;

use kernel::ids::{UserId, VenueId};
use kernel::role::Role;
use pg::{Columns, DbError, Reader, Row, Tx};

use crate::model::{Email, Membership, User};

/// Roles that a token carries at most: it must stay small. The others are looked up when needed.
const ROLES_IN_TOKEN_MAX: i64 = 40;

pg::statements! {
    FIND_USER = "select id, email, name, created_at, password_hash, active
        from identity.user where id = $1";
    FIND_USER_BY_EMAIL = "select id, email, name, created_at, password_hash, active
        from identity.user where email = $1";
    INSERT_USER = "insert into identity.user (id, email, name, password_hash, created_at)
        values ($1, $2, $3, $4, $5) on conflict (email) do nothing returning id";
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
}

fn account(row: &Row) -> Result<Account, DbError> {
    Ok(Account {
        user: User {
            id: row.col("id")?,
            email: row.col("email")?,
            name: row.col("name")?,
            created_at: row.col("created_at")?,
        },
        password_hash: row.col("password_hash")?,
        active: row.col("active")?,
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
