//! Steps of a party that need no more than its version: told that its table is ready, arrived, gone, not
//! come, back in the line, away from its table, and the last step undone.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::GuestId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Floor, Key, Touched};
use crate::model::GuestStatus;
use crate::reads::GuestPath;
use crate::seat_guest::{Seating, seating};

/// The version that the step was decided on.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seen {
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for Seen {}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its table is ready.
    Notify,
    /// It is back at the stand.
    Arrive,
    /// It went away before it was seated.
    Cancel,
    /// It was called and did not come.
    NoShow,
    /// It was not meant to sit there.
    Unseat,
    /// It has left.
    Complete,
    /// The last step is taken back.
    Undo,
}

async fn step(
    actor: Actor<can::SeatGuests>,
    (once, seen): (OnceIfGiven, IfMatch),
    guest: GuestId,
    (cmd, app): (Body<Seen>, web::Data<App>),
    step: Step,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (Touched::guest(guest), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| step_guest(floor, guest, seen, step)).await.map(Done)
    })
    .await
}

/// The rule.
pub(crate) fn step_guest(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    step: Step,
) -> Result<Seating, FloorError> {
    floor.guest(id)?;
    floor.check_seen(Key::Guest(id), seen)?;
    match step {
        Step::Notify => floor.dismiss(id, GuestStatus::Notified, "notified"),
        Step::Arrive => floor.arrive(id),
        Step::Cancel => floor.dismiss(id, GuestStatus::Cancelled, "cancelled"),
        Step::NoShow => floor.dismiss(id, GuestStatus::NoShow, "no_show"),
        Step::Unseat => floor.unseat(id),
        Step::Complete => floor.complete(id),
        Step::Undo => floor.undo(id),
    }?;
    seating(floor, id, None)
}

impl Floor {
    /// The party is back at the stand. It waits as before: arriving is no place in the line.
    fn arrive(&mut self, id: GuestId) -> Result<(), FloorError> {
        let party = self.guest(id)?;
        if !party.guest.is_waiting() {
            return Err(FloorError::NoWay(Box::new(party.guest.clone())));
        }
        let (status, now) = (party.guest.status, self.now);
        let party = self.change_guest(id, "arrived")?;
        let notified_at = party.guest.notified_at;
        party.step(status, now);
        (party.guest.notified_at, party.guest.arrived_at) = (notified_at, Some(now));
        Ok(())
    }
}

/// Notify a party
///
/// Its table is ready. A party that has been told can be told again.
#[utoipa::path(
    operation_id = "notifyGuest", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/notify")]
pub(crate) async fn post_notify(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::Notify).await
}

/// Mark a party as arrived
///
/// It has come to the stand, told or by itself, and may be seated. It keeps its place in the line.
#[utoipa::path(
    operation_id = "markGuestArrived", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/arrive")]
pub(crate) async fn post_arrive(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::Arrive).await
}

/// Cancel a party
///
/// It went away before it was seated.
#[utoipa::path(
    operation_id = "cancelGuest", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/cancel")]
pub(crate) async fn post_cancel(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::Cancel).await
}

/// Mark a party as no-show
///
/// It was called and did not come.
#[utoipa::path(
    operation_id = "markGuestNoShow", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/no-show")]
pub(crate) async fn post_no_show(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::NoShow).await
}

/// Unseat a party
///
/// It was not meant to sit there: it waits again, and its tables are free.
#[utoipa::path(
    operation_id = "unseatGuest", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/unseat")]
pub(crate) async fn post_unseat(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::Unseat).await
}

/// Complete a party
///
/// It has left: its tables are to be made, or free at once if the settings say so.
#[utoipa::path(
    operation_id = "completeGuest", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/complete")]
pub(crate) async fn post_complete(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::Complete).await
}

/// Undo the last step of a party
///
/// Within five minutes. A party that comes back to a table finds it free, or the answer is 409.
#[utoipa::path(
    operation_id = "undoGuest", tag = "floor", params(GuestPath), request_body = Seen,
    security(("bearer" = [])), responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/undo")]
pub(crate) async fn post_undo(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<Seen>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    step(actor, (once, seen), at.guest, (cmd, app), Step::Undo).await
}
