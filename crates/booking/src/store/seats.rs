//! Seats and who has them.

use kernel::event::Pos;
use kernel::ids::{BookingId, HoldId, ShowId};
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};

use crate::model::{Claim, Seat, Show};
use crate::reads::MapSeat;
use crate::seat_map::{SeatMapRows, TimedSeat};
use crate::store::shows;
use crate::withhold_seats::Withheld;

pg::statements! {
    // Two holds of one customer at the same moment would both count one live hold. Staff hold for
    // many people at once and are not limited.
    LOCK_CUSTOMER = "select pg_advisory_xact_lock(hashtextextended($1::uuid::text, 7))";
    // The seat's row is the lock. Always in seat order: two holds of the same seats meet at the
    // first of them, and neither waits for the other in a circle.
    LOCK_SEATS = "select seat, label, block, category, price, withheld, withheld_until,
            allocation, whole
        from booking.seat
        where venue_id = $1 and show_id = $2 and label = any($3) order by seat for update";
    // Stands behind the lock in the same packet, with a snapshot of its own: it sees the claim of
    // whoever had the lock before. Each seat's claim is looked up (`offset 0` keeps it so): while a
    // new show sells, its claims are not in the statistics, and a join read all of them for two seats.
    CLAIMS_OF_LABELS = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.seat s cross join lateral (
            select k.seat, k.hold_id, k.booking_id, k.expires_at from booking.claim k
            where k.venue_id = $1 and k.show_id = $2 and k.seat = s.seat offset 0) c
        where s.venue_id = $1 and s.show_id = $2 and s.label = any($3)";
    // The holds are counted for customers alone. Their status is asked for in words that the index
    // of due holds does not promise: with few live rows in its statistics PostgreSQL took that one
    // and read the live holds of every venue.
    SHOW_AND_LIVE_HOLDS = "select s.id, s.name, s.description, s.starts_at, s.status, s.hold_secs,
            s.currency::text, s.seat_count, s.tickets, s.payment, s.pay_secs, s.version,
            case when $5 then (select count(distinct coalesce(h.bundle_id, h.id)) from booking.hold h
             where h.venue_id = $1 and h.user_id = $3
               and h.status not in ('released', 'expired', 'booked')
               and h.expires_at > clock_timestamp() + $4::bigint * interval '1 microsecond')
             + (select count(*) from booking.booking b
             where b.venue_id = $1 and b.user_id = $3 and b.status = 'pending'
               and b.pay_by > clock_timestamp() + $4::bigint * interval '1 microsecond')
             else 0 end as live_holds,
            case when $5 and exists (select from booking.line l
                 where l.venue_id = $1 and l.show_id = $2 and l.open)
             then exists (select from booking.line_place p
                 where p.venue_id = $1 and p.show_id = $2 and p.user_id = $3
                   and p.status = 'passed'
                   and p.pass_until > clock_timestamp() + $4::bigint * interval '1 microsecond')
             end as has_pass
        from booking.show s where s.venue_id = $1 and s.id = $2";
    DELETE_EXPIRED_CLAIMS = "delete from booking.claim
        where venue_id = $1 and show_id = $2 and seat = any($3) and expires_at <= $4";
    DELETE_CLAIMS_OF_HOLD = "delete from booking.claim
        where venue_id = $1 and show_id = $2 and hold_id = $3 and booking_id is null";
    DELETE_CLAIMS_OF_BOOKING = "delete from booking.claim
        where venue_id = $1 and show_id = $2 and booking_id = $3";
    SET_WITHHELD = "update booking.seat set withheld = $4, withheld_until = $5
        where venue_id = $1 and show_id = $2 and seat = any($3)";
    // Some seats of the map anew: their time is over.
    SEATS_OF_MAP = "select s.label, s.block, s.category, s.accessible,
            case when c.seat is not null and c.expires_at is null then 'sold'
                 when c.seat is not null then 'held'
                 when s.allocation is not null
                      or (s.withheld and (s.withheld_until is null or s.withheld_until
                          > clock_timestamp() + $3::bigint * interval '1 microsecond'))
                 then 'withheld' else 'free' end as status,
            coalesce(c.expires_at, case when c.seat is null and s.withheld then s.withheld_until end)
                as until
        from booking.seat s left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
        where s.venue_id = $1 and s.show_id = $2 and s.label = any($4)";
    SEAT_MAP = "select s.label, s.block, s.category, s.accessible,
            case when c.seat is not null and c.expires_at is null then 'sold'
                 when c.seat is not null then 'held'
                 when s.allocation is not null
                      or (s.withheld and (s.withheld_until is null or s.withheld_until
                          > clock_timestamp() + $3::bigint * interval '1 microsecond'))
                 then 'withheld' else 'free' end as status,
            coalesce(c.expires_at, case when c.seat is null and s.withheld then s.withheld_until end)
                as until
        from booking.seat s left join booking.claim c
            on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
            and (c.expires_at is null
                 or c.expires_at > clock_timestamp() + $3::bigint * interval '1 microsecond')
        where s.venue_id = $1 and s.show_id = $2 order by s.block_rank, s.place";
}

