//! Every change of a place, and what the figures make of them.

use jiff::Timestamp;
use kernel::ids::{ShowId, TicketId};
use pg::{Columns, DbError, Reader, Tx, params};
use uuid::Uuid;

use crate::model::By;

pg::statements! {
    INSERT_MOVES = "insert into gala.move
            (venue_id, id, show_id, ticket_id, at, from_table, to_table, by)
        select $1, m.id, $2, m.ticket, $7, m.from_table, m.to_table, $8
        from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[])
            as m(id, ticket, from_table, to_table)";
    // How many sat down less how many stood up, hour by hour.
    SEATED_BY_HOUR = "select date_trunc('hour', at) as hour,
            (count(*) filter (where from_table is null and to_table is not null)
             - count(*) filter (where from_table is not null and to_table is null))::bigint as change
        from gala.move where venue_id = $1 and show_id = $2
        group by 1 order by 1 desc limit $3";
    CHOSEN_TABLES = "select to_table as name, count(*)::bigint as chosen, min(at) as first_at
        from gala.move
        where venue_id = $1 and show_id = $2 and to_table is not null and by = 'guest'
        group by to_table order by chosen desc, name";
    LEFT_TABLES = "select from_table as name, count(*)::bigint as left_by
        from gala.move
        where venue_id = $1 and show_id = $2 and from_table is not null and by = 'guest'
        group by from_table order by from_table";
}

/// From where to where somebody went.
pub(crate) struct Move {
    pub(crate) ticket: TicketId,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

pub(crate) fn insert_moves(
    tx: &mut Tx,
    show: ShowId,
    moves: &[Move],
    by: By,
) -> Result<(), DbError> {
    let now = tx.now();
    let row = params![
        tx.venue()?,
        show,
        moves.iter().map(|_| kernel::ids::fresh(now)).collect::<Vec<Uuid>>(),
        moves.iter().map(|one| one.ticket).collect::<Vec<_>>(),
        moves.iter().map(|one| one.from.clone()).collect::<Vec<_>>(),
        moves.iter().map(|one| one.to.clone()).collect::<Vec<_>>(),
        now,
        by.as_str(),
    ];
    tx.change(INSERT_MOVES, row);
    Ok(())
}

/// Newest first: the hour, and how many more are seated after it than before.
pub(crate) async fn seated_by_hour(
    q: &mut Reader,
    show: ShowId,
    limit: i64,
) -> Result<Vec<(Timestamp, i64)>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(SEATED_BY_HOUR, &[&venue, &show, &limit]).await?;
    rows.iter().map(|row| Ok((row.col("hour")?, row.col("change")?))).collect()
}

/// How often guests chose a table, and when first.
pub(crate) async fn chosen_tables(
    q: &mut Reader,
    show: ShowId,
) -> Result<Vec<(String, i64, Timestamp)>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(CHOSEN_TABLES, &[&venue, &show]).await?;
    let each = |row: &pg::Row| Ok((row.col("name")?, row.col("chosen")?, row.col("first_at")?));
    rows.iter().map(each).collect()
}

/// How often guests left a table.
pub(crate) async fn left_tables(
    q: &mut Reader,
    show: ShowId,
) -> Result<Vec<(String, i64)>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(LEFT_TABLES, &[&venue, &show]).await?;
    rows.iter().map(|row| Ok((row.col("name")?, row.col("left_by")?))).collect()
}
