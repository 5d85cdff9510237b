//! What can be looked at. Nothing here locks.

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, web};
use edge::page::{Items, Page};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::event::Pos;
use kernel::ids::{GuestId, LayoutId, LevelId, SectionId, TableId, VenueId};
use kernel::role::Permission;
use pg::DbError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::FloorError;
use crate::error::Kind;
use crate::look_back::look_back;
use crate::model::{Guest, GuestStatus, Level, Party, Section, Table};
use crate::plan::{FloorLayout, FloorPlan};
use crate::reservation::Reservation;
use crate::settings::FloorSettings;
use crate::store::{floor, guests, layouts, levels, tables};

/// `/venues/{venue}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct VenuePath {
    /// The venue.
    pub venue: VenueId,
}

/// `/venues/{venue}/tables/{table}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct TablePath {
    /// The venue.
    pub venue: VenueId,
    /// The table.
    pub table: TableId,
}

/// `/venues/{venue}/sections/{section}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SectionPath {
    /// The venue.
    pub venue: VenueId,
    /// The section.
    pub section: SectionId,
}

/// `/venues/{venue}/levels/{level}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct LevelPath {
    /// The venue.
    pub venue: VenueId,
    /// The level.
    pub level: LevelId,
}

/// `/venues/{venue}/guests/{guest}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct GuestPath {
    /// The venue.
    pub venue: VenueId,
    /// The party.
    pub guest: GuestId,
}

/// `/venues/{venue}/floor/layouts/{layout}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct LayoutPath {
    /// The venue.
    pub venue: VenueId,
    /// The layout.
    pub layout: LayoutId,
}

/// Which parties to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct GuestFilter {
    /// In this status.
    pub status: Option<GuestStatus>,
    /// At this table.
    pub table: Option<TableId>,
    /// In this section.
    pub section: Option<SectionId>,
    /// Whose name or phone contains this; digits are found however the number is written.
    #[param(max_length = 120)]
    pub q: Option<String>,
}

/// When.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Then {
    /// A time that is past; now, unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

/// The floor as of one position of the venue's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorState {
    /// Where the venue's log was: subscribe with it as `since` and nothing is missed.
    #[schema(example = "1042-m3k9x0f2")]
    pub pos: String,
    /// How the floor works.
    pub settings: FloorSettings,
    /// All levels.
    pub levels: Vec<Level>,
    /// All sections.
    pub sections: Vec<Section>,
    /// All tables.
    pub tables: Vec<Table>,
    /// Parties that are here, first come first; only for those who may read names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub guests: Option<Vec<Guest>>,
    /// Reservations that are awaited, soonest first; only for those who may read names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reservations: Option<Vec<Reservation>>,
}

/// What the store found of a floor.
#[derive(Clone, Debug)]
pub(crate) struct FloorRows {
    pub(crate) pos: Option<Pos>,
    pub(crate) settings: FloorSettings,
    pub(crate) levels: Vec<Level>,
    pub(crate) sections: Vec<Section>,
    pub(crate) tables: Vec<Table>,
    pub(crate) guests: Vec<Party>,
    pub(crate) reservations: Vec<Reservation>,
}

