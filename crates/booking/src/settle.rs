//! What becomes of a booking when money moves: called by `payments` in the transaction that moves
//! it, with the bill locked.
//!
//! Whoever has paid gets seats or the money back, in that same transaction. Its own seats while
//! nobody else has them, however late; else equal ones; else `TooLate`, and `payments` gives back.

use futures_util::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};
use kernel::event::Topic;
use kernel::ids::BookingId;
use kernel::problem::Problem;
use kernel::role::Permission;
use payments::{Fulfilment, Payer, Settle};
use pg::Tx;
use pg::write::Refusal;
use uuid::Uuid;

use crate::equal_seats::equal_seats;
use crate::model::{Booking, BookingStatus, Seat, Show};
use crate::paying::KIND;
use crate::store::paying::{self, Paying};
use crate::store::{bookings, seats};
use crate::{BookingError, event};

/// The bookings, as `payments` knows them.
#[derive(Clone, Copy, Debug)]
pub struct Bookings;

impl Settle for Bookings {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn topic(&self) -> Topic {
        Topic::Bookings
    }

    fn permission(&self) -> Permission {
        Permission::TakeBookingPayments
    }

    fn admit<'a>(
        &'a self,
        tx: &'a mut Tx,
        id: Uuid,
        _: Payer,
    ) -> LocalBoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move { admit(tx, BookingId(id)).await.map_err(|error| error.problem()) })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        id: Uuid,
    ) -> LocalBoxFuture<'a, Result<Fulfilment, Problem>> {
        Box::pin(async move { settled(tx, BookingId(id)).await.map_err(|error| error.problem()) })
    }

    fn reopened<'a>(&'a self, tx: &'a mut Tx, id: Uuid) -> LocalBoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move { reopened(tx, BookingId(id)).await.map_err(|error| error.problem()) })
    }
}

/// A booking that is late is paid like any other, as long as its bill is open: see `find_place`.
async fn admit(tx: &mut Tx, id: BookingId) -> Result<(), BookingError> {
    let found = bookings::lock_booking_alone(tx, id).await?.ok_or(BookingError::NoSuchBooking)?;
    match found.booking.status {
        BookingStatus::Cancelled => Err(BookingError::BookingOver(Box::new(found.booking))),
        BookingStatus::Pending | BookingStatus::Expired | BookingStatus::Confirmed => Ok(()),
    }
}

async fn settled(tx: &mut Tx, id: BookingId) -> Result<Fulfilment, BookingError> {
    let Some(found) = paying::lock_booking(tx, id).await? else { return Ok(Fulfilment::TooLate) };
    match found.booking.status {
        BookingStatus::Confirmed => return Ok(Fulfilment::Given),
        BookingStatus::Cancelled => return Ok(Fulfilment::TooLate),
        BookingStatus::Pending | BookingStatus::Expired => {}
    }
    let Some(place) = find_place(tx, &found).await? else { return Ok(Fulfilment::TooLate) };
    confirm(tx, found, place).await?;
    Ok(Fulfilment::Given)
}

/// The seats that the booking is to have, locked; nothing where it can have none.
async fn find_place(tx: &mut Tx, found: &Paying) -> Result<Option<Vec<Seat>>, BookingError> {
    let now = tx.now();
    // A seat may be gone from the layout, but only after it was free.
    let all = found.seats.len() == found.booking.seats.len();
    if all && found.seats.iter().all(|seat| found.has(seat)) {
        return Ok(Some(found.seats.clone()));
    }
    if !all || found.show.check_on_sale(now).is_err() {
        return Ok(None);
    }
    if found.seats.iter().all(|seat| found.has(seat) || is_free(found, seat, now)) {
        return Ok(Some(found.seats.clone()));
    }
    equal_seats(tx, found).await
}

/// Nobody has it, and the house does not keep it. A seat of a share was sold to them before.
pub(crate) fn is_free(found: &Paying, seat: &Seat, now: Timestamp) -> bool {
    let taken = found.claims.iter().any(|claim| claim.seat == seat.number && claim.is_live(now));
    !taken && !seat.is_withheld(now)
}

