//! The token of a first start: at most one, and only while there is no user.

use jiff::Timestamp;
use pg::{Columns, DbError, Query, Tx, params};

pg::statements! {
    // Of several workers that start at once the first puts its token here; the others find it good.
    // The offset is the rules' clock: zero but in tests.
    OFFER_SETUP = "insert into identity.setup (token_hash, expires_at) select $1, $2
        where not exists (select from identity.user)
        on conflict (one) do update
            set token_hash = excluded.token_hash, expires_at = excluded.expires_at
            where setup.expires_at <= $3
        returning one";
    // Whoever sets up holds this row: the second of two sees a user, and no token.
    LOCK_SETUP = "select token_hash, expires_at from identity.setup for update";
    ANY_USER_YET = "select exists (select from identity.user) as some";
    VOID_SETUP = "delete from identity.setup";
}

/// The token under its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) token_hash: Vec<u8>,
    pub(crate) expires_at: Timestamp,
}

/// Whether the token is the one that counts now.
pub(crate) async fn offer_setup(
    tx: &mut Tx,
    token_hash: &[u8],
    expires_at: Timestamp,
) -> Result<bool, DbError> {
    let now = tx.now();
    let rows = tx.execute(OFFER_SETUP, &[&token_hash, &expires_at, &now]).await?;
    Ok(!rows.is_empty())
}

/// The token, and whether there is a user by now.
pub(crate) async fn lock_setup(tx: &mut Tx) -> Result<(Option<Kept>, bool), DbError> {
    let [tokens, users] =
        tx.pipeline([Query::new(LOCK_SETUP, &[]), Query::new(ANY_USER_YET, &[])]).await?;
    let any_user = users.first().map_or(Ok(true), |row| row.col("some"))?;
    let Some(row) = tokens.first() else { return Ok((None, any_user)) };
    let kept = Kept { token_hash: row.col("token_hash")?, expires_at: row.col("expires_at")? };
    Ok((Some(kept), any_user))
}

pub(crate) fn void_setup(tx: &mut Tx) {
    tx.change(VOID_SETUP, params![]);
}
