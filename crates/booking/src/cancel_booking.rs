//! Cancel a booking: its seats are free again.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{BookingId, UserId};
use kernel::role::Permission;
use pg::Tx;

use crate::model::{Booking, BookingStatus};
use crate::offer_seats::wake;
use crate::reads::BookingPath;
use crate::store::{bookings, seats};
use crate::{BookingError, event};

/// Cancel a booking
///
/// One's own, or any as staff of the box office. Its seats are free at once.
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
        .write(&actor, once.of(&cmd), async move |tx| {
            cancel_booking(tx, booking, user).await.map(Done)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn cancel_booking(tx: &mut Tx, id: BookingId, user: UserId) -> Result<Booking, BookingError> {
    let found = bookings::lock_booking(tx, id).await?;
    let (owned, freed) = found.ok_or(BookingError::NoSuchBooking)?;
    let own = owned.user == user;
    if !own && !tx.standing().may(Permission::WithholdSeats) {
        return Err(BookingError::NoSuchBooking);
    }
    let mut booking = owned.booking;
    if matches!(booking.status, BookingStatus::Cancelled | BookingStatus::Expired) {
        return Err(BookingError::BookingOver(Box::new(booking)));
    }
    booking.status = BookingStatus::Cancelled;
    booking.version += 1;
    seats::delete_claims_of_booking(tx, booking.show_id, id)?;
    bookings::set_status(tx, &booking)?;
    if !own {
        let detail = serde_json::json!({ "code": booking.code, "seats": booking.seats });
        tx.audit("booking_cancelled", ("booking", id.0), &detail)?;
    }
    tx.emit(event::seats_freed(booking.show_id, "cancelled", &freed, tx.now())?);
    tx.emit(event::booking("booking_updated", "cancelled", &booking)?);
    Ok(booking)
}
