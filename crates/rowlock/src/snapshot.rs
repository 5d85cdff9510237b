//! `GET /api/v1/venues/{venue}/snapshot`: what a client shows before it listens. Each slice reads
//! its part; all parts and the position are of one moment.

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, web};
use booking::snapshot::BookingSnapshot;
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use floor::snapshot::FloorSnapshot;
use kernel::event::Topic;
use kernel::follow::Follow;
use kernel::ids::{BookingId, OrderId, VenueId};
use kernel::problem::Problem;
use realtime::{Asked, Grant, secret_of};
use serde::{Deserialize, Serialize};
use spa::snapshot::SpaSnapshot;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// `/venues/{venue}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VenuePath {
    /// The venue.
    pub(crate) venue: VenueId,
}

/// Which parts.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parts {
    /// Topics, separated by commas, `order.{id}` and `booking.{id}` among them; those that the
    /// caller may not hear are left out.
    #[param(example = "seats,shows")]
    topics: String,
}

/// A venue as of one position of its log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// Subscribe with it as `since`, and nothing is missed.
    #[schema(example = "1042-m3k9x0f2")]
    pos: String,
    /// The topics that are in it.
    topics: Vec<String>,
    #[serde(flatten)]
    #[schema(inline)]
    booking: BookingSnapshot,
    #[serde(flatten)]
    #[schema(inline)]
    floor: FloorSnapshot,
    #[serde(flatten)]
    #[schema(inline)]
    spa: SpaSnapshot,
}

/// Get a snapshot
///
/// The state behind the topics, as of `pos`. Load it first, then subscribe with `since` = `pos`.
#[utoipa::path(
    operation_id = "getSnapshot", tag = "realtime", params(
        VenuePath, Parts,
        ("If-None-Match" = Option<String>, Header, description = "The ETag that was seen"),
        ("Follow-Secret" = Option<String>, Header,
         description = "Opens the orders and bookings that it was given out for"),
    ),
    responses(
        (status = 200, body = Snapshot), (status = 304, description = "Nothing changed"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/snapshot")]
pub(crate) async fn get_snapshot(
    actor: Actor<can::Listen>,
    path: Path<VenuePath>,
    parts: Query<Parts>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let asked = Asked::parse(&parts.topics)?;
    let who = (actor.scope, path.venue);
    let grant = Grant::read(&app, who, &asked, secret_of(&request)).await?;
    let (venue, offset) = (path.venue, app.clock().offset_micros());
    let now = kernel::time::micros(app.clock().now());
    let found = app
        .read(&actor, async |q| {
            // The head first: what is read after it is at least as new.
            let [head] = q.pipeline([pg::log::head_query(&[&venue])]).await?;
            let Some(head) = head.first() else { return Ok::<_, spa::SpaError>(None) };
            let pos = pg::log::head_pos(head)?;
            let mut booking = booking::snapshot::snapshot(q, grant.mask, offset).await?;
            let bookings = followed(&grant, Topic::Booking).map(BookingId);
            booking::snapshot::add_followed(q, bookings, &mut booking).await?;
            let floor = floor::snapshot::snapshot(q, grant.mask).await?;
            let orders = followed(&grant, Topic::Order).map(OrderId);
            let spa = spa::snapshot::snapshot(q, grant.mask, orders, now).await?;
            Ok(Some((pos, booking, floor, spa)))
        })
        .await?;
    let (pos, booking, floor, spa) = found.ok_or_else(no_such_venue)?;
    let topics: Vec<String> = grant.names().collect();
    let tag = format!("\"{pos}.{}\"", topics.join("."));
    if request.headers().get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let snapshot = Snapshot { pos: pos.to_string(), topics, booking, floor, spa };
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(snapshot))
}

/// The entities of a private topic that are followed.
fn followed(grant: &Grant, topic: Topic) -> impl Iterator<Item = Uuid> {
    grant.follows().filter(move |follow| follow.topic() == topic).map(Follow::id)
}

fn no_such_venue() -> Problem {
    Problem::new(404, "not_found", "There is nothing here", "There is no such venue.")
}
