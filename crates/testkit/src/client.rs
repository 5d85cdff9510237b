//! HTTP as one user.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::Worker;

/// How long a request is repeated while the server says that it is busy.
const SETTLE_MAX: Duration = Duration::from_mins(1);
/// Without a `Retry-After`.
const BUSY_PAUSE_SECS: u64 = 1;

/// A client of one user, or of nobody. Clones are the same user.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    workers: Arc<[Worker]>,
    turn: Arc<AtomicUsize>,
    pinned: Option<usize>,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, workers: Arc<[Worker]>) -> Self {
        Self { http, workers, turn: Arc::default(), pinned: None, token: None }
    }

    /// The same user at one worker only.
    #[must_use]
    pub fn at(&self, worker: usize) -> Self {
        Self { pinned: Some(worker), ..self.clone() }
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The access token, if somebody is signed in.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// `GET`.
    pub fn get(&self, path: impl AsRef<str>) -> Ask {
        self.ask(Method::GET, path)
    }

    /// `POST` with JSON and a fresh key.
    pub fn post(&self, path: impl AsRef<str>, body: Value) -> Ask {
        self.ask(Method::POST, path).json(&body)
    }

    /// `PUT` with JSON and a fresh key.
    pub fn put(&self, path: impl AsRef<str>, body: Value) -> Ask {
        self.ask(Method::PUT, path).json(&body)
    }

    /// `PATCH` with JSON and a fresh key.
    pub fn patch(&self, path: impl AsRef<str>, body: Value) -> Ask {
        self.ask(Method::PATCH, path).json(&body)
    }

    /// `DELETE`.
    pub fn delete(&self, path: impl AsRef<str>) -> Ask {
        self.ask(Method::DELETE, path)
    }

    /// Any method. What writes gets a fresh `Idempotency-Key`.
    pub fn ask(&self, method: Method, path: impl AsRef<str>) -> Ask {
        let key = (method != Method::GET).then(|| uuid::Uuid::new_v4().to_string());
        Ask {
            client: self.clone(),
            method,
            path: path.as_ref().to_owned(),
            key,
            headers: Vec::new(),
            body: None,
        }
    }

    fn base(&self) -> Result<String> {
        let turn = self.pinned.unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed));
        let worker = self.workers.get(turn % self.workers.len()).context("there is no worker")?;
        Ok(worker.base())
    }
}

/// A request to be sent: `.await` sends it once, `.settled().await` until it is decided.
#[derive(Clone, Debug)]
#[must_use = "it is sent by .await"]
pub struct Ask {
    client: Client,
    method: Method,
    path: String,
    key: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Ask {
    /// Under this `Idempotency-Key`.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Without an `Idempotency-Key`.
    pub fn without_key(mut self) -> Self {
        self.key = None;
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    /// With these bytes as body, said to be JSON unless a header says otherwise.
    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it, and again with the same key while the answer is 503 or 408, or says that the first
    /// request with the key still runs, as a client should: after the pause that the server asks
    /// for, give or take a half, so that not all come back at once.
    ///
    /// # Errors
    /// When no answer comes, or none that settles it within a minute.
    pub async fn settled(self) -> Result<Answered> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let answer = self.clone().await?;
            if ![408, 503].contains(&answer.status) && answer.code() != "in_progress" {
                return Ok(answer);
            }
            if Instant::now() >= deadline {
                bail!("still {} after {SETTLE_MAX:?}: {}", answer.status, answer.text);
            }
            let asked = answer.header("Retry-After").and_then(|secs| secs.parse().ok());
            let millis = 1000 * asked.unwrap_or(BUSY_PAUSE_SECS);
            let die = u64::from(uuid::Uuid::new_v4().as_fields().0);
            tokio::time::sleep(Duration::from_millis(millis / 2 + die % (millis + 1))).await;
        }
    }

    async fn send(self) -> Result<Answered> {
        let asked = format!("{} {}", self.method, self.path);
        let url = format!("{}{}", self.client.base()?, self.path);
        let mut request = self.client.http.request(self.method, url);
        if let Some(token) = &self.client.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &self.key {
            request = request.header("Idempotency-Key", key);
        }
        let is_json =
            !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            if is_json {
                request = request.header("Content-Type", "application/json");
            }
            request = request.body(body);
        }
        let answer = request.send().await.with_context(|| asked.clone())?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.with_context(|| asked.clone())?.to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answered { asked, status, headers, json, text, bytes })
    }
}

impl IntoFuture for Ask {
    type Output = Result<Answered>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Method and path of the request.
    pub asked: String,
    /// HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The body, null where it is not JSON.
    pub json: Value,
    /// The body as text.
    pub text: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answered {
    /// The body, if the status is `status`.
    ///
    /// # Errors
    /// With the whole answer, if it is another.
    pub fn expect(self, status: u16) -> Result<Value> {
        ensure!(self.status == status, "{} gave {}: {}", self.asked, self.status, self.text);
        Ok(self.json)
    }

    /// The value of a header, if there is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The problem's code; empty where the answer is none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// Checks a refusal: status, code, and all that a problem must have.
    ///
    /// # Errors
    /// With the whole answer, if something is missing.
    pub fn refused(&self, status: u16, code: &str) -> Result<()> {
        let text = |name: &str| self.json.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = self.header("content-type").unwrap_or_default();
        let whole = self.status == status
            && self.code() == code
            && kind.starts_with("application/problem+json")
            && self.json.get("status").and_then(Value::as_u64) == Some(status.into())
            && text("detail").len() >= 10
            && ["type", "title", "requestId"].iter().all(|name| !text(name).is_empty());
        ensure!(
            whole,
            "{} should be refused with {status} {code}, gave {} {kind}: {}",
            self.asked,
            self.status,
            self.text
        );
        Ok(())
    }
}
