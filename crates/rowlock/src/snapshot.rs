//! `GET /api/v1/venues/{venue}/snapshot`: what a client shows before it listens. Each slice reads
//! its part; all parts and the position are of one moment.

use actix_web::http::header::{ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, get, web};
use booking::snapshot::BookingSnapshot;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use floor::snapshot::FloorSnapshot;
use kernel::event::{Topic, TopicMask};
use kernel::ids::VenueId;
use kernel::problem::Problem;
use pg::DbError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `/venues/{venue}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct VenuePath {
    /// The venue.
    venue: VenueId,
}

/// Which parts.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parts {
    /// Topics, separated by commas; those that the caller may not hear are left out.
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
    topics: Vec<Topic>,
    #[serde(flatten)]
    #[schema(inline)]
    booking: BookingSnapshot,
    #[serde(flatten)]
    #[schema(inline)]
    floor: FloorSnapshot,
}

/// Get a snapshot
///
/// The state behind the topics, as of `pos`. Load it first, then subscribe with `since` = `pos`.
#[utoipa::path(
    operation_id = "getSnapshot", tag = "realtime", params(VenuePath, Parts),
    params(("If-None-Match" = Option<String>, Header, description = "The ETag that was seen")),
    responses(
        (status = 200, body = Snapshot), (status = 304, description = "Nothing changed"),
        ReadRefusals
    )
)]
#[get("/api/v1/venues/{venue}/snapshot")]
pub(crate) async fn get_snapshot(
    actor: Actor<can::Listen>,
    path: Path<VenuePath>,
    parts: web::Query<Parts>,
    request: HttpRequest,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let asked = asked(&parts.topics)?;
    // The token's roles are a hint; what may be seen is read.
    let standing = app.standing(actor.scope, path.venue).await?;
    let granted = asked.iter().filter(|topic| topic.open_to(standing));
    let mask = granted.fold(TopicMask::default(), TopicMask::with);
    let (venue, offset) = (path.venue, app.clock().offset_micros());
    let found = app
        .read(&actor, async |q| {
            // The head first: what is read after it is at least as new.
            let [head] = q.pipeline([pg::log::head_query(&[&venue])]).await?;
            let Some(head) = head.first() else { return Ok::<_, DbError>(None) };
            let pos = pg::log::head_pos(head)?;
            let booking = booking::snapshot::snapshot(q, mask, offset).await?;
            Ok(Some((pos, booking, floor::snapshot::snapshot(q, mask).await?)))
        })
        .await?;
    let (pos, booking, floor) = found.ok_or_else(no_such_venue)?;
    let tag = format!("\"{pos}.{}\"", mask.0);
    if request.headers().get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let (topics, pos) = (mask.iter().collect(), pos.to_string());
    let snapshot = Snapshot { pos, topics, booking, floor };
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(snapshot))
}

fn asked(topics: &str) -> Result<TopicMask, Rejection> {
    let mut mask = TopicMask::default();
    for name in topics.split(',').filter(|name| !name.is_empty()) {
        let topic = Topic::from_name(name).ok_or_else(|| {
            let detail = format!("There is no topic {name}. See /events.json for those there are.");
            Problem::new(400, "bad_topics", "The topics cannot be used", detail)
        })?;
        mask = mask.with(topic);
    }
    Ok(mask)
}

fn no_such_venue() -> Problem {
    Problem::new(404, "not_found", "There is nothing here", "There is no such venue.")
}
