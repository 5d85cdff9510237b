//! What can be looked at. Nothing here locks.

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, get, web};
use edge::page::{Items, Page};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use kernel::ids::{ShowId, TicketId, VenueId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::TicketsError;
use crate::keeper::Keeper;
use crate::model::{Ticket, TicketStatus};
use crate::rules::{Doors, List, Question, TicketType, Zone};
use crate::store::{doors, rules, tickets};

/// `/venues/{venue}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct VenuePath {
    /// The venue.
    pub venue: VenueId,
}

/// `/venues/{venue}/shows/{show}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ShowPath {
    /// The venue.
    pub venue: VenueId,
    /// The show.
    pub show: ShowId,
}

/// `/venues/{venue}/tickets/{ticket}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct TicketPath {
    /// The venue.
    pub venue: VenueId,
    /// The ticket.
    pub ticket: TicketId,
}

/// Which tickets to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct TicketFilter {
    /// Whose number, name, e-mail address or seat contains this.
    #[param(max_length = 120)]
    pub q: Option<String>,
    /// In this status.
    pub status: Option<TicketStatus>,
}

/// All that counts at the doors of a show.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoorRules {
    /// The doors; `rules` is the number of all of this.
    pub doors: Doors,
    /// Types of tickets.
    pub types: Vec<TicketType>,
    /// Lists to scan with.
    pub lists: Vec<List>,
    /// Zones with the people inside.
    pub zones: Vec<Zone>,
    /// What is to be asked.
    pub questions: Vec<Question>,
}

/// A ticket with the code that is on it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodedTicket {
    /// The ticket.
    #[serde(flatten)]
    #[schema(inline)]
    pub ticket: Ticket,
    /// What its QR code says.
    pub code: String,
}

/// Get the doors of a show
#[utoipa::path(
    operation_id = "getDoors", tag = "tickets", params(ShowPath), security(("bearer" = [])),
    responses((status = 200, body = Doors), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/doors")]
pub(crate) async fn get_doors(
    actor: Actor<can::ReadDoors>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let found = app.read(&actor, async |q| {
        doors::find_doors(q, at.show).await?.ok_or(TicketsError::NoSuchShow)
    });
    let found = found.await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", found.version))).json(found))
}

/// Get the rules of a show's doors
///
/// Types, lists, zones with the people inside, and questions, of one moment.
#[utoipa::path(
    operation_id = "getDoorRules", tag = "tickets", params(ShowPath), security(("bearer" = [])),
    responses((status = 200, body = DoorRules), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/doors/rules")]
pub(crate) async fn get_rules(
    actor: Actor<can::ReadDoors>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<DoorRules>, Rejection> {
    let found = app.read(&actor, async |q| {
        rules::find_rules(q, at.show).await?.ok_or(TicketsError::NoSuchShow)
    });
    let (found, _) = found.await?;
    let crate::rules::Rules { doors, types, lists, zones, questions } = found;
    Ok(web::Json(DoorRules { doors, types, lists, zones, questions }))
}

/// List tickets
///
/// Of a show, oldest first; searched by number, name, e-mail address and seat.
#[utoipa::path(
    operation_id = "listTickets", tag = "tickets", params(ShowPath, Page, TicketFilter),
    security(("bearer" = [])), responses((status = 200, body = Items<Ticket>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/tickets")]
pub(crate) async fn list_tickets(
    actor: Actor<can::ReadTickets>,
    at: Path<ShowPath>,
    page: web::Query<Page>,
    filter: web::Query<TicketFilter>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Ticket>>, Rejection> {
    let bounds = page.bounds()?;
    let search = tickets::Search { q: filter.q.as_deref(), status: filter.status };
    let found = app.read(&actor, async |q| {
        let found = tickets::list_tickets(q, at.show, bounds, &search).await?;
        Ok::<_, TicketsError>(found)
    });
    Ok(web::Json(Items::of(found.await?, bounds.0, |ticket| ticket.id.0)))
}

/// Get a ticket
///
/// With the code that is on it.
#[utoipa::path(
    operation_id = "getTicket", tag = "tickets", params(TicketPath), security(("bearer" = [])),
    responses((status = 200, body = CodedTicket), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/tickets/{ticket}")]
pub(crate) async fn get_ticket(
    actor: Actor<can::IssueTickets>,
    at: Path<TicketPath>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<HttpResponse, Rejection> {
    let found = app.read(&actor, async |q| {
        let ticket = tickets::find_ticket(q, at.ticket).await?;
        let ticket = ticket.ok_or(TicketsError::NoSuchTicket)?;
        let kept = keeper.read(q, ticket.show_id).await?;
        let code = keeper.code_of(&kept, &ticket)?;
        Ok::<_, TicketsError>(CodedTicket { ticket, code })
    });
    let found = found.await?;
    let tag = format!("\"{}\"", found.ticket.version);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(found))
}
