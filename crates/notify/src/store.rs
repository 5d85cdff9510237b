//! All SQL of this slice.

use jiff::Timestamp;
use pg::{Columns, DbError, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::mail::Mail;

pg::statements! {
    INSERT_MAIL = "insert into notify.mail
            (venue_id, id, kind, recipient, subject, text, html, next_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    // What another worker has claimed at this moment is left to it.
    LOCK_DUE_MAILS = "select venue_id, id, kind, recipient, subject, text, html, tries
        from notify.mail
        where state = 'queued'
          and next_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        order by next_at limit $2 for update skip locked";
    CLAIM_MAIL = "update notify.mail set tries = tries + 1, next_at = $3
        where venue_id = $1 and id = $2";
    // Only the try that claimed it says what came of it: a slow one that was overtaken says nothing.
    SETTLE_MAIL = "update notify.mail
        set state = $4, settled_at = $5, reason = $6, text = null, html = null
        where venue_id = $1 and id = $2 and tries = $3 and state = 'queued'";
    PUT_MAIL_OFF = "update notify.mail set next_at = $4, reason = $5
        where venue_id = $1 and id = $2 and tries = $3 and state = 'queued'";
    COUNT_WAITING = "select count(*) as mails, min(created_at) as oldest from
        (select created_at from notify.mail where state = 'queued' order by next_at limit 1000) w";
    FORGET_MAILS = "delete from notify.mail
        where state <> 'queued' and settled_at < now() - interval '30 days'";
}

/// A mail that is to be sent now.
pub(crate) struct Due {
    pub(crate) venue: Uuid,
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    /// How often it was tried, this try included.
    pub(crate) tries: i32,
}

fn due(row: &Row) -> Result<Due, DbError> {
    let text: Option<String> = row.col("text")?;
    let before: i32 = row.col("tries")?;
    Ok(Due {
        venue: row.col("venue_id")?,
        id: row.col("id")?,
        kind: row.col("kind")?,
        to: row.col("recipient")?,
        subject: row.col("subject")?,
        text: text.unwrap_or_default(),
        html: row.col("html")?,
        tries: before + 1,
    })
}

pub(crate) fn insert_mail(tx: &mut Tx, (venue, id): (Uuid, Uuid), mail: Mail, at: Timestamp) {
    let Mail { to, subject, text, html, kind } = mail;
    tx.change(INSERT_MAIL, params![venue, id, kind, to, subject, text, html, at]);
}

pub(crate) async fn lock_due_mails(tx: &mut Tx, limit: i64) -> Result<Vec<Due>, DbError> {
    let offset = tx.clock_offset_micros();
    tx.query(LOCK_DUE_MAILS, &[&offset, &limit]).await?.iter().map(due).collect()
}

pub(crate) fn claim_mail(tx: &mut Tx, mail: &Due, until: Timestamp) {
    tx.change(CLAIM_MAIL, params![mail.venue, mail.id, until]);
}

pub(crate) fn settle_mail(tx: &mut Tx, mail: &Due, state: &'static str, reason: Option<String>) {
    let (venue, id, tries, now) = (mail.venue, mail.id, mail.tries, tx.now());
    tx.change(SETTLE_MAIL, params![venue, id, tries, state, now, reason]);
}

pub(crate) fn put_mail_off(tx: &mut Tx, mail: &Due, until: Timestamp, reason: String) {
    tx.change(PUT_MAIL_OFF, params![mail.venue, mail.id, mail.tries, until, reason]);
}

pub(crate) async fn count_waiting(q: &mut Reader) -> Result<(i64, Option<Timestamp>), DbError> {
    let rows = q.query(COUNT_WAITING, &[]).await?;
    rows.first().map_or(Ok((0, None)), |row| Ok((row.col("mails")?, row.col("oldest")?)))
}

pub(crate) fn forget_mails(tx: &mut Tx) {
    tx.change(FORGET_MAILS, params![]);
}

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    ALL.to_vec()
}
