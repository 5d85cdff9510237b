//! Stripe: `PaymentIntents` over HTTPS, and webhooks that it signs.

mod signature;
mod wire;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::model::CardStep;
use crate::provider::{
    Asking, BadMessage, Charge, GiveBack, Intent, IntentStatus, Message, Provider, ProviderError,
    Returned,
};
use wire::{Failure, StripeIntent, StripeRefund};

/// Its name in paths and rows.
pub const NAME: &str = "stripe";
/// The version of Stripe's API that `wire` reads.
const VERSION: &str = "2024-06-20";
/// One answer. Less than a handler has: whoever waits is told in time.
const ANSWER_MAX: Duration = Duration::from_secs(4);
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Characters of Stripe's words that are kept.
const WORDS_MAX: usize = 200;

/// How to reach Stripe.
#[derive(Clone)]
pub struct StripeConfig {
    /// `https://api.stripe.com`.
    pub url: String,
    /// `sk_…`.
    pub secret_key: String,
    /// `whsec_…`.
    pub webhook_secret: String,
    /// `pk_…`, for the customer's form.
    pub publishable_key: Option<String>,
}

/// Stripe.
pub struct Stripe {
    config: StripeConfig,
    http: Client,
}

impl Stripe {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// A sentence when TLS cannot be set up.
    pub fn new(config: StripeConfig) -> Result<Self, String> {
        let http = Client::builder()
            .timeout(ANSWER_MAX)
            .connect_timeout(CONNECT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("the way to Stripe cannot be set up: {error}"))?;
        Ok(Self { config, http })
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.asked(self.http.post(format!("{}{path}", self.config.url)))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.asked(self.http.get(format!("{}{path}", self.config.url)))
    }

    fn asked(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.config.secret_key).header("Stripe-Version", VERSION)
    }

    fn intent(&self, found: StripeIntent) -> Intent {
        let status = found.status();
        let step = CardStep {
            provider: NAME.to_owned(),
            intent: found.id,
            client_secret: found.client_secret.unwrap_or_default(),
            publishable_key: self.config.publishable_key.clone(),
        };
        Intent { step, status }
    }
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn charge(&self, charge: Charge) -> Asking<'_, Intent> {
        Box::pin(async move {
            let form = [
                ("amount", charge.sum.amount.to_string()),
                ("currency", charge.sum.currency.as_str().to_lowercase()),
                ("payment_method_types[0]", "card".to_owned()),
                ("metadata[venue]", charge.venue.to_string()),
                ("metadata[payment]", charge.payment.to_string()),
            ];
            let request = self
                .post("/v1/payment_intents")
                .header("Idempotency-Key", format!("rowlock-charge-{}", charge.payment))
                .form(&form);
            Ok(self.intent(send(request).await?))
        })
    }

    fn look<'a>(&'a self, reference: &'a str) -> Asking<'a, Intent> {
        Box::pin(async move {
            let path = format!("/v1/payment_intents/{}", segment(reference)?);
            Ok(self.intent(send(self.get(&path)).await?))
        })
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Asking<'a, Intent> {
        Box::pin(async move {
            let path = format!("/v1/payment_intents/{}/cancel", segment(reference)?);
            match send(self.post(&path)).await {
                // Somebody has paid it, or cancelled it, a moment before: the look says which.
                Err(ProviderError::Refused(_)) => self.look(reference).await,
                answer => Ok(self.intent(answer?)),
            }
        })
    }

    fn give_back(&self, back: GiveBack) -> Asking<'_, Returned> {
        Box::pin(async move {
            let form = [
                ("payment_intent", back.reference),
                ("amount", back.sum.amount.to_string()),
                ("metadata[venue]", back.venue.to_string()),
                ("metadata[refund]", back.refund.to_string()),
            ];
            let request = self
                .post("/v1/refunds")
                .header("Idempotency-Key", format!("rowlock-refund-{}", back.refund))
                .form(&form);
            Ok(send::<StripeRefund>(request).await?.returned())
        })
    }

    fn look_back<'a>(&'a self, reference: &'a str) -> Asking<'a, Returned> {
        Box::pin(async move {
            let path = format!("/v1/refunds/{}", segment(reference)?);
            Ok(send::<StripeRefund>(self.get(&path)).await?.returned())
        })
    }

    fn read(&self, header: &str, body: &[u8], now: Timestamp) -> Result<Message, BadMessage> {
        signature::check(&self.config.webhook_secret, header, body, now)?;
        wire::message(body).ok_or(BadMessage::Shape)
    }

    fn signature_header(&self) -> &'static str {
        "Stripe-Signature"
    }
}

/// Part of a path: Stripe's ids are letters, digits and underscores.
fn segment(reference: &str) -> Result<&str, ProviderError> {
    let plain = reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !reference.is_empty() {
        Ok(reference)
    } else {
        Err(ProviderError::Refused("that is not one of its ids".to_owned()))
    }
}

async fn send<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, ProviderError> {
    let away = |error: reqwest::Error| ProviderError::Away(error.without_url().to_string());
    let answer = request.send().await.map_err(away)?;
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(away);
    }
    Err(refusal(status, answer).await)
}

async fn refusal(status: StatusCode, answer: Response) -> ProviderError {
    let failure: Failure = answer.json().await.unwrap_or_default();
    let words: String = failure.error.message.unwrap_or_default().chars().take(WORDS_MAX).collect();
    let words = format!("{} {words}", status.as_u16());
    // Wrong keys and limits are ours to mend, and pass; 409 is the same key still running.
    let passes = status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 409 | 429);
    if passes { ProviderError::Away(words) } else { ProviderError::Refused(words) }
}

impl StripeIntent {
    fn status(&self) -> IntentStatus {
        match self.status.as_str() {
            "succeeded" => IntentStatus::Paid(self.amount_received.unwrap_or(self.amount)),
            "canceled" => IntentStatus::Over,
            _ => {
                let error = self.last_payment_error.as_ref().and_then(|error| error.code.clone());
                IntentStatus::Open(error)
            }
        }
    }
}
