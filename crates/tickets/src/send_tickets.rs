//! Send tickets to their holders by mail: one, or all of a show that have none yet.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::change_ticket::lock_live;
use crate::model::{MailState, Ticket};
use crate::reads::{ShowPath, TicketPath};
use crate::store::mails;
use crate::{TicketsError, event};

/// Tickets that one request puts into the queue.
pub const SENT_AT_ONCE_MAX: u16 = 1_000;

/// Where to.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendTicket {
    /// Another address than the one that is known; it is kept.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
}

impl Input for SendTicket {
    fn check(&self, errors: &mut Errors) {
        if let Some(email) = &self.email {
            errors.email(email, "/email");
        }
    }
}

/// Which tickets of a show to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those that nobody has sent yet.
    #[default]
    Unsent,
    /// Those whose mail was refused.
    Failed,
    /// All that are not on their way.
    All,
}

/// Which tickets to send.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendTickets {
    /// `unsent`, unless given.
    #[serde(default)]
    pub which: Which,
}

impl Input for SendTickets {}

/// What was queued.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    /// Tickets that are on their way now. With 1000 there may be more: ask again.
    pub queued: usize,
}

impl Versioned for Queued {}

/// Send a ticket
///
/// Its mail is written and sent within seconds, and tried again for a day where the mail server
/// is away; `mailState` tells. A link in the mail shows the ticket, an earlier link no more.
#[utoipa::path(
    operation_id = "sendTicket", tag = "tickets", params(TicketPath), request_body = SendTicket,
    security(("bearer" = [])), responses((status = 200, body = Ticket), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/tickets/{ticket}/send")]
pub(crate) async fn post_send(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    at: Path<TicketPath>,
    cmd: Body<SendTicket>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.ticket;
    app.write(&actor, once.of(&cmd), async move |tx| send_ticket(tx, id, &cmd).await.map(Done))
        .await
}

async fn send_ticket(tx: &mut Tx, id: TicketId, cmd: &SendTicket) -> Result<Ticket, TicketsError> {
    let mut ticket = lock_live(tx, id, None).await?;
    let email = cmd.email.as_deref().map(|email| email.trim().to_lowercase());
    let email = email.or_else(|| ticket.email.clone()).ok_or(TicketsError::NoAddress)?;
    mails::queue_one(tx, id, email.clone())?;
    ticket.email = Some(email);
    queued(&mut ticket);
    tx.emit(event::tickets_mailed(ticket.show_id, std::slice::from_ref(&ticket))?);
    Ok(ticket)
}

/// Send tickets of a show
///
/// Up to 1000 of those that have an address and are not revoked. Ask again until `queued` is less.
#[utoipa::path(
    operation_id = "sendTickets", tag = "tickets", params(ShowPath), request_body = SendTickets,
    security(("bearer" = [])), responses((status = 200, body = Queued), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/tickets/send")]
pub(crate) async fn post_send_all(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<SendTickets>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        send_tickets(tx, show, cmd.which).await.map(Done)
    })
    .await
}

async fn send_tickets(tx: &mut Tx, show: ShowId, which: Which) -> Result<Queued, TicketsError> {
    let states: &[&str] = match which {
        Which::Unsent => &["none"],
        Which::Failed => &["failed"],
        Which::All => &["none", "failed", "sent"],
    };
    let most = i64::from(SENT_AT_ONCE_MAX);
    let mut tickets = mails::lock_to_queue(tx, show, states, most).await?;
    if tickets.is_empty() {
        return Ok(Queued { queued: 0 });
    }
    mails::queue_many(tx, tickets.iter().map(|ticket| ticket.id).collect())?;
    tickets.iter_mut().for_each(queued);
    tx.emit(event::tickets_mailed(show, &tickets)?);
    Ok(Queued { queued: tickets.len() })
}

/// As the ticket is once its mail is queued.
pub(crate) fn queued(ticket: &mut Ticket) {
    ticket.mail_state = MailState::Queued;
    ticket.mail_error = None;
    ticket.version += 1;
}
