//! Attempts to sign in.

use jiff::Timestamp;
use pg::{Columns, DbError, Query, Tx, params};

use crate::attempt::Attempts;

pg::statements! {
    // A row that is not there cannot be locked, so it is made first. In the order of the subjects,
    // like the lock: two attempts for the same account from the same address never cross.
    OPEN_ATTEMPTS = "insert into identity.attempt (subject, failures, free_at, updated_at)
        select s, 0, 'epoch', 'epoch' from unnest($1::text[]) s order by s
        on conflict do nothing";
    // Attempts for one account, or from one address, are counted one after the other.
    LOCK_ATTEMPTS = "select subject, failures, free_at, updated_at from identity.attempt
        where subject = any($1::text[]) order by subject for update";
    UPDATE_ATTEMPTS = "update identity.attempt
        set failures = $2, free_at = $3, updated_at = $4 where subject = $1";
    FORGIVE_ACCOUNT = "update identity.attempt
        set failures = 0, free_at = $2, updated_at = $2 where subject = $1";
    KNOW_ADDRESS = "insert into identity.attempt (subject, failures, free_at, updated_at)
        values ($1, 0, $2, $2)
        on conflict (subject) do update set failures = 0, free_at = $2, updated_at = $2";
    // A known address is remembered for longer than failures are.
    FORGET_ATTEMPTS = "delete from identity.attempt
        where updated_at < now() - interval '30 days'
           or (subject not like 'known:%' and updated_at < now() - interval '2 days')";
}

/// The rows of `all`; those of `sure` are there even when nothing was tried before.
pub(crate) async fn lock_attempts(
    tx: &mut Tx,
    sure: &[&str],
    all: &[&str],
) -> Result<Vec<(String, Attempts)>, DbError> {
    let [_, rows] = tx
        .pipeline([Query::new(OPEN_ATTEMPTS, &[&sure]), Query::new(LOCK_ATTEMPTS, &[&all])])
        .await?;
    rows.iter()
        .map(|row| {
            let attempts = Attempts {
                failures: row.col("failures")?,
                free_at: row.col("free_at")?,
                updated_at: row.col("updated_at")?,
            };
            Ok((row.col("subject")?, attempts))
        })
        .collect()
}

pub(crate) fn update_attempts(tx: &mut Tx, subject: &str, counted: Attempts) {
    let Attempts { failures, free_at, updated_at } = counted;
    tx.change(UPDATE_ATTEMPTS, params![subject.to_owned(), failures, free_at, updated_at]);
}

pub(crate) fn forgive_account(tx: &mut Tx, subject: &str, at: Timestamp) {
    tx.change(FORGIVE_ACCOUNT, params![subject.to_owned(), at]);
}

pub(crate) fn know_address(tx: &mut Tx, subject: &str, at: Timestamp) {
    tx.change(KNOW_ADDRESS, params![subject.to_owned(), at]);
}

pub(crate) fn forget_attempts(tx: &mut Tx) {
    tx.change(FORGET_ATTEMPTS, params![]);
}
