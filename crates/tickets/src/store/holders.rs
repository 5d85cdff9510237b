//! Tickets as their holders' rights.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Reader, Row, Tx};
use uuid::Uuid;

use crate::holders::Holder;

pg::statements! {
    // The same words as the index `ticket_number_loosely` has, or it is not used.
    HOLDERS_BY_NUMBERS = "select id, number, name, email, seat, booking_id,
            status = 'revoked' as revoked
        from tickets.ticket
        where venue_id = $1 and show_id = $2
          and translate(upper(number), ' -', '') = any($3::text[])
        order by id";
    HOLDERS_BY_IDS = "select id, number, name, email, seat, booking_id,
            status = 'revoked' as revoked
        from tickets.ticket where venue_id = $1 and show_id = $2 and id = any($3) order by id";
    HOLDERS_BY_SEATS = "select id, number, name, email, seat, booking_id,
            status = 'revoked' as revoked
        from tickets.ticket
        where venue_id = $1 and show_id = $2 and seat = any($3) and status <> 'revoked'
        order by id";
    HOLDERS_OF_SHOW = "select id, number, name, email, seat, booking_id,
            status = 'revoked' as revoked
        from tickets.ticket where venue_id = $1 and show_id = $2 order by id";
    // A person is in many venues.
    TICKETS_OF_PERSON = "select id from tickets.ticket where lower(email) = $1";
}

fn holder(row: &Row) -> Result<Holder, DbError> {
    Ok(Holder {
        id: row.col("id")?,
        number: row.col("number")?,
        name: row.col("name")?,
        email: row.col("email")?,
        seat: row.col("seat")?,
        booking: row.col("booking_id")?,
        revoked: row.col("revoked")?,
    })
}

pub(crate) async fn find_by_numbers(
    tx: &mut Tx,
    show: ShowId,
    plain: &[String],
) -> Result<Vec<Holder>, DbError> {
    let venue = tx.venue()?;
    tx.query(HOLDERS_BY_NUMBERS, &[&venue, &show, &plain]).await?.iter().map(holder).collect()
}

pub(crate) async fn find_by_ids(
    tx: &mut Tx,
    show: ShowId,
    ids: &[Uuid],
) -> Result<Vec<Holder>, DbError> {
    let venue = tx.venue()?;
    tx.query(HOLDERS_BY_IDS, &[&venue, &show, &ids]).await?.iter().map(holder).collect()
}

pub(crate) async fn list_by_ids(
    q: &mut Reader,
    show: ShowId,
    ids: &[Uuid],
) -> Result<Vec<Holder>, DbError> {
    let venue = q.venue()?;
    q.query(HOLDERS_BY_IDS, &[&venue, &show, &ids]).await?.iter().map(holder).collect()
}

pub(crate) async fn list_by_seats(
    q: &mut Reader,
    show: ShowId,
    seats: &[&str],
) -> Result<Vec<Holder>, DbError> {
    let venue = q.venue()?;
    q.query(HOLDERS_BY_SEATS, &[&venue, &show, &seats]).await?.iter().map(holder).collect()
}

pub(crate) async fn list_of_show(q: &mut Reader, show: ShowId) -> Result<Vec<Holder>, DbError> {
    let venue = q.venue()?;
    q.query(HOLDERS_OF_SHOW, &[&venue, &show]).await?.iter().map(holder).collect()
}

pub(crate) async fn ids_of_person(tx: &mut Tx, email: &str) -> Result<Vec<Uuid>, DbError> {
    tx.query(TICKETS_OF_PERSON, &[&email]).await?.iter().map(|row| row.col("id")).collect()
}

pub(crate) async fn list_of_person(q: &mut Reader, email: &str) -> Result<Vec<Uuid>, DbError> {
    q.query(TICKETS_OF_PERSON, &[&email]).await?.iter().map(|row| row.col("id")).collect()
}
