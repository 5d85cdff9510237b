//! Book seats: those of a hold, or free ones at once.

use actix_web::{Either, post, web};
use edge::body::Errors;
use edge::{
    Accepted, Actor, Answer, App, Body, Created, Input, Once, Path, Prefer, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{BookingId, HoldId, ShowId, UserId};
use kernel::role::Standing;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Access;
use crate::carry_out::Command;
use crate::extend_hold::check_usable;
use crate::hold_seats::{check_holds, check_shares, price};
use crate::model::{
    Booking, BookingStatus, Customer, Seat, Show, ShowPayment, check_free, check_labels,
    check_whole,
};
use crate::pass::{check_pass, use_pass};
use crate::paying::{let_follow, open_bill, pay_by};
use crate::reads::ShowPath;
use crate::request::{Request, ask};
use crate::request_seal::RequestSeal;
use crate::settle::issue_tickets;
use crate::store::{bookings, holds, seats};
use crate::{BookingError, event, secret};

/// What to book, for whom: `hold` and `token`, or `seats`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
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
///
/// Where the show's `payment` is `required`, the booking is `pending` and has its seats until
/// `payBy`. Pay before: customers with `POST …/bills/booking/{id}/payments` and the answer's
/// `billToken`, which is shown once; the box office with `POST …/bookings/{id}/payments`.
///
/// With `Prefer: respond-async` the answer may be 202: the seats are booked in their turn, and
/// `Location` says where the outcome is.
#[utoipa::path(
    operation_id = "bookSeats", tag = "booking",
    params(ShowPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt"),
        ("Prefer" = Option<String>, Header, description = "respond-async: do not wait for it")),
    request_body = BookSeats, security(("bearer" = [])),
    responses((status = 201, body = Booking), (status = 202, body = Request), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/bookings")]
pub(crate) async fn post_booking(
    actor: Actor<can::HoldSeats>,
    (once, prefer): (Once, Prefer),
    at: Path<ShowPath>,
    cmd: Body<BookSeats>,
    app: web::Data<App>,
    seal: web::Data<RequestSeal>,
) -> Result<Either<Answer, Accepted>, Rejection> {
    let (show, user, standing) = (at.show, actor.user()?, actor.standing);
    let once = once.of(&cmd);
    let later = || Command::BookSeats { show, sent: (*cmd).clone() };
    if let Some(accepted) = ask(&app, &actor, (prefer, once.clone()), (&seal, later)).await? {
        return Ok(Either::Right(accepted));
    }
    let answer = app.rush(&actor, once, async move |tx| {
        book_seats(tx, show, (user, standing), &cmd).await.map(Created)
    });
    answer.await.map(Either::Left)
}

/// The rule. `standing` is what the user was when the request came: what a customer keeps from
/// others without having paid is limited.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn book_seats(
    tx: &mut Tx,
    show: ShowId,
    (user, standing): (UserId, Standing),
    cmd: &BookSeats,
) -> Result<Booking, BookingError> {
    let (show, seats, user) = match (cmd.hold, &cmd.seats) {
        (Some(hold), _) => take_hold(tx, show, hold, cmd.token.as_deref().unwrap_or("")).await?,
        (None, Some(labels)) => take_free(tx, show, (user, standing), labels).await?,
        (None, None) => return Err(BookingError::NoSuchHold),
    };
    give(tx, &show, (&seats, user, cmd.hold), &cmd.customer).await
}

/// Makes the booking of seats that are locked and theirs, and tells of it.
pub(crate) async fn give(
    tx: &mut Tx,
    show: &Show,
    (seats, user, hold): (&[Seat], UserId, Option<HoldId>),
    customer: &Customer,
) -> Result<Booking, BookingError> {
    let mut booking = new_booking(tx, show, seats, customer)?;
    let token = match booking.status {
        BookingStatus::Pending => Some(open_bill(tx, show, &booking, seats)?),
        _ => None,
    };
    bookings::insert_booking(tx, &booking, user, hold, seats)?;
    let_follow(tx, show, (booking.id, user), token.as_deref())?;
    tx.emit(event::seats_given(&booking, "booked", &booking.seats)?);
    tx.emit(event::booking("booking_created", "created", &booking)?);
    issue_tickets(tx, show, &booking, seats).await?;
    // Behind the events: only the answer has it.
    booking.bill_token = token;
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
    (user, standing): (UserId, Standing),
    labels: &[String],
) -> Result<(Show, Vec<Seat>, UserId), BookingError> {
    let limited = !standing.is_staff();
    let found = seats::lock_seats(tx, show, labels, limited).await?;
    let now = tx.now();
    let show = found.show.ok_or(BookingError::NoSuchShow)?;
    show.check_on_sale(now)?;
    check_pass(found.has_pass)?;
    check_free(labels, &found.seats, &found.claims, now)?;
    check_whole(&found.seats)?;
    // Paid at once it is no hold.
    check_holds(limited && show.payment == ShowPayment::Required, found.live_holds)?;
    check_shares(tx, show.id, &found.seats, &Access::default()).await?;
    if !found.claims.is_empty() {
        let numbers: Vec<_> = found.seats.iter().map(|seat| seat.number).collect();
        seats::delete_expired_claims(tx, show.id, &numbers)?;
    }
    if found.has_pass.is_some() {
        use_pass(tx, show.id, user).await?;
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
    let pay_by = pay_by(show, price, tx.now());
    let name = customer.name.trim().to_owned();
    let email = customer.email.as_ref().map(|email| email.trim().to_lowercase());
    Ok(Booking {
        id: BookingId::fresh(tx.now()),
        show_id: show.id,
        code: secret::code()?,
        status: if pay_by.is_some() { BookingStatus::Pending } else { BookingStatus::Confirmed },
        seats: seats.iter().map(|seat| seat.label.clone()).collect(),
        price,
        customer: Customer { name, email },
        pay_by,
        bill_token: None,
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
