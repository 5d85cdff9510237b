//! Add a zone to a show: a part of the house with a count of the people inside.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ShowId, ZoneId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::TicketsError;
use crate::change_rule::told;
use crate::reads::ShowPath;
use crate::rules::Zone;
use crate::store::{doors, rules};

/// Zones of one show.
pub(crate) const ZONES_MAX: usize = edge::limits::ZONES_PER_SHOW_MAX;

/// A part of the house.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateZone {
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Hall")]
    pub name: String,
    /// How many fit; as many as come, unless given.
    #[schema(nullable = false, minimum = 1, maximum = 1_000_000)]
    pub capacity: Option<i32>,
}

impl Input for CreateZone {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        let fits = self.capacity.is_none_or(|most| (1..=1_000_000).contains(&most));
        errors.require(fits, "/capacity", "range", "A zone holds 1 to 1000000 people.");
    }
}

/// Add a zone
///
/// Lists lead into it: whoever is let in with one of them is counted there, exactly.
#[utoipa::path(
    operation_id = "createZone", tag = "tickets", params(ShowPath), request_body = CreateZone,
    security(("bearer" = [])), responses((status = 201, body = Zone), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/zones")]
pub(crate) async fn post_zone(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<CreateZone>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| create_zone(tx, show, &cmd).await.map(Created))
        .await
}

async fn create_zone(tx: &mut Tx, show: ShowId, cmd: &CreateZone) -> Result<Zone, TicketsError> {
    doors::lock_doors(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    let (known, _) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    if known.zones.len() >= ZONES_MAX {
        return Err(TicketsError::TooMany("zones"));
    }
    let new = Zone {
        id: ZoneId::fresh(tx.now()),
        show_id: show,
        name: cmd.name.trim().to_owned(),
        capacity: cmd.capacity,
        inside: 0,
        version: 1,
    };
    rules::insert_zone(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}
