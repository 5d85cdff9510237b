//! Change or delete a zone.

use actix_web::{delete, put, web};
use edge::{
    Actor, Answer, App, Body, Done, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{VenueId, ZoneId};
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::TicketsError;
use crate::change_rule::{check_seen, delete_rule, lock_rule, told};
use crate::create_zone::CreateZone;
use crate::rules::Zone;
use crate::store::rule_changes::{self, Rule};

/// `/venues/{venue}/zones/{zone}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ZonePath {
    /// The venue.
    pub venue: VenueId,
    /// The zone.
    pub zone: ZoneId,
}

/// Change a zone
///
/// Say all of it anew: what is left out takes its default. Give the version that was seen in
/// `If-Match`; a stale one is 412 with the present state.
#[utoipa::path(
    operation_id = "changeZone", tag = "tickets", params(ZonePath), request_body = CreateZone,
    security(("bearer" = [])), responses((status = 200, body = Zone), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/zones/{zone}")]
pub(crate) async fn put_zone(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ZonePath>,
    cmd: Body<CreateZone>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.zone;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_zone(tx, id, seen.0, &cmd).await.map(Done)
    })
    .await
}

async fn change_zone(
    tx: &mut Tx,
    id: ZoneId,
    seen: Option<i64>,
    cmd: &CreateZone,
) -> Result<Zone, TicketsError> {
    let known = lock_rule(tx, Rule::Zone(id)).await?;
    let old = known.zone(id).ok_or(TicketsError::NoSuch("zone"))?;
    check_seen(old, seen)?;
    let new = Zone {
        name: cmd.name.trim().to_owned(),
        capacity: cmd.capacity,
        version: old.version + 1,
        ..old.clone()
    };
    rule_changes::save_zone(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}

/// Delete a zone
///
/// One that a list leads to, or that somebody is in, stays: 409.
#[utoipa::path(
    operation_id = "deleteZone", tag = "tickets", params(ZonePath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/zones/{zone}")]
pub(crate) async fn delete_zone(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ZonePath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.zone;
    app.write(&actor, once.alone(), async move |tx| {
        delete_rule(tx, Rule::Zone(id), |known| {
            let old = known.zone(id).ok_or(TicketsError::NoSuch("zone"))?;
            if old.inside > 0 {
                return Err(TicketsError::InUse);
            }
            check_seen(old, seen.0)
        })
        .await
        .map(|()| Gone)
    })
    .await
}
