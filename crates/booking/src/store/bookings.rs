//! Bookings.

use jiff::Timestamp;
use kernel::ids::{BookingId, HoldId, ShowId, UserId};
use kernel::money::Money;
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::model::{Booking, BookingStatus, Claim, Customer, Seat};
use crate::reads::BookingFilter;
use crate::store::seats;

pg::statements! {
    // Booking and claims in one statement: the foreign key is checked when both are there.
    INSERT_BOOKING = "with made as (
            insert into booking.booking (venue_id, id, show_id, hold_id, code, user_id,
                customer_name, customer_email, seats, labels, total, currency, status, created_at,
                pay_by, sweep_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15))
        insert into booking.claim (venue_id, show_id, seat, booking_id, expires_at)
        select $1, $3, seat, $2, $15 from unnest($9::int[]) as seat";
    INSERT_BOOKING_OF_HOLD = "with made as (
            insert into booking.booking (venue_id, id, show_id, hold_id, code, user_id,
                customer_name, customer_email, seats, labels, total, currency, status, created_at,
                pay_by, sweep_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)),
        over as (update booking.hold set status = 'booked' where venue_id = $1 and id = $4)
        update booking.claim set booking_id = $2, expires_at = $15
        where venue_id = $1 and show_id = $3 and seat = any($9) and hold_id = $4";
    LOCK_BOOKING = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id, pay_by
        from booking.booking where venue_id = $1 and id = $2 for update";
    LOCK_SEATS_OF_BOOKING = "select s.seat, s.label, s.block, s.category, s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.booking b join booking.seat s
            on s.venue_id = b.venue_id and s.show_id = b.show_id and s.seat = any(b.seats)
        where b.venue_id = $1 and b.id = $2 order by s.seat for update of s";
    // The booking is locked; its seats and those it is to have follow, all of them in seat order:
    // two bookings that move across each other meet at the first seat that both touch.
    LOCK_SEATS_OF_MOVE = "select s.seat, s.label, s.block, s.category, s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.booking b join booking.seat s
            on s.venue_id = b.venue_id and s.show_id = b.show_id
            and (s.seat = any(b.seats) or s.label = any($3))
        where b.venue_id = $1 and b.id = $2 order by s.seat for update of s";
    CLAIMS_OF_MOVE = "select c.seat, c.hold_id, c.booking_id, c.expires_at
        from booking.booking b
        join booking.seat s on s.venue_id = b.venue_id and s.show_id = b.show_id
        join booking.claim c on (c.venue_id, c.show_id, c.seat) = (s.venue_id, s.show_id, s.seat)
        where b.venue_id = $1 and b.id = $2 and s.label = any($3)";
    // The seats that it leaves and those that it comes to are not the same: no row is touched
    // twice.
    MOVE_SEATS = "with moved as (
            update booking.booking set seats = $4, labels = $5, version = $6
            where venue_id = $1 and id = $2),
        left_behind as (
            delete from booking.claim
            where venue_id = $1 and show_id = $3 and booking_id = $2 and seat <> all ($4))
        insert into booking.claim (venue_id, show_id, seat, booking_id, expires_at)
        select $1, $3, seat, $2, $8 from unnest($7::int[]) as seat";
    SET_CUSTOMER = "update booking.booking
        set customer_name = $3, customer_email = $4, version = $5
        where venue_id = $1 and id = $2";
    LIST_OF_SHOW = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id, pay_by
        from booking.booking
        where venue_id = $1 and show_id = $2 and ($3::text is null or status = $3)
        order by id limit $4";
    // Its bill is somebody else's row; what is left to do about it has its time here.
    SET_STATUS = "update booking.booking set status = $3, version = $4, sweep_at = $5
        where venue_id = $1 and id = $2";
    // All of a cancelled show at once; its seats are locked, so nobody books meanwhile. Bills are
    // locked before bookings: the sweep closes them, one by one.
    // In the order in which all others lock: none of them waits for a seat that we have, while we
    // wait for it.
    LOCK_WAITING = "select id from booking.waiting
        where venue_id = $1 and show_id = $2 and status in ('waiting', 'offered')
        order by id for update";
    LOCK_HOLDS = "select id from booking.hold
        where venue_id = $1 and show_id = $2 and status = 'live' order by id for update";
    LOCK_BOOKINGS = "select id from booking.booking
        where venue_id = $1 and show_id = $2 and status in ('pending', 'confirmed')
        order by id for update";
    CANCEL_ALL = "with over as (
            update booking.booking set status = 'cancelled', version = version + 1,
                sweep_at = case when pay_by is not null then $3::timestamptz end
            where venue_id = $1 and show_id = $2 and status in ('pending', 'confirmed')),
        released as (
            update booking.hold set status = 'released'
            where venue_id = $1 and show_id = $2 and status = 'live'),
        dismissed as (
            update booking.waiting set status = 'left', version = version + 1
            where venue_id = $1 and show_id = $2 and status in ('waiting', 'offered'))
        delete from booking.claim where venue_id = $1 and show_id = $2";
    FIND_BOOKING = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id, pay_by
        from booking.booking where venue_id = $1 and id = $2";
    LIST_BOOKINGS = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id, pay_by
        from booking.booking
        where venue_id = $1 and id > $2
          and ($4::uuid is null or show_id = $4)
          and ($5::text is null or status = $5)
          and ($6::text is null or customer_name ilike $6 or customer_email ilike $6
               or code ilike $6 or $7 = any(labels))
        order by id limit $3";
    LIST_BOOKINGS_OF_USER = "select id, show_id, code, status, labels, total, currency::text,
            customer_name, customer_email, created_at, version, user_id, pay_by
        from booking.booking where user_id = $1 and id > $2 order by id limit $3";
}

