//! Change the key that signs a show's codes. Old codes count on, unless the old keys are revoked.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::ShowId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::keeper::Keeper;
use crate::reads::ShowPath;
use crate::rules::Doors;
use crate::store::doors;
use crate::{TicketsError, event};

/// What becomes of the keys before.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateKeys {
    /// Whether codes that older keys have signed die; they count on unless given.
    #[schema(nullable = false)]
    pub revoke_older: Option<bool>,
}

impl Input for RotateKeys {}

/// Change the key of a show
///
/// New codes are signed by a new key. With `revokeOlder` every code that is out dies, and all have
/// to be sent again: for when a key may be in wrong hands.
#[utoipa::path(
    operation_id = "rotateShowKey", tag = "tickets", params(ShowPath), request_body = RotateKeys,
    security(("bearer" = [])), responses((status = 200, body = Doors), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/doors/rotate-key")]
pub(crate) async fn post_rotate_key(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<RotateKeys>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<Answer, Rejection> {
    let (show, keeper) = (at.show, keeper.as_ref().clone());
    app.write(&actor, once.of(&cmd), async move |tx| {
        rotate_key(tx, &keeper, show, cmd.revoke_older.unwrap_or(false)).await.map(Done)
    })
    .await
}

async fn rotate_key(
    tx: &mut Tx,
    keeper: &Keeper,
    show: ShowId,
    revoke_older: bool,
) -> Result<Doors, TicketsError> {
    let (mut doors, keys) = doors::lock_doors(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    let last = keys.iter().map(|key| key.kid).max().unwrap_or(0);
    let next = last.checked_add(1).ok_or(TicketsError::Crypto)?;
    let state = if revoke_older { "revoked" } else { "retired" };
    // First the old ones: at no moment do two keys sign.
    for key in keys.iter().filter(|key| key.state == "active" || revoke_older) {
        doors::move_key(tx, show, key.kid, state)?;
        doors.rules += 1;
    }
    doors::insert_key(tx, show, keeper.make_key(tx.venue()?, show, next)?, tx.now())?;
    doors.rules += 1;
    let detail = serde_json::json!({ "kid": next, "older": state });
    tx.audit("show_key_rotated", ("show", show.0), &detail)?;
    tx.emit(event::doors_changed(&doors)?);
    Ok(doors)
}
