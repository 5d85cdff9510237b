//! What is kept of a person, to be erased or given to them.

use pg::{Columns, DbError, Reader, Row, Tx};
use uuid::Uuid;

use crate::erase_person::GalaKept;
use crate::model::Preferences;

pg::statements! {
    // What they eat and need is about their health: it goes, the chair stays.
    ERASE_GUESTS = "update gala.guest
        set dietary = '{}', accessible = false, children = 0, note = null
        where ticket_id = any($1) returning ticket_id as id";
    GUESTS_OF_PERSON = "select show_id, ticket_id, table_name, dietary, accessible, children, note
        from gala.guest where ticket_id = any($1) order by ticket_id";
    ERASE_CAPTAINS = "update gala.table set captain_name = 'Erased', captain_email = null
        where lower(captain_email) = $1";
    ERASE_INVITATIONS = "update gala.invitation set email = null where lower(email) = $1";
}

/// Gives the tickets whose events told of them.
pub(crate) async fn erase(
    tx: &mut Tx,
    tickets: &[Uuid],
    email: &str,
) -> Result<Vec<Uuid>, DbError> {
    let guests = tx.execute(ERASE_GUESTS, &[&tickets]).await?;
    tx.execute(ERASE_CAPTAINS, &[&email]).await?;
    tx.execute(ERASE_INVITATIONS, &[&email]).await?;
    guests.iter().map(|row| row.col("id")).collect()
}

/// What these tickets have said, in all venues.
pub(crate) async fn list_of_person(
    q: &mut Reader,
    tickets: &[Uuid],
) -> Result<Vec<GalaKept>, DbError> {
    let kept = |row: &Row| {
        Ok(GalaKept {
            show_id: row.col("show_id")?,
            ticket_id: row.col("ticket_id")?,
            table: row.col("table_name")?,
            preferences: Preferences {
                dietary: row.col("dietary")?,
                accessible: row.col("accessible")?,
                children: row.col("children")?,
                note: row.col("note")?,
            },
        })
    };
    q.query(GUESTS_OF_PERSON, &[&tickets]).await?.iter().map(kept).collect()
}
