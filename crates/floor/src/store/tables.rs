//! Tables and sections.

use std::collections::BTreeMap;

use kernel::ids::{GuestId, TableId};
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::{Section, Table, TableShape, TableStatus};

pg::statements! {
    LIST_TABLES = "select t.id, t.name, t.section_id, t.x, t.y, t.width, t.height, t.rotation,
            t.shape, t.min_seats, t.max_seats, t.combinable_with, t.walk_in_only, t.status,
            t.version, s.guest_id
        from floor.table t
        left join floor.seating s on s.venue_id = t.venue_id and s.table_id = t.id
        where t.venue_id = $1 and t.id > $2 order by t.id limit $3";
    FIND_TABLE = "select t.id, t.name, t.section_id, t.x, t.y, t.width, t.height, t.rotation,
            t.shape, t.min_seats, t.max_seats, t.combinable_with, t.walk_in_only, t.status,
            t.version, s.guest_id
        from floor.table t
        left join floor.seating s on s.venue_id = t.venue_id and s.table_id = t.id
        where t.venue_id = $1 and t.id = $2";
    LIST_SECTIONS = "select id, name, server, level_id, version from floor.section
        where venue_id = $1 and id > $2 order by id limit $3";
    SAVE_TABLES = "insert into floor.table (venue_id, id, name, section_id, x, y, width, height,
            rotation, shape, min_seats, max_seats, combinable_with, walk_in_only, status, version)
        select $1, r.id, r.name, r.\"sectionId\", r.x, r.y, r.width, r.height, r.rotation, r.shape,
            r.\"minSeats\", r.\"maxSeats\", r.\"combinableWith\", r.\"walkInOnly\", r.status,
            r.version
        from jsonb_to_recordset($2::jsonb) as r(id uuid, name text, \"sectionId\" uuid,
            x double precision, y double precision, width double precision,
            height double precision, rotation double precision, shape text, \"minSeats\" int,
            \"maxSeats\" int, \"combinableWith\" uuid[], \"walkInOnly\" boolean, status text,
            version bigint)
        on conflict (venue_id, id) do update set name = excluded.name,
            section_id = excluded.section_id, x = excluded.x, y = excluded.y,
            width = excluded.width, height = excluded.height, rotation = excluded.rotation,
            shape = excluded.shape, min_seats = excluded.min_seats,
            max_seats = excluded.max_seats, combinable_with = excluded.combinable_with,
            walk_in_only = excluded.walk_in_only, status = excluded.status,
            version = excluded.version";
    // All of a move in one packet, see the function in the migrations; and what several of them lock
    // beforehand.
    MOVE_AT_ONCE = "select version, seq, at, prev_at, data
        from floor.move_table($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    LOCK_MOVED = "select from floor.table where venue_id = $1 and id = any($2::text[]::uuid[])
        order by id for update";
    DELETE_TABLES = "delete from floor.table where venue_id = $1 and id = any($2)";
    SAVE_SECTIONS = "insert into floor.section (venue_id, id, name, server, level_id, version)
        select $1, r.id, r.name, r.server, r.\"levelId\", r.version
        from jsonb_to_recordset($2::jsonb) as r(id uuid, name text, server text, \"levelId\" uuid,
            version bigint)
        on conflict (venue_id, id) do update set name = excluded.name, server = excluded.server,
            level_id = excluded.level_id, version = excluded.version";
    DELETE_SECTIONS = "delete from floor.section where venue_id = $1 and id = any($2)";
    DELETE_SEATINGS = "delete from floor.seating where venue_id = $1 and table_id = any($2)";
    // Without `on conflict`: a second party at a table is refused by the key.
    INSERT_SEATINGS = "insert into floor.seating (venue_id, table_id, guest_id)
        select $1, s.table_id, s.guest_id from unnest($2::uuid[], $3::uuid[]) as s(table_id, guest_id)";
}

pub(crate) fn table(row: &Row) -> Result<Table, DbError> {
    Ok(Table {
        id: row.col("id")?,
        name: row.col("name")?,
        section_id: row.col("section_id")?,
        x: row.col("x")?,
        y: row.col("y")?,
        width: row.col("width")?,
        height: row.col("height")?,
        rotation: row.col("rotation")?,
        shape: TableShape::from_name(row.col("shape")?).unwrap_or(TableShape::Rectangle),
        min_seats: row.col("min_seats")?,
        max_seats: row.col("max_seats")?,
        combinable_with: row.col("combinable_with")?,
        walk_in_only: row.col("walk_in_only")?,
        status: TableStatus::from_name(row.col("status")?).unwrap_or(TableStatus::OutOfService),
        guest_id: row.col("guest_id")?,
        version: row.col("version")?,
    })
}

pub(crate) fn section(row: &Row) -> Result<Section, DbError> {
    Ok(Section {
        id: row.col("id")?,
        name: row.col("name")?,
        server: row.col("server")?,
        level_id: row.col("level_id")?,
        version: row.col("version")?,
    })
}

pub(crate) async fn list_tables(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Table>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    q.query(LIST_TABLES, &[&venue, &after, &limit]).await?.iter().map(table).collect()
}

pub(crate) async fn find_table(q: &mut Reader, id: TableId) -> Result<Option<Table>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_TABLE, &[&venue, &id]).await?.first().map(table).transpose()
}

pub(crate) async fn list_sections(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Section>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    q.query(LIST_SECTIONS, &[&venue, &after, &limit]).await?.iter().map(section).collect()
}

/// The call that does all of a move, for `pg::Call`, and what it locks.
pub(crate) const AT_ONCE: &str = MOVE_AT_ONCE;
pub(crate) const MOVED: &str = LOCK_MOVED;
/// The statement that reads a floor's tables, for a pipeline of another store.
pub(crate) const TABLES: &str = LIST_TABLES;
/// The statement that reads a floor's sections, for a pipeline of another store.
pub(crate) const SECTIONS: &str = LIST_SECTIONS;

pub(crate) fn save_tables(tx: &mut Tx, tables: Vec<Table>) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(tables)];
    tx.change(SAVE_TABLES, row);
    Ok(())
}

pub(crate) fn delete_tables(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), DbError> {
    let row = params![tx.venue()?, ids];
    tx.change(DELETE_TABLES, row);
    Ok(())
}

pub(crate) fn save_sections(tx: &mut Tx, sections: Vec<Section>) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(sections)];
    tx.change(SAVE_SECTIONS, row);
    Ok(())
}

pub(crate) fn delete_sections(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), DbError> {
    let row = params![tx.venue()?, ids];
    tx.change(DELETE_SECTIONS, row);
    Ok(())
}

/// Nobody sits at these tables any more.
pub(crate) fn delete_seatings(tx: &mut Tx, tables: Vec<TableId>) -> Result<(), DbError> {
    let row = params![tx.venue()?, tables];
    tx.change(DELETE_SEATINGS, row);
    Ok(())
}

/// Who sits where from now on.
pub(crate) fn insert_seatings(
    tx: &mut Tx,
    seated: &BTreeMap<TableId, GuestId>,
) -> Result<(), DbError> {
    let (tables, guests): (Vec<_>, Vec<_>) = seated.iter().unzip();
    let (tables, guests): (Vec<TableId>, Vec<GuestId>) =
        (tables.into_iter().copied().collect(), guests.into_iter().copied().collect());
    let row = params![tx.venue()?, tables, guests];
    tx.change(INSERT_SEATINGS, row);
    Ok(())
}
