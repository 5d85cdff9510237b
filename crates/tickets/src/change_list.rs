//! Change or delete a list.

use actix_web::{delete, put, web};
use edge::{
    Actor, Answer, App, Body, Done, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ListId, VenueId};
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::TicketsError;
use crate::change_rule::{check_seen, delete_rule, lock_rule, told};
use crate::create_list::{CreateList, check_known};
use crate::model::Reentry;
use crate::rules::List;
use crate::store::rule_changes::{self, Rule};

/// `/venues/{venue}/lists/{list}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ListPath {
    /// The venue.
    pub venue: VenueId,
    /// The list.
    pub list: ListId,
}

/// Change a list
///
/// Say all of it anew: what is left out takes its default. Give the version that was seen in
/// `If-Match`; a stale one is 412 with the present state.
#[utoipa::path(
    operation_id = "changeDoorList", tag = "tickets", params(ListPath), request_body = CreateList,
    security(("bearer" = [])), responses((status = 200, body = List), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/lists/{list}")]
pub(crate) async fn put_list(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ListPath>,
    cmd: Body<CreateList>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.list;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_list(tx, id, seen.0, &cmd).await.map(Done)
    })
    .await
}

async fn change_list(
    tx: &mut Tx,
    id: ListId,
    seen: Option<i64>,
    cmd: &CreateList,
) -> Result<List, TicketsError> {
    let known = lock_rule(tx, Rule::List(id)).await?;
    let old = known.list(id).ok_or(TicketsError::NoSuchList)?;
    check_seen(old, seen)?;
    check_known(&known, cmd)?;
    let new = List {
        name: cmd.name.trim().to_owned(),
        classes: cmd.classes.clone(),
        zone_id: cmd.zone_id,
        opens_at: cmd.opens_at,
        closes_at: cmd.closes_at,
        reentry: cmd.reentry.unwrap_or(Reentry::Never),
        entries_max: cmd.entries_max,
        takes_unpaid: cmd.takes_unpaid.unwrap_or(false),
        version: old.version + 1,
        ..old.clone()
    };
    rule_changes::save_list(tx, &new)?;
    told(tx, &known)?;
    Ok(new)
}

/// Delete a list
///
/// What was scanned with it stays. Scanners that have it chosen are told `wrong_list`.
#[utoipa::path(
    operation_id = "deleteDoorList", tag = "tickets", params(ListPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/lists/{list}")]
pub(crate) async fn delete_list(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ListPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.list;
    app.write(&actor, once.alone(), async move |tx| {
        delete_rule(tx, Rule::List(id), |known| {
            let old = known.list(id).ok_or(TicketsError::NoSuchList)?;
            check_seen(old, seen.0)
        })
        .await
        .map(|()| Gone)
    })
    .await
}
