//! Revoke a ticket: nobody is let in with it any more.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{BookingId, ShowId, TicketId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::TicketsError;
use crate::change_ticket::{lock_seen, save};
use crate::event;
use crate::model::{Ticket, TicketStatus};
use crate::reads::TicketPath;
use crate::store::changes;

/// What is noted at tickets whose booking was cancelled.
const CANCELLED: &str = "The booking was cancelled.";
/// What is noted at tickets of a show that does not take place.
const SHOW_CANCELLED: &str = "The show was cancelled.";

/// Why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeTicket {
    /// What the house should remember.
    #[schema(min_length = 1, max_length = 200, example = "Charged back")]
    pub reason: String,
}

impl Input for RevokeTicket {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.reason, "/reason", (1, 200));
    }
}

/// Revoke a ticket
///
/// Its codes die at once, offline scanners learn of it with their next bundle. Issue it anew and it
/// counts again. Revoking twice changes nothing.
#[utoipa::path(
    operation_id = "revokeTicket", tag = "tickets", params(TicketPath), request_body = RevokeTicket,
    security(("bearer" = [])), responses((status = 200, body = Ticket), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/tickets/{ticket}/revoke")]
pub(crate) async fn post_revoke(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TicketPath>,
    cmd: Body<RevokeTicket>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.ticket;
    app.write(&actor, once.of(&cmd), async move |tx| {
        revoke_ticket(tx, id, seen.0, cmd.reason.trim()).await.map(Done)
    })
    .await
}

async fn revoke_ticket(
    tx: &mut Tx,
    id: TicketId,
    seen: Option<i64>,
    reason: &str,
) -> Result<Ticket, TicketsError> {
    let ticket = lock_seen(tx, id, seen).await?;
    if ticket.status == TicketStatus::Revoked {
        return Ok(ticket);
    }
    tx.audit("ticket_revoked", ("ticket", id.0), &serde_json::json!({ "reason": reason }))?;
    revoke(tx, ticket, reason)
}

fn revoke(tx: &mut Tx, mut ticket: Ticket, reason: &str) -> Result<Ticket, TicketsError> {
    ticket.status = TicketStatus::Revoked;
    ticket.revoked_at = Some(tx.now());
    save(tx, ticket, Some(reason), "revoked")
}

/// Revokes the tickets of a booking that is cancelled in this transaction. The caller has locked
/// the booking: whoever issues tickets for it has done so too.
///
/// # Errors
/// The database's failures.
pub async fn revoke_of_booking(tx: &mut Tx, booking: BookingId) -> Result<usize, TicketsError> {
    let tickets = changes::lock_of_booking(tx, booking).await?;
    let count = tickets.len();
    for ticket in tickets {
        revoke(tx, ticket, CANCELLED)?;
    }
    Ok(count)
}

/// Revokes all tickets of a show that is cancelled in this transaction, with one event for all.
///
/// # Errors
/// The database's failures.
pub fn revoke_of_show(tx: &mut Tx, show: ShowId) -> Result<(), TicketsError> {
    changes::revoke_of_show(tx, show, SHOW_CANCELLED)?;
    tx.emit(event::tickets_revoked(show)?);
    Ok(())
}
