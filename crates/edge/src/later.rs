//! Writes that are answered before they are done: `Prefer: respond-async` (RFC 7240).
//!
//! A slice keeps what was asked, answers `Accepted`, and has it carried out by any worker: the same
//! rule under the same key, so that it is done once however often it is tried.

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use pg::write::Refusal;
use pg::{Outcome, Reply, StoredAnswer, Tx, WriteTask};
use serde_json::Value;

use crate::answer::refusal;
use crate::app::App;
use crate::late::{Late, late};
use crate::rejection::Rejection;
use crate::request_log::request_id;

const HEADER: &str = "Prefer";
const APPLIED: &str = "Preference-Applied";
const ASYNC: &str = "respond-async";
/// Seconds after which a request that waits is worth another look.
pub const LOOK_AGAIN_SECS: u32 = 1;

/// Whether the client would rather not wait for the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefer {
    /// `respond-async`.
    pub later: bool,
}

impl FromRequest for Prefer {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let lines = request.headers().get_all(HEADER).filter_map(|value| value.to_str().ok());
        // Several preferences may stand in one line, and each may have parameters.
        let mut wishes = lines.flat_map(|line| line.split(','));
        let later = wishes.any(|wish| {
            let name = wish.split(';').next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case(ASYNC)
        });
        late(request, Ok(Self { later }))
    }
}

/// 202: kept and on its way. `Location` says where its outcome will be.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The path of the outcome.
    pub location: String,
    /// The outcome as it is now, as JSON.
    pub json: String,
}

impl Responder for Accepted {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        HttpResponse::Accepted()
            .insert_header((LOCATION, self.location))
            .insert_header((APPLIED, ASYNC))
            .insert_header((RETRY_AFTER, LOOK_AGAIN_SECS))
            .insert_header((CONTENT_TYPE, "application/json"))
            .body(self.json)
    }
}

/// The body of an answer that was stored, as the client gets it now.
#[must_use]
pub fn body(stored: &StoredAnswer) -> Option<Value> {
    if stored.json.is_empty() {
        return None;
    }
    let whole = match stored.status {
        400.. => refusal(&stored.json, &request_id()),
        _ => stored.json.clone(),
    };
    serde_json::from_str(&whole).ok()
}

/// Carries out a write that somebody asked for before, in `task`'s scope and under its key, and
/// publishes its events. Its answer is kept under the key. False: it was done before.
///
/// # Errors
/// The slice's refusal as a problem.
pub async fn carry_out<T, E, F>(app: &App, task: &WriteTask, op: F) -> Result<bool, Rejection>
where
    T: Reply,
    E: Refusal + std::fmt::Debug,
    F: AsyncFn(&mut Tx) -> Result<T, E>,
{
    match app.db().write(task, op).await {
        Ok(Outcome::Done { batch, .. }) => {
            if let Some(batch) = batch {
                app.bus().publish(batch);
            }
            Ok(true)
        }
        Ok(Outcome::Replayed(_)) => Ok(false),
        Err(error) => Err(Rejection::of(&error)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    async fn later(lines: &[&str]) -> bool {
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header((HEADER, *line));
        }
        Prefer::extract(&request.to_http_request()).await.unwrap().later
    }

    #[actix_web::test]
    async fn the_preference_is_found_among_others() {
        assert!(later(&["respond-async"]).await);
        assert!(later(&["return=minimal, Respond-Async; wait=10"]).await);
        assert!(later(&["return=minimal", "respond-async"]).await);
        assert!(!later(&[]).await);
        assert!(!later(&["return=respond-async, handling=lenient"]).await);
    }
}
