//! Give a hold back before its time.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::HoldId;
use pg::Tx;

use crate::extend_hold::check_alone;
use crate::model::HoldStatus;
use crate::offer_seats::wake;
use crate::reads::{HoldPath, HoldToken};
use crate::store::holds::LockedHold;
use crate::store::{holds, seats};
use crate::{BookingError, event};

/// Release a hold
///
/// Its seats are free at once. A hold that is over already stays over: 204 all the same, unless it
/// has become a booking.
#[utoipa::path(
    operation_id = "releaseHold", tag = "booking", params(HoldPath, HoldToken),
    security(("bearer" = [])),
    responses((status = 204, description = "The seats are free"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/holds/{hold}")]
pub(crate) async fn delete_hold(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<HoldPath>,
    token: HoldToken,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let hold = at.hold;
    let answer = app
        .rush(&actor, once.alone(), async move |tx| {
            release_hold(tx, hold, &token.0).await.map(|()| Gone)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn release_hold(tx: &mut Tx, id: HoldId, token: &str) -> Result<(), BookingError> {
    let found = holds::lock_hold(tx, id).await?.ok_or(BookingError::NoSuchHold)?;
    check_alone(&found.hold, token)?;
    match found.hold.status {
        HoldStatus::Live => {}
        HoldStatus::Booked => return Err(BookingError::HoldOver(HoldStatus::Booked)),
        HoldStatus::Released | HoldStatus::Expired => return Ok(()),
    }
    free_hold(tx, found)
}

/// Ends a live hold that is locked: its seats are free.
pub(crate) fn free_hold(tx: &mut Tx, found: LockedHold) -> Result<(), BookingError> {
    let mut freed = found.seats;
    freed.retain(|seat| found.claims.iter().any(|claim| claim.seat == seat.number));
    seats::delete_claims_of_hold(tx, found.hold.show, found.hold.id)?;
    holds::end_hold(tx, found.hold.id, HoldStatus::Released)?;
    if !freed.is_empty() {
        tx.emit(event::seats_freed(found.hold.show, "released", &freed, tx.now())?);
    }
    Ok(())
}
