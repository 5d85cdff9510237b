//! Keep seats back for the house, and give them free again.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Claim, Seat, SeatState, check_free, check_labels};
use crate::offer_seats::wake;
use crate::reads::ShowPath;
use crate::store::seats;
use crate::{BookingError, event};

/// Which seats.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatList {
    /// Ids of the seats: 1 to 10.
    #[schema(min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
}

impl Input for SeatList {
    fn check(&self, errors: &mut Errors) {
        check_labels(&self.seats, errors);
    }
}

/// Which seats, and until when.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithholdSeats {
    /// Ids of the seats: 1 to 10.
    #[schema(min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
    /// When they are free again by themselves; never unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub until: Option<Timestamp>,
}

impl Input for WithholdSeats {
    fn check(&self, errors: &mut Errors) {
        check_labels(&self.seats, errors);
    }
}

/// Whether the house keeps seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// They are free.
    No,
    /// It does, until that time if it says one.
    Until(Option<Timestamp>),
}

/// The seats as they are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatStates {
    /// One by one.
    pub seats: Vec<SeatState>,
}

impl edge::answer::Versioned for SeatStates {}

/// Withhold seats
///
/// Nobody can hold or book them until they are released, or until the time that `until` says.
/// Seats that somebody has are 409.
#[utoipa::path(
    operation_id = "withholdSeats", tag = "booking", params(ShowPath),
    request_body = WithholdSeats, security(("bearer" = [])),
    responses((status = 200, body = SeatStates), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/withhold")]
pub(crate) async fn post_withhold(
    actor: Actor<can::WithholdSeats>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<WithholdSeats>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        set_withheld(tx, show, &cmd.seats, Withheld::Until(cmd.until)).await.map(Done)
    })
    .await
}

/// Release withheld seats
///
/// They can be held and booked again.
#[utoipa::path(
    operation_id = "releaseSeats", tag = "booking", params(ShowPath), request_body = SeatList,
    security(("bearer" = [])), responses((status = 200, body = SeatStates), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/release")]
pub(crate) async fn post_release(
    actor: Actor<can::WithholdSeats>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<SeatList>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    let answer = app
        .write(&actor, once.of(&cmd), async move |tx| {
            set_withheld(tx, show, &cmd.seats, Withheld::No).await.map(Done)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn set_withheld(
    tx: &mut Tx,
    show: ShowId,
    labels: &[String],
    withheld: Withheld,
) -> Result<SeatStates, BookingError> {
    let found = seats::lock_seats(tx, show, labels, false).await?;
    found.show.ok_or(BookingError::NoSuchShow)?;
    if matches!(withheld, Withheld::Until(Some(until)) if until <= tx.now()) {
        return Err(BookingError::UntilPast);
    }
    check_unclaimed(labels, &found.seats, &found.claims, tx.now())?;
    seats::set_withheld(tx, show, &found.seats, withheld)?;
    let (kept, action) = match withheld {
        Withheld::No => (false, "released"),
        Withheld::Until(_) => (true, "withheld"),
    };
    let until = if let Withheld::Until(until) = withheld { until } else { None };
    let after = |seat: &Seat| Seat { withheld: kept, withheld_until: until, ..seat.clone() };
    let after: Vec<_> = found.seats.iter().map(after).collect();
    let state =
        |seat: &Seat| SeatState { id: seat.label.clone(), status: seat.unclaimed_status(tx.now()) };
    let states = after.iter().map(state).collect();
    tx.emit(event::seats_freed(show, action, &after, tx.now())?);
    Ok(SeatStates { seats: states })
}

/// Withholding what is withheld, or releasing what is free, is no conflict: only a claim is.
fn check_unclaimed(
    labels: &[String],
    seats: &[Seat],
    claims: &[Claim],
    now: Timestamp,
) -> Result<(), BookingError> {
    let open: Vec<_> = seats.iter().map(|seat| Seat { withheld: false, ..seat.clone() }).collect();
    check_free(labels, &open, claims, now)
}
