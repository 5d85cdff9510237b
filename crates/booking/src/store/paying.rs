//! Bookings that are paid: with their bills, and with whoever has their seats.

use jiff::Timestamp;
use kernel::ids::{BookingId, ShowId, VenueId};
use payments::Bill;
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};

use crate::BookingError;
use crate::model::{Booking, Claim, Seat, Show};
use crate::paying::KIND;
use crate::store::{bookings, seats, shows};

/// Tables that one look finds.
const EQUAL_TABLES_MAX: i64 = 16;

pg::statements! {
    // Whoever has its seats. Behind the locks of the seats, with a snapshot of its own.
    CLAIMS_OF_BOOKING = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.booking b join booking.claim c
            on c.venue_id = b.venue_id and c.show_id = b.show_id and c.seat = any(b.seats)
        where b.venue_id = $1 and b.id = $2";
    SHOW_OF_BOOKING = "select s.id, s.name, s.description, s.starts_at, s.status, s.hold_secs,
            s.currency::text, s.seat_count, s.tickets, s.payment, s.pay_secs, s.version
        from booking.booking b join booking.show s on s.venue_id = b.venue_id and s.id = b.show_id
        where b.venue_id = $1 and b.id = $2";
    // What others must be like to be as good. A table that is sold as one is a kind by itself.
    KINDS_OF_SEATS = "select s.category, case when s.whole is not null then s.block end as whole_of,
            count(*)::int as quantity, (count(*) filter (where s.accessible))::int as accessible,
            sum(s.price)::bigint as price
        from booking.booking b join booking.seat s
            on s.venue_id = b.venue_id and s.show_id = b.show_id and s.seat = any(b.seats)
        where b.venue_id = $1 and b.id = $2 group by 1, 2 order by 1, 2";
    // Only looks. As good as the one that it had, and no larger than it must be.
    EQUAL_TABLES = "select s.block
        from booking.seat s left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
        where s.venue_id = $1 and s.show_id = $2 and s.whole between $6 and $7
          and s.category = $4 and s.price = $5 and s.block <> all ($9)
        group by s.block
        having count(c.seat) = 0 and count(*) filter (where s.accessible) >= $8
           and not bool_or(s.allocation is not null
               or (s.withheld and (s.withheld_until is null or s.withheld_until
                   > clock_timestamp() + $3::bigint * interval '1 microsecond')))
        order by count(*), min(s.block_rank) limit $10";
    // A payment has locks already: what somebody has locked is left to them.
    LOCK_TABLE_OR_SKIP = "select seat, label, block, category, price, withheld, withheld_until,
            allocation, whole
        from booking.seat where venue_id = $1 and show_id = $2 and block = $3 and whole is not null
        order by seat for update skip locked";
    // Behind the locks, with a snapshot of its own.
    CLAIMS_OF_TABLE = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.seat s join booking.claim c using (venue_id, show_id, seat)
        where s.venue_id = $1 and s.show_id = $2 and s.block = $3";
    // The seats that it leaves, those that it keeps and those that are new to it are not the same:
    // no row is touched twice.
    CONFIRM_BOOKING = "with paid as (
            update booking.booking
            set status = 'confirmed', seats = $4, labels = $5, version = $6, sweep_at = null
            where venue_id = $1 and id = $2),
        left_behind as (
            delete from booking.claim
            where venue_id = $1 and show_id = $3 and booking_id = $2 and seat <> all ($4)),
        kept as (
            update booking.claim set expires_at = null
            where venue_id = $1 and show_id = $3 and booking_id = $2 and seat = any($4))
        insert into booking.claim (venue_id, show_id, seat, booking_id)
        select $1, $3, seat, $2 from unnest($7::int[]) as seat";
    REOPEN_BOOKING = "with unpaid as (
            update booking.booking
            set status = 'pending', pay_by = $4, sweep_at = $4, version = $5
            where venue_id = $1 and id = $2)
        update booking.claim set expires_at = $4
        where venue_id = $1 and show_id = $3 and booking_id = $2";
    SWEEP_LATER = "update booking.booking set sweep_at = $3 where venue_id = $1 and id = $2";
    BOOKINGS_TO_SWEEP = "select venue_id, id from booking.booking
        where sweep_at <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        order by sweep_at limit $2";
}