/// Get the floor
///
/// Sections, tables, and for those who may read names the parties and reservations, all as of
/// `pos`. Send the `ETag` as `If-None-Match`, and an unchanged floor is 304. With `at` it is the
/// floor as it was then, as far back as the log goes.
#[utoipa::path(
    operation_id = "getFloor", tag = "floor",
    params(VenuePath, Then,
        ("If-None-Match" = Option<String>, Header, description = "The ETag that was seen")),
    security(("bearer" = [])),
    responses(
        (status = 200, body = FloorState), (status = 304, description = "Nothing changed"),
        (status = 410, content_type = "application/problem+json",
         body = kernel::problem::ProblemBody, description = "So far back nothing is kept"),
        (status = 422, content_type = "application/problem+json",
         body = kernel::problem::ProblemBody, description = "That time has not come"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/floor")]
pub(crate) async fn get_floor(
    actor: Actor<can::ReadFloor>,
    path: Path<VenuePath>,
    then: web::Query<Then>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    if let Some(at) = then.at {
        let names = actor.standing.may(Permission::ReadGuests);
        let past = look_back(&app, path.venue, at).await.map_err(|error| Rejection::of(&error))?;
        return Ok(HttpResponse::Ok().json(past.state(names)));
    }
    let found: FloorRows =
        app.read(&actor, async |q| floor::find_floor(q).await.map_err(FloorError::from)).await?;
    let names = actor.standing.may(Permission::ReadGuests);
    let pos = found.pos.map(|pos| pos.to_string()).unwrap_or_default();
    let tag = format!("\"{pos}.{}\"", u8::from(names));
    if request.headers().get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let guests = found.guests.into_iter().map(|party| party.guest).collect();
    let state = FloorState {
        pos,
        settings: found.settings,
        levels: found.levels,
        sections: found.sections,
        tables: found.tables,
        guests: names.then_some(guests),
        reservations: names.then_some(found.reservations),
    };
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(state))
}

/// List tables
///
/// Oldest first.
#[utoipa::path(
    operation_id = "listTables", tag = "floor", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Table>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/tables")]
pub(crate) async fn list_tables(
    actor: Actor<can::ReadFloor>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Table>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app.read(&actor, async |q| tables::list_tables(q, (after, limit)).await).await?;
    Ok(web::Json(Items::of(found, limit, |table| table.id.0)))
}

/// Get a table
///
/// With its version as `ETag`.
#[utoipa::path(
    operation_id = "getTable", tag = "floor", params(TablePath), security(("bearer" = [])),
    responses((status = 200, body = Table), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/tables/{table}")]
pub(crate) async fn get_table(
    actor: Actor<can::ReadFloor>,
    at: Path<TablePath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let table = app
        .read(&actor, async |q| {
            tables::find_table(q, at.table).await?.ok_or(FloorError::Absent(Kind::Table))
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", table.version))).json(table))
}

/// List levels
///
/// Oldest first.
#[utoipa::path(
    operation_id = "listLevels", tag = "floor", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Level>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/levels")]
pub(crate) async fn list_levels(
    actor: Actor<can::ReadFloor>,
    page: web::Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Level>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app.read(&actor, async |q| levels::list_levels(q, (after, limit)).await).await?;
    Ok(web::Json(Items::of(found, limit, |level| level.id.0)))
}

/// List sections
///
/// Oldest first.
#[utoipa::path(
    operation_id = "listSections", tag = "floor", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Section>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/sections")]
pub(crate) async fn list_sections(
    actor: Actor<can::ReadFloor>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Section>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app.read(&actor, async |q| tables::list_sections(q, (after, limit)).await).await?;
    Ok(web::Json(Items::of(found, limit, |section| section.id.0)))
}

/// List floor layouts
///
/// Saved plans of the venue, oldest first.
#[utoipa::path(
    operation_id = "listFloorLayouts", tag = "floor", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<FloorLayout>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/floor/layouts")]
pub(crate) async fn list_layouts(
    actor: Actor<can::ArrangeFloor>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<FloorLayout>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app.read(&actor, async |q| layouts::list_layouts(q, (after, limit)).await).await?;
    Ok(web::Json(Items::of(found, limit, |layout| layout.id.0)))
}

/// Export the floor plan
///
/// By names, without ids: `PUT …/floor/layout` takes it as `plan`, here or in another venue.
#[utoipa::path(
    operation_id = "exportFloorPlan", tag = "floor", params(VenuePath),
    security(("bearer" = [])), responses((status = 200, body = FloorPlan), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/floor/layout")]
pub(crate) async fn get_layout(
    actor: Actor<can::ArrangeFloor>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<FloorPlan>, Rejection> {
    let found: FloorRows =
        app.read(&actor, async |q| floor::find_floor(q).await.map_err(FloorError::from)).await?;
    let sections = found.sections.into_iter().map(|it| (it.id, it)).collect();
    let levels = found.levels.into_iter().map(|it| (it.id, it)).collect();
    let all = found.tables.into_iter().map(|it| (it.id, it)).collect();
    Ok(web::Json(FloorPlan::of(&all, &sections, &levels)))
}

/// Get the floor's settings
///
/// Turn times, opening hours and pacing.
#[utoipa::path(
    operation_id = "getFloorSettings", tag = "floor", params(VenuePath),
    security(("bearer" = [])), responses((status = 200, body = FloorSettings), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/floor/settings")]
pub(crate) async fn get_settings(
    actor: Actor<can::ReadFloor>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let found: FloorSettings =
        app.read(&actor, async |q| Ok::<_, DbError>(layouts::find_settings(q).await?)).await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", found.version))).json(found))
}

/// List parties
///
/// All of the venue, first come first; filtered by status, table, section, name and phone.
#[utoipa::path(
    operation_id = "listGuests", tag = "floor", params(VenuePath, Page, GuestFilter),
    security(("bearer" = [])), responses((status = 200, body = Items<Guest>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/guests")]
pub(crate) async fn list_guests(
    actor: Actor<can::ReadGuests>,
    page: Query<Page>,
    filter: Query<GuestFilter>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Guest>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let GuestFilter { status, table, section, q: text } = filter.into_inner();
    let wanted = guests::Wanted { status, table, section, text };
    let found =
        app.read(&actor, async |q| guests::list_guests(q, (after, limit), &wanted).await).await?;
    Ok(web::Json(Items::of(found, limit, |guest| guest.id.0)))
}

/// Get a party
///
/// With its version as `ETag`.
#[utoipa::path(
    operation_id = "getGuest", tag = "floor", params(GuestPath), security(("bearer" = [])),
    responses((status = 200, body = Guest), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/guests/{guest}")]
pub(crate) async fn get_guest(
    actor: Actor<can::ReadGuests>,
    at: Path<GuestPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let party = app
        .read(&actor, async |q| {
            guests::find_guest(q, at.guest).await?.ok_or(FloorError::Absent(Kind::Guest))
        })
        .await?;
    let tag = format!("\"{}\"", party.guest.version);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(party.guest))
}
