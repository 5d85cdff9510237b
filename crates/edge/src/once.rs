//! The `Idempotency-Key` header.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use kernel::problem::Problem;
use pg::OnceKey;

use crate::body::Body;
use crate::late::{Late, late};
use crate::limits::{KEY_MAX_CHARS, KEY_MIN_CHARS};
use crate::rejection::Rejection;
use crate::upload::Upload;

const HEADER: &str = "Idempotency-Key";

/// The key of a write that must have one: where seats or money move.
#[derive(Clone, Debug)]
pub struct Once(OnceKey);

/// The key of a write that may have one.
#[derive(Clone, Debug)]
pub struct OnceIfGiven(Option<OnceKey>);

impl Once {
    /// The key for a write with this body.
    #[must_use]
    pub fn of<T>(mut self, body: &Body<T>) -> Option<OnceKey> {
        self.0.body_hash = body.hash.to_vec();
        Some(self.0)
    }

    /// The key for a write of this file.
    #[must_use]
    pub fn of_upload(mut self, upload: &Upload) -> Option<OnceKey> {
        self.0.body_hash = upload.hash.to_vec();
        Some(self.0)
    }

    /// The key for a write without a body.
    #[must_use]
    pub fn alone(self) -> Option<OnceKey> {
        Some(self.0)
    }
}

impl OnceIfGiven {
    /// The key for a write with this body.
    #[must_use]
    pub fn of<T>(self, body: &Body<T>) -> Option<OnceKey> {
        self.0.and_then(|key| Once(key).of(body))
    }

    /// The key for a write of this file.
    #[must_use]
    pub fn of_upload(self, upload: &Upload) -> Option<OnceKey> {
        self.0.and_then(|key| Once(key).of_upload(upload))
    }

    /// The key for a write without a body.
    #[must_use]
    pub fn alone(self) -> Option<OnceKey> {
        self.0
    }
}

impl FromRequest for Once {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let missing = || {
            Problem::new(
                400,
                "key_missing",
                "The Idempotency-Key is missing",
                "This operation needs the header Idempotency-Key: a fresh UUID per attempt to do \
                 something, the same one when you repeat it after a lost answer.",
            )
        };
        late(request, read(request).and_then(|key| key.map(Self).ok_or_else(|| missing().into())))
    }
}

impl FromRequest for OnceIfGiven {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        late(request, read(request).map(Self))
    }
}

fn read(request: &HttpRequest) -> Result<Option<OnceKey>, Rejection> {
    let Some(value) = request.headers().get(HEADER) else { return Ok(None) };
    // The draft wants the key in quotes, the field sends it bare: both are the same key.
    let key = value.to_str().unwrap_or_default().trim_matches('"');
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain || key.len() < KEY_MIN_CHARS || key.len() > KEY_MAX_CHARS {
        return Err(Problem::new(
            400,
            "key_invalid",
            "The Idempotency-Key cannot be used",
            format!(
                "A key has {KEY_MIN_CHARS} to {KEY_MAX_CHARS} printable ASCII characters without \
                 spaces; a UUID is a good one."
            ),
        )
        .into());
    }
    let route = format!("{} {}", request.method(), request.path());
    Ok(Some(OnceKey { key: key.to_owned(), route, body_hash: Vec::new() }))
}
