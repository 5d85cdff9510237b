//! Guests: tickets with a party, a chair and wishes.

use jiff::Timestamp;
use kernel::ids::{PartyId, ShowId, TicketId};
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::model::{GuestRow, Preferences};

pg::statements! {
    // A row that is not there cannot be locked, so it is made first; in ticket order, like the lock.
    OPEN_GUESTS = "insert into gala.guest (venue_id, show_id, ticket_id)
        select $1, $2, t from unnest($3::uuid[]) as t order by t on conflict do nothing";
    // Guests before chairs, in ticket order: two sessions with the same ticket, a guest who chooses
    // while staff move them, two moves that cross: they meet here, and nobody waits in a circle.
    LOCK_GUESTS = "select ticket_id from gala.guest
        where venue_id = $1 and show_id = $2 and ticket_id = any($3) order by ticket_id for update";
    // The party that the token stands for; whoever has left it meanwhile is not locked.
    LOCK_GUESTS_OF_TOKEN = "select ticket_id from gala.guest
        where venue_id = $1 and show_id = $2 and party_id = (
            select s.party_id from gala.session s
            where s.venue_id = $1 and s.token_hash = $3
              and s.expires_at > clock_timestamp() + $4::bigint * interval '1 microsecond')
        order by ticket_id for update";
    // Behind the lock, with a snapshot of its own.
    GUESTS_BY_TICKETS = "select g.ticket_id, g.party_id, p.code, w.code as with_code, g.table_name,
            g.chair, g.dietary, g.accessible, g.children, g.note
        from gala.guest g
        left join gala.party p on p.venue_id = g.venue_id and p.id = g.party_id
        left join gala.party w on w.venue_id = p.venue_id and w.id = p.with_party
        where g.venue_id = $1 and g.show_id = $2 and g.ticket_id = any($3) order by g.ticket_id";
    GUESTS_OF_TOKEN = "select g.ticket_id, g.party_id, p.code, w.code as with_code, g.table_name,
            g.chair, g.dietary, g.accessible, g.children, g.note
        from gala.session s
        join gala.party p on p.venue_id = s.venue_id and p.id = s.party_id
        join gala.guest g on g.venue_id = p.venue_id and g.party_id = p.id
        left join gala.party w on w.venue_id = p.venue_id and w.id = p.with_party
        where s.venue_id = $1 and g.show_id = $2 and s.token_hash = $3
          and s.expires_at > clock_timestamp() + $4::bigint * interval '1 microsecond'
        order by g.ticket_id";
    GUESTS_OF_PARTY = "select g.ticket_id, g.party_id, p.code, w.code as with_code, g.table_name,
            g.chair, g.dietary, g.accessible, g.children, g.note
        from gala.party p
        join gala.guest g on g.venue_id = p.venue_id and g.party_id = p.id
        left join gala.party w on w.venue_id = p.venue_id and w.id = p.with_party
        where p.venue_id = $1 and g.show_id = $2 and p.id = $3 order by g.ticket_id";
    LIST_GUESTS = "select g.ticket_id, g.party_id, p.code, w.code as with_code, g.table_name,
            g.chair, g.dietary, g.accessible, g.children, g.note
        from gala.guest g
        left join gala.party p on p.venue_id = g.venue_id and p.id = g.party_id
        left join gala.party w on w.venue_id = p.venue_id and w.id = p.with_party
        where g.venue_id = $1 and g.show_id = $2 order by g.ticket_id";
    TICKETS_AT_TABLES = "select ticket_id from gala.guest
        where venue_id = $1 and show_id = $2 and table_name = any($3)";
    // All leave before anybody arrives: a swap would meet its own other half at the unique key.
    UNSEAT_GUESTS = "update gala.guest set table_name = null, chair = null, seated_at = null
        where venue_id = $1 and show_id = $2 and ticket_id = any($3)";
    SEAT_GUESTS = "update gala.guest g
        set table_name = s.table_name, chair = s.chair, seated_at = $6
        from unnest($3::uuid[], $4::text[], $5::int[]) as s(ticket, table_name, chair)
        where g.venue_id = $1 and g.show_id = $2 and g.ticket_id = s.ticket";
    SET_PARTY = "update gala.guest set party_id = $4
        where venue_id = $1 and show_id = $2 and ticket_id = any($3)";
    SET_PREFERENCES = "update gala.guest
        set dietary = $4, accessible = $5, children = $6, note = $7
        where venue_id = $1 and show_id = $2 and ticket_id = $3";
}

