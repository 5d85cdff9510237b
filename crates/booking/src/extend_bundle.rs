//! Make a bundle of holds last longer, up to its end.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::BundleId;
use pg::Tx;

use crate::BookingError;
use crate::bundle::{Bundle, BundlePath, check_bundle, told};
use crate::extend_hold::check_live;
use crate::reads::HoldToken;
use crate::store::{bundles, holds};

/// Extend a bundle of holds
///
/// Gives all its holds as much time again as the shortest of its shows gives, counted from now, but
/// never beyond `endsAt`.
#[utoipa::path(
    operation_id = "extendBundle", tag = "booking", params(BundlePath, HoldToken),
    security(("bearer" = [])),
    responses((status = 200, body = Bundle), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bundles/{bundle}/extend")]
pub(crate) async fn post_extend_bundle(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<BundlePath>,
    token: HoldToken,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let bundle = at.bundle;
    app.rush(&actor, once.of(&cmd), async move |tx| {
        extend_bundle(tx, bundle, &token.0).await.map(Done)
    })
    .await
}

async fn extend_bundle(tx: &mut Tx, id: BundleId, token: &str) -> Result<Bundle, BookingError> {
    let parts = bundles::lock_bundle(tx, id).await?;
    check_bundle(&parts, token)?;
    let now = tx.now();
    parts.iter().try_for_each(|part| check_live(part, now))?;
    let until = parts.iter().map(|part| (now + part.show.hold_time()).min(part.hold.ends_at)).min();
    let until = until.ok_or(BookingError::NoSuchBundle)?;
    if let Some(part) = parts.iter().find(|part| until <= part.hold.expires_at) {
        return Err(BookingError::HoldAtLimit(part.hold.ends_at));
    }
    for part in &parts {
        holds::extend_hold(tx, &part.hold, until)?;
    }
    let told = parts.iter().map(|part| told(part, until)).collect::<Result<_, _>>()?;
    Bundle::of(id, None, told)
}
