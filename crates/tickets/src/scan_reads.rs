//! Scans to look at, and to carry to another house. Nothing here locks.

use actix_web::{get, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::limits::SCANS_PER_BATCH_MAX;
use edge::page::{Items, Page};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::TicketId;
use kernel::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::TicketsError;
use crate::batch::{OfflineScan, ScanBatch};
use crate::model::Verdict;
use crate::reads::ShowPath;
use crate::scan::Scan;
use crate::store::scans::{self, Wanted};

/// Which scans to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ScanFilter {
    /// Of this ticket.
    pub ticket: Option<TicketId>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Only those that a supervisor has to look at, or only the others.
    pub in_conflict: Option<bool>,
}

/// A part of a house's log of scans, as another house takes it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScanLog {
    /// To be sent to `POST …/scans/batch` of the other house as it is; absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub batch: Option<ScanBatch>,
    /// Where the next part begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

/// A place in the log: scans are listed in the order in which they came in.
fn place(page: &Page) -> Result<(Timestamp, Uuid), Rejection> {
    let Some(cursor) = page.cursor.as_deref() else {
        return Ok((Timestamp::UNIX_EPOCH, Uuid::nil()));
    };
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (micros, nonce) = bytes.split_first_chunk()?;
        let at = Timestamp::from_microsecond(i64::from_be_bytes(*micros)).ok()?;
        Some((at, Uuid::from_slice(nonce).ok()?))
    };
    read().ok_or_else(|| {
        let detail = "Use nextCursor of the page before as it was given, or leave it away.";
        Problem::new(400, "bad_cursor", "The cursor cannot be used", detail).into()
    })
}

fn cursor(scan: &Scan) -> String {
    let micros = scan.received_at.as_microsecond().to_be_bytes();
    URL_SAFE_NO_PAD.encode([micros.as_slice(), scan.nonce.as_bytes()].concat())
}

/// List scans
///
/// Every attempt at a show, in the order in which they came in.
#[utoipa::path(
    operation_id = "listScans", tag = "tickets", params(ShowPath, Page, ScanFilter),
    security(("bearer" = [])), responses((status = 200, body = Items<Scan>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/scans")]
pub(crate) async fn list_scans(
    actor: Actor<can::SuperviseDoors>,
    at: Path<ShowPath>,
    page: web::Query<Page>,
    filter: web::Query<ScanFilter>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Scan>>, Rejection> {
    let (limit, _) = Page { limit: page.limit, cursor: None }.bounds()?;
    let wanted = Wanted {
        after: place(&page)?,
        limit,
        ticket: filter.ticket,
        verdict: filter.verdict,
        in_conflict: filter.in_conflict,
    };
    let found = app.read(&actor, async |q| {
        Ok::<_, TicketsError>(scans::list_scans(q, at.show, &wanted).await?)
    });
    let (items, next_cursor) = cut(found.await?, limit);
    Ok(web::Json(Items { items, next_cursor }))
}

/// At most `limit` of them, and where to go on if there are more.
fn cut(mut found: Vec<Scan>, limit: i64) -> (Vec<Scan>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(cursor);
    (found, next)
}

/// Export scans
///
/// This house's log as batches for another one: scanners on a network of their own are served by
/// workers there, and the central house takes their log in when there is a connection again. Send
/// each part on; a part that is sent twice changes nothing.
#[utoipa::path(
    operation_id = "exportScans", tag = "tickets", params(ShowPath, Page),
    security(("bearer" = [])), responses((status = 200, body = ScanLog), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/scans/log")]
pub(crate) async fn export_scans(
    actor: Actor<can::SuperviseDoors>,
    at: Path<ShowPath>,
    page: web::Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<ScanLog>, Rejection> {
    let limit = i64::try_from(SCANS_PER_BATCH_MAX).unwrap_or(i64::MAX);
    let wanted =
        Wanted { after: place(&page)?, limit, ticket: None, verdict: None, in_conflict: None };
    let found = app.read(&actor, async |q| {
        Ok::<_, TicketsError>(scans::list_scans(q, at.show, &wanted).await?)
    });
    let (found, next_cursor) = cut(found.await?, limit);
    let scans: Vec<_> = found.into_iter().filter_map(carried).collect();
    let some = !scans.is_empty();
    let batch = some.then_some(ScanBatch { show: at.show, sent_at: None, lease: None, scans });
    Ok(web::Json(ScanLog { batch, next_cursor }))
}

/// A scan as another house takes it. What was taken back let nobody in; what names no ticket and no
/// list says nothing there.
fn carried(scan: Scan) -> Option<OfflineScan> {
    let through = scan.passed && scan.undone_at.is_none();
    Some(OfflineScan {
        nonce: scan.nonce,
        code: None,
        ticket: Some(scan.ticket_id?),
        list: scan.list_id?,
        kind: Some(scan.kind),
        gate: scan.gate,
        scanned_at: scan.scanned_at,
        verdict: if through { Verdict::Admit } else { Verdict::Deny },
        reason: Some(scan.reason),
        answers: scan.answers,
        device: scan.device_id,
        user: Some(scan.user_id),
    })
}
