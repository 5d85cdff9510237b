//! Rooms.

use jiff::Timestamp;
use kernel::ids::RoomId;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::model::RoomRow;

pg::statements! {
    LOCK_ROOM = "select id, name, offers, turnover_minutes, out_of_service, position, order_id,
            free_at, version
        from spa.room where venue_id = $1 and id = $2 for update";
    LIST_ROOMS = "select id, name, offers, turnover_minutes, out_of_service, position, order_id,
            free_at, version
        from spa.room where venue_id = $1 order by position, name limit 1000";
    COUNT_ROOMS = "select count(*) as rooms from spa.room where venue_id = $1";
    INSERT_ROOM = "insert into spa.room (venue_id, id, name, offers, turnover_minutes,
            out_of_service, position, free_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    UPDATE_ROOM = "update spa.room set name = $3, offers = $4, turnover_minutes = $5,
            out_of_service = $6, position = $7, free_at = $8, version = $9
        where venue_id = $1 and id = $2";
    UPDATE_STATE = "update spa.room set order_id = $3, free_at = $4, version = $5
        where venue_id = $1 and id = $2";
    DELETE_ROOM = "delete from spa.room where venue_id = $1 and id = $2";
    // Made again before its time: what is left of the turnover is free.
    CUT_TURNOVER = "update spa.stay
        set room_during = tstzrange(lower(room_during), greatest($3, lower(room_during)))
        where venue_id = $1 and room_id = $2 and not upper_inf(room_during)
          and room_during && tstzrange($3, null)";
}

pub(crate) fn room(row: &Row) -> Result<RoomRow, DbError> {
    Ok(RoomRow {
        id: row.col("id")?,
        name: row.col("name")?,
        offers: row.col("offers")?,
        turnover_minutes: row.col("turnover_minutes")?,
        out_of_service: row.col("out_of_service")?,
        position: row.col("position")?,
        order: row.col("order_id")?,
        free_at: row.col("free_at")?,
        version: row.col("version")?,
    })
}

pub(crate) async fn lock_room(tx: &mut Tx, id: RoomId) -> Result<Option<RoomRow>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_ROOM, &[&venue, &id]).await?.first().map(room).transpose()
}

pub(crate) async fn list_rooms(q: &mut Reader) -> Result<Vec<RoomRow>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_ROOMS, &[&venue]).await?.iter().map(room).collect()
}

/// How many rooms there are.
pub(crate) async fn count_rooms(tx: &mut Tx) -> Result<i64, DbError> {
    let venue = tx.venue()?;
    let [rows] = tx.pipeline([Query::new(COUNT_ROOMS, &[&venue])]).await?;
    rows.first().ok_or(DbError::Away)?.col("rooms")
}

pub(crate) fn insert_room(tx: &mut Tx, room: &RoomRow) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        room.id,
        room.name.clone(),
        room.offers.clone(),
        room.turnover_minutes,
        room.out_of_service,
        room.position,
        room.free_at,
    ];
    tx.change(INSERT_ROOM, row);
    Ok(())
}

pub(crate) fn update_room(tx: &mut Tx, room: &RoomRow) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        room.id,
        room.name.clone(),
        room.offers.clone(),
        room.turnover_minutes,
        room.out_of_service,
        room.position,
        room.free_at,
        room.version,
    ];
    tx.change(UPDATE_ROOM, row);
    Ok(())
}

pub(crate) fn update_state(tx: &mut Tx, room: &RoomRow) -> Result<(), DbError> {
    let row = params![tx.venue()?, room.id, room.order, room.free_at, room.version];
    tx.change(UPDATE_STATE, row);
    Ok(())
}

/// A room where somebody was ever served stays, for the record: `order_room` refuses.
pub(crate) fn delete_room(tx: &mut Tx, id: RoomId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_ROOM, row);
    Ok(())
}

pub(crate) fn cut_turnover(tx: &mut Tx, id: RoomId, now: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, now];
    tx.change(CUT_TURNOVER, row);
    Ok(())
}
