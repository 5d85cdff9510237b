//! All SQL of this slice.

pub(crate) mod pushes;

use jiff::Timestamp;
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::erase_person::MailKept;
use crate::mail::{Attachment, Mail};

pg::statements! {
    INSERT_MAIL = "insert into notify.mail
            (venue_id, id, kind, recipient, subject, text, html, attachments, next_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
    // What another worker has claimed at this moment is left to it.
    LOCK_DUE_MAILS = "select venue_id, id, kind, recipient, subject, text, html, attachments, tries
        from notify.mail
        where state = 'queued'
          and next_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        order by next_at limit $2 for update skip locked";
    CLAIM_MAIL = "update notify.mail set tries = tries + 1, next_at = $3
        where venue_id = $1 and id = $2";
    // Only the try that claimed it says what came of it: a slow one that was overtaken says nothing.
    SETTLE_MAIL = "update notify.mail
        set state = $4, settled_at = $5, reason = $6, text = null, html = null,
            attachments = null
        where venue_id = $1 and id = $2 and tries = $3 and state = 'queued'";
    PUT_MAIL_OFF = "update notify.mail set next_at = $4, reason = $5
        where venue_id = $1 and id = $2 and tries = $3 and state = 'queued'";
    // Also those that wait: nobody is to be written to any more.
    ERASE_MAILS = "delete from notify.mail where lower(recipient) = $1 returning id";
    LIST_MAILS_TO = "select kind, subject, state, created_at from notify.mail
        where lower(recipient) = $1 order by created_at, id limit $2";
    COUNT_WAITING = "select count(*) as mails, min(created_at) as oldest from
        (select created_at from notify.mail where state = 'queued' order by next_at limit 1000) w";
    OUTCOMES = "select id, state, reason from notify.mail
        where id = any($1) and state <> 'queued'";
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
    pub(crate) attachments: Vec<Attachment>,
    /// How often it was tried, this try included.
    pub(crate) tries: i32,
}

fn due(row: &Row) -> Result<Due, DbError> {
    let text: Option<String> = row.col("text")?;
    let before: i32 = row.col("tries")?;
    let attachments: Option<Json<Vec<Attachment>>> = row.col("attachments")?;
    Ok(Due {
        venue: row.col("venue_id")?,
        id: row.col("id")?,
        kind: row.col("kind")?,
        to: row.col("recipient")?,
        subject: row.col("subject")?,
        text: text.unwrap_or_default(),
        html: row.col("html")?,
        attachments: attachments.map(|found| found.0).unwrap_or_default(),
        tries: before + 1,
    })
}

pub(crate) fn insert_mail(tx: &mut Tx, (venue, id): (Uuid, Uuid), mail: Mail, at: Timestamp) {
    let Mail { to, subject, text, html, attachments, kind } = mail;
    let attachments = Some(attachments).filter(|all| !all.is_empty()).map(Json);
    tx.change(INSERT_MAIL, params![venue, id, kind, to, subject, text, html, attachments, at]);
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

pub(crate) async fn erase_mails(tx: &mut Tx, recipient: &str) -> Result<(), DbError> {
    tx.execute(ERASE_MAILS, &[&recipient]).await.map(drop)
}

pub(crate) async fn list_mails_to(
    q: &mut Reader,
    recipient: &str,
    limit: i64,
) -> Result<Vec<MailKept>, DbError> {
    let rows = q.query(LIST_MAILS_TO, &[&recipient, &limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(MailKept {
                kind: row.col("kind")?,
                subject: row.col("subject")?,
                state: row.col("state")?,
                created_at: row.col("created_at")?,
            })
        })
        .collect()
}

pub(crate) async fn list_outcomes(q: &mut Reader, ids: &[Uuid]) -> Result<Vec<Row>, DbError> {
    q.query(OUTCOMES, &[&ids]).await
}

pub(crate) fn forget_mails(tx: &mut Tx) {
    tx.change(FORGET_MAILS, params![]);
}

/// Every statement with its name, for the test that prepares them all on the migrated schema.
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    [ALL, pushes::ALL].concat()
}
