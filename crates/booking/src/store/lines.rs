//! The lines in front of shows, and the passes that they give.

use jiff::Timestamp;
use kernel::ids::{ShowId, UserId, VenueId};
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};

use crate::line::{Place, PlaceStatus, ShowLine};
use crate::model::Show;
use crate::store::shows;

/// Lines that one round looks at.
const LINES_MAX: i64 = 200;
/// Rows that one round forgets.
const FORGET_MAX: i64 = 10_000;

pg::statements! {
    // Whoever joins takes the row: places are given in the order in which they came.
    LOCK_LINE = "select show_id, open, pass_secs, per_sec_max, per_sec, joined, served, sold_out,
            moved_at, version
        from booking.line where venue_id = $1 and show_id = $2 for update";
    // One worker at a time gives passes; the others need not wait for it.
    TRY_LINE = "select show_id, open, pass_secs, per_sec_max, per_sec, joined, served, sold_out,
            moved_at, version
        from booking.line where venue_id = $1 and show_id = $2 and open
        for update skip locked";
    FIND_LINE = "select show_id, open, pass_secs, per_sec_max, per_sec, joined, served, sold_out,
            moved_at, version
        from booking.line where venue_id = $1 and show_id = $2";
    SAVE_LINE = "insert into booking.line
            (venue_id, show_id, open, pass_secs, per_sec_max, per_sec, joined, served, sold_out,
             moved_at, version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (venue_id, show_id) do update set
            open = excluded.open, pass_secs = excluded.pass_secs,
            per_sec_max = excluded.per_sec_max, per_sec = excluded.per_sec,
            joined = excluded.joined, served = excluded.served, sold_out = excluded.sold_out,
            moved_at = excluded.moved_at, version = excluded.version";
    SET_JOINED = "update booking.line set joined = $3 where venue_id = $1 and show_id = $2";
    // The live place of a customer, or the last that they had.
    FIND_PLACE = "select place, status, joined_at, pass_until, uses from booking.line_place
        where venue_id = $1 and show_id = $2 and user_id = $3 order by place desc limit 1";
    LOCK_PLACE = "select place, status, joined_at, pass_until, uses from booking.line_place
        where venue_id = $1 and show_id = $2 and user_id = $3 order by place desc limit 1
        for update";
    INSERT_PLACE = "insert into booking.line_place
            (venue_id, show_id, place, user_id, status, joined_at)
        values ($1, $2, $3, $4, 'waiting', $5)";
    SET_PLACE = "update booking.line_place set status = $4, uses = $5
        where venue_id = $1 and show_id = $2 and place = $3";
    // Holds of one customer at the same moment queue at their pass: each counts the one before.
    LOCK_PASS = "select place, status, joined_at, pass_until, uses from booking.line_place
        where venue_id = $1 and show_id = $2 and user_id = $3 and status = 'passed'
        for update";
    EXPIRE_PASSES = "update booking.line_place set status = 'expired'
        where venue_id = $1 and show_id = $2 and status = 'passed'
          and pass_until <= clock_timestamp() + $3::bigint * interval '1 microsecond'";
    // Whoever has used a pass has had their seats.
    COUNT_UNUSED_PASSES = "select count(*) as passes from booking.line_place
        where venue_id = $1 and show_id = $2 and status = 'passed' and uses = 0";
    // What a customer could hold now, and what may come free by itself.
    COUNT_SEATS = "select count(*) filter (where c.seat is null) as free,
            count(*) filter (where c.expires_at is not null) as held
        from booking.seat s left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
        where s.venue_id = $1 and s.show_id = $2 and s.allocation is null
          and not (s.withheld and (s.withheld_until is null or s.withheld_until
                   > clock_timestamp() + $3::bigint * interval '1 microsecond'))";
    // How many writes wait for another's lock in this database at this moment.
    COUNT_LOCK_WAITS = "select count(*) as waits
        from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where not l.granted and a.datname = current_database()";
    // First come first; whoever leaves at this moment is waited for.
    LOCK_NEXT = "select place from booking.line_place
        where venue_id = $1 and show_id = $2 and status = 'waiting'
        order by place limit $3 for update";
    GIVE_PASSES = "update booking.line_place set status = 'passed', pass_until = $4
        where venue_id = $1 and show_id = $2 and place = any($3)";
    END_PLACES = "update booking.line_place set status = 'ended'
        where venue_id = $1 and show_id = $2 and status = any($3)";
    OPEN_LINES = "select venue_id, show_id from booking.line where open limit $1";
    FORGET_PLACES = "delete from booking.line_place where (venue_id, show_id, place) in (
        select p.venue_id, p.show_id, p.place from booking.line_place p
        join booking.show s on s.venue_id = p.venue_id and s.id = p.show_id
        where s.starts_at < now() - interval '1 day' limit $1)";
}

