//! Bookings.

use kernel::ids::{BookingId, HoldId, ShowId, UserId};
use kernel::money::Money;
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::{Booking, BookingStatus, Customer, Seat};
use crate::reads::BookingFilter;
use crate::store::seats;

pg::statements! {
    // Booking and claims in one statement: the foreign key is checked when both are there.
    INSERT_BOOKING = "with made as (
            insert into booking.booking (venue_id, id, show_id, hold_id, code, user_id,
                customer_name, customer_email, seats, labels, total, currency, status, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14))
        insert into booking.claim (venue_id, show_id, seat, booking_id)
        select $1, $3, seat, $2 from unnest($9::int[]) as seat";
    INSERT_BOOKING_OF_HOLD = "with made as (
            insert into booking.booking (venue_id, id, show_id, hold_id, code, user_id,
                customer_name, customer_email, seats, labels, total, currency, status, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)),
        over as (update booking.hold set status = 'booked' where venue_id = $1 and id = $4)
        update booking.claim set booking_id = $2, expires_at = null
        where venue_id = $1 and show_id = $3 and seat = any($9) and hold_id = $4";
    LOCK_BOOKING = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id
        from booking.booking where venue_id = $1 and id = $2 for update";
    LOCK_SEATS_OF_BOOKING = "select s.seat, s.label, s.block, s.category, s.price, s.withheld,
            s.withheld_until, s.allocation, s.whole
        from booking.booking b join booking.seat s
            on s.venue_id = b.venue_id and s.show_id = b.show_id and s.seat = any(b.seats)
        where b.venue_id = $1 and b.id = $2 order by s.seat for update of s";
    SET_STATUS = "update booking.booking set status = $3, version = $4
        where venue_id = $1 and id = $2";
    // All of a cancelled show at once; its seats are locked, so nobody books meanwhile.
    CANCEL_ALL = "with over as (
            update booking.booking set status = 'cancelled', version = version + 1
            where venue_id = $1 and show_id = $2 and status in ('pending', 'confirmed')),
        released as (
            update booking.hold set status = 'released'
            where venue_id = $1 and show_id = $2 and status = 'live'),
        dismissed as (
            update booking.waiting set status = 'left', version = version + 1
            where venue_id = $1 and show_id = $2 and status in ('waiting', 'offered'))
        delete from booking.claim where venue_id = $1 and show_id = $2";
    FIND_BOOKING = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id
        from booking.booking where venue_id = $1 and id = $2";
    LIST_BOOKINGS = "select id, show_id, code, status, labels, total, currency::text, customer_name,
            customer_email, created_at, version, user_id
        from booking.booking
        where venue_id = $1 and id > $2
          and ($4::uuid is null or show_id = $4)
          and ($5::text is null or status = $5)
          and ($6::text is null or customer_name ilike $6 or customer_email ilike $6
               or code ilike $6 or $7 = any(labels))
        order by id limit $3";
    LIST_BOOKINGS_OF_USER = "select id, show_id, code, status, labels, total, currency::text,
            customer_name, customer_email, created_at, version, user_id
        from booking.booking where user_id = $1 and id > $2 order by id limit $3";
}

/// A booking and whose it is.
pub(crate) struct Owned {
    pub(crate) booking: Booking,
    pub(crate) user: UserId,
}

pub(crate) fn owned(row: &Row) -> Result<Owned, DbError> {
    let currency: &str = row.col("currency")?;
    // The column has a check; a code that is none would be a bug of the migration.
    let currency = currency.parse().map_err(|_| DbError::Forbidden)?;
    let booking = Booking {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        code: row.col("code")?,
        status: BookingStatus::from_name(row.col("status")?).unwrap_or(BookingStatus::Expired),
        seats: row.col("labels")?,
        price: Money { amount: row.col("total")?, currency },
        customer: Customer { name: row.col("customer_name")?, email: row.col("customer_email")? },
        created_at: row.col("created_at")?,
        version: row.col("version")?,
    };
    Ok(Owned { booking, user: row.col("user_id")? })
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
    ];
    let sql = if hold.is_some() { INSERT_BOOKING_OF_HOLD } else { INSERT_BOOKING };
    tx.change(sql, row);
    Ok(())
}

/// Locks the booking, then its seats. One packet.
pub(crate) async fn lock_booking(
    tx: &mut Tx,
    id: BookingId,
) -> Result<Option<(Owned, Vec<Seat>)>, DbError> {
    let venue = tx.venue()?;
    let [bookings, rows] = tx
        .pipeline([
            Query::new(LOCK_BOOKING, &[&venue, &id]),
            Query::new(LOCK_SEATS_OF_BOOKING, &[&venue, &id]),
        ])
        .await?;
    let Some(found) = bookings.first() else { return Ok(None) };
    Ok(Some((owned(found)?, rows.iter().map(seats::seat).collect::<Result<_, _>>()?)))
}

pub(crate) fn set_status(tx: &mut Tx, booking: &Booking) -> Result<(), DbError> {
    let row = params![tx.venue()?, booking.id, booking.status.as_str(), booking.version];
    tx.change(SET_STATUS, row);
    Ok(())
}

/// Cancels all bookings of a show and ends its holds.
pub(crate) fn cancel_all(tx: &mut Tx, show: ShowId) -> Result<(), DbError> {
    let row = params![tx.venue()?, show];
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
