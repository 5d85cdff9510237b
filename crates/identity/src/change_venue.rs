//! Change a venue: its name, its time zone, its currency.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Rejection, WriteRefusals, can,
};
use kernel::money::Currency;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::Venue;
use crate::open_venue::check_time_zone;
use crate::reads::VenuePath;
use crate::store::venues;
use crate::{IdentityError, event};

/// What to change; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeVenue {
    /// What people read.
    #[schema(nullable = false, min_length = 1, max_length = 120)]
    pub name: Option<String>,
    /// The IANA time zone that its people live in.
    #[schema(nullable = false, max_length = 64)]
    pub time_zone: Option<String>,
    /// What it sells in. Shows keep the currency that they were made with.
    #[schema(nullable = false)]
    pub currency: Option<Currency>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeVenue {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 120));
        }
        if let Some(time_zone) = &self.time_zone {
            check_time_zone(time_zone, errors);
        }
    }
}

/// Change a venue
///
/// Give the version that was seen, in `If-Match` or in the body: a stale one is 412 with the
/// present state.
#[utoipa::path(
    operation_id = "changeVenue", tag = "identity", params(VenuePath), request_body = ChangeVenue,
    security(("bearer" = [])), responses((status = 200, body = Venue), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}")]
pub(crate) async fn patch_venue(
    actor: Actor<can::ChangeVenue>,
    once: OnceIfGiven,
    seen: IfMatch,
    cmd: Body<ChangeVenue>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_venue(tx, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

/// The rule.
pub(crate) async fn change_venue(
    tx: &mut Tx,
    seen: Option<i64>,
    cmd: &ChangeVenue,
) -> Result<Venue, IdentityError> {
    let mut venue = venues::lock_venue(tx).await?.ok_or(IdentityError::NoSuchVenue)?;
    if seen.is_some_and(|seen| seen != venue.version) {
        return Err(IdentityError::StaleVenue(Box::new(venue)));
    }
    if let Some(name) = &cmd.name {
        name.trim().clone_into(&mut venue.name);
    }
    if let Some(time_zone) = &cmd.time_zone {
        time_zone.clone_into(&mut venue.time_zone);
    }
    venue.currency = cmd.currency.unwrap_or(venue.currency);
    venue.version += 1;
    venues::update_venue(tx, &venue);
    tx.emit(event::venue_updated(&venue)?);
    tx.audit("venue_changed", ("venue", venue.id.0), &venue)?;
    Ok(venue)
}
