//! The rotation's ledger. Rows are only added.

use jiff::civil::Date;
use kernel::ids::UserId;
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};

use crate::rotation::{Turn, TurnKind, Why};

pg::statements! {
    INSERT_TURN = "insert into spa.turn (venue_id, id, day, at, therapist_id, what, order_id, turns,
            turn_at, why)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    LIST_TURNS = "select id, at, therapist_id, what, order_id, turns, turn_at, why
        from spa.turn
        where venue_id = $1 and day = $2 and ($3::uuid is null or therapist_id = $3)
        order by at, id limit $4";
}

fn turn(row: &Row) -> Result<Turn, DbError> {
    let why: Json<Why> = row.col("why")?;
    Ok(Turn {
        id: row.col("id")?,
        at: row.col("at")?,
        therapist_id: row.col("therapist_id")?,
        // The table's check allows nothing else.
        what: TurnKind::from_name(row.col("what")?).ok_or(DbError::Forbidden)?,
        order_id: row.col("order_id")?,
        turns: row.col("turns")?,
        turn_at: row.col("turn_at")?,
        why: why.0,
    })
}

pub(crate) fn insert_turn(tx: &mut Tx, day: Date, turn: &Turn) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        turn.id,
        day,
        turn.at,
        turn.therapist_id,
        turn.what.as_str(),
        turn.order_id,
        turn.turns,
        turn.turn_at,
        Json(turn.why.clone()),
    ];
    tx.change(INSERT_TURN, row);
    Ok(())
}

/// A day's ledger from its first line, at most `limit`.
pub(crate) async fn list_turns(
    q: &mut Reader,
    day: Date,
    therapist: Option<UserId>,
    limit: i64,
) -> Result<Vec<Turn>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_TURNS, &[&venue, &day, &therapist, &limit]).await?.iter().map(turn).collect()
}
