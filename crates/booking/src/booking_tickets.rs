//! The tickets of a booking, for whoever has booked.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, web};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use kernel::role::Permission;
use serde::Serialize;
use tickets::Keeper;
use tickets::reads::CodedTicket;
use utoipa::ToSchema;

use crate::BookingError;
use crate::reads::BookingPath;
use crate::store::bookings;

/// The tickets of a booking.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingTickets {
    /// One for each seat; none where the show gives no tickets.
    pub tickets: Vec<CodedTicket>,
}

/// Get the tickets of a booking
///
/// With their codes. One's own, or any as staff.
#[utoipa::path(
    operation_id = "getBookingTickets", tag = "booking", params(BookingPath),
    security(("bearer" = [])), responses((status = 200, body = BookingTickets), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/bookings/{booking}/tickets")]
pub(crate) async fn get_booking_tickets(
    actor: Actor<can::ReadBooking>,
    at: Path<BookingPath>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<HttpResponse, Rejection> {
    let user = actor.user()?;
    let any = actor.standing.may(Permission::ManageBookings);
    let found = app.read(&actor, async |q| {
        let found = bookings::find_booking(q, at.booking).await?;
        let found = found.filter(|found| any || found.user == user);
        let booking = found.ok_or(BookingError::NoSuchBooking)?.booking;
        Ok::<_, BookingError>(tickets::of_booking::list(q, &keeper, booking.id).await?)
    });
    let tickets = found.await?;
    let answer = BookingTickets { tickets };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}
