//! Tables that guests cannot choose for now.

use actix_web::{post, web};
use booking::reads::ShowPath;
use booking::tables::lock_tables;
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::ShowId;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chairs::table_state;
use crate::model::{GalaTable, TABLE_CHARS_MAX};
use crate::store::{galas, tables};
use crate::{GalaError, event};

/// Tables of one request.
pub(crate) const TABLES_MAX: usize = 200;

/// Which tables to keep.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithholdTables {
    /// Their names: 1 to 200.
    #[schema(min_items = 1, max_items = 200, example = json!(["T1", "T2"]))]
    pub tables: Vec<String>,
    /// Why, for the staff.
    #[schema(nullable = false, max_length = 200)]
    pub reason: Option<String>,
}

/// Which tables guests can choose again.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseTables {
    /// Their names: 1 to 200.
    #[schema(min_items = 1, max_items = 200, example = json!(["T1", "T2"]))]
    pub tables: Vec<String>,
}

impl Input for WithholdTables {
    fn check(&self, errors: &mut Errors) {
        check_names(&self.tables, errors);
        if let Some(reason) = &self.reason {
            errors.text(reason, "/reason", (0, 200));
        }
    }
}

impl Input for ReleaseTables {
    fn check(&self, errors: &mut Errors) {
        check_names(&self.tables, errors);
    }
}

fn check_names(names: &[String], errors: &mut Errors) {
    let count = (1..=TABLES_MAX).contains(&names.len());
    errors.require(count, "/tables", "length", "Name 1 to 200 tables.");
    for (n, name) in names.iter().enumerate() {
        errors.text(name, &format!("/tables/{n}"), (1, TABLE_CHARS_MAX));
        let twice = names.iter().take(n).any(|other| other == name);
        errors.require(!twice, format!("/tables/{n}"), "twice", "The table stands twice.");
    }
}

/// Tables as they are now.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableStates {
    /// One by one.
    pub tables: Vec<GalaTable>,
}

impl Versioned for TableStates {}

/// Withhold tables
///
/// Guests cannot choose them until they are released; who sits there stays, and staff can seat
/// there.
#[utoipa::path(
    operation_id = "withholdGalaTables", tag = "gala", params(ShowPath),
    request_body = WithholdTables, security(("bearer" = [])),
    responses((status = 200, body = TableStates), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/withhold")]
pub(crate) async fn post_withhold(
    actor: Actor<can::RunGala>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<WithholdTables>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        set_withheld(tx, show, &cmd.tables, (true, cmd.reason.clone())).await.map(Done)
    })
    .await
}

/// Release withheld tables
///
/// Guests can choose them again.
#[utoipa::path(
    operation_id = "releaseGalaTables", tag = "gala", params(ShowPath),
    request_body = ReleaseTables, security(("bearer" = [])),
    responses((status = 200, body = TableStates), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/release")]
pub(crate) async fn post_release(
    actor: Actor<can::RunGala>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<ReleaseTables>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        set_withheld(tx, show, &cmd.tables, (false, None)).await.map(Done)
    })
    .await
}

/// Whether the house keeps the tables, and why.
async fn set_withheld(
    tx: &mut Tx,
    show: ShowId,
    names: &[String],
    (withheld, reason): (bool, Option<String>),
) -> Result<TableStates, GalaError> {
    galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    // Whoever is choosing one of them right now ends first, and whoever comes after sees it.
    let found = lock_tables(tx, show, names).await?.ok_or(GalaError::NoGala)?;
    let unknown: Vec<String> =
        names.iter().filter(|name| found.of(name).next().is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(GalaError::NoSuchTables(unknown));
    }
    let notes = tables::notes_of(tx, show, names).await?;
    tables::set_withheld(tx, show, names.to_vec(), withheld, reason)?;
    let states: Vec<GalaTable> = names
        .iter()
        .map(|name| GalaTable { withheld, ..table_state(&found, name, &notes, &[]) })
        .collect();
    tx.emit(event::tables(show, if withheld { "withheld" } else { "released" }, &states)?);
    Ok(TableStates { tables: states })
}
