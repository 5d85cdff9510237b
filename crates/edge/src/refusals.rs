//! The refusals that operations have in common, for the OpenAPI document.

use kernel::problem::ProblemBody;
use utoipa::IntoResponses;

/// What any read may answer besides its success.
#[derive(IntoResponses)]
pub enum ReadRefusals {
    /// The request is broken: a query parameter, a cursor.
    #[response(status = 400, content_type = "application/problem+json")]
    Broken(ProblemBody),
    /// Nobody is signed in, or the access token does not count.
    #[response(status = 401, content_type = "application/problem+json")]
    Unknown(ProblemBody),
    /// The role does not include this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// There is no such thing in this venue.
    #[response(status = 404, content_type = "application/problem+json")]
    Absent(ProblemBody),
    /// Too many requests; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemBody),
    /// The server or its database is busy or away; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(ProblemBody),
}

/// What any write may answer besides its success.
#[derive(IntoResponses)]
pub enum WriteRefusals {
    /// The request is broken: not JSON, no `Idempotency-Key`.
    #[response(status = 400, content_type = "application/problem+json")]
    Broken(ProblemBody),
    /// Nobody is signed in, or the access token does not count.
    #[response(status = 401, content_type = "application/problem+json")]
    Unknown(ProblemBody),
    /// The role does not include this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
    /// There is no such thing in this venue.
    #[response(status = 404, content_type = "application/problem+json")]
    Absent(ProblemBody),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(ProblemBody),
    /// Somebody else was faster, or the state does not allow it; `current` shows the state.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody),
    /// It was there and is over.
    #[response(status = 410, content_type = "application/problem+json")]
    Over(ProblemBody),
    /// The version is stale; `current` shows the present one.
    #[response(status = 412, content_type = "application/problem+json")]
    Stale(ProblemBody),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    Large(ProblemBody),
    /// The body is not JSON by its Content-Type.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(ProblemBody),
    /// The body breaks a rule; `errors` says which, one by one.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemBody),
    /// Too many requests; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemBody),
    /// The server or its database is busy or away; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(ProblemBody),
}
