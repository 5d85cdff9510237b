//! This slice's part of a venue's snapshot, for clients that begin to listen.

use kernel::event::{Topic, TopicMask};
use kernel::ids::{BookingId, ShowId};
use pg::{DbError, Reader};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Booking, SeatState, Show};
use crate::store::{bookings, snapshot as store};

/// Rows of one part at most. A venue that has more uses the lists.
pub const ROWS_MAX: usize = 20_000;

/// The seats of a show that are not free.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenSeats {
    /// The show.
    pub show_id: ShowId,
    /// Its seats that are held, sold or withheld; all others are free.
    pub seats: Vec<SeatState>,
}

/// Shows, taken seats and bookings, as far as the topics were asked for and granted. Shows that
/// began more than a day ago are left out, and cancelled ones with them.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingSnapshot {
    /// Topic `shows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub shows: Option<Vec<Show>>,
    /// Topic `seats`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seats: Option<Vec<TakenSeats>>,
    /// Topics `bookings` and `booking.{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bookings: Option<Vec<Booking>>,
    /// Parts that are too large for a snapshot and are cut: use the lists for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Topic>,
}

/// Reads the parts of `topics` on the reader's snapshot.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn snapshot(
    q: &mut Reader,
    topics: TopicMask,
    offset_micros: i64,
) -> Result<BookingSnapshot, DbError> {
    let mut part = BookingSnapshot::default();
    if topics.has(Topic::Shows) {
        part.shows = Some(cut(store::list_shows(q).await?, Topic::Shows, &mut part.cut));
    }
    if topics.has(Topic::Seats) {
        let taken = store::list_taken_seats(q, offset_micros).await?;
        part.seats = Some(by_show(cut(taken, Topic::Seats, &mut part.cut)));
    }
    if topics.has(Topic::Bookings) {
        let found = store::list_bookings(q).await?;
        part.bookings = Some(cut(found, Topic::Bookings, &mut part.cut));
    }
    Ok(part)
}

/// Adds the bookings that are followed one by one.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn add_followed(
    q: &mut Reader,
    ids: impl IntoIterator<Item = BookingId>,
    part: &mut BookingSnapshot,
) -> Result<(), DbError> {
    for id in ids {
        let found = bookings::find_booking(q, id).await?.map(|owned| owned.booking);
        let all = part.bookings.get_or_insert_default();
        all.extend(found.filter(|one| !all.iter().any(|known| known.id == one.id)));
    }
    Ok(())
}

fn cut<T>(mut rows: Vec<T>, topic: Topic, too_large: &mut Vec<Topic>) -> Vec<T> {
    if rows.len() > ROWS_MAX {
        rows.truncate(ROWS_MAX);
        too_large.push(topic);
    }
    rows
}

/// The rows come in the order of the shows.
fn by_show(rows: Vec<(ShowId, SeatState)>) -> Vec<TakenSeats> {
    let mut shows: Vec<TakenSeats> = Vec::new();
    for (show_id, seat) in rows {
        match shows.last_mut() {
            Some(last) if last.show_id == show_id => last.seats.push(seat),
            _ => shows.push(TakenSeats { show_id, seats: vec![seat] }),
        }
    }
    shows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeatStatus;

    #[test]
    fn seats_are_gathered_by_show_and_what_is_too_much_is_said() {
        let show = |n: u128| ShowId(uuid::Uuid::from_u128(n));
        let seat = |id: &str| SeatState { id: id.to_owned(), status: SeatStatus::Sold };
        let rows = vec![(show(1), seat("A-1")), (show(1), seat("A-2")), (show(2), seat("A-1"))];
        let shows = by_show(rows);
        assert_eq!(shows.iter().map(|show| show.seats.len()).collect::<Vec<_>>(), [2, 1]);
        let mut too_large = Vec::new();
        assert_eq!(cut(vec![0; ROWS_MAX + 1], Topic::Seats, &mut too_large).len(), ROWS_MAX);
        assert_eq!(too_large, [Topic::Seats]);
    }
}
