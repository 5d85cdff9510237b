//! Clients that go away in the middle.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{Bed, PATIENCE, Sql, wait_until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, labels, live_claims};

const REQUESTS: usize = 200;
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

/// Sends some of it, waits a little, and goes away without reading.
async fn abort(address: String, bytes: Vec<u8>, pause: Duration) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_200_clients_that_went_away_no_connection_is_poisoned() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(22, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
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
            clients.spawn(abort(bed.worker(n % 2)?.address(), bytes, pause));
        }
        clients.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    }
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
