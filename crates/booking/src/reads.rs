//! What can be looked at. Nothing here locks.

use actix_web::dev::Payload;
use actix_web::http::header::ETAG;
use actix_web::{FromRequest, HttpRequest, HttpResponse, get, web};
use edge::late::{Late, late};
use edge::page::{Items, Page};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use kernel::ids::{BookingId, HoldId, ShowId, VenueId};
use kernel::problem::Problem;
use kernel::role::Permission;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::BookingError;
use crate::model::{Booking, BookingStatus, Layout, SeatStatus, Show, ShowStatus};
use crate::seat_maps::MAPS;
use crate::store::{bookings, shows};

/// The header that carries a hold's secret.
const HOLD_TOKEN: &str = "Hold-Token";

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

/// `/venues/{venue}/holds/{hold}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct HoldPath {
    /// The venue.
    pub venue: VenueId,
    /// The hold.
    pub hold: HoldId,
}

/// `/venues/{venue}/bookings/{booking}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct BookingPath {
    /// The venue.
    pub venue: VenueId,
    /// The booking.
    pub booking: BookingId,
}

/// The hold's secret, in a header: paths and queries end in logs.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("Hold-Token"), parameter_in = Header)]
pub struct HoldToken(
    /// The `token` that came with the hold.
    pub String,
);

impl FromRequest for HoldToken {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = request.headers().get(HOLD_TOKEN).and_then(|value| value.to_str().ok());
        let token = token.map(|token| Self(token.to_owned())).ok_or_else(|| {
            let detail = "Send the hold's token in the header Hold-Token.";
            Problem::new(400, "booking.token_missing", "The hold's token is missing", detail).into()
        });
        late(request, token)
    }
}

/// Which bookings to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct BookingFilter {
    /// Of this show.
    pub show: Option<ShowId>,
    /// In this status.
    pub status: Option<BookingStatus>,
    /// Whose name, e-mail address or code contains this, or that have this seat.
    #[param(max_length = 120)]
    pub q: Option<String>,
}

/// A seat in the seat map.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapSeat {
    /// Block and number.
    #[schema(example = "A-1")]
    pub id: String,
    /// Its block.
    #[schema(example = "A")]
    pub block: String,
    /// Its category.
    #[schema(example = "standard")]
    pub category: String,
    /// Whether a wheelchair reaches it.
    pub accessible: bool,
    /// What it is to the public.
    pub status: SeatStatus,
}

/// The status as the seat map's statement names it.
pub(crate) fn seat_status(name: &str) -> SeatStatus {
    match name {
        "sold" => SeatStatus::Sold,
        "held" => SeatStatus::Held,
        "free" => SeatStatus::Free,
        _ => SeatStatus::Withheld,
    }
}

/// Drafts are for staff; to everybody else they do not exist.
pub(crate) fn visible<G>(show: Option<Show>, actor: &Actor<G>) -> Result<Show, BookingError> {
    show.filter(|show| show.status != ShowStatus::Draft || actor.standing.is_staff())
        .ok_or(BookingError::NoSuchShow)
}

/// List shows
///
/// Oldest first. Drafts are listed for staff only.
#[utoipa::path(
    operation_id = "listShows", tag = "booking", params(VenuePath, Page),
    responses((status = 200, body = Items<Show>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows")]
pub(crate) async fn list_shows(
    actor: Actor<can::ReadShows>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Show>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let drafts = actor.standing.is_staff();
    let found =
        app.read(&actor, async |q| shows::list_shows(q, after, limit, drafts).await).await?;
    Ok(web::Json(Items::of(found, limit, |show| show.id.0)))
}

/// Get a show
///
/// A draft exists for staff only.
#[utoipa::path(
    operation_id = "getShow", tag = "booking", params(ShowPath),
    responses((status = 200, body = Show), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}")]
pub(crate) async fn get_show(
    actor: Actor<can::ReadShows>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let kept = match MAPS.find(&app, (at.venue, at.show)).await {
        Some(map) => Some(map?.show().clone()),
        None => app.read(&actor, async |q| shows::find_show(q, at.show).await).await?,
    };
    let show = visible(kept, &actor).map_err(|error| Rejection::of(&error))?;
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", show.version))).json(show))
}

/// List layouts
///
/// Saved layouts of the venue, oldest first.
#[utoipa::path(
    operation_id = "listLayouts", tag = "booking", params(VenuePath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Layout>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/layouts")]
pub(crate) async fn list_layouts(
    actor: Actor<can::ManageShows>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Layout>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app.read(&actor, async |q| shows::list_layouts(q, after, limit).await).await?;
    Ok(web::Json(Items::of(found, limit, |layout| layout.id.0)))
}

/// List bookings
///
/// All of the venue, for staff, oldest first; filtered by show, status, and what is searched for.
#[utoipa::path(
    operation_id = "listBookings", tag = "booking", params(VenuePath, Page, BookingFilter),
    security(("bearer" = [])), responses((status = 200, body = Items<Booking>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/bookings")]
pub(crate) async fn list_bookings(
    actor: Actor<can::ListBookings>,
    page: Query<Page>,
    filter: Query<BookingFilter>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Booking>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app
        .read(&actor, async |q| bookings::list_bookings(q, (after, limit), &filter).await)
        .await?;
    Ok(web::Json(Items::of(found, limit, |booking| booking.id.0)))
}

/// Get a booking
///
/// One's own, or any as staff.
#[utoipa::path(
    operation_id = "getBooking", tag = "booking", params(BookingPath),
    security(("bearer" = [])), responses((status = 200, body = Booking), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/bookings/{booking}")]
pub(crate) async fn get_booking(
    actor: Actor<can::ReadBooking>,
    at: Path<BookingPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let user = actor.user()?;
    let any = actor.standing.may(Permission::ListBookings);
    let booking = app
        .read(&actor, async |q| {
            let found = bookings::find_booking(q, at.booking).await?;
            let found = found.filter(|found| any || found.user == user);
            found.map(|found| found.booking).ok_or(BookingError::NoSuchBooking)
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((ETAG, format!("\"{}\"", booking.version))).json(booking))
}

/// List my bookings
///
/// One's own, in all venues, oldest first.
#[utoipa::path(
    operation_id = "listMyBookings", tag = "booking", params(Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Booking>), ReadRefusals)
)]
#[get("/api/v1/me/bookings")]
pub(crate) async fn list_my_bookings(
    actor: Actor<can::ActForSelf>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Booking>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let user = actor.user()?;
    let found = app
        .read(&actor, async |q| bookings::list_bookings_of_user(q, user, (after, limit)).await)
        .await?;
    Ok(web::Json(Items::of(found, limit, |booking| booking.id.0)))
}
