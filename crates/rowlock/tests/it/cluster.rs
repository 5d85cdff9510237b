//! Workers that die, and a Redis that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use testkit::{Answered, Bed, Client, ClusterOptions, Heard, PATIENCE, Socket, wait_until};
use tokio::task::JoinSet;

use crate::sale::{Sale, labels, live_claims, text};

const WORKERS: usize = 3;
const CLIENTS: usize = 10;
const ALL_TOPICS: [&str; 11] = [
    "seats",
    "shows",
    "bookings",
    "floor",
    "guests",
    "tickets",
    "queue.therapist",
    "queue.cashier",
    "monitor",
    "staff",
    "audit",
];

/// Holds one seat as a client should: a lost answer is asked for again, elsewhere, with its key.
async fn hold_stubbornly(
    sale: &Sale,
    clerk: &Client,
    label: &str,
    first: usize,
) -> Result<Answered> {
    let key = format!("stubborn-{label}");
    for worker in first..first + 20 {
        let ask = sale.hold(&clerk.at(worker), &[label]).key(&key);
        if let Ok(answer) = ask.settled().await {
            return Ok(answer);
        }
    }
    bail!("no worker answers")
}

/// Ten clients buy 250 seats; each answer raises `sold`.
fn sell(sale: &Sale, clerk: &Client, sold: &Arc<AtomicUsize>) -> JoinSet<Result<Vec<Value>>> {
    let (mut clients, labels) = (JoinSet::new(), labels(25, 10));
    for part in labels.chunks(250 / CLIENTS) {
        let (sale, clerk, sold) = (sale.clone(), clerk.clone(), Arc::clone(sold));
        let part = part.to_vec();
        clients.spawn(async move {
            let mut holds = Vec::new();
            for (n, label) in part.iter().enumerate() {
                let answer = hold_stubbornly(&sale, &clerk, label, n).await?;
                holds.push(answer.expect(201)?);
                sold.fetch_add(1, Ordering::Relaxed);
            }
            Ok(holds)
        });
    }
    clients
}

