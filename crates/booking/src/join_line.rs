//! Stand in the line in front of a show, and leave it.

use actix_web::{delete, post, web};
use edge::limits::LINE_PLACES_MAX;
use edge::{
    Actor, Answer, App, Body, Done, Gone, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ShowId, UserId};
use pg::Tx;

use crate::BookingError;
use crate::line::{LinePlace, Place, PlaceStatus};
use crate::reads::ShowPath;
use crate::store::lines;

/// Join a line
///
/// Takes the next place in the line of a show; whoever stands there already gets the same place
/// again. Listen for `line_moved` (topic `seats`): when its `served` reaches the place, hold seats
/// as always, until `passUntil` and up to three times. The pass is the customer's own, so there is
/// nothing to send along.
#[utoipa::path(
    operation_id = "joinLine", tag = "booking", params(ShowPath), security(("bearer" = [])),
    responses((status = 200, body = LinePlace), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/line")]
pub(crate) async fn post_line(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, user) = (at.show, actor.user()?);
    app.rush(&actor, once.of(&cmd), async move |tx| join_line(tx, show, user).await.map(Done)).await
}

/// Leave a line
///
/// Gives up one's place, or the pass that one has. Joining again means standing at the end.
#[utoipa::path(
    operation_id = "leaveLine", tag = "booking", params(ShowPath), security(("bearer" = [])),
    responses((status = 204, description = "One stands there no more"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/shows/{show}/line/me")]
pub(crate) async fn delete_my_place(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, user) = (at.show, actor.user()?);
    app.write(&actor, once.alone(), async move |tx| leave_line(tx, show, user).await.map(|()| Gone))
        .await
}

async fn join_line(tx: &mut Tx, show: ShowId, user: UserId) -> Result<LinePlace, BookingError> {
    let found = lines::lock_to_join(tx, show, user).await?;
    let now = tx.now();
    found.show.ok_or(BookingError::NoSuchShow)?.check_on_sale(now)?;
    let line = found.line.filter(|line| line.open).ok_or(BookingError::NoLine)?;
    if let Some(place) = &found.place {
        if place.is_live(now) {
            return Ok(place.shown(&line, now));
        }
        if place.status == PlaceStatus::Passed {
            // Its time is over, and nobody has said so yet.
            let over = Place { status: PlaceStatus::Expired, ..place.clone() };
            lines::set_place(tx, show, &over)?;
        }
    }
    if line.joined - line.served >= LINE_PLACES_MAX {
        return Err(BookingError::LineFull);
    }
    let place = Place {
        place: line.joined + 1,
        status: PlaceStatus::Waiting,
        joined_at: now,
        pass_until: None,
        uses: 0,
    };
    lines::insert_place(tx, &line, &place, user)?;
    Ok(place.shown(&line, now))
}

async fn leave_line(tx: &mut Tx, show: ShowId, user: UserId) -> Result<(), BookingError> {
    let mut place = lines::lock_place(tx, show, user).await?.ok_or(BookingError::NoPlace)?;
    if matches!(place.status, PlaceStatus::Waiting | PlaceStatus::Passed) {
        place.status = PlaceStatus::Left;
        lines::set_place(tx, show, &place)?;
    }
    Ok(())
}
