//! Tickets.

use kernel::ids::{ShowId, TicketId};
use pg::{Columns, DbError, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::{MailState, Ticket, TicketStatus};

pg::statements! {
    FIND_TICKET = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where venue_id = $1 and id = $2";
    LIST_TICKETS = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket
        where venue_id = $1 and show_id = $2 and id > $3
          and ($5::text is null or number ilike $5 or name ilike $5 or email ilike $5 or seat ilike $5)
          and ($6::text is null or status = $6)
        order by id limit $4";
    // One statement for a whole list: a number that is taken refuses all of it.
    INSERT_TICKETS = "insert into tickets.ticket (venue_id, id, show_id, number, class, name, email,
            seat, paid, booking_id, created_at)
        select $1, t.id, $2, t.number, t.class, t.name, t.email, t.seat, t.paid, $10, $11
        from unnest($3::uuid[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[],
                    $9::boolean[])
            as t(id, number, class, name, email, seat, paid)";
    TAKEN_NUMBERS = "select number from tickets.ticket
        where venue_id = $1 and show_id = $2 and number = any($3)";
    KINDS = "select class, name from tickets.type where venue_id = $1 and show_id = $2 order by class";
    CLASSES = "select class from tickets.type where venue_id = $1 and show_id = $2 order by class";
}

pub(crate) fn ticket(row: &Row) -> Result<Ticket, DbError> {
    Ok(Ticket {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        number: row.col("number")?,
        class: row.col("class")?,
        name: row.col("name")?,
        email: row.col("email")?,
        seat: row.col("seat")?,
        // A word of a newer version: nobody comes in with it.
        status: TicketStatus::from_name(row.col("status")?).unwrap_or(TicketStatus::Revoked),
        serial: row.col("serial")?,
        paid: row.col("paid")?,
        blocked: row.col("blocked")?,
        booking_id: row.col("booking_id")?,
        zone_id: row.col("zone_id")?,
        entries: row.col("entries")?,
        mail_state: MailState::from_name(row.col("mail_state")?).unwrap_or(MailState::None),
        mail_error: row.col("mail_error")?,
        created_at: row.col("created_at")?,
        version: row.col("version")?,
        reissued_at: row.col("reissued_at")?,
        revoked_at: row.col("revoked_at")?,
        answered: row.col("answered")?,
    })
}

pub(crate) async fn find_ticket(q: &mut Reader, id: TicketId) -> Result<Option<Ticket>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_TICKET, &[&venue, &id]).await?.first().map(ticket).transpose()
}

/// What to list: whose number, name, address or seat contains `q`, in `status`.
pub(crate) struct Search<'a> {
    pub(crate) q: Option<&'a str>,
    pub(crate) status: Option<TicketStatus>,
}

pub(crate) async fn list_tickets(
    q: &mut Reader,
    show: ShowId,
    (limit, after): (i64, Uuid),
    search: &Search<'_>,
) -> Result<Vec<Ticket>, DbError> {
    let (venue, more) = (q.venue()?, limit + 1);
    let pattern = search.q.map(|text| format!("%{}%", escaped(text)));
    let status = search.status.map(TicketStatus::as_str);
    let rows = q.query(LIST_TICKETS, &[&venue, &show, &after, &more, &pattern, &status]).await?;
    rows.iter().map(ticket).collect()
}

/// What a searcher typed means itself.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Those of `numbers` that tickets of the show have.
pub(crate) async fn taken_numbers(
    tx: &mut Tx,
    show: ShowId,
    numbers: &[String],
) -> Result<Vec<String>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(TAKEN_NUMBERS, &[&venue, &show, &numbers]).await?;
    rows.iter().map(|row| row.col("number")).collect()
}

/// The types that the show has: class and name.
pub(crate) async fn kinds(tx: &mut Tx, show: ShowId) -> Result<Vec<(i16, String)>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(KINDS, &[&venue, &show]).await?;
    rows.iter().map(|row| Ok((row.col("class")?, row.col("name")?))).collect()
}

/// The classes that the show has.
pub(crate) async fn classes(tx: &mut Tx, show: ShowId) -> Result<Vec<i16>, DbError> {
    let venue = tx.venue()?;
    tx.query(CLASSES, &[&venue, &show]).await?.iter().map(|row| row.col("class")).collect()
}

/// All of one show and one booking, or none of them.
pub(crate) fn insert_tickets(tx: &mut Tx, show: ShowId, new: &[Ticket]) -> Result<(), DbError> {
    let booking = new.first().and_then(|first| first.booking_id);
    let row = params![
        tx.venue()?,
        show,
        new.iter().map(|it| it.id).collect::<Vec<_>>(),
        new.iter().map(|it| it.number.clone()).collect::<Vec<_>>(),
        new.iter().map(|it| it.class).collect::<Vec<_>>(),
        new.iter().map(|it| it.name.clone()).collect::<Vec<_>>(),
        new.iter().map(|it| it.email.clone()).collect::<Vec<_>>(),
        new.iter().map(|it| it.seat.clone()).collect::<Vec<_>>(),
        new.iter().map(|it| it.paid).collect::<Vec<_>>(),
        booking,
        tx.now(),
    ];
    tx.change(INSERT_TICKETS, row);
    Ok(())
}
