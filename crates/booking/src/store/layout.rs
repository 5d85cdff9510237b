//! A show's seats as its layout wants them.

use kernel::ids::ShowId;
use pg::{DbError, Query, Tx, params};

use crate::model::{Claim, Seat};
use crate::plan::PlannedSeat;
use crate::store::seats;

pg::statements! {
    // In seat order, as everywhere: whoever is holding a seat right now ends first.
    LOCK_ALL_SEATS = "select seat, label, block, category, price, withheld, withheld_until,
            allocation, whole
        from booking.seat where venue_id = $1 and show_id = $2 order by seat for update";
    LIVE_CLAIMS = "select seat, hold_id, booking_id, expires_at from booking.claim
        where venue_id = $1 and show_id = $2
          and (expires_at is null
               or expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')";
    DELETE_CLAIMS = "delete from booking.claim
        where venue_id = $1 and show_id = $2 and seat = any($3)";
    DELETE_SEATS = "delete from booking.seat
        where venue_id = $1 and show_id = $2 and seat = any($3)";
    UPDATE_SEATS = "update booking.seat s
        set block = p.block, category = p.category, price = p.price, accessible = p.accessible,
            whole = p.whole, block_rank = p.block_rank, place = p.place,
            off_focus = p.off_focus, loose = p.loose
        from unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bool[], $8::int[],
                    $9::int[], $10::int[], $11::int[], $12::bool[])
             as p(label, block, category, price, accessible, whole, block_rank, place, off_focus,
                  loose)
        where s.venue_id = $1 and s.show_id = $2 and s.label = p.label";
    INSERT_SEATS = "insert into booking.seat
            (venue_id, show_id, seat, label, block, category, price, accessible, whole,
             block_rank, place, off_focus, loose)
        select $1, $2, $13 + p.n::int, p.label, p.block, p.category, p.price, p.accessible,
               p.whole, p.block_rank, p.place, p.off_focus, p.loose
        from unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::bool[], $8::int[],
                    $9::int[], $10::int[], $11::int[], $12::bool[])
             with ordinality as p(label, block, category, price, accessible, whole, block_rank,
                                  place, off_focus, loose, n)";
}

/// Locks all seats of a show, in seat order, and gives the claims that are live now.
pub(crate) async fn lock_all_seats(
    tx: &mut Tx,
    show: ShowId,
) -> Result<(Vec<Seat>, Vec<Claim>), DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let [rows, live] = tx
        .pipeline([
            Query::new(LOCK_ALL_SEATS, &[&venue, &show]),
            Query::new(LIVE_CLAIMS, &[&venue, &show, &offset]),
        ])
        .await?;
    let live = live.iter().map(seats::claim).collect::<Result<_, _>>()?;
    Ok((rows.iter().map(seats::seat).collect::<Result<_, _>>()?, live))
}

/// Takes seats away, with the claims on them whose time is over.
pub(crate) fn delete_seats(tx: &mut Tx, show: ShowId, numbers: &[i32]) -> Result<(), DbError> {
    let venue = tx.venue()?;
    tx.change(DELETE_CLAIMS, params![venue, show, numbers.to_vec()]);
    tx.change(DELETE_SEATS, params![venue, show, numbers.to_vec()]);
    Ok(())
}

/// Gives the seats that stay their new place and price.
pub(crate) fn update_seats(
    tx: &mut Tx,
    show: ShowId,
    planned: &[PlannedSeat<'_>],
) -> Result<(), DbError> {
    let row = columns(tx, show, planned)?;
    tx.change(UPDATE_SEATS, row);
    Ok(())
}

/// Makes new seats, numbered after `last`.
pub(crate) fn insert_seats(
    tx: &mut Tx,
    show: ShowId,
    planned: &[PlannedSeat<'_>],
    last: i32,
) -> Result<(), DbError> {
    let mut row = columns(tx, show, planned)?;
    row.push(Box::new(last));
    tx.change(INSERT_SEATS, row);
    Ok(())
}

fn columns(tx: &Tx, show: ShowId, planned: &[PlannedSeat<'_>]) -> Result<Vec<pg::Param>, DbError> {
    Ok(params![
        tx.venue()?,
        show,
        planned.iter().map(|seat| seat.label.clone()).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.block.to_owned()).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.category.to_owned()).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.price).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.accessible).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.whole).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.block_rank).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.place).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.off_focus).collect::<Vec<_>>(),
        planned.iter().map(|seat| seat.loose).collect::<Vec<_>>(),
    ])
}
