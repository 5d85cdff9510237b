//! Tickets on their way to their holders.

use jiff::Timestamp;
use kernel::ids::{ShowId, TicketId, VenueId};
use pg::{Columns, DbError, Reader, Tx, params};
use uuid::Uuid;

use crate::model::Ticket;
use crate::store::tickets::ticket;

pg::statements! {
    QUEUE_ONE = "update tickets.ticket
        set mail_state = 'queued', mail_id = null, mail_error = null, mail_tries = 0, email = $3,
            version = version + 1
        where venue_id = $1 and id = $2";
    // Those that somebody has locked at this moment are left to the next call.
    LOCK_TO_QUEUE = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket
        where venue_id = $1 and show_id = $2 and mail_state = any($3) and email is not null
          and status <> 'revoked'
        order by id limit $4 for update skip locked";
    QUEUE_MANY = "update tickets.ticket
        set mail_state = 'queued', mail_id = null, mail_error = null, mail_tries = 0,
            version = version + 1
        where venue_id = $1 and id = any($2)";
    SHOWS_TO_MAIL = "select distinct venue_id, show_id from (
            select venue_id, show_id from tickets.ticket
            where mail_state = 'queued' and mail_id is null limit $1) t";
    LOCK_TO_MAIL = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket
        where venue_id = $1 and show_id = $2 and mail_state = 'queued' and mail_id is null
        order by id limit $3 for update skip locked";
    GIVE_MAIL = "update tickets.ticket
        set mail_id = $3, link_hash = $4, mail_tries = mail_tries + 1
        where venue_id = $1 and id = $2";
    MAILS_OUT = "select venue_id, mail_id from tickets.ticket
        where mail_state = 'queued' and mail_id is not null order by mail_id limit $1";
    LOCK_MAILED = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered, mail_id
        from tickets.ticket
        where venue_id = $1 and mail_id = any($2) and mail_state = 'queued'
        order by id for update";
    SETTLE = "update tickets.ticket
        set status = $3, mail_state = $4, mail_error = $5, mailed_at = $6, version = version + 1
        where venue_id = $1 and id = $2";
}

pub(crate) fn queue_one(tx: &mut Tx, id: TicketId, email: String) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, email];
    tx.change(QUEUE_ONE, row);
    Ok(())
}

/// Tickets of `show` in one of these states of their mail, locked.
pub(crate) async fn lock_to_queue(
    tx: &mut Tx,
    show: ShowId,
    states: &[&str],
    most: i64,
) -> Result<Vec<Ticket>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_TO_QUEUE, &[&venue, &show, &states, &most]).await?;
    rows.iter().map(ticket).collect()
}

pub(crate) fn queue_many(tx: &mut Tx, ids: Vec<TicketId>) -> Result<(), DbError> {
    let row = params![tx.venue()?, ids];
    tx.change(QUEUE_MANY, row);
    Ok(())
}

/// Shows with tickets whose mail is to be written.
pub(crate) async fn shows_to_mail(
    q: &mut Reader,
    most: i64,
) -> Result<Vec<(VenueId, ShowId)>, DbError> {
    let rows = q.query(SHOWS_TO_MAIL, &[&most]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("show_id")?))).collect()
}

/// Tickets whose mail is to be written, locked; those that another worker has are left to it.
pub(crate) async fn lock_to_mail(
    tx: &mut Tx,
    show: ShowId,
    most: i64,
) -> Result<Vec<Ticket>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_TO_MAIL, &[&venue, &show, &most]).await?;
    rows.iter().map(ticket).collect()
}

pub(crate) fn give_mail(
    tx: &mut Tx,
    id: TicketId,
    mail: Uuid,
    link: Vec<u8>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, mail, link];
    tx.change(GIVE_MAIL, row);
    Ok(())
}

/// Mails that are under way, with their venues.
pub(crate) async fn mails_out(q: &mut Reader, most: i64) -> Result<Vec<(VenueId, Uuid)>, DbError> {
    let rows = q.query(MAILS_OUT, &[&most]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("mail_id")?))).collect()
}

/// The tickets of these mails that nobody has settled yet, locked, each with its mail.
pub(crate) async fn lock_mailed(
    tx: &mut Tx,
    mails: &[Uuid],
) -> Result<Vec<(Ticket, Uuid)>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_MAILED, &[&venue, &mails]).await?;
    rows.iter().map(|row| Ok((ticket(row)?, row.col("mail_id")?))).collect()
}

/// Saves what became of a ticket's mail.
pub(crate) fn settle(tx: &mut Tx, it: &Ticket, at: Timestamp) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.status.as_str(),
        it.mail_state.as_str(),
        it.mail_error.clone(),
        at,
    ];
    tx.change(SETTLE, row);
    Ok(())
}
