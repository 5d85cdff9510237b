//! What the house has said of tables.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Reader, Row, Tx, params};

use crate::model::TableNote;

pg::statements! {
    // Read behind the lock of the tables' chairs: whoever changes a note holds it, too.
    NOTES_OF_TABLES = "select name, withheld, reason, kept, captain_name from gala.table
        where venue_id = $1 and show_id = $2 and name = any($3)";
    LIST_NOTES = "select name, withheld, reason, kept, captain_name from gala.table
        where venue_id = $1 and show_id = $2";
    SET_WITHHELD = "insert into gala.table (venue_id, show_id, name, withheld, reason)
        select $1, $2, name, $4, $5 from unnest($3::text[]) as name
        on conflict (venue_id, show_id, name) do update set withheld = $4, reason = $5";
}

pub(crate) fn note(row: &Row) -> Result<TableNote, DbError> {
    Ok(TableNote {
        name: row.col("name")?,
        withheld: row.col("withheld")?,
        reason: row.col("reason")?,
        kept: row.col("kept")?,
        captain_name: row.col("captain_name")?,
    })
}

pub(crate) async fn notes_of(
    tx: &mut Tx,
    show: ShowId,
    names: &[String],
) -> Result<Vec<TableNote>, DbError> {
    let venue = tx.venue()?;
    tx.query(NOTES_OF_TABLES, &[&venue, &show, &names]).await?.iter().map(note).collect()
}

/// All notes, for what is told besides a refusal.
pub(crate) async fn look_at_notes(tx: &mut Tx, show: ShowId) -> Result<Vec<TableNote>, DbError> {
    let venue = tx.venue()?;
    tx.query(LIST_NOTES, &[&venue, &show]).await?.iter().map(note).collect()
}

pub(crate) async fn list_notes(q: &mut Reader, show: ShowId) -> Result<Vec<TableNote>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_NOTES, &[&venue, &show]).await?.iter().map(note).collect()
}

pub(crate) fn set_withheld(
    tx: &mut Tx,
    show: ShowId,
    names: Vec<String>,
    withheld: bool,
    reason: Option<String>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, names, withheld, reason];
    tx.change(SET_WITHHELD, row);
    Ok(())
}
