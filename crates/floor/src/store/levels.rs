//! Levels.

use kernel::ids::LevelId;
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::Level;

pg::statements! {
    LIST_LEVELS = "select id, name, storey, version from floor.level
        where venue_id = $1 and id > $2 order by id limit $3";
    // All of them, in the order of the ids: there are few, and they change seldom.
    LOCK_LEVELS = "select id, name, storey, version from floor.level
        where venue_id = $1 order by id for update";
    SAVE_LEVELS = "insert into floor.level (venue_id, id, name, storey, version)
        select $1, r.id, r.name, r.storey, r.version
        from jsonb_to_recordset($2::jsonb) as r(id uuid, name text, storey int, version bigint)
        on conflict (venue_id, id) do update set name = excluded.name, storey = excluded.storey,
            version = excluded.version";
    DELETE_LEVELS = "delete from floor.level where venue_id = $1 and id = any($2)";
}

/// The statement that reads a house's levels, for a pipeline of another store.
pub(crate) const LEVELS: &str = LIST_LEVELS;

pub(crate) fn level(row: &Row) -> Result<Level, DbError> {
    let id: LevelId = row.col("id")?;
    let (name, storey, version) = (row.col("name")?, row.col("storey")?, row.col("version")?);
    Ok(Level { id, name, storey, version })
}

pub(crate) async fn list_levels(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Level>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    q.query(LIST_LEVELS, &[&venue, &after, &limit]).await?.iter().map(level).collect()
}

pub(crate) async fn lock_levels(tx: &mut Tx) -> Result<Vec<Level>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_LEVELS, &[&venue]).await?.iter().map(level).collect()
}

pub(crate) fn save_levels(tx: &mut Tx, levels: Vec<Level>) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(levels)];
    tx.change(SAVE_LEVELS, row);
    Ok(())
}

pub(crate) fn delete_levels(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), DbError> {
    let row = params![tx.venue()?, ids];
    tx.change(DELETE_LEVELS, row);
    Ok(())
}
