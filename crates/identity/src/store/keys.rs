//! The keys that sign access tokens.

use jiff::Timestamp;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

/// One lock for all who make or change keys of a database.
const KEYS_LOCK: i64 = 0x524f_574c_4f43_4b02;

pg::statements! {
    // Keys are made once per database, however many workers start at the same moment.
    LOCK_KEYS = "select pg_advisory_xact_lock($1)";
    // A retired key still verifies the tokens that it has signed, for much longer than they live.
    LIST_KEYS = "select kid, public_key, private_sealed, state, changed_at
        from identity.signing_key
        where state <> 'retired' or changed_at > $1::timestamptz - interval '1 hour'";
    INSERT_KEY = "insert into identity.signing_key
            (kid, public_key, private_sealed, state, created_at, changed_at)
        values ($1, $2, $3, $4, $5, $5)";
    MOVE_KEY = "update identity.signing_key set state = $2, changed_at = $3 where kid = $1";
    FORGET_KEYS = "delete from identity.signing_key
        where state = 'retired' and changed_at < now() - interval '1 day'";
}

/// A key as the database keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) kid: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) private_sealed: Vec<u8>,
    pub(crate) state: String,
    pub(crate) changed_at: Timestamp,
}

fn key(row: &Row) -> Result<KeyRow, DbError> {
    Ok(KeyRow {
        kid: row.col("kid")?,
        public_key: row.col("public_key")?,
        private_sealed: row.col("private_sealed")?,
        state: row.col("state")?,
        changed_at: row.col("changed_at")?,
    })
}

pub(crate) async fn lock_keys(tx: &mut Tx) -> Result<Vec<KeyRow>, DbError> {
    let now = tx.now();
    let [_, rows] =
        tx.pipeline([Query::new(LOCK_KEYS, &[&KEYS_LOCK]), Query::new(LIST_KEYS, &[&now])]).await?;
    rows.iter().map(key).collect()
}

pub(crate) async fn list_keys(q: &mut Reader, now: Timestamp) -> Result<Vec<KeyRow>, DbError> {
    q.query(LIST_KEYS, &[&now]).await?.iter().map(key).collect()
}

pub(crate) fn insert_key(tx: &mut Tx, key: &KeyRow) {
    let KeyRow { kid, public_key, private_sealed, state, changed_at } = key.clone();
    tx.change(INSERT_KEY, params![kid, public_key, private_sealed, state, changed_at]);
}

pub(crate) fn move_key(tx: &mut Tx, kid: &str, state: &'static str, at: Timestamp) {
    tx.change(MOVE_KEY, params![kid.to_owned(), state, at]);
}

pub(crate) fn forget_keys(tx: &mut Tx) {
    tx.change(FORGET_KEYS, params![]);
}
