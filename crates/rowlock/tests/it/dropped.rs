//! Clients that go away in the middle.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{Bed, PATIENCE, Person, Sql, wait_until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, labels, live_claims};

const REQUESTS: usize = 200;
/// Clients of the control: fewer than a worker has connections.
const WAITING: usize = 3;
/// Far longer than a write takes.
const CALM: Duration = Duration::from_millis(500);

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

/// How many holds there are once the workers have made some and make no more.
async fn settled(sql: &Sql) -> Result<i64> {
    let (mut last, mut since) = (-1, Instant::now());
    wait_until("the workers have done what they were asked", PATIENCE, async || {
        let holds: i64 = sql.value("select count(*) from booking.hold", &[]).await?;
        if holds != last {
            (last, since) = (holds, Instant::now());
        }
        Ok((holds > 0 && since.elapsed() > CALM).then_some(holds))
    })
    .await
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
    // Whoever waits for a seat is in the middle of a transaction.
    sql.run("begin; select from booking.seat for update").await?;
    let mut clients = Vec::new();
    for seat in labels(22, 10).iter().take(WAITING) {
        let mut stream = TcpStream::connect(bed.worker(0)?.address()).await?;
        stream.set_zero_linger()?;
        stream.write_all(&request(&sale.path("/holds"), token, seat)).await?;
        clients.push(stream);
    }
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    sessions(&bed, "all of them wait", waiting).await?;
    drop(clients);
    tokio::time::sleep(CALM).await;
    sql.run("rollback").await?;
    let stuck = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
          and (state like 'idle in transaction%' or wait_event_type = 'Lock')
          and state_change < now() - interval '200 ms'";
    sessions(&bed, "they stay in their transactions", stuck).await
}

/// Waits until as many sessions as there are clients are as `query` counts them.
async fn sessions(bed: &Bed, what: &str, query: &str) -> Result<()> {
    let sql = bed.sql().await?;
    wait_until(what, PATIENCE, async || {
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
    // What was begun was ended as a whole: each hold has its claim, its key and its event.
    let holds = settled(&sql).await?;
    let stuck = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'";
    wait_until("no session is in a transaction", PATIENCE, async || {
        Ok((sql.value::<i64>(stuck, &[]).await? == 0).then_some(()))
    })
    .await?;
    let events = "select count(*) from log.venue_event where action = 'held'";
    let keys = "select count(*) from log.once where key like 'dropped-%' and status = 201";
    assert_eq!(live_claims(&sql).await?, holds);
    assert_eq!(sql.value::<i64>(events, &[]).await?, holds);
    assert_eq!(sql.value::<i64>(keys, &[]).await?, holds);

    let left = seats.get(REQUESTS..).context("20 seats are left")?;
    let mut clients = JoinSet::new();
    for (n, seat) in left.iter().cloned().enumerate() {
        let (sale, clerk) = (sale.clone(), clerk.client().at(n % 2));
        clients.spawn(async move { sale.hold(&clerk, &[&seat]).settled().await?.expect(201) });
    }
    clients.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(live_claims(&sql).await?, holds + 20);
    Ok(())
}