/// What was found under the locks of a booking and its seats.
pub(crate) struct Paying {
    pub(crate) booking: Booking,
    pub(crate) user: kernel::ids::UserId,
    /// Until when it waited, or waits, to be paid.
    pub(crate) pay_by: Option<Timestamp>,
    pub(crate) show: Show,
    pub(crate) seats: Vec<Seat>,
    /// On these seats, whosever they are.
    pub(crate) claims: Vec<Claim>,
}

impl Paying {
    /// Whether the seat is claimed by this booking, however late it is.
    pub(crate) fn has(&self, seat: &Seat) -> bool {
        let own = |claim: &&Claim| claim.seat == seat.number;
        self.claims.iter().find(own).is_some_and(|claim| claim.booking == Some(self.booking.id))
    }

    /// The seats that are still its own.
    pub(crate) fn own_seats(&self) -> Vec<Seat> {
        self.seats.iter().filter(|seat| self.has(seat)).cloned().collect()
    }
}

fn paying(
    rows: &[Row],
    places: &[Row],
    claims: &[Row],
    found: &[Row],
) -> Result<Option<Paying>, DbError> {
    let (Some(row), Some(show)) = (rows.first(), found.first()) else { return Ok(None) };
    let bookings::Owned { booking, user, pay_by } = bookings::owned(row)?;
    Ok(Some(Paying {
        booking,
        user,
        pay_by,
        show: shows::show(show)?,
        seats: places.iter().map(seats::seat).collect::<Result<_, _>>()?,
        claims: claims.iter().map(seats::claim).collect::<Result<_, _>>()?,
    }))
}

/// Locks the booking, then its seats, then looks at who has them. One packet. Whoever comes here
/// has locked the bill, if there is one.
pub(crate) async fn lock_booking(tx: &mut Tx, id: BookingId) -> Result<Option<Paying>, DbError> {
    let venue = tx.venue()?;
    let [rows, places, claims, found] = tx
        .pipeline([
            Query::new(bookings::LOCK, &[&venue, &id]),
            Query::new(bookings::LOCK_SEATS, &[&venue, &id]),
            Query::new(CLAIMS_OF_BOOKING, &[&venue, &id]),
            Query::new(SHOW_OF_BOOKING, &[&venue, &id]),
        ])
        .await?;
    paying(&rows, &places, &claims, &found)
}

/// The same, and before it locks the bill, where the booking has one: whoever moves its money does
/// so, too.
pub(crate) async fn lock_with_bill(
    tx: &mut Tx,
    id: BookingId,
) -> Result<Option<(Paying, Option<Bill>)>, BookingError> {
    let venue = tx.venue()?;
    let bill: [&(dyn ToSql + Sync); 3] = [&venue, &KIND, &id];
    let [bills, rows, places, claims, found] = tx
        .pipeline([
            payments::lock_query(&bill),
            Query::new(bookings::LOCK, &[&venue, &id]),
            Query::new(bookings::LOCK_SEATS, &[&venue, &id]),
            Query::new(CLAIMS_OF_BOOKING, &[&venue, &id]),
            Query::new(SHOW_OF_BOOKING, &[&venue, &id]),
        ])
        .await?;
    let Some(paying) = paying(&rows, &places, &claims, &found)? else { return Ok(None) };
    let bill = if bills.is_empty() { None } else { Some(payments::locked_bill(&bills)?) };
    Ok(Some((paying, bill)))
}

/// Seats of one category that a booking has.
pub(crate) struct KindOfSeats {
    pub(crate) category: String,
    /// The block of which they are all, where it is sold as one.
    pub(crate) whole_of: Option<String>,
    pub(crate) quantity: i32,
    /// So many of them a wheelchair reaches.
    pub(crate) accessible: i32,
    /// Of all of them.
    pub(crate) price: i64,
}