/// A booking and whose it is.
pub(crate) struct Owned {
    pub(crate) booking: Booking,
    pub(crate) user: UserId,
    /// Until when it waited, or waits, to be paid. Whatever has it has a bill.
    pub(crate) pay_by: Option<Timestamp>,
}

pub(crate) fn owned(row: &Row) -> Result<Owned, DbError> {
    let currency: &str = row.col("currency")?;
    // The column has a check; a code that is none would be a bug of the migration.
    let currency = currency.parse().map_err(|_| DbError::Forbidden)?;
    let status = BookingStatus::from_name(row.col("status")?).unwrap_or(BookingStatus::Expired);
    let pay_by: Option<Timestamp> = row.col("pay_by")?;
    let booking = Booking {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        code: row.col("code")?,
        status,
        seats: row.col("labels")?,
        price: Money { amount: row.col("total")?, currency },
        customer: Customer { name: row.col("customer_name")?, email: row.col("customer_email")? },
        pay_by: pay_by.filter(|_| status == BookingStatus::Pending),
        bill_token: None,
        created_at: row.col("created_at")?,
        version: row.col("version")?,
    };
    Ok(Owned { booking, user: row.col("user_id")?, pay_by })
}

/// Inserts the booking and gives it its seats: those of the hold, or free ones.
pub(crate) fn insert_booking(
    tx: &mut Tx,
    new: &Booking,
    user: UserId,
    hold: Option<HoldId>,
    seats: &[Seat],
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.show_id,
        hold,
        new.code.clone(),
        user,
        new.customer.name.clone(),
        new.customer.email.clone(),
        seats.iter().map(|seat| seat.number).collect::<Vec<_>>(),
        new.seats.clone(),
        new.price.amount,
        new.price.currency.as_str().to_owned(),
        new.status.as_str(),
        new.created_at,
        new.pay_by,
    ];
    let sql = if hold.is_some() { INSERT_BOOKING_OF_HOLD } else { INSERT_BOOKING };
    tx.change(sql, row);
    Ok(())
}

/// The statement that locks a booking, for the pipeline of another store: venue, booking.
pub(crate) const LOCK: &str = LOCK_BOOKING;
/// The statement that locks its seats behind it, for the same.
pub(crate) const LOCK_SEATS: &str = LOCK_SEATS_OF_BOOKING;

/// Locks the booking and nothing else: its seats stay as they are.
pub(crate) async fn lock_booking_alone(
    tx: &mut Tx,
    id: BookingId,
) -> Result<Option<Owned>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_BOOKING, &[&venue, &id]).await?.first().map(owned).transpose()
}

/// A booking that is to move, its seats and those that it wants, all locked.
pub(crate) struct Moving {
    pub(crate) booking: Booking,
    pub(crate) seats: Vec<Seat>,
    /// Of the seats that it wants.
    pub(crate) claims: Vec<Claim>,
}

