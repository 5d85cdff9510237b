//! What can be looked at of reservations. Nothing here locks.

use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, get, web};
use edge::page::{Items, Page};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{ReservationId, TableId, VenueId};
use kernel::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::FloorError;
use crate::error::Kind;
use crate::floor::Floor;
use crate::model::TableStatus;
use crate::reads::VenuePath;
use crate::reservation::{Alternatives, Reservation, ReservationStatus, Wish};
use crate::reserve_table::touched;
use crate::store::{floor, reservations};

/// `/venues/{venue}/reservations/{reservation}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ReservationPath {
    /// The venue.
    pub venue: VenueId,
    /// The reservation.
    pub reservation: ReservationId,
}

/// Which reservations to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ReservationFilter {
    /// That begin then or later.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// That begin before then.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// In this status.
    pub status: Option<ReservationStatus>,
    /// Of this table.
    pub table: Option<TableId>,
}

/// For how many, and when.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct WishQuery {
    /// How many they are.
    #[param(minimum = 1, maximum = 100)]
    pub party_size: i32,
    /// When they come.
    #[serde(with = "kernel::time::instant")]
    #[param(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Whether a table can be had.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Availability {
    /// Whether it can be held at that time.
    pub available: bool,
    /// What else could be had, as of the same moment.
    pub alternatives: Alternatives,
}

/// A reservation that no longer fits.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenReservation {
    /// The reservation. It was not changed.
    pub reservation: Reservation,
    /// What does not fit any more.
    #[schema(example = "The house is closed at that time.")]
    pub why: String,
}

/// Reservations that no longer fit.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenReservations {
    /// Soonest first.
    pub items: Vec<BrokenReservation>,
}

/// List reservations
///
/// Oldest first, filtered by time, status and table.
#[utoipa::path(
    operation_id = "listReservations", tag = "floor", params(VenuePath, Page, ReservationFilter),
    security(("bearer" = [])), responses((status = 200, body = Items<Reservation>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/reservations")]
pub(crate) async fn list_reservations(
    actor: Actor<can::ReadGuests>,
    page: Query<Page>,
    filter: Query<ReservationFilter>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Reservation>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let ReservationFilter { from, to, status, table } = filter.into_inner();
    let wanted = reservations::Wanted { from, to, status, table };
    let found = app
        .read(&actor, async |q| reservations::list_reservations(q, (after, limit), &wanted).await)
        .await?;
    Ok(web::Json(Items::of(found, limit, |it| it.id.0)))
}

/// Get a reservation
///
/// With its version as `ETag`.
#[utoipa::path(
    operation_id = "getReservation", tag = "floor", params(ReservationPath),
    security(("bearer" = [])), responses((status = 200, body = Reservation), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/reservations/{reservation}")]
pub(crate) async fn get_reservation(
    actor: Actor<can::ReadGuests>,
    at: Path<ReservationPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let found = app
        .read(&actor, async |q| {
            let found = reservations::find_reservation(q, at.reservation).await?;
            found.ok_or(FloorError::Absent(Kind::Reservation))
        })
        .await?;
    let tag = format!("\"{}\"", found.reservation.version);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(found.reservation))
}

/// Ask for a table
///
/// Whether a party could hold a table at that time, and what else it could have. Only holding it
/// makes it sure.
#[utoipa::path(
    operation_id = "getAvailability", tag = "floor", params(VenuePath, WishQuery),
    responses((status = 200, body = Availability), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/availability")]
pub(crate) async fn get_availability(
    actor: Actor<can::AskForTables>,
    _at: Path<VenuePath>,
    wish: Query<WishQuery>,
    app: web::Data<App>,
) -> Result<web::Json<Availability>, Rejection> {
    let WishQuery { party_size, at: starts_at } = wish.into_inner();
    if !(1..=100).contains(&party_size) {
        let detail = "partySize is 1 to 100.";
        return Err(Problem::new(400, "bad_query", "The query cannot be used", detail).into());
    }
    let now = app.clock().now();
    let window = touched(starts_at).window.unwrap_or((now, now));
    let seen = app
        .read(&actor, async |q| {
            floor::look_at_floor(q, now, window).await.map_err(FloorError::from)
        })
        .await?;
    let wish = Wish { starts_at, party_size, tables: None, own: None, by_staff: false };
    let mut alternatives = seen.alternatives(&wish);
    // Tables have names only for staff; whoever asks learns times.
    alternatives.tables.clear();
    Ok(web::Json(Availability { available: seen.find_room(&wish).is_ok(), alternatives }))
}

/// List broken reservations
///
/// Those to come that no longer fit, since hours or tables were changed. Nothing is moved.
#[utoipa::path(
    operation_id = "listBrokenReservations", tag = "floor", params(VenuePath),
    security(("bearer" = [])), responses((status = 200, body = BrokenReservations), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/reservations/broken")]
pub(crate) async fn list_broken(
    actor: Actor<can::ReadGuests>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<BrokenReservations>, Rejection> {
    let now = app.clock().now();
    let (seen, live) = app
        .read(&actor, async |q| {
            let live = floor::find_floor(q).await?.reservations;
            let around = (now, now + SignedDuration::from_hours(24));
            Ok::<_, FloorError>((floor::look_at_floor(q, now, around).await?, live))
        })
        .await?;
    let broken = live.into_iter().filter(|it| it.starts_at > now && it.keeps_tables(now));
    let items = broken.filter_map(|reservation| {
        let why = why_broken(&seen, &reservation)?.to_owned();
        Some(BrokenReservation { reservation, why })
    });
    Ok(web::Json(BrokenReservations { items: items.collect() }))
}

/// What does not fit any more.
fn why_broken(floor: &Floor, reservation: &Reservation) -> Option<&'static str> {
    let tables: Vec<_> =
        reservation.table_ids.iter().filter_map(|id| floor.tables.get(id)).collect();
    let seats: i32 = tables.iter().map(|table| table.max_seats).sum();
    let out = tables.iter().any(|table| table.status == TableStatus::OutOfService);
    match () {
        () if !floor.settings.rules.is_open(reservation.starts_at) => {
            Some("The house is closed or pauses at that time.")
        }
        () if tables.len() < reservation.table_ids.len() => Some("A table is gone."),
        () if out => Some("A table is out of service."),
        () if tables.iter().any(|table| table.walk_in_only) => Some("A table is for walk-ins now."),
        () if seats < reservation.party_size => Some("The tables have too few seats now."),
        () => None,
    }
}
