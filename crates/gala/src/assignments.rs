//! Who sits where and what they would like, for the staff: as JSON, as CSV, as a workbook.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use booking::reads::ShowPath;
use edge::page::{Items, Page};
use edge::sheet::{Cell, Format, Sheet};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use kernel::ids::ShowId;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::model::GalaGuest;
use crate::roster::Roster;
use crate::secret::plain_code;

/// The columns of a file. An import reads those with these names, too.
pub(crate) const COLUMNS: [&str; 10] = [
    "number",
    "name",
    "party",
    "with",
    "table",
    "chair",
    "dietary",
    "accessible",
    "children",
    "note",
];
/// Between several words of one cell.
pub(crate) const BETWEEN: &str = "; ";

/// Which guests.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct GuestFilter {
    /// At this table.
    #[param(max_length = 30)]
    pub table: Option<String>,
    /// Of the party with this code.
    #[param(max_length = 40)]
    pub party: Option<String>,
    /// Who sit somewhere, or who do not.
    pub seated: Option<bool>,
    /// Who need a chair that a wheelchair reaches, or do not.
    pub accessible: Option<bool>,
    /// Who have said this of what they eat.
    #[param(max_length = 40)]
    pub dietary: Option<String>,
    /// Whose number, name, party or note contains this.
    #[param(max_length = 120)]
    pub q: Option<String>,
}

impl GuestFilter {
    pub(crate) fn takes(&self, guest: &GalaGuest) -> bool {
        let same = |wanted: &Option<String>, found: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        };
        let party = self.party.as_deref().map(plain_code);
        let dietary = self.dietary.as_ref().is_none_or(|wanted| {
            guest.preferences.dietary.iter().any(|word| contains(word, wanted))
        });
        let texts = [
            Some(&guest.number),
            guest.name.as_ref(),
            guest.party.as_ref(),
            guest.preferences.note.as_ref(),
        ];
        let text = |q: &String| texts.iter().flatten().any(|text| contains(text, q));
        same(&self.table, guest.table.as_ref())
            && same(&party, guest.party.as_ref())
            && self.seated.is_none_or(|seated| seated == guest.table.is_some())
            && self.accessible.is_none_or(|wanted| wanted == guest.preferences.accessible)
            && dietary
            && self.q.as_ref().is_none_or(text)
    }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.trim().to_lowercase())
}

/// List all guests
///
/// In the order of their tickets, filtered by table, party, wishes and what is searched for. As
/// CSV or as a workbook where `Accept` asks for one: then all of them, table by table.
#[utoipa::path(
    operation_id = "listAssignments", tag = "gala",
    params(ShowPath, Page, GuestFilter, ("Accept" = Option<String>, Header,
            description = "application/json, text/csv, or the type of XLSX")),
    security(("bearer" = [])),
    responses(
        (status = 200, content(
            (Items<GalaGuest> = "application/json"),
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/assignments")]
pub(crate) async fn list_assignments(
    actor: Actor<can::ReadGala>,
    at: Path<ShowPath>,
    page: Query<Page>,
    filter: Query<GuestFilter>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let mut found = read(&actor, &app, at.show, &filter).await?;
    let Some(format) = wanted(&request) else {
        return Ok(HttpResponse::Ok().json(cut(found, &page)?));
    };
    found.sort_by_key(|(at_table, guest)| (*at_table, guest.chair.clone(), guest.number.clone()));
    let guests: Vec<GalaGuest> = found.into_iter().map(|(_, guest)| guest).collect();
    // Thousands of rows would keep this thread from its other requests.
    let bytes = web::block(move || sheet(&guests).write(format)).await;
    let bytes = bytes.map_err(|_| edge::sheet::failed())?.map_err(|_| edge::sheet::failed())?;
    let name = format!("attachment; filename=\"gala-{}.{}\"", at.show, format.extension());
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.media_type()))
        .insert_header((CONTENT_DISPOSITION, name))
        .body(bytes))
}

/// List the unseated
///
/// Guests who sit nowhere yet, in the order of their tickets.
#[utoipa::path(
    operation_id = "listUnseated", tag = "gala", params(ShowPath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<GalaGuest>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/unseated")]
pub(crate) async fn list_unseated(
    actor: Actor<can::ReadGala>,
    at: Path<ShowPath>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<GalaGuest>>, Rejection> {
    let unseated = GuestFilter { seated: Some(false), ..GuestFilter::default() };
    Ok(web::Json(cut(read(&actor, &app, at.show, &unseated).await?, &page)?))
}

/// The guests whom the filter takes, each with the place of their table in the plan; those who sit
/// nowhere come last.
async fn read(
    actor: &Actor<can::ReadGala>,
    app: &App,
    show: ShowId,
    filter: &GuestFilter,
) -> Result<Vec<(usize, GalaGuest)>, Rejection> {
    let offset = app.clock().offset_micros();
    let roster = app.read(actor, async |q| Roster::read(q, show, offset).await).await?;
    let names = roster.tables.names;
    let place = |guest: &GalaGuest| {
        let table = guest.table.as_ref();
        table.and_then(|table| names.iter().position(|name| name == table)).unwrap_or(usize::MAX)
    };
    let guests = roster.entries.into_iter().map(|entry| entry.guest);
    Ok(guests.filter(|g| filter.takes(g)).map(|guest| (place(&guest), guest)).collect())
}

fn cut(found: Vec<(usize, GalaGuest)>, page: &Page) -> Result<Items<GalaGuest>, Rejection> {
    let (limit, after) = page.bounds()?;
    let most = usize::try_from(limit).unwrap_or(0) + 1;
    let rest = found.into_iter().map(|(_, guest)| guest);
    let items = rest.filter(|guest| guest.id.0 > after || after == Uuid::nil()).take(most);
    Ok(Items::of(items.collect(), limit, |guest| guest.id.0))
}

fn wanted(request: &HttpRequest) -> Option<Format> {
    let accepted = request.headers().get(ACCEPT)?.to_str().ok()?;
    [Format::Csv, Format::Xlsx].into_iter().find(|format| accepted.contains(format.essence()))
}

/// The guests as a file.
pub(crate) fn sheet(guests: &[GalaGuest]) -> Sheet {
    let mut sheet = Sheet::new("Guests", &COLUMNS);
    let text = |text: Option<&String>| Cell::text(text.map_or("", String::as_str));
    for guest in guests {
        let wishes = &guest.preferences;
        sheet.push([
            Cell::text(&guest.number),
            text(guest.name.as_ref()),
            text(guest.party.as_ref()),
            text(guest.with.as_ref()),
            text(guest.table.as_ref()),
            text(guest.chair.as_ref()),
            Cell::Text(wishes.dietary.join(BETWEEN)),
            Cell::text(if wishes.accessible { "yes" } else { "no" }),
            Cell::Number(wishes.children.into()),
            text(wishes.note.as_ref()),
        ]);
    }
    sheet
}
