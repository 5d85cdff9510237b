//! Add a kind of ticket to a show.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::{ShowId, TicketTypeId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::reads::ShowPath;
use crate::rules::{Doors, TicketType};
use crate::store::{doors, rules, tickets};
use crate::{TicketsError, event};

/// Types of one show.
pub(crate) const TYPES_MAX: usize = edge::limits::TICKET_TYPES_PER_SHOW_MAX;

/// A kind of ticket.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateType {
    /// What people read.
    #[schema(min_length = 1, max_length = 120, example = "Standard")]
    pub name: String,
    /// Not before, where it is narrower than the doors.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub valid_from: Option<Timestamp>,
    /// Nor from then on.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub valid_until: Option<Timestamp>,
    /// Nobody who holds one is admitted while this is set; the door shows it.
    #[schema(nullable = false, max_length = 200)]
    pub blocked: Option<String>,
}

impl Input for CreateType {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        check_order(self.valid_from, self.valid_until, "/validUntil", errors);
        if let Some(why) = &self.blocked {
            errors.text(why, "/blocked", (1, 200));
        }
    }
}

/// What begins must begin before it ends.
pub(crate) fn check_order(
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    pointer: &str,
    errors: &mut Errors,
) {
    let order = from.zip(until).is_none_or(|(from, until)| from < until);
    errors.require(order, pointer, "order", "It begins before it ends.");
}

/// Add a ticket type
///
/// Its `class` is its number in the codes of the show, and never changes.
#[utoipa::path(
    operation_id = "createTicketType", tag = "tickets", params(ShowPath), request_body = CreateType,
    security(("bearer" = [])), responses((status = 201, body = TicketType), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/ticket-types")]
pub(crate) async fn post_type(
    actor: Actor<can::ManageDoors>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<CreateType>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| create_type(tx, show, &cmd).await.map(Created))
        .await
}

/// Locks the doors for a change of their rules. The number rises by one per changed row; the
/// triggers of the schema see to it.
pub(crate) async fn lock_for_change(tx: &mut Tx, show: ShowId) -> Result<Doors, TicketsError> {
    let (mut doors, _) = doors::lock_doors(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    doors.rules += 1;
    Ok(doors)
}

async fn create_type(
    tx: &mut Tx,
    show: ShowId,
    cmd: &CreateType,
) -> Result<TicketType, TicketsError> {
    let doors = lock_for_change(tx, show).await?;
    let classes = tickets::classes(tx, show).await?;
    let free = (1..=255).find(|class| !classes.contains(class));
    let class = free.filter(|_| classes.len() < TYPES_MAX).ok_or(TicketsError::TooMany("types"))?;
    let new = TicketType {
        id: TicketTypeId::fresh(tx.now()),
        show_id: show,
        class,
        name: cmd.name.trim().to_owned(),
        valid_from: cmd.valid_from,
        valid_until: cmd.valid_until,
        blocked: cmd.blocked.as_deref().map(|why| why.trim().to_owned()),
        version: 1,
    };
    rules::insert_type(tx, &new)?;
    tx.emit(event::doors_changed(&doors)?);
    Ok(new)
}
