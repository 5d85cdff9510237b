//! Whoever asks too often waits, and nobody else does.

use std::future::IntoFuture as _;

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use testkit::{Bed, Client};

/// How many of forty requests at once were let through, and a refusal's `Retry-After`. One after
/// the other they might be slower than the rate.
async fn passed(client: &Client, path: &str, from: &str) -> Result<(usize, Option<String>)> {
    let (mut passed, mut wait) = (0, None);
    let asks = (0..40).map(|_| client.get(path).header("X-Forwarded-For", from).into_future());
    for answer in try_join_all(asks).await? {
        if answer.status == 429 {
            answer.refused(429, "too_many_requests")?;
            wait = answer.header("Retry-After").map(str::to_owned);
        } else {
            passed += 1;
        }
    }
    Ok((passed, wait))
}

#[tokio::test]
async fn a_user_who_asks_too_often_waits_and_others_do_not() -> Result<()> {
    let bed = Bed::with().env("REQUESTS_PER_USER", "3").start().await?;
    let (house, calm) = (bed.house().await?, bed.person().await?);
    let (through, wait) = passed(house.owner(), &house.path(""), "198.51.100.1").await?;
    assert!(through < 40, "all went through");
    let secs: u32 = wait.context("there is no Retry-After")?.parse()?;
    assert!((1..=5).contains(&secs), "{secs}");
    calm.get("/api/v1/auth/me").await?.expect(200)?;
    let limits = calm.get("/api/v1/limits").await?.expect(200)?;
    assert_eq!(limits["requestsPerUserPerSec"], 3);
    assert_eq!(limits["requestsPerVenuePerSec"], 0);
    Ok(())
}

#[tokio::test]
async fn an_address_is_what_trusted_proxies_say() -> Result<()> {
    let bed = Bed::with().env("REQUESTS_PER_ADDRESS", "3").start().await?;
    let anyone = bed.anyone();
    let (one, _) = passed(&anyone, "/api/v1/limits", "198.51.100.1").await?;
    assert!(one < 40, "all went through");
    let (first, _) = passed(&anyone, "/api/v1/limits", "198.51.100.2").await?;
    assert!(first >= 3, "another address has its own rate");
    // The control: where no proxy is trusted, the header changes nothing.
    let distrustful =
        Bed::with().env("REQUESTS_PER_ADDRESS", "3").env("TRUSTED_PROXIES", "").start().await?;
    let anyone = distrustful.anyone();
    let asks = (0..40).map(|number| {
        let from = format!("198.51.100.{number}");
        anyone.get("/api/v1/limits").header("X-Forwarded-For", &from).into_future()
    });
    let answers = try_join_all(asks).await?;
    let through = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(through < 40, "a header chose the address");
    Ok(())
}

#[tokio::test]
async fn a_head_has_at_most_16_kib() -> Result<()> {
    let bed = Bed::start(1).await?;
    let ask =
        |bytes: usize| bed.anyone().get("/api/v1/limits").header("X-Long", &"x".repeat(bytes));
    ask(15_000).await?.expect(200)?;
    ask(17_000).await?.refused(431, "head_too_large")?;
    let long = format!("/api/v1/limits?x={}", "x".repeat(17_000));
    bed.anyone().get(long).await?.refused(431, "head_too_large")?;
    let limits = ask(1).await?.expect(200)?;
    assert_eq!(limits["headBytes"], 16 * 1024, "what is said is what is done");
    Ok(())
}
