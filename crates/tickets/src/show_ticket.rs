//! A ticket for its holder, by a secret link, without signing in.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{FromRequest, HttpRequest, HttpResponse, get, post, web};
use edge::answer::Versioned;
use edge::{
    Actor, Answer, App, Body, Created, Nothing, OnceIfGiven, Path, Query, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::TicketId;
use kernel::problem::Problem;
use pg::{Reader, Tx};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::TicketsError;
use crate::change_ticket::lock_live;
use crate::keeper::Keeper;
use crate::model::TicketStatus;
use crate::qr::{QrFormat, counting, drawn};
use crate::reads::TicketPath;
use crate::store::{changes, tickets};
use crate::{event, secret};

const HEADER: &str = "Ticket-Secret";
/// The page that a mailed link leads to, and its script.
const PAGE: &str = include_str!("page/ticket.html");
const SCRIPT: &str = include_str!("page/ticket.js");
/// The page loads from this server alone; the picture of the code is made from an answer.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src blob:; \
    style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The link's secret, in a header: paths and queries end in logs.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("Ticket-Secret"), parameter_in = Header)]
pub struct TicketSecret(
    /// The `secret` of the link.
    pub String,
);

impl FromRequest for TicketSecret {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let secret = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        ready(secret.map(|secret| Self(secret.to_owned())).ok_or_else(|| {
            let detail = "Send the secret of the link in the header Ticket-Secret.";
            Problem::new(400, "tickets.secret_missing", "The secret is missing", detail).into()
        }))
    }
}

/// What a link is made of.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketLink {
    /// Shown only here. Put it behind the `#` of an address: what stands there is sent to no server.
    pub secret: String,
    /// The page of this server that shows the ticket, without its host.
    #[schema(example = "/ticket#01hx….01hx….c2VjcmV0")]
    pub path: String,
}

impl Versioned for TicketLink {}

/// A ticket as its holder sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldTicket {
    /// Its id.
    pub id: TicketId,
    /// The house.
    pub venue: String,
    /// The show.
    pub show: String,
    /// When the doors open, as people there read it.
    #[schema(example = "Monday, 1 February 2027, 18:00")]
    pub opens_locally: String,
    /// When the doors open.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub opens_at: Timestamp,
    /// When they close.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub closes_at: Timestamp,
    /// What stands on it.
    pub number: String,
    /// The name of its type.
    pub kind: String,
    /// Its holder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Its seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seat: Option<String>,
    /// Where it stands.
    pub status: TicketStatus,
    /// What its QR code says; absent once it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub code: Option<String>,
}

/// Make a secret link to a ticket
///
/// For its holder. An earlier link counts no more.
#[utoipa::path(
    operation_id = "shareTicket", tag = "tickets", params(TicketPath), security(("bearer" = [])),
    responses((status = 201, body = TicketLink), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/tickets/{ticket}/link")]
pub(crate) async fn post_link(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    at: Path<TicketPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.ticket;
    app.write(&actor, once.of(&cmd), async move |tx| share_ticket(tx, id).await.map(Created)).await
}

async fn share_ticket(tx: &mut Tx, id: TicketId) -> Result<TicketLink, TicketsError> {
    let ticket = lock_live(tx, id, None).await?;
    let secret = secret::fresh()?;
    changes::save_link(tx, id, secret::hash(&secret))?;
    tx.emit(event::ticket_updated(&ticket, "link_shared")?);
    let path = format!("/ticket#{}.{}.{secret}", tx.venue()?.0, id.0);
    Ok(TicketLink { secret, path })
}

/// Show a ticket to its holder
///
/// For whoever has the secret of its link, without signing in.
#[utoipa::path(
    operation_id = "showTicket", tag = "tickets", params(TicketPath, TicketSecret),
    responses((status = 200, body = HeldTicket), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/tickets/{ticket}/holder")]
pub(crate) async fn get_held(
    actor: Actor<can::ShowTicket>,
    secret: TicketSecret,
    at: Path<TicketPath>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<HttpResponse, Rejection> {
    let held = app.read(&actor, async |q| held(q, at.ticket, &secret, &keeper).await);
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(held.await?))
}

/// Show a ticket's QR code to its holder
///
/// As SVG or PNG, for whoever has the secret of its link.
#[utoipa::path(
    operation_id = "showTicketQr", tag = "tickets", params(TicketPath, TicketSecret, QrFormat),
    responses(
        (status = 200, description = "The picture", content((String = "image/svg+xml"), (Vec<u8> = "image/png"))),
        (status = 409, content_type = "application/problem+json",
            body = kernel::problem::ProblemBody, description = "Revoked: it has no code"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/tickets/{ticket}/holder/qr")]
pub(crate) async fn get_held_qr(
    actor: Actor<can::ShowTicket>,
    secret: TicketSecret,
    at: Path<TicketPath>,
    format: Query<QrFormat>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<HttpResponse, Rejection> {
    let held = app.read(&actor, async |q| held(q, at.ticket, &secret, &keeper).await);
    let code = held.await?.code.ok_or(TicketsError::Revoked)?;
    Ok(drawn(&code, format.format)?)
}

async fn held(
    q: &mut Reader,
    id: TicketId,
    secret: &TicketSecret,
    keeper: &Keeper,
) -> Result<HeldTicket, TicketsError> {
    let kept = changes::find_link(q, id).await?;
    if !kept.is_some_and(|kept| secret::matches(&secret.0, &kept)) {
        return Err(TicketsError::NoSuchTicket);
    }
    let ticket = tickets::find_ticket(q, id).await?.ok_or(TicketsError::NoSuchTicket)?;
    let kept = keeper.read(q, ticket.show_id).await?;
    let place = changes::place(q).await?;
    let code = counting(ticket.clone()).and_then(|it| keeper.code_of(&kept, &it));
    let doors = &kept.rules.doors;
    let kind = kept.rules.of_class(ticket.class);
    Ok(HeldTicket {
        id,
        show: doors.name.clone(),
        opens_locally: place.local(doors.opens_at),
        venue: place.name,
        opens_at: doors.opens_at,
        closes_at: doors.closes_at,
        number: ticket.number,
        kind: kind.map_or_else(String::new, |kind| kind.name.clone()),
        name: ticket.name,
        seat: ticket.seat,
        status: ticket.status,
        code: code.ok(),
    })
}

/// The page of a mailed link. What stands behind the `#` stays in the browser until its script asks
/// for the ticket with it, in a header.
#[get("/ticket")]
pub(crate) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(PAGE)
}

#[get("/ticket.js")]
pub(crate) async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(SCRIPT)
}
