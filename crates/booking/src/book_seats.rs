//! Book seats: those of a hold, or free ones at once.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use kernel::ids::{BookingId, HoldId, ShowId, UserId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::access::Access;
use crate::extend_hold::check_usable;
use crate::hold_seats::{check_shares, price};
use crate::model::{
    Booking, BookingStatus, Customer, Seat, SeatStatus, Show, check_free, check_labels, check_whole,
};
use crate::reads::ShowPath;
use crate::store::{bookings, holds, seats};
use crate::{BookingError, event, secret};

/// What to book, for whom: `hold` and `token`, or `seats`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookSeats {
    /// The hold whose seats to book.
    #[schema(nullable = false)]
    pub hold: Option<HoldId>,
    /// The hold's secret.
    #[schema(nullable = false)]
    pub token: Option<String>,
    /// Free seats to book without a hold: 1 to 10.
    #[schema(nullable = false, min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Option<Vec<String>>,
    /// Whose the booking is.
    pub customer: Customer,
}

impl Input for BookSeats {
    fn check(&self, errors: &mut Errors) {
        self.customer.check(errors);
        let one = self.hold.is_some() != self.seats.is_some();
        errors.require(one, "/hold", "either", "Give hold and token, or seats, not both.");
        let token = self.hold.is_none() || self.token.is_some();
        errors.require(token, "/token", "missing", "Send the token that came with the hold.");
        if let Some(seats) = &self.seats {
            check_labels(seats, errors);
        }
    }
}

/// Book seats
///
/// Turns a hold into a booking, or books free seats at once. The booking is the check: a hold that
/// has expired is 410, a seat that somebody else has is 409 with its state.
#[utoipa::path(
    operation_id = "bookSeats", tag = "booking", params(ShowPath),
    params(("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = BookSeats, security(("bearer" = [])),
    responses((status = 201, body = Booking), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/bookings")]
pub(crate) async fn post_booking(
    actor: Actor<can::HoldSeats>,
    once: Once,
    at: Path<ShowPath>,
    cmd: Body<BookSeats>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, user) = (at.show, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        book_seats(tx, show, user, &cmd).await.map(Created)
    })
    .await
}

/// The rule.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn book_seats(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
    cmd: &BookSeats,
) -> Result<Booking, BookingError> {
    let (show, seats, user) = match (cmd.hold, &cmd.seats) {
        (Some(hold), _) => take_hold(tx, show, hold, cmd.token.as_deref().unwrap_or("")).await?,
        (None, Some(labels)) => take_free(tx, show, user, labels).await?,
        (None, None) => return Err(BookingError::NoSuchHold),
    };
    let booking = new_booking(tx, &show, &seats, &cmd.customer)?;
    bookings::insert_booking(tx, &booking, user, cmd.hold, &seats)?;
    tx.emit(event::seats_updated(show.id, "booked", SeatStatus::Sold, &booking.seats)?);
    tx.emit(event::booking("booking_created", "created", &booking)?);
    Ok(booking)
}

/// The seats of a live hold, locked. The booking is the holder's, whoever confirms it.
async fn take_hold(
    tx: &mut Tx,
    show: ShowId,
    hold: HoldId,
    token: &str,
) -> Result<(Show, Vec<Seat>, UserId), BookingError> {
    let found = holds::lock_hold(tx, hold).await?.ok_or(BookingError::NoSuchHold)?;
    check_usable(&found, token, tx.now())?;
    if found.hold.show != show {
        return Err(BookingError::OtherShow);
    }
    found.show.check_on_sale(tx.now())?;
    Ok((found.show, found.seats, found.hold.user))
}

/// Free seats, locked.
async fn take_free(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
    labels: &[String],
) -> Result<(Show, Vec<Seat>, UserId), BookingError> {
    let found = seats::lock_seats(tx, show, labels, false).await?;
    let now = tx.now();
    let show = found.show.ok_or(BookingError::NoSuchShow)?;
    show.check_on_sale(now)?;
    check_free(labels, &found.seats, &found.claims, now)?;
    check_whole(&found.seats)?;
    check_shares(tx, show.id, &found.seats, &Access::default()).await?;
    if !found.claims.is_empty() {
        let numbers: Vec<_> = found.seats.iter().map(|seat| seat.number).collect();
        seats::delete_expired_claims(tx, show.id, &numbers)?;
    }
    Ok((show, found.seats, user))
}

fn new_booking(
    tx: &Tx,
    show: &Show,
    seats: &[Seat],
    customer: &Customer,
) -> Result<Booking, BookingError> {
    let (_, price) = price(show, seats)?;
    let name = customer.name.trim().to_owned();
    let email = customer.email.as_ref().map(|email| email.trim().to_lowercase());
    Ok(Booking {
        id: BookingId::fresh(tx.now()),
        show_id: show.id,
        code: secret::code()?,
        status: BookingStatus::Confirmed,
        seats: seats.iter().map(|seat| seat.label.clone()).collect(),
        price,
        customer: Customer { name, email },
        created_at: tx.now(),
        version: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_is_of_a_hold_or_of_seats() {
        let cmd = |hold: bool, token: bool, seats: bool| BookSeats {
            hold: hold.then(|| HoldId::fresh("2026-01-01T00:00:00Z".parse().unwrap())),
            token: token.then(String::new),
            seats: seats.then(|| vec!["A-1".to_owned()]),
            customer: Customer { name: "Ana".into(), email: None },
        };
        let codes = |cmd: &BookSeats| {
            let mut errors = Errors::default();
            cmd.check(&mut errors);
            errors.iter().map(|error| error.code).collect::<Vec<_>>()
        };
        assert!(codes(&cmd(true, true, false)).is_empty());
        assert!(codes(&cmd(false, false, true)).is_empty());
        assert_eq!(codes(&cmd(true, false, false)), ["missing"]);
        assert_eq!(codes(&cmd(true, true, true)), ["either"]);
        assert_eq!(codes(&cmd(false, false, false)), ["either"]);
    }
}
