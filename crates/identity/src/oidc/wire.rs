//! HTTP to a provider: no redirects, bounded in time and size.

use std::time::Duration;

use openidconnect::http::response::Builder;
use openidconnect::{HttpRequest, HttpResponse};

/// How long one answer may take in all.
const ANSWER_MAX: Duration = Duration::from_secs(3);
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Bytes of an answer: a document, a set of keys, tokens.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// Why a provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the provider cannot be reached")]
    Away(#[from] reqwest::Error),
    #[error("the provider's answer is broken")]
    Broken(#[from] openidconnect::http::Error),
    #[error("the provider's answer has more than {ANSWER_MAX_BYTES} bytes")]
    Large,
}

/// The client of all providers. It follows no redirect: a provider that sends it elsewhere does not
/// choose whom this server talks to.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_MAX)
        .connect_timeout(CONNECT_MAX)
        .build()
}

/// One request and its whole answer.
pub(crate) async fn send(
    client: reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, WireError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let mut head = Builder::new().status(answer.status());
    for (name, value) in answer.headers() {
        head = head.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > ANSWER_MAX_BYTES {
            return Err(WireError::Large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(head.body(body)?)
}
