//! Attacks on signing in: guessing, finding out who is there, stolen refresh tokens, and rights
//! that were taken away.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Bed, Client, Heard, House, PATIENCE, Person, Socket, wait_until};

use crate::accounts::log_in;
use crate::sale::text;

fn guess(anyone: &Client, email: &str, from: &str) -> testkit::Ask {
    let body = json!({"email": email, "password": "not the right one 42"});
    anyone.post("/api/v1/auth/login", body).header("X-Forwarded-For", from)
}

/// A5: an account that is guessed at from everywhere.
#[tokio::test]
async fn a_hundred_guesses_at_once_are_few_and_the_owner_gets_in() -> Result<()> {
    let bed = Bed::start(2).await?;
    let ana = bed.person().await?;
    // From the address where she signs in as a rule.
    ana.sign_in().await?;
    let anyone = bed.anyone();
    let guesses = (0..100).map(|n| {
        let (anyone, email) = (anyone.clone(), ana.email().to_owned());
        let from = format!("10.77.{n}.1");
        tokio::spawn(async move { guess(&anyone, &email, &from).await.map(|a| a.status) })
    });
    let mut judged = 0;
    for guess in guesses.collect::<Vec<_>>() {
        judged += usize::from(guess.await?? == 401);
    }
    assert!((1..=7).contains(&judged), "{judged} guesses were judged");
    ana.sign_in().await?;
    Ok(())
}

/// A5: one password at many accounts, from one address.
#[tokio::test]
async fn one_address_tries_twenty_accounts_a_minute() -> Result<()> {
    let bed = Bed::start(1).await?;
    let mut judged = 0;
    for n in 0..60 {
        let answer = guess(&bed.anyone(), &format!("user-{n}@example.org"), "10.78.0.1").await?;
        judged += usize::from(answer.status == 401);
        if answer.status != 401 {
            answer.refused(429, "identity.too_many_attempts")?;
            assert!(answer.header("Retry-After").is_some());
        }
    }
    // A minute may end on the way.
    assert!((20..=40).contains(&judged), "{judged} accounts were tried");
    Ok(())
}

/// Pairs of one who has an account and one who has none.
const PAIRS: usize = 24;
/// What else the machine does looks like a difference: then so many pairs are added.
const BATCHES_MAX: usize = 4;
/// A thousand pairs on a calm machine stay below 5 %; two dozen beside others do not.
const APART_MAX: f64 = 0.25;

/// How long answers took: where there is an account and where there is none.
#[derive(Default)]
struct Took {
    log_ins: [Vec<Duration>; 2],
    links: [Vec<Duration>; 2],
    /// The control: what is answered without a hash.
    unhashed: Vec<Duration>,
}

impl Took {
    async fn measure(&mut self, bed: &Bed, known: &str, unknown: &str) -> Result<()> {
        let mut told = Vec::new();
        for (who, email) in [known, unknown].into_iter().enumerate() {
            let begun = Instant::now();
            let answer = guess(&bed.anyone(), email, "10.79.0.1").await?;
            self.log_ins[who].push(begun.elapsed());
            answer.refused(401, "identity.wrong_password")?;
            let path = "/api/v1/auth/password/reset-request";
            let begun = Instant::now();
            let link = bed.anyone().post(path, json!({"email": email})).await?;
            self.links[who].push(begun.elapsed());
            assert_eq!(link.status, 202);
            let mut problem = answer.json.clone();
            problem.as_object_mut().map(|fields| fields.remove("requestId"));
            told.push((problem, link.text));
        }
        assert_eq!(told[0], told[1]);
        let begun = Instant::now();
        let body = json!({"token": "rlp_nothing", "password": "otters fly low at dawn"});
        bed.anyone().post("/api/v1/auth/password/reset", body).await?;
        self.unhashed.push(begun.elapsed());
        Ok(())
    }

    /// What gives somebody away, or the control that does not.
    fn telling(&self) -> Option<String> {
        let (hashed, unhashed) = (median(self.log_ins[1].clone()), median(self.unhashed.clone()));
        if unhashed.as_secs_f64() >= hashed.as_secs_f64() * 0.75 {
            return Some(format!("no hash is not seen: {unhashed:?} of {hashed:?}"));
        }
        [("log in", &self.log_ins), ("link", &self.links)].into_iter().find_map(|(what, times)| {
            let [known, unknown] = times.clone().map(median);
            let apart = known.abs_diff(unknown).as_secs_f64() / unknown.as_secs_f64();
            (apart >= APART_MAX)
                .then(|| format!("{what}: {known:?} for an account, {unknown:?} without"))
        })
    }
}

