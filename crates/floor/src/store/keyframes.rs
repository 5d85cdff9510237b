//! The whole floor as of some events, so that what it was like later can be told from the log.

use jiff::Timestamp;
use kernel::ids::VenueId;
use pg::{Columns, DbError, Json, Reader, Tx, params};

use crate::look_back::Frame;

pg::statements! {
    // Every floor with the number of its last keyframe; -1 without any.
    LIST_FLOORS = "select t.venue_id, coalesce(max(k.seq), -1) as seq,
            coalesce(max(k.at), '-infinity'::timestamptz)
                <= clock_timestamp() + $1::bigint * interval '1 microsecond' - interval '6 hours'
                as is_old
        from (select distinct venue_id from floor.table) t
        left join floor.keyframe k on k.venue_id = t.venue_id
        where t.venue_id > $2 group by t.venue_id order by t.venue_id limit $3";
    INSERT_KEYFRAME = "insert into floor.keyframe (venue_id, seq, at, state)
        values ($1, $2, $3, $4) on conflict do nothing";
    FIND_KEYFRAME = "select seq, at, state from floor.keyframe
        where venue_id = $1 and at <= $2 order by seq desc limit 1";
    // One that is older than all of the log is still where the log begins, until the next is.
    FORGET_KEYFRAMES = "delete from floor.keyframe k where exists (
            select from floor.keyframe n where n.venue_id = k.venue_id and n.seq > k.seq
              and n.at < clock_timestamp() - $1::int * interval '1 day')";
}

/// A venue with a floor.
pub(crate) struct Framed {
    pub(crate) venue: VenueId,
    /// The number of its last keyframe.
    pub(crate) seq: i64,
    /// That one is hours old.
    pub(crate) is_old: bool,
}

pub(crate) async fn list_floors(
    q: &mut Reader,
    offset_micros: i64,
    (after, limit): (VenueId, i64),
) -> Result<Vec<Framed>, DbError> {
    let rows = q.query(LIST_FLOORS, &[&offset_micros, &after, &limit]).await?;
    let framed = |row: &pg::Row| {
        let (venue, seq) = (row.col("venue_id")?, row.col("seq")?);
        Ok(Framed { venue, seq, is_old: row.col("is_old")? })
    };
    rows.iter().map(framed).collect()
}

pub(crate) fn insert_keyframe(
    tx: &mut Tx,
    (seq, at): (i64, Timestamp),
    state: Frame,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, seq, at, Json(state)];
    tx.change(INSERT_KEYFRAME, row);
    Ok(())
}

/// The last keyframe before a time, with its place in the log.
pub(crate) async fn find_keyframe(
    q: &mut Reader,
    at: Timestamp,
) -> Result<Option<(i64, Option<Timestamp>, Frame)>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(FIND_KEYFRAME, &[&venue, &at]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (seq, at) = (row.col("seq")?, row.col("at")?);
    Ok(Some((seq, Some(at), row.col::<Json<Frame>>("state")?.0)))
}

pub(crate) fn forget_keyframes(tx: &mut Tx, days: i32) {
    tx.change(FORGET_KEYFRAMES, params![days]);
}
