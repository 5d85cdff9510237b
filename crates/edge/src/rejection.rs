//! Every error of the API as `application/problem+json`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError, web};
use kernel::problem::Problem;
use pg::DbError;
use pg::write::Refusal;
use serde::Serialize;

use crate::request_log::request_id;

/// A problem on its way to the client.
#[derive(Debug)]
pub struct Rejection(pub Box<Problem>);

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<DbError> for Rejection {
    fn from(error: DbError) -> Self {
        Self::of(&error)
    }
}

impl Rejection {
    /// A slice's refusal. What is our fault is logged here, once, with its causes.
    pub fn of<E: Refusal + std::fmt::Debug>(error: &E) -> Self {
        let problem = error.problem();
        match problem.status {
            // Busy or away for a moment, and the client is told to come again.
            500.. if problem.retry_after_secs.is_some() => {
                tracing::warn!(code = problem.code, error = ?error, "request put off");
            }
            500.. => tracing::error!(code = problem.code, error = ?error, "request failed"),
            _ => {}
        }
        problem.into()
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    r#type: String,
    #[serde(flatten)]
    problem: &'a Problem,
    request_id: String,
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let problem = self.0.as_ref();
        let wire = Wire {
            r#type: format!("/problems/{}", problem.code),
            problem,
            request_id: request_id(),
        };
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if let Some(secs) = problem.retry_after_secs {
            answer.insert_header((RETRY_AFTER, secs));
        }
        if problem.status == 401 {
            answer.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        answer.body(serde_json::to_string(&wire).unwrap_or_default())
    }
}

/// The problem of a path or method that the API does not have.
#[must_use]
pub fn no_such_route(status: u16, path: &str) -> Problem {
    match status {
        405 => Problem::new(
            405,
            "method_not_allowed",
            "This path has no such method",
            format!("{path} exists, but not with this method. See /docs for what it offers."),
        ),
        _ => Problem::new(
            404,
            "no_such_path",
            "There is no such path",
            format!("The API has no {path}. See /docs for what it has."),
        ),
    }
}

/// actix' own rejections of paths and queries, in the shape of all others.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.app_data(web::PathConfig::default().error_handler(|error, request| {
        tracing::debug!(%error, path = request.path(), "edge.path refused");
        Rejection::from(no_such_route(404, request.path())).into()
    }));
    cfg.app_data(web::QueryConfig::default().error_handler(|error, _| {
        let detail = format!("The query cannot be read: {error}. See /docs for its parameters.");
        Rejection::from(Problem::new(400, "bad_query", "The query is broken", detail)).into()
    }));
}