fn guest(row: &Row) -> Result<GuestRow, DbError> {
    Ok(GuestRow {
        ticket: row.col("ticket_id")?,
        party: row.col("party_id")?,
        code: row.col("code")?,
        with: row.col("with_code")?,
        table: row.col("table_name")?,
        chair: row.col("chair")?,
        preferences: Preferences {
            dietary: row.col("dietary")?,
            accessible: row.col("accessible")?,
            children: row.col("children")?,
            note: row.col("note")?,
        },
    })
}

fn guests(rows: &[Row]) -> Result<Vec<GuestRow>, DbError> {
    rows.iter().map(guest).collect()
}

/// Makes the guests' rows where they are missing, locks them, and gives them. The tickets have to
/// be of the show: nothing else says so.
pub(crate) async fn lock_guests(
    tx: &mut Tx,
    show: ShowId,
    tickets: &[TicketId],
) -> Result<Vec<GuestRow>, DbError> {
    let venue = tx.venue()?;
    tx.execute(OPEN_GUESTS, &[&venue, &show, &tickets]).await?;
    let [_, rows] = tx
        .pipeline([
            Query::new(LOCK_GUESTS, &[&venue, &show, &tickets]),
            Query::new(GUESTS_BY_TICKETS, &[&venue, &show, &tickets]),
        ])
        .await?;
    guests(&rows)
}

/// Locks the guests whose party the token stands for, and gives them; none for a token that does
/// not count.
pub(crate) async fn lock_guests_of_token(
    tx: &mut Tx,
    show: ShowId,
    token_hash: &[u8],
) -> Result<Vec<GuestRow>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let [_, rows] = tx
        .pipeline([
            Query::new(LOCK_GUESTS_OF_TOKEN, &[&venue, &show, &token_hash, &offset]),
            Query::new(GUESTS_OF_TOKEN, &[&venue, &show, &token_hash, &offset]),
        ])
        .await?;
    guests(&rows)
}

pub(crate) async fn find_guests_of_token(
    q: &mut Reader,
    show: ShowId,
    token_hash: &[u8],
    offset_micros: i64,
) -> Result<Vec<GuestRow>, DbError> {
    let venue = q.venue()?;
    guests(&q.query(GUESTS_OF_TOKEN, &[&venue, &show, &token_hash, &offset_micros]).await?)
}

/// All guests of a party, not locked: for what is told.
pub(crate) async fn look_at_party(
    tx: &mut Tx,
    show: ShowId,
    party: PartyId,
) -> Result<Vec<GuestRow>, DbError> {
    let venue = tx.venue()?;
    guests(&tx.query(GUESTS_OF_PARTY, &[&venue, &show, &party]).await?)
}

pub(crate) async fn list_guests(q: &mut Reader, show: ShowId) -> Result<Vec<GuestRow>, DbError> {
    let venue = q.venue()?;
    guests(&q.query(LIST_GUESTS, &[&venue, &show]).await?)
}

/// Who sits at these tables, not locked: to know whom to lock.
pub(crate) async fn look_at_tables(
    tx: &mut Tx,
    show: ShowId,
    tables: &[String],
) -> Result<Vec<TicketId>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(TICKETS_AT_TABLES, &[&venue, &show, &tables]).await?;
    rows.iter().map(|row| row.col("ticket_id")).collect()
}

/// A guest's new place.
pub(crate) struct Seat {
    pub(crate) ticket: TicketId,
    pub(crate) table: String,
    pub(crate) chair: i32,
}

pub(crate) fn unseat_guests(
    tx: &mut Tx,
    show: ShowId,
    tickets: Vec<TicketId>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, tickets];
    tx.change(UNSEAT_GUESTS, row);
    Ok(())
}

pub(crate) fn seat_guests(
    tx: &mut Tx,
    show: ShowId,
    seats: &[Seat],
    at: Timestamp,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        show,
        seats.iter().map(|seat| seat.ticket).collect::<Vec<_>>(),
        seats.iter().map(|seat| seat.table.clone()).collect::<Vec<_>>(),
        seats.iter().map(|seat| seat.chair).collect::<Vec<_>>(),
        at,
    ];
    tx.change(SEAT_GUESTS, row);
    Ok(())
}

pub(crate) fn set_party(
    tx: &mut Tx,
    show: ShowId,
    tickets: Vec<TicketId>,
    party: PartyId,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, tickets, party];
    tx.change(SET_PARTY, row);
    Ok(())
}

pub(crate) fn set_preferences(
    tx: &mut Tx,
    show: ShowId,
    ticket: TicketId,
    wishes: &Preferences,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        show,
        ticket,
        wishes.dietary.clone(),
        wishes.accessible,
        wishes.children,
        wishes.note.clone(),
    ];
    tx.change(SET_PREFERENCES, row);
    Ok(())
}
