//! Move a booking to other seats of its show, all of it or nothing.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, Once, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::BookingId;
use kernel::role::Standing;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::access::Access;
use crate::change_booking::check_seen;
use crate::hold_seats::check_shares;
use crate::model::{Booking, BookingStatus, Seat, check_free, check_labels, check_whole};
use crate::offer_seats::wake;
use crate::reads::BookingPath;
use crate::store::{bookings, seats};
use crate::{BookingError, event};

/// Where to.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveBooking {
    /// The seats that the booking has afterwards, as many as it has now; some may be the same.
    #[schema(min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for MoveBooking {
    fn check(&self, errors: &mut Errors) {
        check_labels(&self.seats, errors);
    }
}

/// Move a booking
///
/// To other seats of its show, in one piece: the new seats are taken and the old ones free at the
/// same moment, or nothing happens. The price stays as it was agreed, and so does `payBy`. Seats that somebody else has
/// are 409 with their state.
#[utoipa::path(
    operation_id = "moveBooking", tag = "booking",
    params(BookingPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = MoveBooking, security(("bearer" = [])),
    responses((status = 200, body = Booking), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bookings/{booking}/move")]
pub(crate) async fn post_move_booking(
    actor: Actor<can::ManageBookings>,
    once: Once,
    seen: IfMatch,
    at: Path<BookingPath>,
    cmd: Body<MoveBooking>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (booking, standing) = (at.booking, actor.standing);
    let answer = app
        .rush(&actor, once.of(&cmd), async move |tx| {
            let seen = seen.0.or(cmd.version);
            move_booking(tx, booking, seen, (&cmd.seats, standing)).await.map(Done)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn move_booking(
    tx: &mut Tx,
    id: BookingId,
    seen: Option<i64>,
    (labels, standing): (&[String], Standing),
) -> Result<Booking, BookingError> {
    let found = bookings::lock_move(tx, id, labels).await?.ok_or(BookingError::NoSuchBooking)?;
    let mut booking = found.booking;
    check_seen(&booking, seen)?;
    check_live(&booking, tx.now())?;
    if labels.len() != booking.seats.len() {
        return Err(BookingError::OtherCount(booking.seats.len()));
    }
    let now = tx.now();
    let (old, new) = split(found.seats, &booking.seats, labels);
    // Its own claims are in nobody's way, least of all its own.
    let mut foreign = found.claims;
    foreign.retain(|claim| claim.booking != Some(id));
    let kept = |seat: &Seat| booking.seats.contains(&seat.label);
    let open: Vec<Seat> = new
        .iter()
        .map(
            |seat| if kept(seat) { Seat { withheld: false, ..seat.clone() } } else { seat.clone() },
        )
        .collect();
    check_free(labels, &open, &foreign, now)?;
    check_whole(&new)?;
    check_shares(tx, booking.show_id, &new, &Access::of(None, standing)).await?;
    let fresh: Vec<Seat> = new.iter().filter(|seat| !kept(seat)).cloned().collect();
    let freed: Vec<Seat> = old.into_iter().filter(|seat| !labels.contains(&seat.label)).collect();
    if !foreign.is_empty() {
        let numbers: Vec<_> = fresh.iter().map(|seat| seat.number).collect();
        seats::delete_expired_claims(tx, booking.show_id, &numbers)?;
    }
    let from =
        std::mem::replace(&mut booking.seats, new.iter().map(|seat| seat.label.clone()).collect());
    booking.version += 1;
    bookings::move_seats(tx, &booking, &new, &fresh)?;
    let detail = serde_json::json!({ "code": booking.code, "from": from, "to": booking.seats });
    let moved: Vec<_> = from.iter().zip(&booking.seats).collect();
    tickets::of_booking::reseat(tx, id, &moved).await?;
    tx.audit("booking_moved", ("booking", id.0), &detail)?;
    if !fresh.is_empty() {
        tx.emit(event::seats_freed(booking.show_id, "moved", &freed, now)?);
        tx.emit(event::seats_given(&booking, "moved", fresh.iter().map(|seat| &seat.label))?);
    }
    tx.emit(event::booking("booking_updated", "moved", &booking)?);
    Ok(booking)
}

/// The booking is not over: it is confirmed, or has still time to be paid.
fn check_live(booking: &Booking, now: Timestamp) -> Result<(), BookingError> {
    let live = match booking.status {
        BookingStatus::Confirmed => true,
        BookingStatus::Pending => booking.pay_by.is_some_and(|until| until > now),
        BookingStatus::Cancelled | BookingStatus::Expired => false,
    };
    if live { Ok(()) } else { Err(BookingError::BookingOver(Box::new(booking.clone()))) }
}

/// The seats that the booking has, and those that it is to have; a seat may be in both.
fn split(seats: Vec<Seat>, has: &[String], wants: &[String]) -> (Vec<Seat>, Vec<Seat>) {
    let of = |labels: &[String]| {
        seats.iter().filter(|seat| labels.contains(&seat.label)).cloned().collect()
    };
    (of(has), of(wants))
}
