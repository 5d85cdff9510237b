//! Give a bundle of holds back before its time.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::BundleId;
use pg::Tx;

use crate::BookingError;
use crate::bundle::{BundlePath, check_bundle};
use crate::model::HoldStatus;
use crate::offer_seats::wake;
use crate::reads::HoldToken;
use crate::release_hold::free_hold;
use crate::store::bundles;

/// Release a bundle of holds
///
/// The seats of all its shows are free at once. One that is over already stays over: 204 all the
/// same, unless it has become bookings.
#[utoipa::path(
    operation_id = "releaseBundle", tag = "booking", params(BundlePath, HoldToken),
    security(("bearer" = [])),
    responses((status = 204, description = "The seats are free"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/bundles/{bundle}")]
pub(crate) async fn delete_bundle(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<BundlePath>,
    token: HoldToken,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let bundle = at.bundle;
    let answer = app
        .rush(&actor, once.alone(), async move |tx| {
            release_bundle(tx, bundle, &token.0).await.map(|()| Gone)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn release_bundle(tx: &mut Tx, id: BundleId, token: &str) -> Result<(), BookingError> {
    let parts = bundles::lock_bundle(tx, id).await?;
    check_bundle(&parts, token)?;
    if parts.iter().any(|part| part.hold.status == HoldStatus::Booked) {
        return Err(BookingError::HoldOver(HoldStatus::Booked));
    }
    // A part may be swept already while the others wait for the same sweep.
    for part in parts.into_iter().filter(|part| part.hold.status == HoldStatus::Live) {
        free_hold(tx, part)?;
    }
    Ok(())
}
