//! Settle a conflict: a supervisor has looked at it, and it leaves the list of those that are open.
//! What counts is not changed by it.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::scan::Scan;
use crate::store::scans;
use crate::undo_scan::ScanPath;
use crate::{TicketsError, event};

/// What was done about it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettleConflict {
    /// For the audit log.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 300,
        example = "Spoke to both guests."
    )]
    pub note: Option<String>,
}

impl Input for SettleConflict {
    fn check(&self, errors: &mut Errors) {
        if let Some(note) = &self.note {
            errors.text(note, "/note", (1, 300));
        }
    }
}

/// Settle a conflict
///
/// Somebody has looked at it: it is listed with `inConflict` no more. If what comes in later makes
/// another conflict of the same scan, that one is open again.
#[utoipa::path(
    operation_id = "settleConflict", tag = "tickets", params(ScanPath),
    request_body = SettleConflict, security(("bearer" = [])),
    responses((status = 200, body = Scan), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/scans/{nonce}/settle")]
pub(crate) async fn post_settle(
    actor: Actor<can::SuperviseDoors>,
    once: OnceIfGiven,
    at: Path<ScanPath>,
    cmd: Body<SettleConflict>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let nonce = at.nonce;
    app.write(&actor, once.of(&cmd), async move |tx| {
        settle_conflict(tx, nonce, &cmd).await.map(Done)
    })
    .await
}

async fn settle_conflict(
    tx: &mut Tx,
    nonce: Uuid,
    cmd: &SettleConflict,
) -> Result<Scan, TicketsError> {
    let mut known = scans::find_scan(tx, nonce, None).await?;
    if let Some((ticket, scanner)) =
        known.as_ref().and_then(|known| Some((known.scan.ticket_id?, known.scan.scanner)))
    {
        // Whoever settles the ticket's scans anew holds its row.
        known = scans::lock_scanned(tx, ticket, (nonce, scanner)).await?.1;
    }
    let known = known.ok_or(TicketsError::NoSuchScan)?;
    let mut scan = known.scan;
    if scan.conflict.is_none() {
        return Err(TicketsError::NoConflict);
    }
    if scan.settled_at.is_some() {
        return Ok(scan);
    }
    scan.settled_at = Some(tx.now());
    scans::mark_settled(tx, &scan)?;
    let detail = serde_json::json!({ "conflict": scan.conflict, "note": cmd.note });
    tx.audit("conflict_settled", ("scan", nonce), &detail)?;
    let number = known.ticket.as_ref().map(|ticket| ticket.number.as_str());
    tx.emit(event::conflict_settled(&scan, number)?);
    Ok(scan)
}
