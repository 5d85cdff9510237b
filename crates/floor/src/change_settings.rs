//! Change how the floor works.

use actix_web::{put, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use pg::Tx;

use crate::error::stale;
use crate::reads::VenuePath;
use crate::settings::{FloorRules, FloorSettings};
use crate::store::layouts;
use crate::{FloorError, event};

impl Input for FloorRules {
    fn check(&self, errors: &mut Errors) {
        Self::check(self, errors);
    }
}

/// Change the floor's settings
///
/// Replaces all of them. Reservations that no longer fit the new hours stay as they are; `GET
/// …/reservations/broken` lists them.
#[utoipa::path(
    operation_id = "changeFloorSettings", tag = "floor", params(VenuePath),
    request_body = FloorRules, security(("bearer" = [])),
    responses((status = 200, body = FloorSettings), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/floor/settings")]
pub(crate) async fn put_settings(
    actor: Actor<can::SetUpFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    _at: Path<VenuePath>,
    cmd: Body<FloorRules>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_settings(tx, seen.0, &cmd).await.map(Done)
    })
    .await
}

/// The rule.
///
/// # Errors
/// `Stale`.
pub async fn change_settings(
    tx: &mut Tx,
    seen: Option<i64>,
    rules: &FloorRules,
) -> Result<FloorSettings, FloorError> {
    let mut settings = layouts::lock_settings(tx).await?;
    if seen.is_some_and(|seen| seen != settings.version) {
        return Err(stale(&settings));
    }
    settings.rules = rules.clone();
    settings.version += 1;
    layouts::update_settings(tx, &settings)?;
    let venue = tx.venue()?;
    tx.audit("floor_settings_changed", ("floor", venue.0), &settings)?;
    tx.emit(event::settings(venue, &settings)?);
    Ok(settings)
}