async fn reached(sold: &AtomicUsize, count: usize) -> Result<()> {
    wait_until("the sale is in its middle", PATIENCE, async || {
        Ok((sold.load(Ordering::Relaxed) >= count).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_the_middle_of_a_sale_takes_nothing_with_it() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::gala(&bed).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let mut before = sale.map(&clerk).await?;
    let owner = sale.house.owner();
    let mut sockets = Vec::new();
    for topics in [&ALL_TOPICS[..], &["seats"][..]] {
        let mut socket = Socket::open(&bed.worker(0)?.address(), owner.token()).await?;
        socket.listen(sale.house.venue(), topics, Some(&before.pos)).await?;
        sockets.push(socket);
    }
    let sold = Arc::new(AtomicUsize::new(0));
    let clients = sell(&sale, clerk.client(), &sold);
    reached(&sold, 80).await?;
    bed.worker(0)?.kill()?;
    let mut resumed = Vec::new();
    for mut socket in sockets {
        // What the dead worker had still sent is heard first.
        while let Ok(Some(_)) = socket.hear(Duration::from_millis(200)).await {}
        assert!(socket.seq() > before.seq()?, "it has heard a part of the sale");
        resumed.push(socket.resume(&bed.worker(1)?.address(), owner.token()).await?);
    }
    let mut acknowledged = 0;
    for holds in clients.join_all().await {
        for hold in holds? {
            let id: uuid::Uuid = text(&hold, "/id")?.parse()?;
            let claims = "select count(*) from booking.claim where hold_id = $1";
            assert_eq!(sql.value::<i64>(claims, &[&id]).await?, 1, "{hold} was acknowledged");
            acknowledged += 1;
        }
    }
    assert_eq!((acknowledged, live_claims(&sql).await?), (250, 250));
    assert_eq!(sql.value::<i64>("select count(*) from booking.hold", &[]).await?, 250);
    let after = sale.map(&clerk.at(2)).await?;
    let end = after.seq()?;
    for mut socket in resumed {
        socket.hear_until("the end of the sale", PATIENCE, |s| s.seq() >= end).await?;
        assert!(socket.resyncs().is_empty(), "it came back without a hole");
        socket.check_against(&sql).await?;
        let mut map = before.clone();
        socket.events().iter().try_for_each(|event| map.apply(event))?;
        assert_eq!(map.seats, after.seats);
    }
    before.pos.clone_from(&after.pos);
    bed.restart(0).await?;
    assert_eq!(sale.map(&clerk.at(0)).await?.seats, after.seats);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_to_end_sends_its_sockets_elsewhere() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::gala(&bed).await?;
    let mut socket = Socket::open(&bed.worker(0)?.address(), None).await?;
    socket.listen(sale.house.venue(), &["seats"], None).await?;
    let ana = bed.person().await?;
    sale.hold(&ana.at(1), &["T1-1"]).await?.expect(201)?;
    let ended = async { tokio::task::block_in_place(|| bed.worker(0)?.stop()) };
    let told = tokio::spawn(async move {
        loop {
            if let Some(Heard::Closed(code, reason)) = socket.hear(PATIENCE).await? {
                return anyhow::Ok((code, reason, socket));
            }
        }
    });
    ended.await.context("it must end by itself within ten seconds")?;
    let (code, reason, socket) = told.await??;
    assert_eq!(code, 1012, "{reason}");
    assert!(reason.contains("retry="), "{reason}");
    sale.hold(&ana.at(1), &["T1-2"]).await?.expect(201)?;
    let end = sale.map(&ana.at(1)).await?.seq()?;
    let mut socket = socket.resume(&bed.worker(1)?.address(), None).await?;
    socket.hear_until("the second hold", PATIENCE, |s| s.seq() >= end).await?;
    socket.check_against(&bed.sql().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_workers_hear_each_other_all_the_same() -> Result<()> {
    let bed = Bed::with().workers(2).without_redis().start().await?;
    watch_a_write_from_next_door(&bed, async || Ok(())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_redis_dies_workers_hear_each_other_all_the_same() -> Result<()> {
    let own = ClusterOptions::new().postgres().redis();
    let bed = Bed::with().workers(2).own_servers(own).start().await?;
    let testkit::Server::Own(cluster) = bed.server() else { bail!("it has its own servers") };
    let ready = bed.anyone().get("/readyz").await?.expect(200)?;
    assert_eq!(ready["status"], "ready");
    watch_a_write_from_next_door(&bed, async || {
        cluster.redis()?.kill()?;
        wait_until("the worker knows", PATIENCE, async || {
            let ready = bed.anyone().at(0).get("/readyz").await?.expect(200)?;
            Ok((ready["status"] == "degraded").then_some(()))
        })
        .await
    })
    .await
}

/// A socket at one worker hears what is written at the other, before and after `disturb`.
async fn watch_a_write_from_next_door(
    bed: &Bed,
    disturb: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    let sale = Sale::gala(bed).await?;
    let (ana, owner) = (bed.person().await?, sale.house.owner());
    let mut socket = Socket::open(&bed.worker(0)?.address(), owner.token()).await?;
    socket.listen(sale.house.venue(), &ALL_TOPICS, None).await?;
    sale.hold(&ana.at(1), &["T1-1"]).await?.expect(201)?;
    disturb().await?;
    sale.hold(&ana.at(1), &["T1-2"]).await?.expect(201)?;
    let end = sale.map(&ana).await?.seq()?;
    socket.hear_until("both holds", Duration::from_secs(3), |s| s.seq() >= end).await?;
    assert_eq!(socket.events().len(), 2);
    assert!(socket.resyncs().is_empty());
    socket.check_against(&bed.sql().await?).await
}
