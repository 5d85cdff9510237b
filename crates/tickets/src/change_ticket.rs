//! Change what stands on a ticket: its holder, its seat, whether it is paid, whether it is blocked.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::TicketId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::{Ticket, TicketStatus};
use crate::reads::TicketPath;
use crate::store::changes;
use crate::{TicketsError, event};

/// What to change; what is absent stays, and an empty text takes away.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeTicket {
    /// Its holder.
    #[schema(nullable = false, max_length = 120)]
    pub name: Option<String>,
    /// Its holder's address.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
    /// Its seat.
    #[schema(nullable = false, max_length = 40)]
    pub seat: Option<String>,
    /// Whether it is paid.
    #[schema(nullable = false)]
    pub paid: Option<bool>,
    /// Nobody is admitted with it while this is set; the door shows it.
    #[schema(nullable = false, max_length = 200)]
    pub blocked: Option<String>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeTicket {
    fn check(&self, errors: &mut Errors) {
        let texts = [
            ("/name", &self.name, 120),
            ("/seat", &self.seat, 40),
            ("/blocked", &self.blocked, 200),
        ];
        for (pointer, text, max) in texts {
            if let Some(text) = text {
                errors.text(text, pointer, (0, max));
            }
        }
        if let Some(email) = self.email.as_deref().filter(|email| !email.trim().is_empty()) {
            errors.email(email, "/email");
        }
    }
}

/// Change a ticket
///
/// Its code stays as it is. Where names travel in the codes, issue it anew after a change of name.
#[utoipa::path(
    operation_id = "changeTicket", tag = "tickets", params(TicketPath), request_body = ChangeTicket,
    security(("bearer" = [])), responses((status = 200, body = Ticket), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/tickets/{ticket}")]
pub(crate) async fn patch_ticket(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TicketPath>,
    cmd: Body<ChangeTicket>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (id, seen) = (at.ticket, seen.0.or(cmd.version));
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_ticket(tx, id, seen, &cmd).await.map(Done)
    })
    .await
}

async fn change_ticket(
    tx: &mut Tx,
    id: TicketId,
    seen: Option<i64>,
    cmd: &ChangeTicket,
) -> Result<Ticket, TicketsError> {
    let mut ticket = lock_live(tx, id, seen).await?;
    let texts = [
        (&cmd.name, &mut ticket.name),
        (&cmd.email, &mut ticket.email),
        (&cmd.seat, &mut ticket.seat),
        (&cmd.blocked, &mut ticket.blocked),
    ];
    for (new, old) in texts {
        if let Some(new) = new {
            *old = Some(new.trim().to_owned()).filter(|text| !text.is_empty());
        }
    }
    ticket.email = ticket.email.map(|email| email.to_lowercase());
    ticket.paid = cmd.paid.unwrap_or(ticket.paid);
    save(tx, ticket, None, "changed")
}

/// Locks a ticket that counts, of the version that was seen.
pub(crate) async fn lock_live(
    tx: &mut Tx,
    id: TicketId,
    seen: Option<i64>,
) -> Result<Ticket, TicketsError> {
    let ticket = lock_seen(tx, id, seen).await?;
    if ticket.status == TicketStatus::Revoked { Err(TicketsError::Revoked) } else { Ok(ticket) }
}

/// Locks a ticket of the version that was seen.
pub(crate) async fn lock_seen(
    tx: &mut Tx,
    id: TicketId,
    seen: Option<i64>,
) -> Result<Ticket, TicketsError> {
    let ticket = changes::lock_ticket(tx, id).await?.ok_or(TicketsError::NoSuchTicket)?;
    if seen.is_some_and(|seen| seen != ticket.version) {
        return Err(TicketsError::Stale(serde_json::value::to_raw_value(&ticket)?));
    }
    Ok(ticket)
}

/// Saves a locked ticket under its next version, and tells.
pub(crate) fn save(
    tx: &mut Tx,
    mut ticket: Ticket,
    why: Option<&str>,
    action: &'static str,
) -> Result<Ticket, TicketsError> {
    ticket.version += 1;
    changes::save_ticket(tx, &ticket, why)?;
    tx.emit(event::ticket_updated(&ticket, action)?);
    Ok(ticket)
}
