//! Wrong pairs of number and name.

use jiff::Timestamp;
use pg::{Columns, DbError, Query, Row, Tx, params};

use crate::attempt::Attempts;

pg::statements! {
    // A row that is not there cannot be locked, so it is made first. In the order of the subjects,
    // like the lock: two parties of one address and with one ticket never cross.
    OPEN_ATTEMPTS = "insert into gala.attempt (venue_id, subject, failures, free_at, updated_at)
        select $1, s, 0, 'epoch', 'epoch' from unnest($2::text[]) s order by s
        on conflict do nothing";
    // Attempts from one address, or for one ticket, are counted one after the other.
    LOCK_ATTEMPTS = "select subject, failures, free_at, updated_at from gala.attempt
        where venue_id = $1 and subject = any($2) order by subject for update";
    // Only looked at: all guests of a show would queue at its row.
    SHOWS_ATTEMPTS = "select failures, free_at, updated_at from gala.attempt
        where venue_id = $1 and subject = $2";
    UPDATE_ATTEMPTS = "update gala.attempt a
        set failures = n.failures, free_at = n.free_at, updated_at = n.updated_at
        from unnest($2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[])
            as n(subject, failures, free_at, updated_at)
        where a.venue_id = $1 and a.subject = n.subject";
    // Locked in the same order as by whoever counts.
    FORGIVE_ATTEMPTS = "with mine as (
            select subject from gala.attempt where venue_id = $1 and subject = any($2)
            order by subject for update)
        update gala.attempt a
        set failures = greatest(f.least, a.failures - f.pairs), free_at = least(a.free_at, $5)
        from mine join unnest($2::text[], $3::int[], $4::int[]) as f(subject, pairs, least)
            using (subject)
        where a.venue_id = $1 and a.subject = mine.subject";
    KNOW_TICKETS = "insert into gala.attempt (venue_id, subject, failures, free_at, updated_at)
        select $1, s, 0, $3, $3 from unnest($2::text[]) s order by s on conflict do nothing";
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

/// What was tried under each subject.
pub(crate) type Counted = Vec<(String, Attempts)>;

/// The rows of `all`, locked; those of `sure` are there even when nothing was tried before. And
/// what was tried at the show. One packet.
pub(crate) async fn lock_attempts(
    tx: &mut Tx,
    sure: &[&str],
    all: &[&str],
    show: &str,
) -> Result<(Counted, Option<Attempts>), DbError> {
    let venue = tx.venue()?;
    let [_, rows, of_show] = tx
        .pipeline([
            Query::new(OPEN_ATTEMPTS, &[&venue, &sure]),
            Query::new(LOCK_ATTEMPTS, &[&venue, &all]),
            Query::new(SHOWS_ATTEMPTS, &[&venue, &show]),
        ])
        .await?;
    let rows = rows.iter().map(|row| Ok((row.col("subject")?, attempts(row)?)));
    let of_show = of_show.first().map(attempts).transpose()?;
    Ok((rows.collect::<Result<_, DbError>>()?, of_show))
}

/// The rows are locked.
pub(crate) fn update_attempts(tx: &mut Tx, counted: Counted) -> Result<(), DbError> {
    let (subjects, rows): (Vec<String>, Vec<Attempts>) = counted.into_iter().unzip();
    let row = params![
        tx.venue()?,
        subjects,
        rows.iter().map(|row| row.failures).collect::<Vec<_>>(),
        rows.iter().map(|row| row.free_at).collect::<Vec<_>>(),
        rows.iter().map(|row| row.updated_at).collect::<Vec<_>>(),
    ];
    tx.change(UPDATE_ATTEMPTS, row);
    Ok(())
}

/// What is taken off a subject's count, and where that ends.
#[derive(Clone, Debug)]
pub(crate) struct Forgiven {
    pub(crate) subject: String,
    pub(crate) pairs: i32,
    pub(crate) least: i32,
}

/// They may be tried again at once.
pub(crate) fn forgive(tx: &mut Tx, all: Vec<Forgiven>) -> Result<(), DbError> {
    let (pairs, least): (Vec<i32>, Vec<i32>) = all.iter().map(|it| (it.pairs, it.least)).unzip();
    let subjects: Vec<String> = all.into_iter().map(|it| it.subject).collect();
    let row = params![tx.venue()?, subjects, pairs, least, tx.now()];
    tx.change(FORGIVE_ATTEMPTS, row);
    Ok(())
}

/// Tickets that were right at an address.
pub(crate) fn know(tx: &mut Tx, subjects: Vec<String>) -> Result<(), DbError> {
    let row = params![tx.venue()?, subjects, tx.now()];
    tx.change(KNOW_TICKETS, row);
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
