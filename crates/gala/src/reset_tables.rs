//! Empty a table, or all of them. Whoever does it types what it is that they empty.

use std::collections::BTreeSet;

use actix_web::{post, web};
use booking::reads::ShowPath;
use booking::tables::{ChairOwner, look_at_tables};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Done, Input, Once, Path, Rejection, WriteRefusals, can};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::GalaError;
use crate::chairs::Wish;
use crate::model::{By, TABLE_CHARS_MAX};
use crate::seating::{Locked, holders_of, lock_tables};
use crate::store::{galas, guests};

/// How often somebody may sit down while a table is being emptied.
const ATTEMPTS_MAX: usize = 5;
/// What is typed to empty all tables.
const ALL: &str = "RESET ALL";

/// What to empty.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetTables {
    /// One table; all of them, unless given.
    #[schema(nullable = false, max_length = 30, example = "T5")]
    pub table: Option<String>,
    /// `RESET T5` for the table T5, `RESET ALL` for all: there is no way back.
    #[schema(max_length = 60, example = "RESET T5")]
    pub confirm: String,
}

impl Input for ResetTables {
    fn check(&self, errors: &mut Errors) {
        if let Some(table) = &self.table {
            errors.text(table, "/table", (1, TABLE_CHARS_MAX));
        }
    }
}

/// What was emptied.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetDone {
    /// Guests who sit nowhere now.
    pub unseated: usize,
}

impl Versioned for ResetDone {}

/// Reset tables
///
/// Everybody at the table, or at all tables, stands up; what they would like is kept, and so are
/// chairs that came with a booking. It is written to the audit log.
#[utoipa::path(
    operation_id = "resetGala", tag = "gala",
    params(ShowPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = ResetTables, security(("bearer" = [])),
    responses((status = 200, body = ResetDone), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/reset")]
pub(crate) async fn post_reset(
    actor: Actor<can::RunGala>,
    once: Once,
    at: Path<ShowPath>,
    cmd: Body<ResetTables>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| reset_tables(tx, show, &cmd).await.map(Done))
        .await
}

async fn reset_tables(
    tx: &mut Tx,
    show: ShowId,
    cmd: &ResetTables,
) -> Result<ResetDone, GalaError> {
    let expected = cmd.table.as_ref().map_or_else(|| ALL.to_owned(), |one| format!("RESET {one}"));
    if cmd.confirm != expected {
        return Err(GalaError::Unconfirmed(expected));
    }
    galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let names = match &cmd.table {
        Some(table) => vec![table.clone()],
        None => look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?.names,
    };
    let locked = lock_all_at(tx, show, &names).await?;
    let wishes: Vec<Wish> =
        locked.guests.iter().map(|row| Wish { guest: row.ticket, table: None }).collect();
    let changes = locked.plan(&wishes)?;
    let unseated = locked.carry_out(tx, &changes, By::Reset)?.len();
    let detail = serde_json::json!({ "table": cmd.table, "unseated": unseated });
    tx.audit("gala_reset", ("show", show.0), &detail)?;
    Ok(ResetDone { unseated })
}

/// Everybody at these tables, locked before the chairs as everywhere. Who they are is only known
/// once the chairs are locked: if somebody has come meanwhile, all locks are given back and it
/// begins anew with them.
async fn lock_all_at(tx: &mut Tx, show: ShowId, names: &[String]) -> Result<Locked, GalaError> {
    let sitting = guests::look_at_tables(tx, show, names).await?;
    let mut whom: BTreeSet<TicketId> = sitting.into_iter().collect();
    for _ in 0..ATTEMPTS_MAX {
        let tickets: Vec<TicketId> = whom.iter().copied().collect();
        let holders = holders_of(tx, show, &tickets).await?;
        let mut rows = guests::lock_guests(tx, show, &tickets).await?;
        let wanted = names.iter().map(String::as_str);
        let (tables, notes) = lock_tables(tx, show, &rows, wanted).await?;
        let here = tables.chairs.iter().filter(|chair| names.contains(&chair.table));
        let came: Vec<TicketId> = here
            .filter_map(|chair| match chair.owner {
                ChairOwner::Guest(guest) => Some(TicketId(guest)),
                _ => None,
            })
            .filter(|guest| !whom.contains(guest))
            .collect();
        if came.is_empty() {
            // Who has left for another table meanwhile stays there.
            rows.retain(|row| row.table.as_ref().is_some_and(|table| names.contains(table)));
            return Ok(Locked { holders, guests: rows, tables, notes });
        }
        whom.extend(came);
        tx.start_over().await?;
    }
    Err(GalaError::TooBusy)
}
