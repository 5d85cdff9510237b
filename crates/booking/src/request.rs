//! Requests that are done later: kept, told to the stream, and looked at by whoever asked.

use std::str::FromStr;

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, get, web};
use edge::answer::Versioned;
use edge::later::{self, Accepted, LOOK_AGAIN_SECS, Prefer};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::{RequestId, VenueId};
use kernel::problem::Problem;
use pg::{DbError, OnceKey, StoredAnswer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::BookingError;
use crate::carry_out::Command;
use crate::request_seal::RequestSeal;
use crate::store::requests::{self, Asked, NewRequest};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// It waits for its turn, or is being done.
    Queued,
    /// It is done, or was refused: `answer` says which.
    Done,
}

/// Something that was asked for with `Prefer: respond-async`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AsyncRequest)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The operation that was asked for.
    #[schema(example = "holdSeats")]
    pub operation: String,
    /// Where it stands.
    pub status: RequestStatus,
    /// What came of it, when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub answer: Option<RequestAnswer>,
    /// When it came.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub asked_at: Timestamp,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false)]
    pub done_at: Option<Timestamp>,
}

/// The answer that the operation would have given at once.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AsyncAnswer)]
pub struct RequestAnswer {
    /// Its HTTP status.
    #[schema(example = 201)]
    pub status: u16,
    /// Its body: what was made, or the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    pub body: Option<Value>,
    /// A position that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pos: Option<String>,
}

impl Versioned for Request {}

/// `/venues/{venue}/requests/{request}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RequestPath {
    /// The venue.
    pub venue: VenueId,
    /// The request.
    pub request: RequestId,
}

/// How a piece of the stream names a request.
pub(crate) fn piece(venue: VenueId, id: RequestId) -> String {
    format!("booking {venue} {id}")
}

/// The request that a piece names; none for what this slice has not put there.
pub(crate) fn named(piece: &str) -> Option<(VenueId, RequestId)> {
    let (venue, id) = piece.strip_prefix("booking ")?.split_once(' ')?;
    Some((VenueId::from_str(venue).ok()?, RequestId::from_str(id).ok()?))
}

/// Keeps the command to be done later, if the client prefers that and Redis is there to tell of
/// it. `None`: it is to be done now.
pub(crate) async fn ask(
    app: &App,
    actor: &Actor<can::HoldSeats>,
    (prefer, once): (Prefer, Option<OnceKey>),
    (seal, command): (&RequestSeal, impl FnOnce() -> Command),
) -> Result<Option<Accepted>, Rejection> {
    let Some(key) = once.filter(|_| prefer.later) else { return Ok(None) };
    match app.bus().work().is_full().await {
        Err(_) => return Ok(None),
        Ok(true) => return Err(queue_full().into()),
        Ok(false) => {}
    }
    let command = command();
    let (id, venue) = (RequestId::fresh(app.clock().now()), VenueId(actor.scope.venue_or_nil()));
    let body_sealed = seal.seal((venue, id), &command).map_err(|error| Rejection::of(&error))?;
    let (user, device, hash) = (actor.user()?, actor.scope.device, key.body_hash.clone());
    let (route, operation) = (key.route.clone(), command.name());
    let new = NewRequest { id, user, device, operation, key, body_sealed };
    let kept = app
        .part(actor, async move |tx| {
            let asked = requests::insert_or_find(tx, &new).await?;
            // Somebody who sends another request under the same key is told so at once.
            let same = asked.key.route == route && asked.key.body_hash == hash;
            if same { Ok(Kept(asked)) } else { Err(BookingError::Db(DbError::KeyReused)) }
        })
        .await?;
    let Kept(asked) = kept.0;
    if asked.id == id && app.bus().work().add(&piece(venue, id)).await.is_err() {
        // Redis has gone since. Whoever has found it meanwhile does it under the same key.
        app.part(actor, async move |tx| {
            requests::take_back(tx, id)?;
            Ok::<_, BookingError>(())
        })
        .await?;
        return Ok(None);
    }
    metrics::counter!("booking_requests_total", "operation" => operation).increment(1);
    let location = format!("/api/v1/venues/{venue}/requests/{}", asked.id);
    let json = serde_json::to_string(&look(app, actor, asked).await?).map_err(DbError::from)?;
    Ok(Some(Accepted { location, json }))
}

/// What the rule that keeps a request gives; nobody is sent it as it is.
struct Kept(Asked);

impl pg::Reply for Kept {
    fn status(&self) -> u16 {
        202
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// A request with what came of it.
async fn look(
    app: &App,
    actor: &Actor<can::HoldSeats>,
    asked: Asked,
) -> Result<Request, Rejection> {
    let answer = match (asked.done_at, asked.refusal) {
        (None, _) => None,
        (Some(_), Some(refused)) => Some(StoredAnswer {
            status: u16::try_from(refused.status).unwrap_or(500),
            json: refused.json,
            version: None,
            pos: None,
        }),
        (Some(_), None) => app.db().stored_answer(actor.scope, &asked.key).await?,
    };
    let status = if asked.done_at.is_some() { RequestStatus::Done } else { RequestStatus::Queued };
    Ok(Request {
        id: asked.id,
        operation: asked.operation,
        status,
        answer: answer.map(|stored| RequestAnswer {
            status: stored.status,
            body: later::body(&stored),
            pos: stored.pos.map(|pos| pos.to_string()),
        }),
        asked_at: asked.asked_at,
        done_at: asked.done_at,
    })
}

fn queue_full() -> Problem {
    Problem::new(
        503,
        "booking.queue_full",
        "Too many requests wait already",
        "Nothing was kept and nothing was done. Send the same request again with the same \
         Idempotency-Key in a few seconds, or without Prefer: respond-async to wait for it.",
    )
    .retry_after(FULL_RETRY_SECS)
}

/// Seconds after which a full queue may have room.
const FULL_RETRY_SECS: u32 = 3;

/// Get a request
///
/// What came of a request that was sent with `Prefer: respond-async`, for whoever sent it. While it
/// is `queued`, look again after `Retry-After`; it is done in its turn even if nobody looks.
#[utoipa::path(
    operation_id = "getRequest", tag = "booking", params(RequestPath),
    security(("bearer" = [])), responses((status = 200, body = Request), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/requests/{request}")]
pub(crate) async fn get_request(
    actor: Actor<can::HoldSeats>,
    at: Path<RequestPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let (user, device) = (actor.user()?, actor.scope.device);
    let asked = app
        .read(&actor, async |q| {
            let found = requests::find(q, at.request).await?;
            let own = found.filter(|asked| asked.user == user && asked.device == device);
            own.ok_or(BookingError::NoSuchRequest)
        })
        .await?;
    let request = look(&app, &actor, asked).await?;
    let mut answer = HttpResponse::Ok();
    if request.status == RequestStatus::Queued {
        answer.insert_header((RETRY_AFTER, LOOK_AGAIN_SECS));
    }
    Ok(answer.json(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_names_its_request_and_nothing_else_does() {
        let (venue, id) = (VenueId(uuid::Uuid::from_u128(1)), RequestId(uuid::Uuid::from_u128(2)));
        assert_eq!(named(&piece(venue, id)), Some((venue, id)));
        for wrong in ["", "booking", "booking 1 2", "floor 1 2"] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
