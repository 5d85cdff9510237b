//! Mailed links that set a new password.

use jiff::Timestamp;
use kernel::ids::UserId;
use pg::{Columns, DbError, Tx, params};
use uuid::Uuid;

use crate::mailed_link::Kept;

pg::statements! {
    INSERT_RESET = "insert into identity.reset (id, user_id, secret_hash, created_at, expires_at)
        values ($1, $2, $3, $4, $5)";
    // Two who present the same link at the same moment: the second sees that it was used.
    LOCK_RESET = "select user_id, secret_hash, tries, expires_at, used_at is null as open
        from identity.reset where id = $1 for update";
    COUNT_TRY = "update identity.reset set tries = tries + 1 where id = $1";
    // The one that was used, and all others: who has set a password needs none of them.
    USE_RESETS = "update identity.reset set used_at = $2 where user_id = $1 and used_at is null";
    FORGET_RESETS = "delete from identity.reset where expires_at < now() - interval '1 day'";
}

pub(crate) fn insert_reset(
    tx: &mut Tx,
    (id, user): (Uuid, UserId),
    secret_hash: Vec<u8>,
    expires_at: Timestamp,
) {
    let now = tx.now();
    tx.change(INSERT_RESET, params![id, user, secret_hash, now, expires_at]);
}

pub(crate) async fn lock_reset(tx: &mut Tx, id: Uuid) -> Result<Option<(UserId, Kept)>, DbError> {
    let rows = tx.query(LOCK_RESET, &[&id]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let kept = Kept {
        secret_hash: row.col("secret_hash")?,
        expires_at: row.col("expires_at")?,
        open: row.col("open")?,
        tries: row.col("tries")?,
    };
    Ok(Some((row.col("user_id")?, kept)))
}

pub(crate) fn count_try(tx: &mut Tx, id: Uuid) {
    tx.change(COUNT_TRY, params![id]);
}

pub(crate) fn use_resets(tx: &mut Tx, user: UserId, at: Timestamp) {
    tx.change(USE_RESETS, params![user, at]);
}

pub(crate) fn forget_resets(tx: &mut Tx) {
    tx.change(FORGET_RESETS, params![]);
}
