//! What is as good as the seats of a booking that somebody else has: other seats of the same
//! categories at the same price, and for a table that is sold as one another such table.

use edge::limits::WHOLE_SEATS_PER_HOLD_MAX;
use pg::{DbError, Tx};

use crate::BookingError;
use crate::access::Access;
use crate::hold_best::take_if_free;
use crate::model::{Claim, Seat, Show};
use crate::settle::is_free;
use crate::store::free::Wanted;
use crate::store::paying::{self, KindOfSeats, Paying};

/// As many free seats of the same categories at the same price, side by side where that can be, and
/// as many that a wheelchair reaches. For a table that is sold as one, the smallest other that has
/// room for as many. They are locked; nothing where there are none.
pub(crate) async fn equal_seats(
    tx: &mut Tx,
    found: &Paying,
) -> Result<Option<Vec<Seat>>, BookingError> {
    let now = tx.now();
    let mut all: Vec<Seat> = Vec::with_capacity(found.seats.len());
    for kind in paying::kinds_of_seats(tx, found.booking.id).await? {
        // Those of a kind stay together: all of them where they were, or all of them elsewhere.
        let own: Vec<Seat> = found.seats.iter().filter(|seat| kind.has(seat)).cloned().collect();
        if own.iter().all(|seat| found.has(seat) || is_free(found, seat, now)) {
            all.extend(own);
            continue;
        }
        let equal = if kind.whole_of.is_some() {
            equal_table(tx, found, &kind, &all).await?
        } else {
            equal_of(tx, &found.show, kind).await?
        };
        let Some(equal) = equal else { return Ok(None) };
        all.extend(equal);
    }
    all.sort_by_key(|seat| seat.number);
    Ok(Some(all))
}

async fn equal_of(
    tx: &mut Tx,
    show: &Show,
    kind: KindOfSeats,
) -> Result<Option<Vec<Seat>>, BookingError> {
    let wanted = Wanted {
        show: show.id,
        quantity: kind.quantity,
        category: Some(kind.category),
        block: None,
        accessible: kind.accessible,
        access: Access::default(),
        limited: false,
        exact: true,
    };
    match take_if_free(tx, &wanted).await {
        Ok(Some(taken)) => {
            let price: i64 = taken.seats.iter().map(|seat| seat.price).sum();
            Ok(Some(taken.seats).filter(|_| price == kind.price))
        }
        // Somebody is at all that fit just now. A payment has locks and does not wait for more:
        // it is tried again, by whoever sent it or by the list of errands.
        Ok(None) => Err(BookingError::Db(DbError::Busy)),
        Err(BookingError::NotEnough) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All seats of the smallest free table that fits, `given` being those that the booking gets anyway.
async fn equal_table(
    tx: &mut Tx,
    found: &Paying,
    kind: &KindOfSeats,
    given: &[Seat],
) -> Result<Option<Vec<Seat>>, BookingError> {
    // What is not claimed yet looks free: its own tables, and those that were just chosen.
    let mut tried: Vec<String> =
        found.seats.iter().chain(given).map(|seat| seat.block.clone()).collect();
    let room = WHOLE_SEATS_PER_HOLD_MAX.saturating_sub(found.seats.len());
    let most = kind.quantity.saturating_add(i32::try_from(room).unwrap_or(0));
    let mut contended = false;
    loop {
        let tables = paying::find_equal_tables(tx, found.show.id, (kind, most), &tried).await?;
        if tables.is_empty() {
            break;
        }
        for table in tables {
            let (seats, claims) = paying::lock_table(tx, found.show.id, &table).await?;
            if is_equal(tx, kind, &seats, &claims) {
                return Ok(Some(seats));
            }
            contended |= seats.len() != whole(&seats);
            tried.push(table);
        }
    }
    // As above: what somebody is at just now may be free in a moment.
    if contended { Err(BookingError::Db(DbError::Busy)) } else { Ok(None) }
}

/// Whether the table is still what the look has found, now that it is locked.
fn is_equal(tx: &Tx, kind: &KindOfSeats, seats: &[Seat], claims: &[Claim]) -> bool {
    let now = tx.now();
    let kept = |seat: &Seat| seat.allocation.is_some() || seat.is_withheld(now);
    let same = |seat: &Seat| seat.category == kind.category && seat.price == kind.price_of_one();
    seats.len() == whole(seats)
        && i32::try_from(seats.len()).is_ok_and(|count| count >= kind.quantity)
        && seats.iter().all(|seat| same(seat) && !kept(seat))
        && !claims.iter().any(|claim| claim.is_live(now))
}

/// How many seats the block of these has. None of them: it is locked by somebody else, all of it.
fn whole(seats: &[Seat]) -> usize {
    let whole = seats.first().and_then(|seat| seat.whole);
    whole.and_then(|whole| usize::try_from(whole).ok()).unwrap_or(usize::MAX)
}
