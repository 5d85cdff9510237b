//! Cancel a booking: its seats are free again.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{BookingId, UserId};
use kernel::role::Permission;
use payments::Afterwards;
use payments::model::BillStatus;
use pg::Tx;

use crate::model::{Booking, BookingStatus};
use crate::offer_seats::wake;
use crate::reads::BookingPath;
use crate::store::{bookings, paying, seats};
use crate::{BookingError, event};

/// Cancel a booking
///
/// One's own, or any as staff of the box office. Its seats are free at once. What was paid goes back
/// the way it came: a voucher at once, a card through its provider, cash when it is handed out. A
/// customer cancels what they have paid for before the show begins.
#[utoipa::path(
    operation_id = "cancelBooking", tag = "booking", params(BookingPath),
    security(("bearer" = [])),
    responses((status = 200, body = Booking), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bookings/{booking}/cancel")]
pub(crate) async fn post_cancel_booking(
    actor: Actor<can::CancelBookings>,
    once: OnceIfGiven,
    at: Path<BookingPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (booking, user) = (at.booking, actor.user()?);
    let answer = app
        .rush(&actor, once.of(&cmd), async move |tx| {
            cancel_booking(tx, booking, user).await.map(Done)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn cancel_booking(tx: &mut Tx, id: BookingId, user: UserId) -> Result<Booking, BookingError> {
    let found = paying::lock_with_bill(tx, id).await?;
    let (found, bill) = found.ok_or(BookingError::NoSuchBooking)?;
    let (own, staff) = (found.user == user, tx.standing().may(Permission::WithholdSeats));
    if !own && !staff {
        return Err(BookingError::NoSuchBooking);
    }
    if matches!(found.booking.status, BookingStatus::Cancelled | BookingStatus::Expired) {
        return Err(BookingError::BookingOver(Box::new(found.booking)));
    }
    // Whoever has seen the show does not get their money back by themselves.
    let paid = bill.as_ref().is_some_and(|bill| bill.paid > bill.refunded);
    if paid && !staff && found.show.starts_at <= tx.now() {
        return Err(BookingError::PaidAndBegun);
    }
    // A booking whose time is over may have lost seats: what somebody else has is not freed.
    let freed = found.own_seats();
    let mut booking = found.booking;
    booking.status = BookingStatus::Cancelled;
    booking.pay_by = None;
    booking.version += 1;
    seats::delete_claims_of_booking(tx, booking.show_id, id)?;
    bookings::set_status(tx, &booking, None)?;
    if !own {
        let detail = serde_json::json!({ "code": booking.code, "seats": booking.seats });
        tx.audit("booking_cancelled", ("booking", id.0), &detail)?;
    }
    tickets::revoke_ticket::revoke_of_booking(tx, id).await?;
    if !freed.is_empty() {
        tx.emit(event::seats_freed(booking.show_id, "cancelled", &freed, tx.now())?);
    }
    tx.emit(event::booking("booking_updated", "cancelled", &booking)?);
    // Last: the numbers of receipts are locked behind all else.
    if let Some(mut bill) = bill.filter(|bill| bill.status != BillStatus::Closed) {
        let reason = "The booking was cancelled";
        payments::close_bill(tx, &mut bill, Afterwards::GiveBack, reason).await?;
    }
    Ok(booking)
}
