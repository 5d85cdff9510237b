//! Open a venue: whoever does it is its first owner.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, OnceIfGiven, Rejection, WriteRefusals, can};
use kernel::ids::{MemberId, UserId, VenueId};
use kernel::money::Currency;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::model::{Venue, is_time_zone};
use crate::store::{users, venues};

/// Venues that one user may own.
pub(crate) const VENUES_PER_OWNER_MAX: usize = 50;

/// A house that opens.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenVenue {
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Teatro Aurora")]
    pub name: String,
    /// The IANA time zone that its people live in.
    #[schema(max_length = 64, example = "Europe/Lisbon")]
    pub time_zone: String,
    /// What it sells in.
    pub currency: Currency,
}

impl Input for OpenVenue {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        check_time_zone(&self.time_zone, errors);
    }
}

pub(crate) fn check_time_zone(name: &str, errors: &mut Errors) {
    errors.require(
        is_time_zone(name),
        "/timeZone",
        "time_zone",
        "Give a name of the IANA time zone database, like Europe/Lisbon.",
    );
}

/// Open a venue
///
/// One user owns at most fifty.
#[utoipa::path(
    operation_id = "openVenue", tag = "identity", request_body = OpenVenue,
    security(("bearer" = [])), responses((status = 201, body = Venue), WriteRefusals)
)]
#[post("/api/v1/venues")]
pub(crate) async fn post_venue(
    actor: Actor<can::OpenVenue>,
    once: OnceIfGiven,
    cmd: Body<OpenVenue>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let owner = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| open_venue(tx, owner, &cmd).await.map(Created))
        .await
}

/// The rule. It runs outside any venue: the key of a repeat has to be found before there is one.
pub(crate) async fn open_venue(
    tx: &mut Tx,
    owner: UserId,
    cmd: &OpenVenue,
) -> Result<Venue, IdentityError> {
    if users::lock_owned(tx, owner).await?.len() >= VENUES_PER_OWNER_MAX {
        return Err(IdentityError::TooManyVenues);
    }
    let created_at = tx.now();
    let venue = Venue {
        id: VenueId::fresh(created_at),
        name: cmd.name.trim().to_owned(),
        time_zone: cmd.time_zone.clone(),
        currency: cmd.currency,
        version: 1,
        created_at,
    };
    venues::insert_venue(tx, &venue, (MemberId::fresh(created_at), owner)).await?;
    tx.audit("venue_opened", ("venue", venue.id.0), &venue)?;
    Ok(venue)
}
