//! Set up the doors of a show, or change them. The first time they get a key.

use actix_web::{put, web};
use edge::body::Errors;
use edge::limits::LEASE_MAX_SECS;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::keeper::Keeper;
use crate::reads::ShowPath;
use crate::rules::Doors;
use crate::store::{alerts, doors};
use crate::{TicketsError, event};

/// A bundle may be used this long without a network unless told otherwise, in seconds.
const LEASE_DEFAULT_SECS: i32 = LEASE_MAX_SECS;
/// A shorter one would be over before the next bundle.
const LEASE_MIN_SECS: i32 = 60;

/// The doors of a show.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenDoors {
    /// What people read at the door and on the ticket.
    #[schema(min_length = 1, max_length = 200, example = "Winter Gala")]
    pub name: String,
    /// Nobody is admitted before.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime, example = "2027-02-01T18:00:00.000000Z")]
    pub opens_at: Timestamp,
    /// Nor from then on.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime, example = "2027-02-01T23:00:00.000000Z")]
    pub closes_at: Timestamp,
    /// Whether the holder's name travels in the code, sealed; not, unless given.
    #[schema(nullable = false)]
    pub seals_names: Option<bool>,
    /// How long a scanner may work without a network, in seconds; 12 hours unless given.
    #[schema(nullable = false, minimum = 60, maximum = 43200)]
    pub lease_secs: Option<i32>,
}

impl Input for OpenDoors {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 200));
        let lease = self.lease_secs.unwrap_or(LEASE_DEFAULT_SECS);
        let holds = (LEASE_MIN_SECS..=LEASE_MAX_SECS).contains(&lease);
        errors.require(holds, "/leaseSecs", "range", "A lease lasts 60 to 43200 seconds.");
        let order = self.opens_at < self.closes_at;
        errors.require(order, "/closesAt", "order", "Doors open before they close.");
    }
}

/// Set up the doors of a show
///
/// From then on tickets can be issued for it. Add types and lists next. Sent again, it changes them.
#[utoipa::path(
    operation_id = "openDoors", tag = "tickets", params(ShowPath), request_body = OpenDoors,
    security(("bearer" = [])), responses((status = 200, body = Doors), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/shows/{show}/doors")]
pub(crate) async fn put_doors(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<OpenDoors>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<Answer, Rejection> {
    let (show, keeper) = (at.show, keeper.as_ref().clone());
    app.write(&actor, once.of(&cmd), async move |tx| {
        open_doors(tx, &keeper, show, &cmd).await.map(Done)
    })
    .await
}

async fn open_doors(
    tx: &mut Tx,
    keeper: &Keeper,
    show: ShowId,
    cmd: &OpenDoors,
) -> Result<Doors, TicketsError> {
    let known = doors::lock_doors(tx, show).await?;
    let wanted = Doors {
        show_id: show,
        name: cmd.name.trim().to_owned(),
        opens_at: cmd.opens_at,
        closes_at: cmd.closes_at,
        seals_names: cmd.seals_names.unwrap_or(false),
        lease_secs: cmd.lease_secs.unwrap_or(LEASE_DEFAULT_SECS),
        rules: 1,
        version: 1,
    };
    let saved = doors::save_doors(tx, &wanted).await?;
    if known.is_none_or(|(_, keys)| keys.is_empty()) && saved.version == 1 {
        let key = keeper.make_key(tx.venue()?, show, 1)?;
        doors::insert_key(tx, show, key, tx.now())?;
    }
    alerts::add_watch(tx)?;
    tx.emit(event::doors_changed(&saved)?);
    Ok(saved)
}
