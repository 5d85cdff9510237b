//! The paths of the system that Rowlock replaces, for an app that is told nothing but a new host.
//!
//! A thin translation in front of the routing: the path and the method become those of the real
//! operation, the body and the answer get the names that the app knows besides their own. Rules,
//! permissions, keys and limits are the real operation's; there are none here.

mod answers;
mod bodies;
mod document;
mod paths;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};
use edge::{App, Rejection};
use futures_util::stream;
use kernel::problem::Problem;
use realtime::OldSocket;
use serde_json::Value;

use paths::{About, Asked};

pub(crate) use document::add_to;

/// Since when the paths are deprecated, in seconds: 2026-09-01.
const DEPRECATED_SINCE: &str = "@1788220800";
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The middleware. It stands next to the routing: everything else sees the answer as it leaves.
///
/// # Errors
/// As the real operation's.
pub(crate) async fn translate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(asked) = Asked::of(request.method(), request.path()) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    metrics::counter!("rowlock_old_paths_total", "operation" => asked.alias.name).increment(1);
    if asked.alias.about == About::Socket {
        let venue = paths::restaurant(request.query_string()).ok_or_else(no_restaurant)?;
        request.extensions_mut().insert(OldSocket(venue));
    }
    let sent = if asked.alias.has_body() { body(&mut request).await? } else { None };
    let ask = asked.translate(sent);
    rewrite(&mut request, &ask)?;
    let successor = ask.path.clone();
    let app = request.app_data::<web::Data<App>>().cloned();
    let answered = next.call(request).await?.map_into_boxed_body();
    let mut answered = if answered.status().is_success() {
        speak(answered, &asked, app.as_ref()).await
    } else {
        answered
    };
    deprecate(&mut answered, &successor);
    Ok(answered)
}

/// What the real operation is asked.
struct Ask {
    method: Method,
    path: String,
    body: Option<Value>,
}

/// The JSON that was sent; nothing where it is none: the real operation says what is wrong with it.
async fn body(request: &mut ServiceRequest) -> Result<Option<Value>, actix_web::Error> {
    let form = request.content_type().starts_with("application/x-www-form-urlencoded");
    let bytes = request.extract::<web::Bytes>().await.map_err(|_| too_large())?;
    let sent = if form { bodies::form(&bytes) } else { serde_json::from_slice(&bytes).ok() };
    if sent.is_none() {
        request.set_payload(payload(bytes));
    }
    Ok(sent)
}

fn no_restaurant() -> Rejection {
    let detail = "Give restaurant_id, the id of the venue, and the token in the first frame.";
    Problem::new(400, "bad_query", "The query is broken", detail).into()
}

fn too_large() -> Rejection {
    let detail = "Send less at once.";
    Problem::new(413, "body_too_large", "The body is too large", detail).into()
}

fn payload(bytes: web::Bytes) -> Payload {
    Payload::Stream { payload: Box::pin(stream::once(async move { Ok(bytes) })) }
}

/// Makes the request the one that the real operation knows.
fn rewrite(request: &mut ServiceRequest, ask: &Ask) -> Result<(), actix_web::Error> {
    let uri: Uri = ask
        .path
        .parse()
        .map_err(|_| Rejection::from(edge::rejection::no_such_route(404, request.path())))?;
    request.match_info_mut().get_mut().update(&uri);
    let head = request.head_mut();
    (head.uri, head.method) = (uri, ask.method.clone());
    // The app has no keys. Its own retries are as they always were.
    if ask.method == Method::POST && !head.headers.contains_key(&KEY) {
        let key = uuid::Uuid::new_v4().to_string();
        if let Ok(key) = HeaderValue::from_str(&key) {
            head.headers.insert(KEY, key);
        }
    }
    if let Some(body) = &ask.body {
        let bytes = web::Bytes::from(body.to_string());
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        request.set_payload(payload(bytes));
    }
    Ok(())
}

/// The answer with the names that the app knows.
async fn speak(
    answered: ServiceResponse<BoxBody>,
    asked: &Asked,
    app: Option<&web::Data<App>>,
) -> ServiceResponse<BoxBody> {
    let (request, response) = answered.into_parts();
    let (mut response, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body).await else {
        let lost = Rejection::from(pg::DbError::Away).error_response();
        return ServiceResponse::new(request, lost);
    };
    let Ok(json) = serde_json::from_slice::<Value>(&bytes) else {
        return ServiceResponse::new(request, response.set_body(BoxBody::new(bytes)));
    };
    response.headers_mut().remove(CONTENT_LENGTH);
    match answers::translate(asked, json, app.map(|app| app.as_ref())) {
        Ok(json) => {
            let body = BoxBody::new(json.to_string());
            ServiceResponse::new(request, response.set_body(body))
        }
        Err(refused) => ServiceResponse::new(request, refused.error_response()),
    }
}

fn deprecate(answered: &mut ServiceResponse<BoxBody>, successor: &str) {
    let successor = successor.split('?').next().unwrap_or_default();
    let headers = answered.headers_mut();
    headers.insert(DEPRECATION, HeaderValue::from_static(DEPRECATED_SINCE));
    if let Ok(link) = HeaderValue::from_str(&format!("<{successor}>; rel=\"successor-version\"")) {
        headers.append(LINK, link);
    }
}
