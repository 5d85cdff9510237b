//! The attacks on signing in at full scale. Minutes long, and their times need a calm machine, so
//! they run by hand:
//!
//! `cargo nextest run -p rowlock --features rowlock/controls --run-ignored only accounts_scale`

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use testkit::{Bed, Client};

const WRONG: &str = "not the right one 42";
/// Guesses at once.
const AT_ONCE: usize = 100;

async fn guess(anyone: &Client, email: &str, from: String) -> Result<u16> {
    let body = json!({"email": email, "password": WRONG});
    let ask = anyone.post("/api/v1/auth/login", body).header("X-Forwarded-For", &from);
    Ok(ask.await?.status)
}

/// How many of so many guesses were looked at.
async fn judged(bed: &Bed, guesses: impl Iterator<Item = (String, String)>) -> Result<usize> {
    let anyone = bed.anyone();
    let all = stream::iter(guesses).map(|(email, from)| {
        let anyone = anyone.clone();
        async move { guess(&anyone, &email, from).await }
    });
    let statuses: Vec<u16> = all.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(statuses.into_iter().filter(|status| *status == 401).count())
}

fn address(n: usize) -> String {
    format!("10.{}.{}.{}", 100 + n / 65_536, n / 256 % 256, n % 256)
}

/// So many accounts with the password of one.
async fn crowd(bed: &Bed, count: usize) -> Result<()> {
    bed.person().await?;
    let sql = format!(
        "insert into identity.user (id, email, name, password_hash, created_at)
         select gen_random_uuid(), 'crowd-' || n || '@example.org', 'Crowd', u.password_hash, now()
         from generate_series(0, {count} - 1) n, (select password_hash from identity.user limit 1) u"
    );
    bed.sql().await?.run(&sql).await
}

/// The 99th of a hundred of what others wait meanwhile.
async fn others(bed: &Bed, so_many: usize) -> Result<Duration> {
    let mut waits = Vec::new();
    for _ in 0..so_many {
        let begun = Instant::now();
        bed.anyone().get("/api/v1/limits").await?.expect(200)?;
        waits.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waits.sort_unstable();
    waits.get(waits.len() * 99 / 100).copied().context("nothing was measured")
}

/// A5: ten thousand guesses at one account, each from another address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes long"]
async fn ten_thousand_guesses_at_one_account() -> Result<()> {
    let bed = Bed::start(2).await?;
    let ana = bed.person().await?;
    ana.sign_in().await?;
    let calm = others(&bed, 300).await?;
    let email = ana.email().to_owned();
    let guesses = (0..10_000).map(|n| (email.clone(), address(n)));
    let (judged, busy) = tokio::join!(judged(&bed, guesses), others(&bed, 300));
    let (judged, busy) = (judged?, busy?);
    println!("judged {judged} of 10000; others wait {calm:?} (p99) before, {busy:?} during");
    ensure!(judged <= 100, "{judged} guesses were judged within an hour");
    // The owner, from where she signs in as a rule, is not locked out.
    ana.sign_in().await.map(drop)
}

/// A5: one password at ten thousand accounts, from a hundred addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes long"]
async fn one_password_at_ten_thousand_accounts() -> Result<()> {
    let bed = Bed::start(2).await?;
    crowd(&bed, 10_000).await?;
    let begun = Instant::now();
    let guesses = (0..10_000).map(|n| (format!("crowd-{n}@example.org"), address(n % 100)));
    let judged = judged(&bed, guesses).await?;
    // Twenty a minute and address.
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60 + 1)?;
    println!("judged {judged} of 10000 in {:?}", begun.elapsed());
    ensure!(judged <= 100 * 20 * (minutes + 1), "{judged} in {minutes} minutes");
    Ok(())
}

/// A6: a thousand pairs of one who has an account and one who has none.
#[tokio::test]
#[ignore = "minutes long"]
async fn a_thousand_pairs_are_not_told_apart_by_time() -> Result<()> {
    let bed = Bed::with().env("SIGN_INS_PER_MINUTE", "1000000").start().await?;
    crowd(&bed, 1000).await?;
    let (mut times, anyone) = ([Vec::new(), Vec::new()], bed.anyone());
    for n in 0..1000 {
        // Whoever comes first in one pair comes second in the next.
        for who in [n % 2, 1 - n % 2] {
            let email = if who == 0 {
                format!("crowd-{n}@example.org")
            } else {
                format!("nobody-{n}@example.org")
            };
            let begun = Instant::now();
            ensure!(guess(&anyone, &email, address(n)).await? == 401, "{email}");
            times[who].push(begun.elapsed());
        }
    }
    let [known, unknown] = times.map(median);
    let apart = known.abs_diff(unknown).as_secs_f64() / unknown.as_secs_f64();
    println!("{known:?} for an account, {unknown:?} without: {:.1} % apart", apart * 100.0);
    ensure!(apart < 0.05, "{known:?} for an account, {unknown:?} without");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
