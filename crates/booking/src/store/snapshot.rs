//! What a snapshot of the venue shows: everything of the shows that are not over.

use kernel::ids::ShowId;
use pg::{Columns, DbError, Reader, Row};

use crate::model::{Booking, SeatState, Show};
use crate::reads::seat_status;
use crate::snapshot::ROWS_MAX;
use crate::store::{bookings, shows};

pg::statements! {
    LIST_LIVE_SHOWS = "select id, name, description, starts_at, status, hold_secs, currency::text,
            seat_count, tickets, payment, pay_secs, version
        from booking.show
        where venue_id = $1 and status <> 'cancelled' and starts_at > now() - interval '1 day'
        order by id limit $2";
    LIST_TAKEN_SEATS = "select s.show_id, s.label,
            case when c.seat is not null and c.expires_at is null then 'sold'
                 when c.seat is not null then 'held'
                 else 'withheld' end as status
        from booking.show w
        join booking.seat s on s.venue_id = w.venue_id and s.show_id = w.id
        left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
        where w.venue_id = $1 and w.status in ('on_sale', 'closed')
          and w.starts_at > now() - interval '1 day'
          and (c.seat is not null or s.allocation is not null
               or (s.withheld and (s.withheld_until is null or s.withheld_until
                   > clock_timestamp() + $3::bigint * interval '1 microsecond')))
        order by s.show_id, s.seat limit $2";
    LIST_LIVE_BOOKINGS = "select b.id, b.show_id, b.code, b.status, b.labels, b.total,
            b.currency::text, b.customer_name, b.customer_email, b.created_at, b.version,
            b.user_id, b.pay_by
        from booking.booking b
        join booking.show w on w.venue_id = b.venue_id and w.id = b.show_id
        where b.venue_id = $1 and w.status <> 'cancelled'
          and w.starts_at > now() - interval '1 day'
        order by b.id limit $2";
}

/// One row more than is shown, to see whether there are more.
fn limit() -> i64 {
    i64::try_from(ROWS_MAX).unwrap_or(i64::MAX - 1) + 1
}

pub(crate) async fn list_shows(q: &mut Reader) -> Result<Vec<Show>, DbError> {
    let venue = q.venue()?;
    q.query(LIST_LIVE_SHOWS, &[&venue, &limit()]).await?.iter().map(shows::show).collect()
}

pub(crate) async fn list_taken_seats(
    q: &mut Reader,
    offset_micros: i64,
) -> Result<Vec<(ShowId, SeatState)>, DbError> {
    let venue = q.venue()?;
    let seat = |row: &Row| {
        let state = SeatState { id: row.col("label")?, status: seat_status(row.col("status")?) };
        Ok((row.col("show_id")?, state))
    };
    q.query(LIST_TAKEN_SEATS, &[&venue, &limit(), &offset_micros]).await?.iter().map(seat).collect()
}

pub(crate) async fn list_bookings(q: &mut Reader) -> Result<Vec<Booking>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(LIST_LIVE_BOOKINGS, &[&venue, &limit()]).await?;
    rows.iter().map(|row| bookings::owned(row).map(|found| found.booking)).collect()
}
