//! Change whose a booking is: a name that was misspelt, another address.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::BookingId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::Booking;
use crate::reads::BookingPath;
use crate::store::bookings;
use crate::{BookingError, event};

/// What to change; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeBooking {
    /// The name that the door asks for.
    #[schema(nullable = false, min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub name: Option<String>,
    /// Where the confirmation goes; an empty text takes it away.
    #[schema(nullable = false, max_length = 254, example = "ana@example.org")]
    pub email: Option<String>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeBooking {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 120));
        }
        if let Some(email) = self.email.as_ref().filter(|email| !email.is_empty()) {
            errors.email(email, "/email");
        }
    }
}

/// Change a booking
///
/// Its name and its address, by staff of the box office. Seats are moved with `move`. Give the
/// version that was seen: a stale one is 412 with the present state.
#[utoipa::path(
    operation_id = "changeBooking", tag = "booking", params(BookingPath),
    request_body = ChangeBooking, security(("bearer" = [])),
    responses((status = 200, body = Booking), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/bookings/{booking}")]
pub(crate) async fn patch_booking(
    actor: Actor<can::ManageBookings>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<BookingPath>,
    cmd: Body<ChangeBooking>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let booking = at.booking;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_booking(tx, booking, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

async fn change_booking(
    tx: &mut Tx,
    id: BookingId,
    seen: Option<i64>,
    cmd: &ChangeBooking,
) -> Result<Booking, BookingError> {
    let found = bookings::lock_booking_alone(tx, id).await?;
    let mut booking = found.ok_or(BookingError::NoSuchBooking)?.booking;
    check_seen(&booking, seen)?;
    let before = booking.customer.clone();
    if let Some(name) = &cmd.name {
        name.trim().clone_into(&mut booking.customer.name);
    }
    if let Some(email) = &cmd.email {
        let email = email.trim().to_lowercase();
        booking.customer.email = Some(email).filter(|email| !email.is_empty());
    }
    booking.version += 1;
    bookings::set_customer(tx, &booking)?;
    let after = &booking.customer;
    let (old, new) = (before.name.as_str(), (after.name.as_str(), after.email.as_deref()));
    tickets::of_booking::rename(tx, id, old, new).await?;
    // Names are personal data: the log says that they were changed, not to what.
    tx.audit("booking_changed", ("booking", id.0), &serde_json::json!({ "code": booking.code }))?;
    tx.emit(event::booking("booking_updated", "changed", &booking)?);
    Ok(booking)
}

/// The version that was decided on is the present one.
pub(crate) fn check_seen(booking: &Booking, seen: Option<i64>) -> Result<(), BookingError> {
    if seen.is_some_and(|seen| seen != booking.version) {
        return Err(BookingError::StaleBooking(Box::new(booking.clone())));
    }
    Ok(())
}
