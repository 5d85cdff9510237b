//! What is kept of a person, to be given to them or erased.

use kernel::ids::UserId;
use pg::{Columns, DbError, Reader, Tx};
use uuid::Uuid;

use crate::model::Ticket;
use crate::store::tickets::ticket;

pg::statements! {
    // The ticket lets in as before: it was paid, and its code names nobody who cannot be read.
    ERASE_TICKETS = "update tickets.ticket set name = 'Erased', email = null, link_hash = null,
            version = version + 1
        where email = $1 returning id";
    // Who scanned first is told by name: no more.
    ERASE_SCANNER = "update tickets.scan
        set detail = (detail::jsonb #- '{firstScan,user}')::json
        where detail #>> '{firstScan,userId}' = $1";
    ERASE_AGENTS = "update tickets.scan set agent = null, address = null
        where user_id = $1 and (agent is not null or address is not null)";
    LIST_OF_PERSON = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where email = $1 order by id";
}

pub(crate) async fn erase(tx: &mut Tx, user: UserId, email: &str) -> Result<Vec<Uuid>, DbError> {
    let rows = tx.execute(ERASE_TICKETS, &[&email]).await?;
    tx.execute(ERASE_SCANNER, &[&user.0.to_string()]).await?;
    tx.execute(ERASE_AGENTS, &[&user]).await?;
    rows.iter().map(|row| row.col("id")).collect()
}

pub(crate) async fn list_of_person(q: &mut Reader, email: &str) -> Result<Vec<Ticket>, DbError> {
    q.query(LIST_OF_PERSON, &[&email]).await?.iter().map(ticket).collect()
}
