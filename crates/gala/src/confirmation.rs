//! What a seated party takes home: on paper, as a QR code, in the calendar.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use booking::reads::ShowPath;
use booking::tables::{Tables, find_tables};
use edge::answer::Versioned;
use edge::qr::Qr;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::ShowId;
use pg::Reader;
use serde::Serialize;
use tickets::holders::{self, Holder};
use utoipa::ToSchema;

use crate::GalaError;
use crate::calendar::calendar;
use crate::model::{GalaGuest, GuestRow};
use crate::open_session::{GalaParty, told_guests};
use crate::store::guests;
use crate::token::GuestToken;

/// Where a party sits.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaConfirmation {
    /// For the house to find the party, and for friends to sit with it. It opens nothing.
    #[schema(example = "K7MPX2QH")]
    pub code: String,
    /// The show.
    pub show_id: ShowId,
    /// What people read.
    #[schema(example = "Winter Gala")]
    pub show_name: String,
    /// When it begins.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// The tables of the party: one, unless the house has split it.
    #[schema(example = json!(["T5"]))]
    pub tables: Vec<String>,
    /// Who sits where.
    pub guests: Vec<GalaGuest>,
    /// What the QR code says.
    #[schema(example = "GALA K7MPX2QH")]
    pub qr: String,
}

impl Versioned for GalaConfirmation {}

/// The confirmation of a party of which `moved` have just got other chairs.
pub(crate) fn confirmation(
    tables: &Tables,
    holders: &[Holder],
    rows: &[GuestRow],
    moved: &[GalaGuest],
) -> Result<GalaConfirmation, GalaError> {
    let now =
        |guest: GalaGuest| moved.iter().find(|one| one.id == guest.id).cloned().unwrap_or(guest);
    let guests: Vec<GalaGuest> = told_guests(holders, rows, tables).into_iter().map(now).collect();
    let mut names: Vec<String> = guests.iter().filter_map(|guest| guest.table.clone()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(GalaError::NotSeated);
    }
    let code = rows.iter().find_map(|row| row.code.clone()).ok_or(GalaError::NoSession)?;
    Ok(GalaConfirmation {
        qr: format!("GALA {code}"),
        code,
        show_id: tables.show.id,
        show_name: tables.show.name.clone(),
        starts_at: tables.show.starts_at,
        tables: names,
        guests,
    })
}

/// A party as a reader finds it.
struct Found {
    tables: Tables,
    holders: Vec<Holder>,
    rows: Vec<GuestRow>,
}

async fn find_party(
    q: &mut Reader,
    show: ShowId,
    token_hash: &[u8],
    offset_micros: i64,
) -> Result<Found, GalaError> {
    let rows = guests::find_guests_of_token(q, show, token_hash, offset_micros).await?;
    if rows.is_empty() {
        return Err(GalaError::NoSession);
    }
    let ids: Vec<_> = rows.iter().map(|row| row.ticket.0).collect();
    let holders = holders::list_by_ids(q, show, &ids).await?;
    let tables = find_tables(q, show, offset_micros).await?.ok_or(GalaError::NoGala)?;
    Ok(Found { tables, holders, rows })
}

async fn read(
    actor: &Actor<can::ChooseTables>,
    app: &App,
    show: ShowId,
    token: &GuestToken,
) -> Result<GalaConfirmation, Rejection> {
    let (hash, offset) = (token.hash(), app.clock().offset_micros());
    app.read(actor, async |q| {
        let found = find_party(q, show, &hash, offset).await?;
        confirmation(&found.tables, &found.holders, &found.rows, &[])
    })
    .await
}

/// Get a guest session's party
///
/// Its guests, where they sit and what they would like.
#[utoipa::path(
    operation_id = "getGuestParty", tag = "gala", params(ShowPath, GuestToken),
    responses((status = 200, body = GalaParty), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/session")]
pub(crate) async fn get_party(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<GalaParty>, Rejection> {
    let (hash, offset) = (token.hash(), app.clock().offset_micros());
    let party = app
        .read(&actor, async |q| {
            let found = find_party(q, at.show, &hash, offset).await?;
            let first = found.rows.first();
            let code = first.and_then(|row| row.code.clone()).ok_or(GalaError::NoSession)?;
            let with = first.and_then(|row| row.with.clone());
            let guests = told_guests(&found.holders, &found.rows, &found.tables);
            Ok::<_, GalaError>(GalaParty { code, with, guests })
        })
        .await?;
    Ok(web::Json(party))
}

/// Get a confirmation
///
/// Where the party sits. 409 as long as it sits nowhere.
#[utoipa::path(
    operation_id = "getGalaConfirmation", tag = "gala", params(ShowPath, GuestToken),
    responses(
        (status = 200, body = GalaConfirmation),
        (status = 409, content_type = "application/problem+json",
         body = kernel::problem::ProblemBody, description = "The party sits nowhere yet"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/confirmation")]
pub(crate) async fn get_confirmation(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<GalaConfirmation>, Rejection> {
    Ok(web::Json(read(&actor, &app, at.show, &token).await?))
}

/// Get a confirmation's QR code
///
/// As SVG, or as PNG where `Accept` asks for it. It says the party's code: the house reads it to
/// find the party.
#[utoipa::path(
    operation_id = "getGalaQr", tag = "gala",
    params(ShowPath, GuestToken,
        ("Accept" = Option<String>, Header, description = "image/svg+xml or image/png")),
    responses(
        (status = 200, content((String = "image/svg+xml"), (Vec<u8> = "image/png"))),
        (status = 409, content_type = "application/problem+json",
         body = kernel::problem::ProblemBody, description = "The party sits nowhere yet"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/confirmation/qr")]
pub(crate) async fn get_qr(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    at: Path<ShowPath>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let confirmed = read(&actor, &app, at.show, &token).await?;
    let undrawn = |_| Rejection::of(&GalaError::NoRandom);
    let qr = Qr::of(&confirmed.qr).map_err(undrawn)?;
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "private, no-store"));
    Ok(if accepted.is_some_and(|types| types.contains("image/png")) {
        answer.insert_header((CONTENT_TYPE, "image/png")).body(qr.png().map_err(undrawn)?)
    } else {
        answer.insert_header((CONTENT_TYPE, "image/svg+xml")).body(qr.svg())
    })
}

/// Get a confirmation for the calendar
///
/// The show with the party's tables, as an iCalendar file.
#[utoipa::path(
    operation_id = "getGalaCalendar", tag = "gala", params(ShowPath, GuestToken),
    responses(
        (status = 200, body = String, content_type = "text/calendar"),
        (status = 409, content_type = "application/problem+json",
         body = kernel::problem::ProblemBody, description = "The party sits nowhere yet"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/confirmation/calendar")]
pub(crate) async fn get_calendar(
    actor: Actor<can::ChooseTables>,
    token: GuestToken,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let confirmed = read(&actor, &app, at.show, &token).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/calendar; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"gala.ics\""))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .body(calendar(&confirmed, app.clock().now())))
}
