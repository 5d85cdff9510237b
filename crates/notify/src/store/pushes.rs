//! Pushes.

use jiff::Timestamp;
use pg::{Columns, DbError, Json, Row, Tx, params};
use serde_json::Value;
use uuid::Uuid;

use crate::push::Push;

pg::statements! {
    INSERT_PUSH = "insert into notify.push (venue_id, id, kind, body, next_at, created_at)
        values ($1, $2, $3, $4, $5, $5)";
    // What another worker has claimed at this moment is left to it.
    LOCK_DUE_PUSHES = "select venue_id, id, kind, body, tries from notify.push
        where state = 'queued'
          and next_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
          and created_at > clock_timestamp() + $1::bigint * interval '1 microsecond'
              - interval '1 hour'
        order by next_at limit $2 for update skip locked";
    CLAIM_PUSH = "update notify.push set tries = tries + 1, next_at = $3
        where venue_id = $1 and id = $2";
    // Only the try that claimed it says what came of it: a slow one that was overtaken says nothing.
    SETTLE_PUSH = "update notify.push set state = $4, settled_at = $5, reason = $6, body = null
        where venue_id = $1 and id = $2 and tries = $3 and state = 'queued'";
    PUT_PUSH_OFF = "update notify.push set next_at = $4, reason = $5
        where venue_id = $1 and id = $2 and tries = $3 and state = 'queued'";
    ERASE_PUSHES = "delete from notify.push where body is not null and exists (
            select from unnest($1::uuid[]) as thing where strpos(body::text, thing::text) > 0)
        returning id";
    FORGET_PUSHES = "delete from notify.push
        where (state <> 'queued' and settled_at < now() - interval '1 day')
           or (state = 'queued' and created_at < now() - interval '2 hours')";
}

pub(crate) async fn erase_pushes(tx: &mut Tx, things: &[Uuid]) -> Result<(), DbError> {
    tx.execute(ERASE_PUSHES, &[&things]).await.map(drop)
}

/// A push that is to be sent now.
pub(crate) struct Due {
    pub(crate) venue: Uuid,
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) body: Value,
    /// How often it was tried, this try included.
    pub(crate) tries: i32,
}

fn due(row: &Row) -> Result<Due, DbError> {
    let body: Option<Json<Value>> = row.col("body")?;
    let before: i32 = row.col("tries")?;
    Ok(Due {
        venue: row.col("venue_id")?,
        id: row.col("id")?,
        kind: row.col("kind")?,
        body: body.map(|body| body.0).unwrap_or_default(),
        tries: before + 1,
    })
}

pub(crate) fn insert_push(tx: &mut Tx, (venue, id): (Uuid, Uuid), push: Push, at: Timestamp) {
    tx.change(INSERT_PUSH, params![venue, id, push.kind, Json(push.body), at]);
}

pub(crate) async fn lock_due_pushes(tx: &mut Tx, limit: i64) -> Result<Vec<Due>, DbError> {
    let offset = tx.clock_offset_micros();
    tx.query(LOCK_DUE_PUSHES, &[&offset, &limit]).await?.iter().map(due).collect()
}

pub(crate) fn claim_push(tx: &mut Tx, push: &Due, until: Timestamp) {
    tx.change(CLAIM_PUSH, params![push.venue, push.id, until]);
}

pub(crate) fn settle_push(tx: &mut Tx, push: &Due, state: &'static str, reason: Option<String>) {
    let (venue, id, tries, now) = (push.venue, push.id, push.tries, tx.now());
    tx.change(SETTLE_PUSH, params![venue, id, tries, state, now, reason]);
}

pub(crate) fn put_push_off(tx: &mut Tx, push: &Due, until: Timestamp, reason: String) {
    tx.change(PUT_PUSH_OFF, params![push.venue, push.id, push.tries, until, reason]);
}

pub(crate) fn forget_pushes(tx: &mut Tx) {
    tx.change(FORGET_PUSHES, params![]);
}