/// The booking is confirmed with the seats `place`.
async fn confirm(tx: &mut Tx, found: Paying, place: Vec<Seat>) -> Result<(), BookingError> {
    let show = &found.show;
    let stays = |seat: &Seat| place.iter().any(|it| it.number == seat.number);
    let left: Vec<Seat> = found.own_seats().into_iter().filter(|seat| !stays(seat)).collect();
    let fresh: Vec<i32> =
        place.iter().filter(|seat| !found.has(seat)).map(|seat| seat.number).collect();
    let mut booking = found.booking.clone();
    let before =
        std::mem::replace(&mut booking.seats, place.iter().map(|it| it.label.clone()).collect());
    booking.status = BookingStatus::Confirmed;
    booking.pay_by = None;
    booking.version += 1;
    if !fresh.is_empty() {
        seats::delete_expired_claims(tx, show.id, &fresh)?;
    }
    paying::confirm(tx, &booking, &place, fresh)?;
    if !left.is_empty() {
        tx.emit(event::seats_freed(show.id, "moved", &left, tx.now())?);
    }
    tx.emit(event::seats_given(&booking, "booked", &booking.seats)?);
    let moved = before != booking.seats;
    let action = if moved { "paid_elsewhere" } else { "paid" };
    tx.emit(event::booking("booking_updated", action, &booking)?);
    if moved {
        tell_of_other_seats(tx, show, &booking)?;
    }
    issue_tickets(tx, show, &booking, &place).await
}

/// Tickets are of bookings that are confirmed.
pub(crate) async fn issue_tickets(
    tx: &mut Tx,
    show: &Show,
    booking: &Booking,
    seats: &[Seat],
) -> Result<(), BookingError> {
    if !show.tickets || booking.status != BookingStatus::Confirmed {
        return Ok(());
    }
    let holder = (booking.customer.name.as_str(), booking.customer.email.as_deref());
    let sold: Vec<_> =
        seats.iter().map(|seat| (seat.label.as_str(), seat.category.as_str())).collect();
    tickets::of_booking::issue(tx, (show.id, booking.id), holder, &sold).await?;
    Ok(())
}

/// Whoever paid for other seats than they get is told by mail, where an address is known.
fn tell_of_other_seats(tx: &mut Tx, show: &Show, booking: &Booking) -> Result<(), BookingError> {
    let Some(to) = booking.customer.email.clone() else { return Ok(()) };
    let text = format!(
        "Your payment for {} came when the seats of your booking {} were not kept any more, and \
         somebody else has them. You have other seats of the same category at the same price: {}.\n",
        show.name,
        booking.code,
        booking.seats.join(", "),
    );
    let mail = notify::Mail {
        to,
        subject: format!("Your seats for {}", show.name),
        text,
        html: None,
        attachments: Vec::new(),
        kind: "booking_moved",
    };
    notify::queue_mail(tx, mail)?;
    Ok(())
}

/// A payment was voided: the booking waits to be paid again, with the time that a new one has. Its
/// tickets go. Nothing is left to do where it was cancelled meanwhile.
async fn reopened(tx: &mut Tx, id: BookingId) -> Result<(), BookingError> {
    let found = paying::lock_booking(tx, id).await?.ok_or(BookingError::NoSuchBooking)?;
    let mut booking = found.booking;
    if booking.status != BookingStatus::Confirmed {
        return Ok(());
    }
    let pay_by = tx.now() + SignedDuration::from_secs(found.show.pay_secs.into());
    booking.status = BookingStatus::Pending;
    booking.pay_by = Some(pay_by);
    booking.version += 1;
    paying::reopen(tx, &booking, pay_by)?;
    tx.emit(event::seats_given(&booking, "held", &booking.seats)?);
    tx.emit(event::booking("booking_updated", "reopened", &booking)?);
    tickets::revoke_ticket::revoke_of_booking(tx, id).await?;
    Ok(())
}
