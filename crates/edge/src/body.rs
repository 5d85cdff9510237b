//! A JSON body: its size, its deadline, its depth, its fields and its rules.

use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use kernel::problem::{FieldError, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::late::decided;
use crate::limits::{BODY_MAX, BODY_MAX_BYTES, JSON_DEPTH_MAX};
use crate::rejection::Rejection;
use crate::token::sha256;

/// The character U+0000 as JSON has to write it.
const NUL: &[u8] = b"\\u0000";

/// What a body may be. Unknown fields are refused by `#[serde(deny_unknown_fields)]`.
pub trait Input: DeserializeOwned + 'static {
    /// How large it may be. Only batches are larger than others.
    const MAX_BYTES: usize = BODY_MAX_BYTES;

    /// The rules that the type alone does not state. Adds what is broken to `errors`.
    fn check(&self, _errors: &mut Errors) {}
}

/// What is wrong with a body, collected.
#[derive(Debug, Default)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong, in the order in which it was found.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// Unless `holds`, adds an error at `pointer` (`/seats/3`).
    pub fn require(
        &mut self,
        holds: bool,
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) {
        if !holds {
            self.0.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
        }
    }

    /// Text between `min` and `max` characters, not only spaces.
    pub fn text(&mut self, text: &str, pointer: &str, (min, max): (usize, usize)) {
        let chars = text.trim().chars().count();
        let whole = text.chars().count();
        self.require(
            chars >= min && whole <= max,
            pointer,
            "length",
            format!("Give {min} to {max} characters; this has {whole}."),
        );
    }

    /// Something that looks like an e-mail address: one `@` with something on both sides.
    pub fn email(&mut self, email: &str, pointer: &str) {
        let whole = email.trim();
        let good = whole.len() <= 254
            && !whole.contains(char::is_whitespace)
            && whole.split_once('@').is_some_and(|(name, host)| {
                !name.is_empty() && host.contains('.') && !host.contains('@')
            });
        self.require(good, pointer, "email", "Give an address like ana@example.org.");
    }
}

/// A body without fields: `{}` or nothing at all.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl Input for Nothing {}

/// A body that was read, parsed and checked.
#[derive(Clone, Debug)]
pub struct Body<T> {
    value: T,
    pub(crate) hash: [u8; 32],
}

impl<T> Deref for Body<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Body<T> {
    /// The value itself.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: Input> Body<T> {
    async fn read(payload: Payload) -> Result<Self, Rejection> {
        let bytes = tokio::time::timeout(BODY_MAX, read(payload, T::MAX_BYTES))
            .await
            .map_err(|_| Rejection::from(too_slow()))??;
        let value = parse(&bytes)?;
        Ok(Self { value, hash: sha256(&bytes) })
    }
}

impl<T: Input> FromRequest for Body<T> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_none_or(
                |value| value.starts_with("application/json") || value.contains("+json"),
            );
        let (payload, decided) = (payload.take(), decided(request));
        Box::pin(async move {
            let body = if json { Self::read(payload).await } else { Err(not_json()) };
            if body.is_err() {
                decided.await;
            }
            body
        })
    }
}

pub(crate) async fn read(mut payload: Payload, max_bytes: usize) -> Result<Bytes, Rejection> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            let detail = format!("The body broke off: {error}. Send the request again.");
            Rejection::from(Problem::new(400, "body_broken", "The body is broken", detail))
        })?;
        if bytes.len() + chunk.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn parse<T: Input>(bytes: &[u8]) -> Result<T, Rejection> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    if depth(bytes) > JSON_DEPTH_MAX {
        let detail = format!("The body is nested deeper than {JSON_DEPTH_MAX} levels.");
        return Err(Problem::new(400, "body_too_deep", "The body is too deep", detail).into());
    }
    // PostgreSQL's text cannot hold it, so no field of ours can.
    if bytes.windows(NUL.len()).any(|window| window == NUL) {
        let detail = "The body has the character U+0000 in a text. Send it without.";
        return Err(Problem::new(400, "body_has_nul", "The body is broken", detail).into());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| refused(&error))?;
    // Two documents in one body: one of them would be overlooked, here or by whoever is in front.
    json.end().map_err(|error| broken(&error))?;
    let mut errors = Errors::default();
    value.check(&mut errors);
    if errors.0.is_empty() { Ok(value) } else { Err(invalid(errors.0)) }
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> Rejection {
    let inner = error.inner();
    if !inner.is_data() {
        return broken(inner);
    }
    let path = error.path().to_string();
    let pointer = if path == "." { String::new() } else { pointer(&path) };
    let code = if inner.to_string().starts_with("unknown field") { "unknown" } else { "invalid" };
    invalid(vec![FieldError { pointer, code, detail: format!("{inner}.") }])
}

fn broken(error: &serde_json::Error) -> Rejection {
    let detail = format!("The body is not JSON: {error}.");
    Problem::new(400, "body_broken", "The body is broken", detail).into()
}

/// `seats[3].name` as a JSON pointer: `/seats/3/name`.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace('[', ".").replace(']', "").replace('.', "/"))
}

fn invalid(errors: Vec<FieldError>) -> Rejection {
    let first = errors.first().map_or_else(String::new, |first| {
        format!(
            " {}: {}",
            if first.pointer.is_empty() { "/" } else { &first.pointer },
            first.detail
        )
    });
    let detail = format!("Nothing was changed. Correct what `errors` names.{first}");
    Problem::new(422, "invalid", "The body breaks a rule", detail).with_errors(errors).into()
}

/// How deep the brackets go, strings left out.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut most, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn not_json() -> Rejection {
    let detail = "Send JSON with the header Content-Type: application/json.";
    Problem::new(415, "not_json", "The body is not JSON", detail).into()
}

fn too_large(max_bytes: usize) -> Rejection {
    let detail = format!("A body has at most {max_bytes} bytes. Split it into several.");
    Problem::new(413, "body_too_large", "The body is too large", detail).into()
}

pub(crate) fn too_slow() -> Problem {
    let detail = format!("The body did not arrive within {} seconds.", BODY_MAX.as_secs());
    Problem::new(408, "body_too_slow", "The body came too slowly", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Seats {
        #[expect(dead_code, reason = "only its parsing is of interest")]
        seats: Vec<u32>,
    }

    impl Input for Seats {}

    #[test]
    fn a_broken_body_says_where() {
        let error = parse::<Seats>(br#"{"seats":[1,"x"]}"#).unwrap_err();
        assert_eq!((error.0.status, error.0.code), (422, "invalid"));
        assert_eq!(error.0.errors[0].pointer, "/seats/1");
        let error = parse::<Seats>(br#"{"seats":[1],"price":2}"#).unwrap_err();
        assert_eq!(error.0.errors[0].code, "unknown");
        let error = parse::<Seats>(br#"{"seats":"#).unwrap_err();
        assert_eq!((error.0.status, error.0.code), (400, "body_broken"));
    }

    #[test]
    fn a_deep_body_is_refused_before_it_is_parsed() {
        let bomb = "[".repeat(10_000);
        assert_eq!(parse::<Seats>(bomb.as_bytes()).unwrap_err().0.code, "body_too_deep");
        assert_eq!(depth(br#"{"a":"[[[[","b":[1]}"#), 2);
    }
}
