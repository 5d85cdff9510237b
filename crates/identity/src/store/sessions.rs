//! Sessions and their refresh tokens.

use jiff::Timestamp;
use kernel::ids::{SessionId, UserId};
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::SessionSeen;
use crate::refresh_token::Presented;

pg::statements! {
    INSERT_SESSION = "insert into identity.session
            (id, user_id, created_at, seen_at, expires_at, agent)
        values ($1, $2, $3, $3, $4, $5)";
    INSERT_TOKEN = "insert into identity.refresh_token (token_hash, session_id, created_at)
        values ($1, $2, $3)";
    FIND_OWNER = "select s.user_id from identity.refresh_token t
        join identity.session s on s.id = t.session_id where t.token_hash = $1";
    // The session's row serialises all its refreshes: two tabs that present the same token at the
    // same moment get the same successor, not one each.
    LOCK_SESSION = "select s.id, s.user_id, s.created_at, s.expires_at, s.ended_at is not null as ended
        from identity.session s
        where s.id = (select t.session_id from identity.refresh_token t where t.token_hash = $1)
        for update";
    // Stands after the session's lock, so it sees what that waited for.
    FIND_TOKEN = "select t.used_at, t.revoked_at is not null as revoked, t.successor_sealed,
            t.successor_hash, n.used_at is not null as successor_used
        from identity.refresh_token t
        left join identity.refresh_token n on n.token_hash = t.successor_hash
        where t.token_hash = $1";
    USE_TOKEN = "update identity.refresh_token
        set used_at = $2, successor_sealed = $3, successor_hash = $4 where token_hash = $1";
    REVOKE_TOKEN = "update identity.refresh_token set revoked_at = $2 where token_hash = $1";
    PROLONG_SESSION = "update identity.session set seen_at = $2, expires_at = $3 where id = $1";
    // Whoever ends sessions takes them in the order of their ids: two who end the same never cross.
    LOCK_SESSIONS = "select id from identity.session
        where user_id = $1 and ended_at is null order by id for update";
    END_SESSIONS = "update identity.session set ended_at = $2
        where id = any($1::uuid[]) and ended_at is null";
    LIST_SESSIONS = "select id, created_at, seen_at, expires_at, agent from identity.session
        where user_id = $1 and ended_at is null and id > $3
          and expires_at > clock_timestamp() + $2::bigint * interval '1 microsecond'
        order by id limit $4";
    FORGET_SESSIONS = "delete from identity.session
        where expires_at < now() - interval '7 days' or ended_at < now() - interval '7 days'";
    // Kept for a while after their use: a thief who comes with one is recognised by it.
    FORGET_TOKENS = "delete from identity.refresh_token
        where coalesce(used_at, revoked_at) < now() - interval '7 days'";
}

/// A session under its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) created_at: Timestamp,
}

/// A presented token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) session: Session,
    pub(crate) presented: Presented,
    pub(crate) successor_sealed: Option<Vec<u8>>,
    pub(crate) successor_hash: Option<Vec<u8>>,
}

fn token(session: &Row, row: &Row) -> Result<Token, DbError> {
    Ok(Token {
        session: Session {
            id: session.col("id")?,
            user: session.col("user_id")?,
            created_at: session.col("created_at")?,
        },
        presented: Presented {
            session_ends_at: session.col("expires_at")?,
            session_ended: session.col("ended")?,
            used_at: row.col("used_at")?,
            revoked: row.col("revoked")?,
            successor_used: row.col("successor_used")?,
        },
        successor_sealed: row.col("successor_sealed")?,
        successor_hash: row.col("successor_hash")?,
    })
}

pub(crate) async fn find_owner(q: &mut Reader, hash: &[u8]) -> Result<Option<UserId>, DbError> {
    q.query(FIND_OWNER, &[&hash]).await?.first().map(|row| row.col("user_id")).transpose()
}

pub(crate) async fn lock_token(tx: &mut Tx, hash: &[u8]) -> Result<Option<Token>, DbError> {
    let [sessions, tokens] =
        tx.pipeline([Query::new(LOCK_SESSION, &[&hash]), Query::new(FIND_TOKEN, &[&hash])]).await?;
    match (sessions.first(), tokens.first()) {
        (Some(session), Some(row)) => token(session, row).map(Some),
        _ => Ok(None),
    }
}

pub(crate) fn insert_session(
    tx: &mut Tx,
    session: Session,
    ends_at: Timestamp,
    agent: Option<&str>,
) {
    let Session { id, user, created_at } = session;
    let agent = agent.map(str::to_owned);
    tx.change(INSERT_SESSION, params![id, user, created_at, ends_at, agent]);
}

pub(crate) fn insert_token(tx: &mut Tx, hash: Vec<u8>, session: SessionId, at: Timestamp) {
    tx.change(INSERT_TOKEN, params![hash, session, at]);
}

pub(crate) fn use_token(
    tx: &mut Tx,
    hash: Vec<u8>,
    at: Timestamp,
    successor_sealed: Vec<u8>,
    successor_hash: Vec<u8>,
) {
    tx.change(USE_TOKEN, params![hash, at, successor_sealed, successor_hash]);
}

pub(crate) fn revoke_token(tx: &mut Tx, hash: Vec<u8>, at: Timestamp) {
    tx.change(REVOKE_TOKEN, params![hash, at]);
}

pub(crate) fn prolong_session(tx: &mut Tx, session: SessionId, at: Timestamp, ends_at: Timestamp) {
    tx.change(PROLONG_SESSION, params![session, at, ends_at]);
}

/// The user's live sessions.
pub(crate) async fn lock_sessions(tx: &mut Tx, user: UserId) -> Result<Vec<SessionId>, DbError> {
    tx.query(LOCK_SESSIONS, &[&user]).await?.iter().map(|row| row.col("id")).collect()
}

pub(crate) fn end_sessions(tx: &mut Tx, sessions: Vec<SessionId>) {
    let now = tx.now();
    tx.change(END_SESSIONS, params![sessions, now]);
}

/// The user's live sessions as they see them; `present` is the one that asks.
pub(crate) async fn list_sessions(
    q: &mut Reader,
    (user, present): (UserId, Option<SessionId>),
    offset_micros: i64,
    (limit, after): (i64, Uuid),
) -> Result<Vec<SessionSeen>, DbError> {
    let more = limit + 1;
    let rows = q.query(LIST_SESSIONS, &[&user, &offset_micros, &after, &more]).await?;
    rows.iter()
        .map(|row| {
            let id: SessionId = row.col("id")?;
            Ok(SessionSeen {
                id,
                created_at: row.col("created_at")?,
                seen_at: row.col("seen_at")?,
                expires_at: row.col("expires_at")?,
                agent: row.col("agent")?,
                present: present == Some(id),
            })
        })
        .collect()
}

pub(crate) fn forget_sessions(tx: &mut Tx) {
    tx.change(FORGET_SESSIONS, params![]);
    tx.change(FORGET_TOKENS, params![]);
}
