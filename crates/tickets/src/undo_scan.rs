//! Take a scan back: the last one that moved its ticket, within a quarter of an hour.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Nothing;
use edge::limits::SCAN_UNDO_SECS;
use edge::{Actor, Answer, App, Body, Done, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::ids::VenueId;
use kernel::role::Permission;
use pg::Tx;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::judge::Step;
use crate::merge::{Pass, Standing, Whereabouts, settle};
use crate::model::{MailState, Ticket, TicketStatus};
use crate::scan::Scan;
use crate::store::{offline, scans};
use crate::{TicketsError, event};

/// `/venues/{venue}/scans/{nonce}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ScanPath {
    /// The venue.
    pub venue: VenueId,
    /// The scan's nonce.
    pub nonce: Uuid,
}

impl Versioned for Scan {}

/// Take a scan back
///
/// Within 15 minutes, and only the last scan that moved its ticket. A scanner takes back its own, a
/// supervisor any.
#[utoipa::path(
    operation_id = "undoScan", tag = "tickets", params(ScanPath), request_body = Nothing,
    security(("bearer" = [])), responses((status = 200, body = Scan), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/scans/{nonce}/undo")]
pub(crate) async fn post_undo_scan(
    actor: Actor<can::ScanTickets>,
    once: OnceIfGiven,
    at: Path<ScanPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (nonce, user) = (at.nonce, actor.user()?);
    let own = actor.scope.device.map_or(user.0, |device| device.0);
    let own = (!actor.standing.may(Permission::SuperviseDoors)).then_some(own);
    app.write(&actor, once.of(&cmd), async move |tx| undo_scan(tx, nonce, own).await.map(Done))
        .await
}

/// `own` is the scanner that takes back its own; a supervisor takes back any.
async fn undo_scan(tx: &mut Tx, nonce: Uuid, own: Option<Uuid>) -> Result<Scan, TicketsError> {
    let known = scans::find_scan(tx, nonce, own).await?.ok_or(TicketsError::NoSuchScan)?;
    let ticket = known.scan.ticket_id.filter(|_| known.scan.counts);
    let ticket = ticket.ok_or(TicketsError::CannotUndo("It has let nobody through."))?;
    let (ticket, known) = scans::lock_scanned(tx, ticket, (nonce, known.scan.scanner)).await?;
    let (ticket, mut scan) =
        (ticket.ok_or(TicketsError::NoSuchTicket)?, known.ok_or(TicketsError::NoSuchScan)?.scan);
    if scan.undone_at.is_some() {
        return Ok(scan);
    }
    if tx.now().duration_since(scan.received_at) > SignedDuration::from_secs(SCAN_UNDO_SECS.into())
    {
        return Err(TicketsError::CannotUndo("It is older than 15 minutes."));
    }
    let all = offline::passes_of(tx, ticket.id).await?;
    let mut rest: Vec<Pass> = all.iter().map(|known| known.pass).collect();
    rest.retain(|pass| (pass.nonce, pass.scanner) != (scan.nonce, scan.scanner));
    let (standings, now) = settle(&mut rest);
    let later = rest
        .iter()
        .zip(standings)
        .any(|(pass, standing)| standing == Standing::Counts && pass.at > scan.scanned_at);
    if later {
        return Err(TicketsError::CannotUndo(
            "Something has happened with the ticket since. Take that back first.",
        ));
    }
    let ticket = stand(tx, ticket, now).await?;
    scans::undo_scan(tx, scan.nonce, scan.scanner)?;
    scan.undone_at = Some(tx.now());
    tx.emit(event::scan_undone(&scan, &ticket)?);
    Ok(scan)
}

/// Puts a ticket that is locked where its scans say that it is, and counts the zones anew.
async fn stand(tx: &mut Tx, mut ticket: Ticket, now: Whereabouts) -> Result<Ticket, TicketsError> {
    let step = stands(&ticket, now);
    if step.zone != ticket.zone_id {
        let touched: Vec<_> = [ticket.zone_id, step.zone].into_iter().flatten().collect();
        scans::lock_zones(tx, &touched).await?;
        if let Some(left) = ticket.zone_id {
            scans::move_zone(tx, left, -1)?;
        }
        if let Some(entered) = step.zone {
            scans::move_zone(tx, entered, 1)?;
        }
    }
    scans::move_ticket(tx, ticket.id, &step)?;
    ticket.version += 1;
    (ticket.status, ticket.zone_id, ticket.entries) = (step.status, step.zone, step.entries);
    Ok(ticket)
}

/// Where a ticket stands by what is known of it.
pub(crate) fn stands(ticket: &Ticket, now: Whereabouts) -> Step {
    let status = match ticket.status {
        TicketStatus::Revoked => TicketStatus::Revoked,
        _ if now.inside => TicketStatus::Admitted,
        _ if now.entries > 0 => TicketStatus::Left,
        _ if ticket.mail_state == MailState::Sent => TicketStatus::Sent,
        _ => TicketStatus::Issued,
    };
    let zone = now.zone.filter(|_| now.inside);
    Step { status, zone, entries: now.entries, answered: ticket.answered }
}