/// Locks the booking, then its seats and those of `labels`, then looks at who has these.
pub(crate) async fn lock_move(
    tx: &mut Tx,
    id: BookingId,
    labels: &[String],
) -> Result<Option<Moving>, DbError> {
    let venue = tx.venue()?;
    let [found, seats, claims] = tx
        .pipeline([
            Query::new(LOCK_BOOKING, &[&venue, &id]),
            Query::new(LOCK_SEATS_OF_MOVE, &[&venue, &id, &labels]),
            Query::new(CLAIMS_OF_MOVE, &[&venue, &id, &labels]),
        ])
        .await?;
    let Some(found) = found.first() else { return Ok(None) };
    Ok(Some(Moving {
        booking: owned(found)?.booking,
        seats: seats.iter().map(seats::seat).collect::<Result<_, _>>()?,
        claims: claims.iter().map(seats::claim).collect::<Result<_, _>>()?,
    }))
}

/// Gives the booking the seats `new`, of which `fresh` are not its own yet.
pub(crate) fn move_seats(
    tx: &mut Tx,
    booking: &Booking,
    new: &[Seat],
    fresh: &[Seat],
) -> Result<(), DbError> {
    let numbers = |seats: &[Seat]| seats.iter().map(|seat| seat.number).collect::<Vec<_>>();
    let row = params![
        tx.venue()?,
        booking.id,
        booking.show_id,
        numbers(new),
        booking.seats.clone(),
        booking.version,
        numbers(fresh),
        booking.pay_by,
    ];
    tx.change(MOVE_SEATS, row);
    Ok(())
}

pub(crate) fn set_customer(tx: &mut Tx, booking: &Booking) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        booking.id,
        booking.customer.name.clone(),
        booking.customer.email.clone(),
        booking.version,
    ];
    tx.change(SET_CUSTOMER, row);
    Ok(())
}

/// The bookings of a show, oldest first.
pub(crate) async fn list_of_show(
    q: &mut Reader,
    show: ShowId,
    status: Option<BookingStatus>,
    limit: i64,
) -> Result<Vec<Booking>, DbError> {
    let (venue, status) = (q.venue()?, status.map(BookingStatus::as_str));
    let rows = q.query(LIST_OF_SHOW, &[&venue, &show, &status, &limit]).await?;
    rows.iter().map(|row| owned(row).map(|found| found.booking)).collect()
}

/// `sweep_at`: when the sweep has something to do about it.
pub(crate) fn set_status(
    tx: &mut Tx,
    booking: &Booking,
    sweep_at: Option<Timestamp>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, booking.id, booking.status.as_str(), booking.version, sweep_at];
    tx.change(SET_STATUS, row);
    Ok(())
}

/// Locks whatever stands before seats in the order of locks: for who goes on to lock all of these.
pub(crate) async fn lock_all(tx: &mut Tx, show: ShowId) -> Result<(), DbError> {
    let venue = tx.venue()?;
    let of: [&(dyn ToSql + Sync); 2] = [&venue, &show];
    let lock = |sql| Query::new(sql, &of);
    tx.pipeline([lock(LOCK_WAITING), lock(LOCK_HOLDS), lock(LOCK_BOOKINGS)]).await?;
    Ok(())
}

/// Cancels all bookings of a show and ends its holds.
pub(crate) fn cancel_all(tx: &mut Tx, show: ShowId) -> Result<(), DbError> {
    let row = params![tx.venue()?, show, tx.now()];
    tx.change(CANCEL_ALL, row);
    Ok(())
}

pub(crate) async fn find_booking(q: &mut Reader, id: BookingId) -> Result<Option<Owned>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_BOOKING, &[&venue, &id]).await?.first().map(owned).transpose()
}

pub(crate) async fn list_bookings(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    filter: &BookingFilter,
) -> Result<Vec<Booking>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    let show: Option<ShowId> = filter.show;
    let status = filter.status.map(BookingStatus::as_str);
    let like = filter.q.as_deref().map(like);
    let rows =
        q.query(LIST_BOOKINGS, &[&venue, &after, &limit, &show, &status, &like, &filter.q]).await?;
    rows.iter().map(|row| owned(row).map(|found| found.booking)).collect()
}

pub(crate) async fn list_bookings_of_user(
    q: &mut Reader,
    user: UserId,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Booking>, DbError> {
    let limit = limit + 1;
    let rows = q.query(LIST_BOOKINGS_OF_USER, &[&user, &after, &limit]).await?;
    rows.iter().map(|row| owned(row).map(|found| found.booking)).collect()
}

/// The text anywhere, with what `like` takes for wildcards made harmless.
fn like(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_for_percent_finds_percent() {
        assert_eq!(like("50%_x"), "%50\\%\\_x%");
    }
}