/// A6: the answer and its time do not tell who has an account.
#[tokio::test]
async fn nobody_finds_out_who_has_an_account() -> Result<()> {
    let bed = Bed::with().env("SIGN_INS_PER_MINUTE", "100000").start().await?;
    let (mut took, mut telling) = (Took::default(), None);
    for batch in 0..BATCHES_MAX {
        let mut people = Vec::new();
        for _ in 0..PAIRS.div_ceil(4) {
            people.push(bed.person().await?);
        }
        for n in 0..PAIRS {
            let known = people[n % people.len()].email();
            took.measure(&bed, known, &format!("nobody-{batch}-{n}@example.org")).await?;
        }
        telling = took.telling();
        if telling.is_none() {
            return Ok(());
        }
    }
    anyhow::bail!("{telling:?} after {BATCHES_MAX} times {PAIRS} pairs")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A8: two tabs and a lost answer survive; a stolen token ends the session for both.
#[tokio::test]
async fn a_refresh_token_that_two_hold_ends_the_session() -> Result<()> {
    let bed = Bed::start(2).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let refresh = |worker: usize, token: &str| {
        let body = json!({"refreshToken": token});
        bed.anyone().at(worker).post("/api/v1/auth/refresh", body)
    };
    let old = ana.refresh_token().to_owned();
    let (first, second) =
        tokio::join!(async { refresh(0, &old).await }, async { refresh(1, &old).await });
    let (first, second) = (first?.expect(200)?, second?.expect(200)?);
    assert_eq!(first["refreshToken"], second["refreshToken"], "two tabs get the same successor");
    let third = refresh(0, &text(&first, "/refreshToken")?).await?.expect(200)?;
    let token = text(&third, "/accessToken")?;
    let mut socket = Socket::open(&bed.worker(1)?.address(), Some(&token)).await?;
    let live = bed.anyone().with_token(&token);
    live.get("/api/v1/auth/me").await?.expect(200)?;

    sql.run("update identity.refresh_token set used_at = used_at - interval '1 minute'").await?;
    let theft = Instant::now();
    refresh(0, &old).await?.refused(401, "identity.session_over")?;
    closed(&mut socket, 4503).await?;
    refused_everywhere(&bed, &token, "/api/v1/auth/me").await?;
    assert!(theft.elapsed() < Duration::from_secs(1), "{:?}", theft.elapsed());
    let newest = text(&third, "/refreshToken")?;
    refresh(1, &newest).await?.refused(401, "identity.session_over")?;
    Ok(())
}

/// Waits until each worker refuses the token.
async fn refused_everywhere(bed: &Bed, token: &str, path: &str) -> Result<()> {
    for worker in 0..bed.workers().len() {
        let client = bed.anyone().with_token(token).at(worker);
        wait_until("the token is refused", PATIENCE, async || {
            let answer = client.get(path).await?;
            Ok([401, 403, 404].contains(&answer.status).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn closed(socket: &mut Socket, code: u16) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(Heard::Closed(heard, _)) = socket.hear(Duration::from_millis(50)).await? {
            assert_eq!(heard, code);
            return Ok(());
        }
    }
    anyhow::bail!("the socket was not closed")
}

/// A9: an ended session, and a role that was taken away, with tokens that still live.
async fn rights_end_within(bed: &Bed, bound: Duration) -> Result<()> {
    let house = bed.house().await?;
    let (eva, control) = (house.member("manager").await?, house.member("manager").await?);
    let token = eva.token().unwrap_or_default().to_owned();
    let members = house.path("/members");
    for worker in 0..bed.workers().len() {
        eva.at(worker).get(&members).await?.expect(200)?;
    }
    let path = house.path(&format!("/members/{}", member_of(&house, &eva).await?));
    let begun = Instant::now();
    assert_eq!(house.owner().at(0).delete(path).await?.status, 204);
    refused_everywhere(bed, &token, &members).await?;
    assert!(begun.elapsed() < bound, "a role: {:?}", begun.elapsed());
    control.at(1).get(&members).await?.expect(200)?;

    let mut socket = Socket::open(&bed.worker(1)?.address(), control.token()).await?;
    let token = control.token().unwrap_or_default().to_owned();
    let begun = Instant::now();
    assert_eq!(control.at(0).post("/api/v1/auth/logout", json!({})).await?.status, 204);
    refused_everywhere(bed, &token, "/api/v1/auth/me").await?;
    closed(&mut socket, 4503).await?;
    assert!(begun.elapsed() < bound, "a session: {:?}", begun.elapsed());
    // Whoever signs in anew is somebody else to the workers.
    control.sign_in().await?.at(1).get(&members).await?.expect(200)?;
    Ok(())
}

async fn member_of(house: &House, person: &Person) -> Result<String> {
    let members = house.owner().get(house.path("/members")).await?.expect(200)?;
    let items = members.pointer("/items").and_then(Value::as_array);
    let same = |member: &&Value| member.pointer("/email") == Some(&person.email().into());
    let found = items.into_iter().flatten().find(same).cloned();
    text(&found.unwrap_or_default(), "/id")
}

#[tokio::test]
async fn rights_end_within_a_second_with_redis() -> Result<()> {
    let bed = Bed::start(2).await?;
    rights_end_within(&bed, Duration::from_secs(1)).await
}

#[tokio::test]
async fn rights_end_within_five_seconds_without_redis() -> Result<()> {
    let bed = Bed::with().workers(2).without_redis().start().await?;
    rights_end_within(&bed, Duration::from_secs(5)).await
}

#[tokio::test]
async fn keys_that_are_replaced_verify_nothing_any_more() -> Result<()> {
    let bed = Bed::start(2).await?;
    let ana = bed.person().await?;
    let rotate = |now: bool| -> Result<()> {
        let mut command = std::process::Command::new(testkit::binary()?);
        command.args(["keys", "rotate"]).args(now.then_some("--now"));
        command.env("DATABASE_URL", bed.database().url());
        command.env("ROWLOCK_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let done = command.output()?;
        anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    };
    rotate(false)?;
    let fresh = ana.sign_in().await?;
    for worker in [0, 1] {
        ana.at(worker).get("/api/v1/auth/me").await?.expect(200)?;
    }
    let begun = Instant::now();
    rotate(true)?;
    for person in [&ana, &fresh] {
        refused_everywhere(&bed, person.token().unwrap_or_default(), "/api/v1/auth/me").await?;
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let tokens = log_in(&bed.anyone(), ana.email(), ana.password()).await?.expect(200)?;
    let back = bed.anyone().with_token(&text(&tokens, "/accessToken")?);
    for worker in [0, 1] {
        wait_until("the new key is known", PATIENCE, async || {
            Ok((back.at(worker).get("/api/v1/auth/me").await?.status == 200).then_some(()))
        })
        .await?;
    }
    Ok(())
}
