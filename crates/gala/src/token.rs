//! The secrets of guests and captains, in headers: paths and queries end in logs.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use edge::Rejection;
use edge::late::{Late, late};
use kernel::problem::Problem;
use pg::OnceKey;
use utoipa::IntoParams;

use crate::secret;

/// The right of a party.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("Guest-Token"), parameter_in = Header)]
pub struct GuestToken(
    /// The `token` of the guest session.
    pub String,
);

/// The right of a table's captain.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("Captain-Token"), parameter_in = Header)]
pub struct CaptainToken(
    /// The `token` of the captain's link.
    pub String,
);

impl GuestToken {
    pub(crate) fn hash(&self) -> Vec<u8> {
        secret::hash(&self.0)
    }
}

impl CaptainToken {
    pub(crate) fn hash(&self) -> Vec<u8> {
        secret::hash(&self.0)
    }
}

/// The key of somebody without an account is theirs alone: all of them are nobody to the log of
/// keys, and one may not get the answer of another.
pub(crate) fn own_key(key: Option<OnceKey>, token_hash: &[u8]) -> Option<OnceKey> {
    use std::fmt::Write as _;
    key.map(|key| {
        let own = edge::token::sha256(&[token_hash, key.key.as_bytes()].concat());
        let hex = own.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        OnceKey { key: hex, ..key }
    })
}

fn header(request: &HttpRequest, name: &'static str) -> Option<String> {
    request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

impl FromRequest for GuestToken {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = header(request, "Guest-Token").map(Self).ok_or_else(|| {
            let detail = "Send the token of the guest session in the header Guest-Token.";
            Problem::new(400, "gala.token_missing", "The guest token is missing", detail).into()
        });
        late(request, token)
    }
}

impl FromRequest for CaptainToken {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let token = header(request, "Captain-Token").map(Self).ok_or_else(|| {
            let detail = "Send the token of the captain's link in the header Captain-Token.";
            Problem::new(400, "gala.token_missing", "The captain's token is missing", detail).into()
        });
        late(request, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_guests_with_one_key_have_two() {
        let key = || {
            let key = "0123456789".to_owned();
            Some(OnceKey { key, route: "POST /x".to_owned(), body_hash: Vec::new() })
        };
        let mine = own_key(key(), &secret::hash("mine")).unwrap();
        let yours = own_key(key(), &secret::hash("yours")).unwrap();
        assert_ne!(mine.key, yours.key);
        assert!(mine.key.len() <= edge::limits::KEY_MAX_CHARS);
        assert!(own_key(None, &[]).is_none());
    }
}
