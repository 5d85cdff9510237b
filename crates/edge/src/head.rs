//! The bound of a request's head: its line and its headers.
//!
//! actix takes up to 128 KiB and 96 headers before it looks at anything; what is between our bound
//! and that is refused here, as a problem. What is beyond, and a head that comes too slowly (408), is
//! cut by actix itself, before there is a request, and has no body.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError as _};
use kernel::problem::Problem;

use crate::limits::HEAD_MAX_BYTES;
use crate::rejection::Rejection;

/// Refuses a head that is too large. For `middleware::from_fn`.
///
/// # Errors
/// Those of what it wraps.
pub async fn bound<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let bytes = size(&request);
    if bytes > HEAD_MAX_BYTES {
        let detail = format!(
            "Line and headers have {bytes} bytes, {HEAD_MAX_BYTES} are allowed. Send fewer or \
             shorter headers, or less in the URL."
        );
        let problem =
            Problem::new(431, "head_too_large", "The request's head is too large", detail);
        let refused = Rejection::from(problem).error_response();
        return Ok(request.into_response(refused).map_into_right_body());
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// Bytes of the head, as HTTP/1.1 writes it.
fn size(request: &ServiceRequest) -> usize {
    let line = request.method().as_str().len() + request.uri().to_string().len() + 12;
    let headers = request.headers().iter();
    headers.fold(line, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}
