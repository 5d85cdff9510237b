//! Issue tickets: one or a list, all of them or none.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{BookingId, ShowId, TicketId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{MailState, Ticket, TicketStatus};
use crate::reads::ShowPath;
use crate::store::tickets;
use crate::{TicketsError, event};

/// Tickets of one request.
pub(crate) const TICKETS_PER_ISSUE_MAX: usize = edge::limits::TICKETS_PER_ISSUE_MAX;
/// Letters and digits that nobody mistakes for one another.
const NUMBER_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// One ticket to be issued.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTicket {
    /// What stands on it; made up, unless given.
    #[schema(nullable = false, min_length = 1, max_length = 40, example = "G-0042")]
    pub number: Option<String>,
    /// The class of its type.
    #[schema(example = 1)]
    pub class: i16,
    /// Its holder.
    #[schema(nullable = false, max_length = 120)]
    pub name: Option<String>,
    /// Its holder's address.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
    /// Its seat.
    #[schema(nullable = false, max_length = 40)]
    pub seat: Option<String>,
    /// Whether it is paid; it is, unless given.
    #[schema(nullable = false)]
    pub paid: Option<bool>,
}

/// Tickets to be issued.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueTickets {
    /// 1 to 1,000 of them.
    #[schema(min_items = 1, max_items = 1000)]
    pub tickets: Vec<NewTicket>,
}

/// Tickets that were issued.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// In the order of the request.
    pub tickets: Vec<Ticket>,
}

impl Versioned for Issued {}

impl Input for IssueTickets {
    const MAX_BYTES: usize = edge::limits::UPLOAD_MAX_BYTES;

    fn check(&self, errors: &mut Errors) {
        let many = (1..=TICKETS_PER_ISSUE_MAX).contains(&self.tickets.len());
        errors.require(many, "/tickets", "length", "Issue 1 to 1000 tickets at once.");
        for (n, ticket) in self.tickets.iter().enumerate() {
            ticket.check(&format!("/tickets/{n}"), errors);
        }
    }
}

impl NewTicket {
    pub(crate) fn check(&self, at: &str, errors: &mut Errors) {
        let texts =
            [("number", &self.number, 40), ("name", &self.name, 120), ("seat", &self.seat, 40)];
        for (field, text, max) in texts {
            if let Some(text) = text {
                errors.text(text, &format!("{at}/{field}"), (1, max));
            }
        }
        if let Some(email) = &self.email {
            errors.email(email, &format!("{at}/email"));
        }
    }
}

/// Issue tickets
///
/// All of them or none. Each has a code at once; nothing is mailed yet.
#[utoipa::path(
    operation_id = "issueTickets", tag = "tickets", params(ShowPath), request_body = IssueTickets,
    security(("bearer" = [])), responses((status = 201, body = Issued), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/tickets")]
pub(crate) async fn post_tickets(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<IssueTickets>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let tickets = issue_tickets(tx, show, None, &cmd.tickets).await?;
        Ok::<_, TicketsError>(Created(Issued { tickets }))
    })
    .await
}

/// The rule.
///
/// # Errors
/// `NoSuch` type, `NumberTaken`, or the database's failures.
pub async fn issue_tickets(
    tx: &mut Tx,
    show: ShowId,
    booking: Option<BookingId>,
    new: &[NewTicket],
) -> Result<Vec<Ticket>, TicketsError> {
    let classes = tickets::classes(tx, show).await?;
    if new.iter().any(|ticket| !classes.contains(&ticket.class)) {
        return Err(TicketsError::NoSuch("type"));
    }
    make(tx, show, booking, new)
}

/// Makes tickets of classes that the show has, and tells of them.
pub(crate) fn make(
    tx: &mut Tx,
    show: ShowId,
    booking: Option<BookingId>,
    new: &[NewTicket],
) -> Result<Vec<Ticket>, TicketsError> {
    let now = tx.now();
    let mut made = Vec::with_capacity(new.len());
    for ticket in new {
        let number = match &ticket.number {
            Some(number) => number.trim().to_owned(),
            None => fresh_number()?,
        };
        made.push(Ticket {
            id: TicketId::fresh(now),
            show_id: show,
            number,
            class: ticket.class,
            name: ticket.name.as_deref().map(|name| name.trim().to_owned()),
            email: ticket.email.as_deref().map(|email| email.trim().to_lowercase()),
            seat: ticket.seat.as_deref().map(|seat| seat.trim().to_owned()),
            status: TicketStatus::Issued,
            serial: 1,
            paid: ticket.paid.unwrap_or(true),
            blocked: None,
            booking_id: booking,
            zone_id: None,
            entries: 0,
            mail_state: MailState::None,
            mail_error: None,
            created_at: now,
            version: 1,
            reissued_at: None,
            revoked_at: None,
            answered: false,
        });
    }
    tickets::insert_tickets(tx, show, &made)?;
    tx.emit(event::ticket_issued(show, &made)?);
    Ok(made)
}

/// Eight letters (40 random bits), for people to read to each other.
fn fresh_number() -> Result<String, TicketsError> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let letter = |byte: u8| NUMBER_LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'X');
    Ok(bytes.into_iter().map(|byte| char::from(letter(byte))).collect())
}
