//! The waits that were last told of each line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kernel::ids::{GuestId, VenueId};
use pg::{Columns, DbError, Json, Reader, Tx, params};

use crate::quote::Quote;

pg::statements! {
    // Somebody waits there, and nobody has quoted for some seconds.
    VENUES_THAT_WAIT = "select distinct g.venue_id, coalesce(l.seq, -1) as seq,
            coalesce(l.quoted_at, '-infinity'::timestamptz)
                <= clock_timestamp() + $1::bigint * interval '1 microsecond' - interval '1 minute'
                as is_old
        from floor.guest g left join floor.line l on l.venue_id = g.venue_id
        where g.status in ('waiting', 'notified')
          and (l.quoted_at is null or l.quoted_at <= clock_timestamp()
              + $1::bigint * interval '1 microsecond' - interval '3 seconds')
        limit $2";
    OPEN_LINE = "insert into floor.line (venue_id, seq, quoted_at, quotes)
        values ($1, -1, 'epoch', '{}') on conflict do nothing";
    // Of several workers one takes the line; the others find it taken, or just quoted.
    LOCK_LINE = "select quotes from floor.line
        where venue_id = $1 and quoted_at <= $2::timestamptz - interval '3 seconds'
        for update skip locked";
    SAVE_LINE = "update floor.line set seq = $2, quoted_at = $3, quotes = $4 where venue_id = $1";
}

/// What was told to whom.
pub(crate) type Quotes = BTreeMap<GuestId, Quote>;

/// A venue where somebody waits.
pub(crate) struct Line {
    pub(crate) venue: VenueId,
    /// The number of the log that the last quotes rest on.
    pub(crate) seq: i64,
    /// They are so old that time alone has changed them.
    pub(crate) is_old: bool,
}

pub(crate) async fn venues_that_wait(
    q: &mut Reader,
    offset_micros: i64,
    limit: i64,
) -> Result<Vec<Line>, DbError> {
    let rows = q.query(VENUES_THAT_WAIT, &[&offset_micros, &limit]).await?;
    let line = |row: &pg::Row| {
        let (venue, seq) = (row.col("venue_id")?, row.col("seq")?);
        Ok(Line { venue, seq, is_old: row.col("is_old")? })
    };
    rows.iter().map(line).collect()
}

/// Takes the line of this venue, unless another worker has it or has just quoted.
pub(crate) async fn lock_line(tx: &mut Tx) -> Result<Option<Quotes>, DbError> {
    let venue = tx.venue()?;
    tx.execute(OPEN_LINE, &[&venue]).await?;
    let now = tx.now();
    let rows = tx.query(LOCK_LINE, &[&venue, &now]).await?;
    rows.first().map(|row| row.col::<Json<Quotes>>("quotes").map(|it| it.0)).transpose()
}

pub(crate) fn save_line(
    tx: &mut Tx,
    seq: i64,
    at: Timestamp,
    quotes: Quotes,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, seq, at, Json(quotes)];
    tx.change(SAVE_LINE, row);
    Ok(())
}
