//! What went wrong, in the shape that the API answers: RFC 9457 with a stable `code`.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// One thing that is wrong with the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where, as a JSON pointer: `/seats/3`.
    pub pointer: String,
    /// What, for programs.
    pub code: &'static str,
    /// What, for people, and what to do.
    pub detail: String,
}

/// An answer that is not a success. Every error of every slice becomes one of these.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable name, `slice.fact`: `booking.seats_taken`.
    pub code: &'static str,
    /// The kind of problem, for people: the same for every problem of this code.
    pub title: &'static str,
    /// What happened this time and what to do.
    pub detail: String,
    /// What is wrong with the input, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The state that the request ran into, on a conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Box<RawValue>>,
    /// When to try again, in seconds.
    #[serde(skip)]
    pub retry_after_secs: Option<u32>,
}

impl Problem {
    /// A problem with the least it needs.
    pub fn new(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self {
            status,
            code,
            title,
            detail,
            errors: Vec::new(),
            current: None,
            retry_after_secs: None,
        }
    }

    /// With the state that the request ran into.
    #[must_use]
    pub fn with_current(mut self, current: &impl Serialize) -> Self {
        self.current = serde_json::value::to_raw_value(current).ok();
        self
    }

    /// With what is wrong with the input.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// With the seconds after which trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, secs: u32) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// Whether a repeat of the same request with the same key must get this answer again.
    ///
    /// Refusals that decide (somebody else has the seat) do. Refusals of the request itself
    /// (broken, unknown caller, too fast) and failures do not: the same key may try again.
    #[must_use]
    pub fn decides(&self) -> bool {
        matches!(self.status, 402 | 404 | 409 | 410 | 412)
            && self.retry_after_secs.is_none()
            && self.code != "in_progress"
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

/// The body of every answer that is not a success (`application/problem+json`).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it only describes the wire for the OpenAPI document")]
pub struct ProblemBody {
    /// Stable address of the kind of problem, relative to the API.
    #[schema(example = "/problems/booking.seats_taken")]
    r#type: String,
    /// The kind of problem, for people.
    title: String,
    /// HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// What happened this time and what to do.
    detail: String,
    /// Stable name for programs, `slice.fact`.
    #[schema(example = "booking.seats_taken")]
    code: String,
    /// The id under which the server logged this request.
    #[schema(rename = "requestId")]
    request_id: String,
    /// What is wrong with the input, one by one.
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The state that the request ran into, on a conflict.
    #[schema(value_type = Object, required = false)]
    current: (),
}
