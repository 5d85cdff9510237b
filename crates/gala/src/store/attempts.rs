//! Wrong pairs of number and name.

use jiff::Timestamp;
use pg::{Columns, DbError, Query, Row, Tx, params};

use crate::attempt::Attempts;

pg::statements! {
    // A row that is not there cannot be locked, so it is made first.
    OPEN_ATTEMPT = "insert into gala.attempt (venue_id, subject, failures, free_at, updated_at)
        values ($1, $2, 0, 'epoch', 'epoch') on conflict do nothing";
    // Attempts from one address are counted one after the other.
    LOCK_ATTEMPT = "select failures, free_at, updated_at from gala.attempt
        where venue_id = $1 and subject = $2 for update";
    // Only looked at: all guests of a show would queue at its row.
    SHOWS_ATTEMPTS = "select failures, free_at, updated_at from gala.attempt
        where venue_id = $1 and subject = $2";
    UPDATE_ATTEMPT = "update gala.attempt set failures = $3, free_at = $4, updated_at = $5
        where venue_id = $1 and subject = $2";
    FORGIVE_ATTEMPTS = "update gala.attempt
        set failures = greatest(0, failures - $3), free_at = least(free_at, $4)
        where venue_id = $1 and subject = $2";
    COUNT_SHOWS_FAILURES = "insert into gala.attempt (venue_id, subject, failures, free_at, updated_at)
        values ($1, $2, $3, $4, $5)
        on conflict (venue_id, subject) do update
        set failures = case when gala.attempt.free_at > $5 then gala.attempt.failures + $3 else $3 end,
            free_at = case when gala.attempt.free_at > $5 then gala.attempt.free_at else $4 end,
            updated_at = $5";
    FORGET_ATTEMPTS = "delete from gala.attempt where updated_at < now() - interval '2 days'";
}

fn attempts(row: &Row) -> Result<Attempts, DbError> {
    Ok(Attempts {
        failures: row.col("failures")?,
        free_at: row.col("free_at")?,
        updated_at: row.col("updated_at")?,
    })
}

/// What the address has tried, locked, and what was tried at the show.
pub(crate) async fn lock_attempts(
    tx: &mut Tx,
    address: &str,
    show: &str,
) -> Result<(Option<Attempts>, Option<Attempts>), DbError> {
    let venue = tx.venue()?;
    let [_, of_address, of_show] = tx
        .pipeline([
            Query::new(OPEN_ATTEMPT, &[&venue, &address]),
            Query::new(LOCK_ATTEMPT, &[&venue, &address]),
            Query::new(SHOWS_ATTEMPTS, &[&venue, &show]),
        ])
        .await?;
    let first = |rows: &[Row]| rows.first().map(attempts).transpose();
    Ok((first(&of_address)?, first(&of_show)?))
}

pub(crate) fn update_attempts(
    tx: &mut Tx,
    subject: &str,
    counted: Attempts,
) -> Result<(), DbError> {
    let Attempts { failures, free_at, updated_at } = counted;
    let row = params![tx.venue()?, subject.to_owned(), failures, free_at, updated_at];
    tx.change(UPDATE_ATTEMPT, row);
    Ok(())
}

pub(crate) fn forgive(tx: &mut Tx, subject: &str, pairs: i32) -> Result<(), DbError> {
    let row = params![tx.venue()?, subject.to_owned(), pairs, tx.now()];
    tx.change(FORGIVE_ATTEMPTS, row);
    Ok(())
}

pub(crate) fn count_show(
    tx: &mut Tx,
    subject: &str,
    pairs: i32,
    ends_at: Timestamp,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, subject.to_owned(), pairs, ends_at, tx.now()];
    tx.change(COUNT_SHOWS_FAILURES, row);
    Ok(())
}

pub(crate) fn forget_attempts(tx: &mut Tx) {
    tx.change(FORGET_ATTEMPTS, params![]);
}
