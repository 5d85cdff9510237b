//! What becomes of tickets after they were issued.

use jiff::Timestamp;
use kernel::ids::{BookingId, ShowId, TicketId};
use pg::{Columns, DbError, Reader, Tx, params};

use crate::model::Ticket;
use crate::store::tickets::ticket;

pg::statements! {
    // Whoever changes a ticket takes its row first, as a scan does.
    LOCK_TICKET = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where venue_id = $1 and id = $2 for update";
    LOCK_OF_BOOKING = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where venue_id = $1 and booking_id = $2 and status <> 'revoked'
        order by id for update";
    OF_BOOKING = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where venue_id = $1 and booking_id = $2 order by id";
    SAVE_TICKET = "update tickets.ticket
        set name = $3, email = $4, seat = $5, paid = $6, blocked = $7, status = $8, serial = $9,
            reissued_at = $10, revoked_at = $11, revoked_why = $12, version = $13
        where venue_id = $1 and id = $2";
    // Who is inside has been let in, and stays so. In the order of ids, as all who lock several.
    REVOKE_OF_SHOW = "with due as (
            select id from tickets.ticket
            where venue_id = $1 and show_id = $2 and status = 'issued' order by id for update)
        update tickets.ticket t
        set status = 'revoked', revoked_at = $3, revoked_why = $4, version = version + 1
        from due where t.venue_id = $1 and t.id = due.id";
    SAVE_LINK = "update tickets.ticket set link_hash = $3 where venue_id = $1 and id = $2";
    LINK = "select link_hash from tickets.ticket where venue_id = $1 and id = $2";
    PLACE = "select name, time_zone from tickets.venue where venue_id = $1";
}

/// Locks a ticket; gives it as it is under the lock.
pub(crate) async fn lock_ticket(tx: &mut Tx, id: TicketId) -> Result<Option<Ticket>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_TICKET, &[&venue, &id]).await?.first().map(ticket).transpose()
}

/// Locks those tickets of a booking that still count, in the order of their ids.
pub(crate) async fn lock_of_booking(
    tx: &mut Tx,
    booking: BookingId,
) -> Result<Vec<Ticket>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_OF_BOOKING, &[&venue, &booking]).await?.iter().map(ticket).collect()
}

/// The tickets of a booking, in the order in which they were made.
pub(crate) async fn of_booking(q: &mut Reader, booking: BookingId) -> Result<Vec<Ticket>, DbError> {
    let venue = q.venue()?;
    q.query(OF_BOOKING, &[&venue, &booking]).await?.iter().map(ticket).collect()
}

/// Saves a ticket that this transaction has locked. `why` is why it was revoked, if it is.
pub(crate) fn save_ticket(tx: &mut Tx, it: &Ticket, why: Option<&str>) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        it.id,
        it.name.clone(),
        it.email.clone(),
        it.seat.clone(),
        it.paid,
        it.blocked.clone(),
        it.status.as_str(),
        it.serial,
        it.reissued_at,
        it.revoked_at,
        why.map(str::to_owned),
        it.version,
    ];
    tx.change(SAVE_TICKET, row);
    Ok(())
}

/// Revokes all tickets of a show that nobody was let in with.
pub(crate) fn revoke_of_show(tx: &mut Tx, show: ShowId, why: &str) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, tx.now(), why.to_owned()];
    tx.change(REVOKE_OF_SHOW, row);
    Ok(())
}

pub(crate) fn save_link(tx: &mut Tx, id: TicketId, hash: Vec<u8>) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, hash];
    tx.change(SAVE_LINK, row);
    Ok(())
}

/// What is kept of the secret of a ticket's page.
pub(crate) async fn find_link(q: &mut Reader, id: TicketId) -> Result<Option<Vec<u8>>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(LINK, &[&venue, &id]).await?;
    rows.first().map(|row| row.col("link_hash")).transpose().map(Option::flatten)
}

/// Where the tickets lead, for people to read.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) time_zone: String,
}

impl Place {
    /// A moment as people there read it; UTC where nobody knows the zone.
    pub(crate) fn local(&self, at: Timestamp) -> String {
        let zoned = at.in_tz(&self.time_zone).or_else(|_| at.in_tz("UTC"));
        zoned.map_or_else(
            |_| at.to_string(),
            |zoned| zoned.strftime("%A, %-d %B %Y, %H:%M").to_string(),
        )
    }
}

pub(crate) async fn place(q: &mut Reader) -> Result<Place, DbError> {
    let venue = q.venue()?;
    place_of(&q.query(PLACE, &[&venue]).await?)
}

pub(crate) async fn place_in(tx: &mut Tx) -> Result<Place, DbError> {
    let venue = tx.venue()?;
    place_of(&tx.query(PLACE, &[&venue]).await?)
}

fn place_of(rows: &[pg::Row]) -> Result<Place, DbError> {
    let row = rows.first().ok_or(DbError::Forbidden)?;
    Ok(Place { name: row.col("name")?, time_zone: row.col("time_zone")? })
}
