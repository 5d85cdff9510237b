//! What a page in a browser, and a service beside this one, are told by headers and keys.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answered, Bed, Client};

use crate::sale::text;

/// The page of the venue.
const OURS: &str = "https://tickets.example.org";
/// Somebody else's page.
const THEIRS: &str = "https://evil.example.org";
/// Where only who is signed in may read.
const ME: &str = "/api/v1/auth/me";
const LOGIN: &str = "/api/v1/auth/login";

/// What a browser asks before it sends a page's request.
async fn preflight(client: &Client, origin: &str) -> Result<Answered> {
    let asked = client.ask(Method::OPTIONS, LOGIN).without_key().header("origin", origin);
    let asked = asked.header("access-control-request-method", "POST");
    asked.header("access-control-request-headers", "content-type,idempotency-key").await
}

fn allowed(answer: &Answered) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn only_pages_of_named_origins_may_call() -> Result<()> {
    let bed = Bed::with().env("CORS_ORIGINS", OURS).start().await?;
    let anyone = bed.anyone();
    let ours = preflight(&anyone, OURS).await?;
    assert_eq!((ours.status, allowed(&ours)), (200, Some(OURS)), "{}", ours.text);
    let headers = ours.header("access-control-allow-headers").unwrap_or_default();
    assert!(headers.to_lowercase().contains("idempotency-key"), "{headers}");
    assert_eq!(ours.header("access-control-allow-credentials"), None, "tokens are in a header");
    let theirs = preflight(&anyone, THEIRS).await?;
    assert_eq!(allowed(&theirs), None, "{}", theirs.status);

    // What the page reads of an answer, a refusal too, and what another page does not.
    let read = |origin| anyone.get(ME).header("origin", origin);
    let ours = read(OURS).await?;
    assert_eq!((ours.status, allowed(&ours)), (401, Some(OURS)));
    let shown = ours.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
    for name in ["rowlock-pos", "etag", "retry-after", "x-request-id", "location"] {
        assert!(shown.contains(name), "{name} is not in {shown}");
    }
    assert_eq!(allowed(&read(THEIRS).await?), None);
    Ok(())
}

#[tokio::test]
async fn without_a_setting_no_page_may_call() -> Result<()> {
    let bed = Bed::start(1).await?;
    assert_eq!(allowed(&preflight(&bed.anyone(), OURS).await?), None);
    Ok(())
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_guessing_and_keeping() -> Result<()> {
    let bed = Bed::start(1).await?;
    let person = bed.person().await?;
    let wrong = json!({"email": "ana"});
    let answers = [
        (200, person.get(ME).await?),
        (401, bed.anyone().get(ME).await?),
        (404, person.get("/api/v1/nothing").await?),
        (422, bed.anyone().post(LOGIN, wrong).await?),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{}: {}", answer.asked, answer.text);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {}", answer.asked);
        }
    }
    Ok(())
}

fn part(token: &str, number: usize) -> Result<Vec<u8>> {
    let text = token.split('.').nth(number).context("a token has three parts")?;
    Ok(URL_SAFE_NO_PAD.decode(text)?)
}

/// As a service does it that knows the address of the keys alone.
fn verified(keys: &Value, token: &str) -> Result<Value> {
    let header: Value = serde_json::from_slice(&part(token, 0)?)?;
    let key = keys["keys"].as_array().into_iter().flatten().find(|key| key["kid"] == header["kid"]);
    let key = key.context("its key is not published")?;
    ensure!(key["kty"] == "OKP" && key["crv"] == "Ed25519", "{key}");
    let public = URL_SAFE_NO_PAD.decode(text(key, "/x")?)?;
    let (signed, _) = token.rsplit_once('.').context("a token has three parts")?;
    let checked = UnparsedPublicKey::new(&ED25519, &public)
        .verify(signed.as_bytes(), &part(token, 2)?)
        .map_err(|_| anyhow::anyhow!("the signature is another's"));
    checked?;
    Ok(serde_json::from_slice(&part(token, 1)?)?)
}

#[tokio::test]
async fn another_service_verifies_a_token_by_the_published_keys() -> Result<()> {
    let bed = Bed::start(1).await?;
    let person = bed.person().await?;
    let keys = bed.anyone().get("/.well-known/jwks.json").await?.expect(200)?;
    let token = person.token().context("signed in")?;
    let me = person.get(ME).await?.expect(200)?;
    assert_eq!(text(&verified(&keys, token)?, "/sub")?, text(&me, "/user/id")?);
    for key in keys["keys"].as_array().into_iter().flatten() {
        assert_eq!(key.get("d"), None, "the secret half stays here");
    }

    // The control: one letter of what it says is another.
    let (head, rest) = token.split_once('.').context("a token has three parts")?;
    let (body, signature) = rest.split_once('.').context("a token has three parts")?;
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body)?)?;
    claims["sub"] = json!("00000000-0000-0000-0000-000000000000");
    let forged = URL_SAFE_NO_PAD.encode(claims.to_string());
    assert!(verified(&keys, &format!("{head}.{forged}.{signature}")).is_err());
    Ok(())
}
