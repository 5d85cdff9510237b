//! Seats that the house keeps until a time.

use kernel::ids::{ShowId, VenueId};
use pg::{Columns, DbError, Reader, Tx, params};

use crate::model::Seat;
use crate::store::seats;

pg::statements! {
    VENUES_WITH_DUE_SEATS = "select distinct venue_id from booking.seat
        where withheld and withheld_until is not null
          and withheld_until <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        limit $2";
    // In seat order within each show; what somebody has locked is left to the next sweep. A seat
    // that somebody has taken since its time came is theirs, and is only marked.
    LOCK_DUE_SEATS = "select show_id, seat, label, block, category, price, withheld,
            withheld_until, allocation, whole
        from booking.seat
        where venue_id = $1 and withheld and withheld_until is not null
          and withheld_until <= clock_timestamp() + $2::bigint * interval '1 microsecond'
        order by show_id, seat limit $3 for update skip locked";
    CLAIMED = "select show_id, seat from booking.claim
        where venue_id = $1 and show_id = any($2) and seat = any($3)
          and (expires_at is null
               or expires_at > clock_timestamp() + $4::bigint * interval '1 microsecond')";
    RELEASE = "update booking.seat set withheld = false, withheld_until = null
        where venue_id = $1 and show_id = $2 and seat = any($3)";
}

/// Venues with seats past their release time.
pub(crate) async fn venues_with_due_seats(
    q: &mut Reader,
    offset_micros: i64,
    limit: i64,
) -> Result<Vec<VenueId>, DbError> {
    let rows = q.query(VENUES_WITH_DUE_SEATS, &[&offset_micros, &limit]).await?;
    rows.iter().map(|row| row.col("venue_id")).collect()
}

/// Locks seats past their release time that nobody has taken since, by show.
pub(crate) async fn lock_due_seats(
    tx: &mut Tx,
    limit: i64,
) -> Result<Vec<(ShowId, Vec<Seat>)>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let rows = tx.query(LOCK_DUE_SEATS, &[&venue, &offset, &limit]).await?;
    let mut shows: Vec<ShowId> =
        rows.iter().map(|row| row.col("show_id")).collect::<Result<_, _>>()?;
    let numbers: Vec<i32> = rows.iter().map(|row| row.col("seat")).collect::<Result<_, _>>()?;
    shows.dedup();
    if shows.is_empty() {
        return Ok(Vec::new());
    }
    let claimed = tx.query(CLAIMED, &[&venue, &shows, &numbers, &offset]).await?;
    let claimed: Vec<(ShowId, i32)> = claimed
        .iter()
        .map(|row| Ok((row.col("show_id")?, row.col("seat")?)))
        .collect::<Result<_, DbError>>()?;
    let mut due: Vec<(ShowId, Vec<Seat>)> = shows.iter().map(|show| (*show, Vec::new())).collect();
    let mut marked: Vec<(ShowId, Vec<i32>)> = Vec::new();
    for row in &rows {
        let (show, seat) = (row.col("show_id")?, seats::seat(row)?);
        if claimed.contains(&(show, seat.number)) {
            marked.push((show, vec![seat.number]));
        } else if let Some((_, seats)) = due.iter_mut().find(|(other, _)| *other == show) {
            seats.push(seat);
        }
    }
    for (show, numbers) in marked {
        tx.change(RELEASE, params![venue, show, numbers]);
    }
    due.retain(|(_, seats)| !seats.is_empty());
    Ok(due)
}

pub(crate) fn release(tx: &mut Tx, show: ShowId, seats: &[Seat]) -> Result<(), DbError> {
    let numbers: Vec<_> = seats.iter().map(|seat| seat.number).collect();
    let row = params![tx.venue()?, show, numbers];
    tx.change(RELEASE, row);
    Ok(())
}
