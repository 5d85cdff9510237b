//! Change how the venue handles money. Only owners: managers are among those whom it limits.

use actix_web::{put, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::VenueId;
use pg::Tx;

use crate::PaymentError;
use crate::paths::VenuePath;
use crate::settings::Settings;
use crate::store::house;

impl Input for Settings {
    fn check(&self, errors: &mut Errors) {
        self.rules(errors);
    }
}

/// Change the payment settings
///
/// All of them at once; what is left out gets its default. Give the version that was seen, in
/// `If-Match` or in the body: a stale one is 412 with the present settings.
#[utoipa::path(
    operation_id = "changePaymentSettings", tag = "payments", params(VenuePath),
    request_body = Settings, security(("bearer" = [])),
    responses((status = 200, body = Settings), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/payments/settings")]
pub(crate) async fn put_settings(
    actor: Actor<can::SetUpPayments>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<VenuePath>,
    cmd: Body<Settings>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let venue = at.venue;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_settings(tx, venue, seen.0, &cmd).await.map(Done)
    })
    .await
}

async fn change_settings(
    tx: &mut Tx,
    venue: VenueId,
    seen: Option<i64>,
    cmd: &Settings,
) -> Result<Settings, PaymentError> {
    let present = house::lock_settings(tx).await?;
    if seen.unwrap_or(cmd.version) != present.version {
        return Err(PaymentError::StaleSettings(Box::new(present)));
    }
    let changed = Settings { version: present.version + 1, ..cmd.clone() };
    house::save_settings(tx, &changed)?;
    tx.audit("payment_settings_changed", ("venue", venue.0), &changed)?;
    Ok(changed)
}