fn line(row: &Row) -> Result<ShowLine, DbError> {
    Ok(ShowLine {
        show_id: row.col("show_id")?,
        open: row.col("open")?,
        pass_secs: row.col("pass_secs")?,
        passes_per_sec: row.col("per_sec_max")?,
        per_sec: row.col("per_sec")?,
        joined: row.col("joined")?,
        served: row.col("served")?,
        sold_out: row.col("sold_out")?,
        moved_at: row.col("moved_at")?,
        version: row.col("version")?,
    })
}

fn place(row: &Row) -> Result<Place, DbError> {
    Ok(Place {
        place: row.col("place")?,
        status: PlaceStatus::from_name(row.col("status")?).unwrap_or(PlaceStatus::Ended),
        joined_at: row.col("joined_at")?,
        pass_until: row.col("pass_until")?,
        uses: row.col("uses")?,
    })
}

/// What whoever joins finds under the lock of the line.
pub(crate) struct Joining {
    pub(crate) show: Option<Show>,
    pub(crate) line: Option<ShowLine>,
    pub(crate) place: Option<Place>,
}

/// Locks the line, then looks for the customer's place and at the show. One packet.
pub(crate) async fn lock_to_join(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
) -> Result<Joining, DbError> {
    let venue = tx.venue()?;
    let [lines, places, found] = tx
        .pipeline([
            Query::new(LOCK_LINE, &[&venue, &show]),
            Query::new(FIND_PLACE, &[&venue, &show, &user]),
            Query::new(shows::SHOW, &[&venue, &show]),
        ])
        .await?;
    Ok(Joining {
        show: found.first().map(shows::show).transpose()?,
        line: lines.first().map(line).transpose()?,
        place: places.first().map(place).transpose()?,
    })
}

pub(crate) fn insert_place(
    tx: &mut Tx,
    line: &ShowLine,
    place: &Place,
    user: UserId,
) -> Result<(), DbError> {
    let (venue, show) = (tx.venue()?, line.show_id);
    tx.change(INSERT_PLACE, params![venue, show, place.place, user, place.joined_at]);
    tx.change(SET_JOINED, params![venue, show, place.place]);
    Ok(())
}

pub(crate) async fn lock_line(tx: &mut Tx, show: ShowId) -> Result<Option<ShowLine>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_LINE, &[&venue, &show]).await?.first().map(line).transpose()
}

pub(crate) fn save_line(tx: &mut Tx, line: &ShowLine) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        line.show_id,
        line.open,
        line.pass_secs,
        line.passes_per_sec,
        line.per_sec,
        line.joined,
        line.served,
        line.sold_out,
        line.moved_at,
        line.version,
    ];
    tx.change(SAVE_LINE, row);
    Ok(())
}

pub(crate) async fn find_line(q: &mut Reader, show: ShowId) -> Result<Option<ShowLine>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_LINE, &[&venue, &show]).await?.first().map(line).transpose()
}

/// The line and the customer's place in it. One packet.
pub(crate) async fn find_place(
    q: &mut Reader,
    show: ShowId,
    user: UserId,
) -> Result<Option<(ShowLine, Place)>, DbError> {
    let venue = q.venue()?;
    let [lines, places] = q
        .pipeline([
            Query::new(FIND_LINE, &[&venue, &show]),
            Query::new(FIND_PLACE, &[&venue, &show, &user]),
        ])
        .await?;
    let line = lines.first().map(line).transpose()?;
    Ok(line.zip(places.first().map(place).transpose()?))
}

