//! Trips to providers, and who somebody is there.

use jiff::Timestamp;
use kernel::ids::UserId;
use pg::{Columns, DbError, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::export_person::LoginKept;

pg::statements! {
    INSERT_FLOW = "insert into identity.oidc_flow
            (state_hash, provider, browser_hash, challenge, return_to, expires_at)
        values ($1, $2, $3, $4, $5, $6)";
    // Two who come back with the same state at the same moment: the second sees that it was used.
    LOCK_FLOW = "select provider, browser_hash, return_to, expires_at, used_at is null as open
        from identity.oidc_flow where state_hash = $1 for update";
    USE_FLOW = "update identity.oidc_flow set used_at = $2 where state_hash = $1";
    ANSWER_FLOW = "update identity.oidc_flow set user_id = $2, code_hash = $3, expires_at = $4
        where state_hash = $1";
    FIND_CODE = "select user_id from identity.oidc_flow where code_hash = $1";
    // Two who exchange the same code at the same moment: the second sees that it was spent.
    LOCK_CODE = "select challenge, expires_at, spent_at is null as open
        from identity.oidc_flow where code_hash = $1 for update";
    SPEND_CODE = "update identity.oidc_flow set spent_at = $2 where code_hash = $1";
    FIND_LOGIN = "select user_id from identity.oidc_login where issuer = $1 and subject = $2";
    INSERT_LOGIN = "insert into identity.oidc_login (issuer, subject, user_id, linked_at, email)
        values ($1, $2, $3, $4, $5) on conflict do nothing returning user_id";
    LIST_LOGINS = "select id, issuer, subject, email, linked_at from identity.oidc_login
        where user_id = $1 order by linked_at, id limit $2";
    DELETE_LOGIN = "delete from identity.oidc_login where user_id = $1 and id = $2";
    ERASE_LOGINS = "delete from identity.oidc_login where user_id = $1";
    ERASE_FLOWS = "delete from identity.oidc_flow where user_id = $1";
    FORGET_FLOWS = "delete from identity.oidc_flow where expires_at < now() - interval '1 hour'";
}

/// A trip as it begins.
pub(crate) struct Begun {
    pub(crate) state_hash: Vec<u8>,
    pub(crate) provider: String,
    pub(crate) browser_hash: Vec<u8>,
    pub(crate) challenge: Vec<u8>,
    pub(crate) return_to: String,
    pub(crate) expires_at: Timestamp,
}

/// A trip under its lock.
pub(crate) struct Flow {
    pub(crate) provider: String,
    pub(crate) browser_hash: Vec<u8>,
    pub(crate) return_to: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) open: bool,
}

/// A code under its lock.
pub(crate) struct CodeKept {
    pub(crate) challenge: Vec<u8>,
    pub(crate) expires_at: Timestamp,
    pub(crate) open: bool,
}

pub(crate) fn insert_flow(tx: &mut Tx, begun: Begun) {
    let Begun { state_hash, provider, browser_hash, challenge, return_to, expires_at } = begun;
    tx.change(
        INSERT_FLOW,
        params![state_hash, provider, browser_hash, challenge, return_to, expires_at],
    );
}

pub(crate) async fn lock_flow(tx: &mut Tx, state_hash: &[u8]) -> Result<Option<Flow>, DbError> {
    let rows = tx.query(LOCK_FLOW, &[&state_hash]).await?;
    rows.first().map(flow).transpose()
}

fn flow(row: &Row) -> Result<Flow, DbError> {
    Ok(Flow {
        provider: row.col("provider")?,
        browser_hash: row.col("browser_hash")?,
        return_to: row.col("return_to")?,
        expires_at: row.col("expires_at")?,
        open: row.col("open")?,
    })
}

pub(crate) fn use_flow(tx: &mut Tx, state_hash: Vec<u8>) {
    let now = tx.now();
    tx.change(USE_FLOW, params![state_hash, now]);
}

pub(crate) fn answer_flow(
    tx: &mut Tx,
    state_hash: Vec<u8>,
    user: UserId,
    (code_hash, expires_at): (Vec<u8>, Timestamp),
) {
    tx.change(ANSWER_FLOW, params![state_hash, user, code_hash, expires_at]);
}

pub(crate) async fn find_code(q: &mut Reader, hash: &[u8]) -> Result<Option<UserId>, DbError> {
    q.query(FIND_CODE, &[&hash]).await?.first().map(|row| row.col("user_id")).transpose()
}

pub(crate) async fn lock_code(tx: &mut Tx, hash: &[u8]) -> Result<Option<CodeKept>, DbError> {
    let rows = tx.query(LOCK_CODE, &[&hash]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(CodeKept {
        challenge: row.col("challenge")?,
        expires_at: row.col("expires_at")?,
        open: row.col("open")?,
    }))
}

pub(crate) fn spend_code(tx: &mut Tx, hash: Vec<u8>) {
    let now = tx.now();
    tx.change(SPEND_CODE, params![hash, now]);
}

pub(crate) async fn find_login(
    tx: &mut Tx,
    issuer: &str,
    subject: &str,
) -> Result<Option<UserId>, DbError> {
    let rows = tx.query(FIND_LOGIN, &[&issuer, &subject]).await?;
    rows.first().map(|row| row.col("user_id")).transpose()
}

/// Whether the login was free: then it is the user's. `email` is what the provider calls them.
pub(crate) async fn insert_login(
    tx: &mut Tx,
    (issuer, subject, email): (&str, &str, Option<&str>),
    user: UserId,
) -> Result<bool, DbError> {
    let now = tx.now();
    let rows = tx.execute(INSERT_LOGIN, &[&issuer, &subject, &user, &now, &email]).await?;
    Ok(!rows.is_empty())
}

fn login(row: &Row) -> Result<LoginKept, DbError> {
    Ok(LoginKept {
        id: row.col("id")?,
        issuer: row.col("issuer")?,
        subject: row.col("subject")?,
        email: row.col("email")?,
        linked_at: row.col("linked_at")?,
    })
}

pub(crate) async fn list_logins(
    q: &mut Reader,
    user: UserId,
    limit: i64,
) -> Result<Vec<LoginKept>, DbError> {
    q.query(LIST_LOGINS, &[&user, &limit]).await?.iter().map(login).collect()
}

/// The same under the lock of the user.
pub(crate) async fn logins_of(
    tx: &mut Tx,
    user: UserId,
    limit: i64,
) -> Result<Vec<LoginKept>, DbError> {
    tx.query(LIST_LOGINS, &[&user, &limit]).await?.iter().map(login).collect()
}

pub(crate) fn delete_login(tx: &mut Tx, user: UserId, id: Uuid) {
    tx.change(DELETE_LOGIN, params![user, id]);
}

pub(crate) fn erase_logins(tx: &mut Tx, user: UserId) {
    tx.change(ERASE_LOGINS, params![user]);
    tx.change(ERASE_FLOWS, params![user]);
}

pub(crate) fn forget_flows(tx: &mut Tx) {
    tx.change(FORGET_FLOWS, params![]);
}
