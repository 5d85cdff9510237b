//! The code of a ticket as a picture.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, get, web};
use edge::qr::Qr;
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::TicketsError;
use crate::keeper::Keeper;
use crate::model::{Ticket, TicketStatus};
use crate::reads::TicketPath;
use crate::store::tickets;

/// What the picture is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Picture {
    /// Lines: as large as it is shown.
    #[default]
    Svg,
    /// Pixels: eight a module, for wallets and mails.
    Png,
}

/// How the code is drawn.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QrFormat {
    /// `svg`, unless given.
    #[serde(default)]
    #[param(inline)]
    pub format: Picture,
}

/// Get the QR code of a ticket
///
/// As SVG or PNG. Whoever has the picture has the ticket.
#[utoipa::path(
    operation_id = "getTicketQr", tag = "tickets", params(TicketPath, QrFormat),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The picture", content((String = "image/svg+xml"), (Vec<u8> = "image/png"))),
        (status = 409, content_type = "application/problem+json",
            body = kernel::problem::ProblemBody, description = "Revoked: it has no code"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/tickets/{ticket}/qr")]
pub(crate) async fn get_qr(
    actor: Actor<can::IssueTickets>,
    at: Path<TicketPath>,
    format: Query<QrFormat>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<HttpResponse, Rejection> {
    let code = app.read(&actor, async |q| {
        let ticket = tickets::find_ticket(q, at.ticket).await?;
        let ticket = counting(ticket.ok_or(TicketsError::NoSuchTicket)?)?;
        let kept = keeper.read(q, ticket.show_id).await?;
        keeper.code_of(&kept, &ticket)
    });
    Ok(drawn(&code.await?, format.format)?)
}

/// A revoked ticket has no code.
pub(crate) fn counting(ticket: Ticket) -> Result<Ticket, TicketsError> {
    if ticket.status == TicketStatus::Revoked { Err(TicketsError::Revoked) } else { Ok(ticket) }
}

/// The picture as an answer that nobody keeps.
pub(crate) fn drawn(code: &str, format: Picture) -> Result<HttpResponse, TicketsError> {
    let undrawn = |_| TicketsError::Crypto;
    let qr = Qr::of(code).map_err(undrawn)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    Ok(match format {
        Picture::Svg => answer.content_type("image/svg+xml").body(qr.svg()),
        Picture::Png => answer.content_type("image/png").body(qr.png().map_err(undrawn)?),
    })
}