pub(crate) async fn lock_place(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
) -> Result<Option<Place>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_PLACE, &[&venue, &show, &user]).await?.first().map(place).transpose()
}

pub(crate) fn set_place(tx: &mut Tx, show: ShowId, place: &Place) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, place.place, place.status.as_str(), place.uses];
    tx.change(SET_PLACE, row);
    Ok(())
}

/// The show's line, and the pass of the user, locked. One packet.
pub(crate) async fn lock_pass(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
) -> Result<(Option<ShowLine>, Option<Place>), DbError> {
    let venue = tx.venue()?;
    let [lines, passes] = tx
        .pipeline([
            Query::new(FIND_LINE, &[&venue, &show]),
            Query::new(LOCK_PASS, &[&venue, &show, &user]),
        ])
        .await?;
    let line = lines.first().map(line).transpose()?;
    Ok((line, passes.first().map(place).transpose()?))
}

/// A line that is to be moved, and what decides how far.
pub(crate) struct Moving {
    pub(crate) line: ShowLine,
    pub(crate) show: Show,
    pub(crate) free: i64,
    pub(crate) held: i64,
    pub(crate) unused: i64,
    pub(crate) lock_waits: i64,
}

/// Becomes the one that moves the line; nothing when another worker is at it.
pub(crate) async fn try_line(tx: &mut Tx, show: ShowId) -> Result<Option<ShowLine>, DbError> {
    let venue = tx.venue()?;
    tx.query(TRY_LINE, &[&venue, &show]).await?.first().map(line).transpose()
}

/// Ends the passes whose time is over and looks at the house. One packet.
pub(crate) async fn look_at_house(tx: &mut Tx, line: ShowLine) -> Result<Option<Moving>, DbError> {
    let (venue, show, offset) = (tx.venue()?, line.show_id, tx.clock_offset_micros());
    let [_, passes, seats, waits, found] = tx
        .pipeline([
            Query::new(EXPIRE_PASSES, &[&venue, &show, &offset]),
            Query::new(COUNT_UNUSED_PASSES, &[&venue, &show]),
            Query::new(COUNT_SEATS, &[&venue, &show, &offset]),
            Query::new(COUNT_LOCK_WAITS, &[]),
            Query::new(shows::SHOW, &[&venue, &show]),
        ])
        .await?;
    let count = |rows: &[Row], name| rows.first().map_or(Ok(0), |row| row.col::<i64>(name));
    let Some(show) = found.first().map(shows::show).transpose()? else { return Ok(None) };
    Ok(Some(Moving {
        line,
        show,
        free: count(&seats, "free")?,
        held: count(&seats, "held")?,
        unused: count(&passes, "passes")?,
        lock_waits: count(&waits, "waits")?,
    }))
}

/// Locks the first `most` places that wait.
pub(crate) async fn lock_next(tx: &mut Tx, show: ShowId, most: i64) -> Result<Vec<i64>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(LOCK_NEXT, &[&venue, &show, &most]).await?;
    rows.iter().map(|row| row.col("place")).collect()
}

pub(crate) fn give_passes(
    tx: &mut Tx,
    show: ShowId,
    places: Vec<i64>,
    until: Timestamp,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, places, until];
    tx.change(GIVE_PASSES, row);
    Ok(())
}

/// All places with one of these statuses are over.
pub(crate) fn end_places(
    tx: &mut Tx,
    show: ShowId,
    statuses: &[PlaceStatus],
) -> Result<(), DbError> {
    let statuses: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
    let row = params![tx.venue()?, show, statuses];
    tx.change(END_PLACES, row);
    Ok(())
}

pub(crate) async fn open_lines(q: &mut Reader) -> Result<Vec<(VenueId, ShowId)>, DbError> {
    let rows = q.query(OPEN_LINES, &[&LINES_MAX]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("show_id")?))).collect()
}

pub(crate) fn forget(tx: &mut Tx) {
    tx.change(FORGET_PLACES, params![FORGET_MAX]);
}
