//! The `If-Match` header: the version that a change was decided on.

use actix_web::dev::Payload;
use actix_web::http::header::IF_MATCH;
use actix_web::{FromRequest, HttpRequest};
use kernel::problem::Problem;

use crate::late::{Late, late};
use crate::rejection::Rejection;

/// The version that the client has seen, if it said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

impl FromRequest for IfMatch {
    type Error = Rejection;
    type Future = Late<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(value) = request.headers().get(IF_MATCH) else {
            return late(request, Ok(Self(None)));
        };
        let seen = read(value.to_str().unwrap_or_default()).ok_or_else(|| {
            let detail = "Give the ETag of the answer that you saw, like \"7\", or leave it away.";
            Problem::new(400, "bad_if_match", "The If-Match cannot be used", detail).into()
        });
        late(request, seen)
    }
}

/// `"7"`, `W/"7"` (a proxy that compresses may weaken it) or `*`, which is any version.
fn read(text: &str) -> Option<IfMatch> {
    let text = text.trim();
    if text == "*" {
        return Some(IfMatch(None));
    }
    let text = text.strip_prefix("W/").unwrap_or(text);
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    digits.parse().ok().map(|version| IfMatch(Some(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_read_back() {
        assert_eq!(read("\"7\""), Some(IfMatch(Some(7))));
        assert_eq!(read("W/\"7\""), Some(IfMatch(Some(7))));
        assert_eq!(read("*"), Some(IfMatch(None)));
        for wrong in ["", "7", "\"x\"", "\"7", "\"7\", \"8\""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
