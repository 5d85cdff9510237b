//! Change or delete a kind of ticket.

use actix_web::{delete, put, web};
use edge::{
    Actor, Answer, App, Body, Done, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{TicketTypeId, VenueId};
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::TicketsError;
use crate::change_rule::{check_seen, delete_rule, lock_rule, told};
use crate::create_type::CreateType;
use crate::rules::TicketType;
use crate::store::rule_changes::{self, Rule};

/// `/venues/{venue}/ticket-types/{kind}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct TypePath {
    /// The venue.
    pub venue: VenueId,
    /// The ticket type.
    pub kind: TicketTypeId,
}

/// Change a ticket type
///
/// Say all of it anew: what is left out takes its default. Give the version that was seen in
/// `If-Match`; a stale one is 412 with the present state.
#[utoipa::path(
    operation_id = "changeTicketType", tag = "tickets", params(TypePath), request_body = CreateType,
    security(("bearer" = [])), responses((status = 200, body = TicketType), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/ticket-types/{kind}")]
pub(crate) async fn put_kind(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TypePath>,
    cmd: Body<CreateType>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.kind;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_kind(tx, id, seen.0, &cmd).await.map(Done)
    })
    .await
}

async fn change_kind(
    tx: &mut Tx,
    id: TicketTypeId,
    seen: Option<i64>,
    cmd: &CreateType,
) -> Result<TicketType, TicketsError> {
    let known = lock_rule(tx, Rule::Type(id)).await?;
    let old = known.types.iter().find(|kind| kind.id == id).ok_or(TicketsError::NoSuch("type"))?;
    check_seen(old, seen)?;
    let new = TicketType {
        name: cmd.name.trim().to_owned(),
        valid_from: cmd.valid_from,
        valid_until: cmd.valid_until,
        blocked: cmd.blocked.as_deref().map(|why| why.trim().to_owned()),
        version: old.version + 1,
        ..old.clone()
    };
    rule_changes::save_type(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}

/// Delete a ticket type
///
/// One that tickets have stays: 409. Block it instead.
#[utoipa::path(
    operation_id = "deleteTicketType", tag = "tickets", params(TypePath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/ticket-types/{kind}")]
pub(crate) async fn delete_kind(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TypePath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.kind;
    app.write(&actor, once.alone(), async move |tx| {
        delete_rule(tx, Rule::Type(id), |known| {
            let old = known
                .types
                .iter()
                .find(|kind| kind.id == id)
                .ok_or(TicketsError::NoSuch("type"))?;
            check_seen(old, seen.0)
        })
        .await
        .map(|()| Gone)
    })
    .await
}