/// The statement that reads a show and counts the user's live holds, for another store's pipeline:
/// venue, show, user, offset of the clock in microseconds, whether to count.
pub(crate) const SHOW_AND_HOLDS: &str = SHOW_AND_LIVE_HOLDS;

/// What was found under the locks of some seats of a show.
pub(crate) struct Locked {
    pub(crate) show: Option<Show>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) claims: Vec<Claim>,
    /// Live holds and unpaid bookings of the user, where they are limited.
    pub(crate) live_holds: i64,
    /// Whether the user has a pass for the show's line; none where they need none.
    pub(crate) has_pass: Option<bool>,
}

pub(crate) fn seat(row: &Row) -> Result<Seat, DbError> {
    Ok(Seat {
        number: row.col("seat")?,
        label: row.col("label")?,
        block: row.col("block")?,
        category: row.col("category")?,
        price: row.col("price")?,
        withheld: row.col("withheld")?,
        withheld_until: row.col("withheld_until")?,
        allocation: row.col("allocation")?,
        whole: row.col("whole")?,
    })
}

pub(crate) fn claim(row: &Row) -> Result<Claim, DbError> {
    Ok(Claim {
        seat: row.col("seat")?,
        hold: row.col("hold_id")?,
        booking: row.col("booking_id")?,
        expires_at: row.col("expires_at")?,
    })
}

/// Locks the seats, then looks at who has them and at the show. One packet.
///
/// `limited`: the user is a customer and is locked first, so that two holds at once count right.
pub(crate) async fn lock_seats(
    tx: &mut Tx,
    show: ShowId,
    labels: &[String],
    limited: bool,
) -> Result<Locked, DbError> {
    let (venue, user) = (tx.venue()?, tx.scope().actor());
    let offset = tx.clock_offset_micros();
    let of_labels: [&(dyn ToSql + Sync); 3] = [&venue, &show, &labels];
    let of_show: [&(dyn ToSql + Sync); 5] = [&venue, &show, &user, &offset, &limited];
    let customer: [&(dyn ToSql + Sync); 1] = [&user];
    let lock = Query::new(LOCK_SEATS, &of_labels);
    let claims = Query::new(CLAIMS_OF_LABELS, &of_labels);
    let found = Query::new(SHOW_AND_LIVE_HOLDS, &of_show);
    let [seats, claims, found] = if limited {
        let first = Query::new(LOCK_CUSTOMER, &customer);
        let [_, seats, claims, found] = tx.pipeline([first, lock, claims, found]).await?;
        [seats, claims, found]
    } else {
        tx.pipeline([lock, claims, found]).await?
    };
    locked(&seats, &claims, &found)
}

