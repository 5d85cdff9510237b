//! The first owner of a fresh server: one token, shown once, good for one owner.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Answered, Bed, Client, PATIENCE, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const WORKERS: usize = 3;
const PREFIX: &str = "rls_";

/// The tokens that the workers' terminals have shown.
fn shown(bed: &Bed) -> Vec<String> {
    let logs: String = bed.workers().iter().map(testkit::Worker::log).collect();
    let words = logs.split_whitespace().filter(|word| word.starts_with(PREFIX));
    words.map(str::to_owned).collect()
}

fn only(bed: &Bed) -> Result<String> {
    let tokens = shown(bed);
    ensure!(tokens.len() == 1, "shown: {}", tokens.len());
    tokens.into_iter().next().context("no token")
}

async fn set_up(client: &Client, token: &str, number: usize) -> Result<Answered> {
    let body = json!({
        "token": token, "name": format!("Owner {number}"),
        "email": format!("owner-{number}@example.org"), "password": "otters fly low at dawn",
        "venue": {"name": "Teatro Aurora", "timeZone": "Europe/Lisbon", "currency": "EUR"},
    });
    let ask = client.post("/api/v1/auth/setup", body);
    ask.header("X-Forwarded-For", &format!("10.1.1.{number}")).settled().await
}

/// Twenty want to be the first owner at the same moment; how many are.
async fn rush(bed: &Bed, token: &str) -> Result<usize> {
    let start = Arc::new(Barrier::new(20));
    let mut running = JoinSet::new();
    for n in 0..20 {
        let (client, start, token) =
            (bed.anyone().at(n % WORKERS), start.clone(), token.to_owned());
        running.spawn(async move {
            start.wait().await;
            set_up(&client, &token, n).await
        });
    }
    let answers: Result<Vec<_>> = running.join_all().await.into_iter().collect();
    let answers = answers?;
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(410, "identity.setup_over")?;
    }
    Ok(answers.iter().filter(|answer| answer.status == 201).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_20_who_set_a_server_up_at_once_one_is_its_owner() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let token = only(&bed)?;
    let sql = bed.sql().await?;
    let kept: String = sql.value("select s::text from identity.setup s", &[]).await?;
    ensure!(!kept.contains(&token), "the database keeps the token");
    set_up(&bed.anyone(), "rls_guess", 30).await?.refused(410, "identity.setup_over")?;
    ensure!(rush(&bed, &token).await? == 1, "one owner");
    let owners: i64 =
        sql.value("select count(*) from identity.member where role = 'owner'", &[]).await?;
    let users: i64 = sql.value("select count(*) from identity.user", &[]).await?;
    ensure!((owners, users) == (1, 1), "{owners} owners, {users} users");
    let left: i64 = sql.value("select count(*) from identity.setup", &[]).await?;
    ensure!(left == 0, "the token is still there");
    // Nobody is offered one again.
    bed.worker(0)?.kill()?;
    bed.restart(0).await?;
    only(&bed).map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_lock_the_token_makes_several_owners() -> Result<()> {
    // A control may be lucky once.
    for _ in 0..3 {
        let options = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks");
        let bed = options.start().await?;
        let token = shown(&bed).pop().context("no token")?;
        // Whoever has found the token good waits here: the race is wide open.
        let sql = bed.sql().await?;
        sql.run("begin; lock table identity.session in share row exclusive mode").await?;
        let waiting = bed.sql().await?;
        let opened = async {
            let several = "select count(*) from pg_locks
                where not granted and relation = 'identity.session'::regclass";
            let met = wait_until("several have found it good", PATIENCE, async || {
                Ok((waiting.value::<i64>(several, &[]).await? > 1).then_some(()))
            });
            // Whoever waits for a second gives up, so they may never meet: that is no failure yet.
            drop(met.await);
            sql.run("commit").await
        };
        let (owners, opened) = tokio::join!(rush(&bed, &token), opened);
        opened?;
        if owners? > 1 {
            return Ok(());
        }
    }
    anyhow::bail!("the lock is not what makes it one owner")
}

#[tokio::test]
async fn the_token_is_over_after_an_hour_and_once_there_is_a_user() -> Result<()> {
    let bed = Bed::start(1).await?;
    let first = only(&bed)?;
    bed.sql().await?.run("update identity.setup set expires_at = now() - interval '1 s'").await?;
    set_up(&bed.anyone(), &first, 1).await?.refused(410, "identity.setup_over")?;
    // A new start shows another.
    bed.worker(0)?.kill()?;
    bed.restart(0).await?;
    let tokens = shown(&bed);
    let second = tokens.get(1).context("no second token")?;
    ensure!(*second != first, "the same token");
    set_up(&bed.anyone(), &first, 2).await?.refused(410, "identity.setup_over")?;
    bed.person().await?;
    set_up(&bed.anyone(), second, 3).await?.refused(410, "identity.setup_over")?;
    Ok(())
}

#[tokio::test]
async fn the_first_user_of_the_environment_needs_no_token() -> Result<()> {
    let password = "otters fly low at dawn";
    let options = Bed::with().workers(2).env("ADMIN_EMAIL", "ada@example.org");
    let bed = options.env("ADMIN_PASSWORD", password).start().await?;
    ensure!(shown(&bed).is_empty(), "a token was shown");
    let body = json!({"email": "ada@example.org", "password": password});
    let tokens = bed.anyone().post("/api/v1/auth/login", body).await?.expect(200)?;
    ensure!(tokens.pointer("/user/email") == Some(&Value::from("ada@example.org")), "{tokens}");
    Ok(())
}
