//! Clients that go away in the middle.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use testkit::{Bed, PATIENCE, Person, Sql, wait_until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, labels, live_claims};

const REQUESTS: usize = 200;
/// Clients of the control: fewer than a worker has connections.
const WAITING: usize = 3;
/// How long a worker may take to hear that its clients are gone: the control tries them in turn.
const CALM: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long the control looks for stuck sessions before it tries again.
const STUCK_WITHIN: Duration = Duration::from_secs(3);

/// A request for a hold, as bytes.
fn request(path: &str, token: &str, seat: &str) -> Vec<u8> {
    let body = json!({"seats": [seat]}).to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: dropped-{seat}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends some of it, waits a little, and goes away without reading. One that dies resets its
/// connection, which the worker hears at once; one that closes it is only heard of by writing.
async fn abort(address: String, bytes: Vec<u8>, pause: Duration, dies: bool) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    if dies {
        stream.set_zero_linger()?;
    }
    stream.write_all(&bytes).await?;
    // Not to let something happen: to go away at another moment of the write each time.
    tokio::time::sleep(pause).await;
    Ok(())
}

/// Holds, claims, events and keys as of one moment: as many of each, whatever is still under way.
async fn one_of_each(sql: &Sql) -> Result<i64> {
    let all = "select array[(select count(*) from booking.hold),
        (select count(*) from booking.claim),
        (select count(*) from log.venue_event where action = 'held'),
        (select count(*) from log.once where status = 201 and key like any ($1))]";
    // Those that went away, and those that came after them with keys of their own.
    let keys = ["dropped-%", "left-%"].as_slice();
    let counts: Vec<i64> = sql.value(all, &[&keys]).await?;
    let holds = counts.first().copied().context("no counts")?;
    ensure!(counts.iter().all(|count| *count == holds), "what was begun is half done: {counts:?}");
    Ok(holds)
}

/// 200 clients ask for a seat each and go away at another moment each.
async fn come_and_go(bed: &Bed, sale: &Sale, clerk: &Person) -> Result<()> {
    let token = clerk.token().context("the clerk has a token")?;
    let (path, seats) = (sale.path("/holds"), labels(22, 10));
    for round in seats.chunks(20).take(REQUESTS / 20) {
        let mut clients = JoinSet::new();
        for (n, seat) in round.iter().enumerate() {
            let mut bytes = request(&path, token, seat);
            if n % 5 == 0 {
                bytes.truncate(bytes.len() - 5);
            }
            let pause = Duration::from_micros(700 * u64::try_from(n)?);
            clients.spawn(abort(bed.worker(n % 2)?.address(), bytes, pause, n % 3 != 0));
        }
        clients.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    }
    Ok(())
}

/// The control: writes that end where their clients die leave connections in transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_guard_connections_are_poisoned() -> Result<()> {
    let bed = Bed::with().env("ROWLOCK_CONTROLS", "drop_guard").start().await?;
    let sale = Sale::of(bed.house().await?, blocks(22, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let token = clerk.token().context("the clerk has a token")?;
    let seats = labels(22, 10);
    for (seats, calm) in seats.chunks(WAITING).zip(CALM) {
        // Whoever waits for a seat is in the middle of a transaction.
        sql.run("begin; select from booking.seat for update").await?;
        let mut clients = Vec::new();
        for seat in seats {
            let mut stream = TcpStream::connect(bed.worker(0)?.address()).await?;
            stream.set_zero_linger()?;
            stream.write_all(&request(&sale.path("/holds"), token, seat)).await?;
            clients.push(stream);
        }
        let waiting = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'";
        let met = sessions(&bed, "all of them wait", PATIENCE, waiting).await;
        drop(clients);
        tokio::time::sleep(calm).await;
        sql.run("rollback").await?;
        let stuck = "select count(*) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
              and (state like 'idle in transaction%' or wait_event_type = 'Lock')
              and state_change < now() - interval '200 ms'";
        let stay = sessions(&bed, "they stay in their transactions", STUCK_WITHIN, stuck).await;
        if met.is_ok() && stay.is_ok() {
            return Ok(());
        }
    }
    bail!("no connection was poisoned, so the other test proves nothing")
}

/// Waits until as many sessions as there are clients are as `query` counts them.
async fn sessions(bed: &Bed, what: &str, within: Duration, query: &str) -> Result<()> {
    let sql = bed.sql().await?;
    wait_until(what, within, async || {
        Ok((sql.value::<i64>(query, &[]).await? >= i64::try_from(WAITING)?).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_200_clients_that_went_away_no_connection_is_poisoned() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(22, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let seats = labels(22, 10);
    come_and_go(&bed, &sale, &clerk).await?;
    // What was begun is ended as a whole: each hold has its claim, its key and its event.
    wait_until("some of them have their seats", PATIENCE, async || {
        Ok(Some(one_of_each(&sql).await?).filter(|holds| *holds > 0))
    })
    .await?;
    let stuck = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
    wait_until("no session is in a transaction", PATIENCE, async || {
        Ok((sql.value::<i64>(stuck, &[]).await? == 0).then_some(()))
    })
    .await?;
    let left = seats.get(REQUESTS..).context("20 seats are left")?;
    let mut clients = JoinSet::new();
    for (n, seat) in left.iter().cloned().enumerate() {
        let (sale, clerk) = (sale.clone(), clerk.client().at(n % 2));
        let ask = sale.hold(&clerk, &[&seat]).key(&format!("left-{seat}"));
        clients.spawn(async move { ask.settled().await?.expect(201) });
    }
    clients.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    assert!(one_of_each(&sql).await? > 20, "those that went away have held nothing");
    assert_eq!(live_claims(&sql).await?, one_of_each(&sql).await?);
    Ok(())
}