/// What the rows of seats, claims, and the show with the user's live holds say.
pub(crate) fn locked(seats: &[Row], claims: &[Row], found: &[Row]) -> Result<Locked, DbError> {
    let live = found.first().map(|row| row.col("live_holds")).transpose()?;
    let has_pass = found.first().map(|row| row.col("has_pass")).transpose()?.flatten();
    Ok(Locked {
        show: found.first().map(shows::show).transpose()?,
        seats: seats.iter().map(seat).collect::<Result<_, _>>()?,
        claims: claims.iter().map(claim).collect::<Result<_, _>>()?,
        live_holds: live.unwrap_or(0),
        has_pass,
    })
}

/// Makes room where an expired claim stands: the unique index knows no time.
pub(crate) fn delete_expired_claims(
    tx: &mut Tx,
    show: ShowId,
    seats: &[i32],
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, seats.to_vec(), tx.now()];
    tx.change(DELETE_EXPIRED_CLAIMS, row);
    Ok(())
}

pub(crate) fn delete_claims_of_hold(
    tx: &mut Tx,
    show: ShowId,
    hold: HoldId,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, hold];
    tx.change(DELETE_CLAIMS_OF_HOLD, row);
    Ok(())
}

pub(crate) fn delete_claims_of_booking(
    tx: &mut Tx,
    show: ShowId,
    booking: BookingId,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, booking];
    tx.change(DELETE_CLAIMS_OF_BOOKING, row);
    Ok(())
}

pub(crate) fn set_withheld(
    tx: &mut Tx,
    show: ShowId,
    seats: &[Seat],
    withheld: Withheld,
) -> Result<(), DbError> {
    let numbers: Vec<_> = seats.iter().map(|seat| seat.number).collect();
    let (kept, until) = match withheld {
        Withheld::No => (false, None),
        Withheld::Until(until) => (true, until),
    };
    let row = params![tx.venue()?, show, numbers, kept, until];
    tx.change(SET_WITHHELD, row);
    Ok(())
}

/// The show, its plan and its seats with their states, all as of the position that comes with
/// them: the head is read first, on the same snapshot.
pub(crate) async fn find_seat_map(
    q: &mut Reader,
    show: ShowId,
    offset_micros: i64,
) -> Result<SeatMapRows, DbError> {
    let venue = q.venue()?;
    let [head, shows, plans, seats] = q
        .pipeline([
            pg::log::head_query(&[&venue]),
            Query::new(shows::SHOW, &[&venue, &show]),
            Query::new(shows::PLAN, &[&venue, &show]),
            Query::new(SEAT_MAP, &[&venue, &show, &offset_micros]),
        ])
        .await?;
    let pos = head.first().map(pg::log::head_pos).transpose()?;
    Ok(SeatMapRows {
        pos: pos.unwrap_or(Pos { seq: 0, at_micros: 0 }),
        show: shows.first().map(shows::show).transpose()?,
        plan: plans.first().map(shows::plan).transpose()?.unwrap_or_default(),
        seats: seats.iter().map(map_seat).collect::<Result<_, _>>()?,
    })
}

fn map_seat(row: &Row) -> Result<TimedSeat, DbError> {
    let seat = MapSeat {
        id: row.col("label")?,
        block: row.col("block")?,
        category: row.col("category")?,
        accessible: row.col("accessible")?,
        status: crate::reads::seat_status(row.col("status")?),
    };
    Ok(TimedSeat { seat, until: row.col("until")? })
}

/// Some seats of a map as they are now.
pub(crate) async fn find_map_seats(
    q: &mut Reader,
    show: ShowId,
    offset_micros: i64,
    labels: &[String],
) -> Result<Vec<TimedSeat>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(SEATS_OF_MAP, &[&venue, &show, &offset_micros, &labels]).await?;
    rows.iter().map(map_seat).collect()
}
