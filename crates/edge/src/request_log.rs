//! Request id, one log line and metrics per request, the handler's deadline.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use kernel::problem::Problem;
use tracing::Instrument;
use uuid::Uuid;

use crate::limits::HANDLER_MAX;
use crate::rejection::{Rejection, no_such_route};
use crate::switch;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A request id from outside is kept when it is short and plain.
const REQUEST_ID_MAX_CHARS: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered.
#[must_use]
pub fn request_id() -> String {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// The outermost middleware.
///
/// # Errors
/// What has no answer of its own, as the answer that actix then gives.
pub async fn request_log(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = taken(&request).unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let span = tracing::info_span!("request", id = %id);
    CURRENT.scope(id.clone(), answer(request, next, id).instrument(span)).await
}

async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    id: String,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let method = request.method().clone();
    // No clone of the request may live while actix routes it: routing changes it in place.
    let called = tokio::time::timeout(HANDLER_MAX, next.call(request)).await;
    let (route, answered) = match called {
        Ok(Ok(response)) => {
            let response = with_problem(response.map_into_boxed_body());
            (switch::pattern(&response), Ok(response))
        }
        Ok(Err(error)) => (None, Err(error.error_response())),
        Err(_) => (None, Err(too_slow())),
    };
    let status = answered.as_ref().map_or_else(HttpResponse::status, ServiceResponse::status);
    note(&method, route, status.as_u16(), started);
    // An id is short and plain, so it always is a header's value.
    let id = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"));
    match answered {
        Ok(mut response) => {
            response.headers_mut().insert(REQUEST_ID, id);
            Ok(response)
        }
        Err(mut answer) => {
            answer.headers_mut().insert(REQUEST_ID, id);
            Err(InternalError::from_response("", answer).into())
        }
    }
}

/// One log line and the metrics of a request. The route's pattern, never the path: paths hold ids.
fn note(method: &Method, route: Option<String>, status: u16, started: Instant) {
    let route = route.unwrap_or_else(|| "none".to_owned());
    let secs = started.elapsed().as_secs_f64();
    let labels = [("method", method.to_string()), ("route", route.clone())];
    metrics::histogram!("http_request_seconds", &labels).record(secs);
    metrics::counter!("http_requests_total", "status" => status.to_string()).increment(1);
    if status >= 500 {
        tracing::warn!(%method, route, status, secs, "http.request");
    } else {
        tracing::debug!(%method, route, status, secs, "http.request");
    }
}

/// actix answers an unknown path or method without a body: give it the one body of all errors.
fn with_problem(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status().as_u16();
    if !matches!(status, 404 | 405) || response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    let problem = no_such_route(status, response.request().path());
    response.into_response(Rejection::from(problem).error_response())
}

fn too_slow() -> HttpResponse {
    let detail = "The answer was not ready in time. Send the same request again with the same \
                  Idempotency-Key: it takes effect at most once.";
    let problem = Problem::new(503, "too_slow", "The server took too long", detail);
    Rejection::from(problem.retry_after(1)).error_response()
}

fn taken(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (plain && !id.is_empty() && id.len() <= REQUEST_ID_MAX_CHARS).then(|| id.to_owned())
}
