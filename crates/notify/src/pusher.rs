//! The way out for pushes: a signed call of the operator's service, as Standard Webhooks say.
//!
//! Which network a phone is reached through (Apple's, Google's, a text message) is the operator's
//! affair: their service knows the devices. It is told what happened, and can check who says so.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::json;

use crate::error::{MailError, NotAMailer};
use crate::store::pushes::Due;

/// How long the service may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How such secrets are usually written.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret, at least.
const SECRET_MIN_BYTES: usize = 24;

/// Sends pushes. Clones share its connections.
#[derive(Clone)]
pub struct Pusher(Option<Webhook>);

#[derive(Clone)]
struct Webhook {
    client: Client,
    url: Url,
    key: hmac::Key,
}

impl Pusher {
    /// Not at all: pushes are forgotten after a while.
    #[must_use]
    pub fn nobody() -> Self {
        Self(None)
    }

    /// Through the service at `url`, signed with `secret`.
    ///
    /// # Errors
    /// When the address is not https, or the secret is short.
    pub fn webhook(url: &str, secret: &str) -> Result<Self, NotAMailer> {
        let wrong = |text: &str| NotAMailer(text.to_owned());
        let url: Url = url.parse().map_err(|_| wrong("PUSH_URL is no address."))?;
        let here = url.host_str().is_some_and(|host| host == "127.0.0.1" || host == "localhost");
        if url.scheme() != "https" && !here {
            return Err(wrong("PUSH_URL would send names in the clear. Use https://…"));
        }
        let bytes = match secret.strip_prefix(SECRET_PREFIX) {
            Some(text) => {
                STANDARD.decode(text).map_err(|_| wrong("PUSH_SECRET is not whsec_ and base64."))?
            }
            None => secret.as_bytes().to_vec(),
        };
        if bytes.len() < SECRET_MIN_BYTES {
            return Err(wrong("PUSH_SECRET is short: give 24 random bytes, whsec_ and base64."));
        }
        let client = Client::builder().timeout(ANSWER_MAX).redirect(Policy::none()).build();
        let client = client.map_err(|_| wrong("PUSH_URL cannot be called from here."))?;
        Ok(Self(Some(Webhook { client, url, key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })))
    }

    /// Whether there is a service.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) async fn send(&self, push: &Due, now: Timestamp) -> Result<(), MailError> {
        let Some(webhook) = &self.0 else { return Err(MailError::NoWay) };
        let body = json!({"type": push.kind, "venueId": push.venue, "data": push.body}).to_string();
        let (id, at) = (push.id.to_string(), now.as_second());
        let request = webhook
            .client
            .post(webhook.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature(&webhook.key, &id, at, &body))
            .body(body);
        // The error could repeat the address, and with it what stands in its query.
        let answer = request.send().await.map_err(|_| MailError::Later("no answer".to_owned()))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(MailError::Refused("410".to_owned())),
            status => Err(MailError::Later(status.as_u16().to_string())),
        }
    }
}

fn signature(key: &hmac::Key, id: &str, at: i64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_of_the_standard() {
        let bytes = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let signed = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn names_leave_in_no_clear_text_and_under_no_short_secret() {
        assert!(Pusher::webhook("http://example.org/push", &"s".repeat(32)).is_err());
        assert!(Pusher::webhook("https://example.org/push", "short").is_err());
    }
}
