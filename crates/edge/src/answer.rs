//! What a write answers.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use kernel::event::Pos;
use pg::Reply;
use serde::{Deserialize, Serialize};

use crate::request_log::request_id;

/// Something that carries a version, for `ETag` and `If-Match`.
pub trait Versioned {
    /// The version, where there is one.
    fn version(&self) -> Option<i64> {
        None
    }
}

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident = $status:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<T>(pub T);

        impl<T: Serialize + Versioned> Reply for $name<T> {
            fn status(&self) -> u16 {
                $status
            }

            fn json(&self) -> Result<String, serde_json::Error> {
                serde_json::to_string(&self.0)
            }

            fn version(&self) -> Option<i64> {
                self.0.version()
            }
        }
    )*};
}

replies! {
    /// 201: something new is there.
    Created = 201;
    /// 200: something was changed.
    Done = 200;
}

/// 204: done, and there is nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

impl Reply for Gone {
    fn status(&self) -> u16 {
        204
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// The answer of a write on its way to the client.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) status: u16,
    pub(crate) json: String,
    pub(crate) version: Option<i64>,
    pub(crate) pos: Option<Pos>,
    pub(crate) replayed: bool,
}

impl Answer {
    /// 200 with this body, for a write that was done at `pos`.
    ///
    /// # Errors
    /// When the body cannot be written as JSON, which is a bug of its type.
    pub fn done(body: &impl Serialize, pos: Option<Pos>) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(body)?;
        Ok(Self { status: 200, json, version: None, pos, replayed: false })
    }

    /// What PostgreSQL wrote, and stored under the key, in a call that was done at `pos`.
    #[must_use]
    pub fn called(status: u16, json: String, version: Option<i64>, pos: Pos) -> Self {
        Self { status, json, version, pos: Some(pos), replayed: false }
    }
}

impl Answer {
    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body, if there is one.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.json).ok()
    }

    /// The same with another body, for what is learnt after the write and is not to be stored.
    #[must_use]
    pub fn with_json(self, body: &serde_json::Value) -> Self {
        Self { json: body.to_string(), ..self }
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse<BoxBody> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut answer = HttpResponse::build(status);
        if let Some(version) = self.version {
            answer.insert_header((ETAG, format!("\"{version}\"")));
        }
        if let Some(pos) = self.pos {
            answer.insert_header(("Rowlock-Pos", pos.to_string()));
        }
        if self.replayed {
            answer.insert_header(("Idempotency-Replayed", "true"));
        }
        if self.json.is_empty() {
            return answer.finish();
        }
        let (kind, body) = if self.status < 400 {
            ("application/json", self.json)
        } else {
            ("application/problem+json", refusal(&self.json, &request_id()))
        };
        answer.insert_header((CONTENT_TYPE, HeaderValue::from_static(kind)));
        answer.body(body)
    }
}

/// A refusal that was stored, with what every problem has and the row does not: a type, and the id
/// of the request that asks again.
pub(crate) fn refusal(stored: &str, request: &str) -> String {
    #[derive(Deserialize)]
    struct Named<'a> {
        code: &'a str,
    }
    match (serde_json::from_str::<Named<'_>>(stored), stored.strip_prefix('{')) {
        (Ok(Named { code }), Some(rest)) => {
            format!(r#"{{"type":"/problems/{code}","requestId":"{request}",{rest}"#)
        }
        // Not what was ever stored; sent as it is.
        _ => stored.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_refusal_is_a_whole_problem() {
        let whole = refusal(r#"{"status":409,"code":"booking.seats_taken"}"#, "r1");
        let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(whole["type"], "/problems/booking.seats_taken");
        assert_eq!((&whole["requestId"], &whole["status"]), (&"r1".into(), &409.into()));
    }
}