impl KindOfSeats {
    pub(crate) fn has(&self, seat: &Seat) -> bool {
        seat.category == self.category && seat.whole.map(|_| &seat.block) == self.whole_of.as_ref()
    }

    /// Seats of one category cost the same.
    pub(crate) fn price_of_one(&self) -> i64 {
        self.price / i64::from(self.quantity.max(1))
    }
}

pub(crate) async fn kinds_of_seats(
    tx: &mut Tx,
    id: BookingId,
) -> Result<Vec<KindOfSeats>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(KINDS_OF_SEATS, &[&venue, &id]).await?;
    let kind = |row: &Row| {
        Ok(KindOfSeats {
            category: row.col("category")?,
            whole_of: row.col("whole_of")?,
            quantity: row.col("quantity")?,
            accessible: row.col("accessible")?,
            price: row.col("price")?,
        })
    };
    rows.iter().map(kind).collect()
}

/// Tables that are sold as one, free and as good as that of `kind` with at most `most` seats: the
/// smallest first, then the best. None of `but`. Nothing is locked.
pub(crate) async fn find_equal_tables(
    tx: &mut Tx,
    show: ShowId,
    (kind, most): (&KindOfSeats, i32),
    but: &[String],
) -> Result<Vec<String>, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let (price, accessible) = (kind.price_of_one(), i64::from(kind.accessible));
    let rows = tx
        .query(
            EQUAL_TABLES,
            &[
                &venue,
                &show,
                &offset,
                &kind.category,
                &price,
                &kind.quantity,
                &most,
                &accessible,
                &but,
                &EQUAL_TABLES_MAX,
            ],
        )
        .await?;
    rows.iter().map(|row| row.col("block")).collect()
}

/// Locks the seats of a table, but for those that somebody else has locked, and looks at who has
/// them. One packet.
pub(crate) async fn lock_table(
    tx: &mut Tx,
    show: ShowId,
    table: &str,
) -> Result<(Vec<Seat>, Vec<Claim>), DbError> {
    let venue = tx.venue()?;
    let of_table: [&(dyn ToSql + Sync); 3] = [&venue, &show, &table];
    let [rows, claims] = tx
        .pipeline([
            Query::new(LOCK_TABLE_OR_SKIP, &of_table),
            Query::new(CLAIMS_OF_TABLE, &of_table),
        ])
        .await?;
    let claims = claims.iter().map(seats::claim).collect::<Result<_, _>>()?;
    Ok((rows.iter().map(seats::seat).collect::<Result<_, _>>()?, claims))
}

/// The booking is confirmed with the seats `seats`, of which `fresh` it did not claim before.
pub(crate) fn confirm(
    tx: &mut Tx,
    booking: &Booking,
    seats: &[Seat],
    fresh: Vec<i32>,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        booking.id,
        booking.show_id,
        seats.iter().map(|seat| seat.number).collect::<Vec<_>>(),
        booking.seats.clone(),
        booking.version,
        fresh,
    ];
    tx.change(CONFIRM_BOOKING, row);
    Ok(())
}

/// The booking is to be paid again, until then.
pub(crate) fn reopen(tx: &mut Tx, booking: &Booking, pay_by: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, booking.id, booking.show_id, pay_by, booking.version];
    tx.change(REOPEN_BOOKING, row);
    Ok(())
}

/// The sweep looks at it again at that time, or never.
pub(crate) fn sweep_later(
    tx: &mut Tx,
    id: BookingId,
    at: Option<Timestamp>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, at];
    tx.change(SWEEP_LATER, row);
    Ok(())
}

/// Bookings that the sweep has something to do about, longest due first.
pub(crate) async fn bookings_to_sweep(
    q: &mut Reader,
    offset_micros: i64,
    limit: i64,
) -> Result<Vec<(VenueId, BookingId)>, DbError> {
    let rows = q.query(BOOKINGS_TO_SWEEP, &[&offset_micros, &limit]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("id")?))).collect()
}
