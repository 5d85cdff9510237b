//! A rush in which PostgreSQL or a worker dies: what was acknowledged is there, what was told is
//! there.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use testkit::{Bed, BedOptions, Client, ClusterOptions, Heard, PATIENCE, Socket, Sql, wait_until};
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, labels, text};

const WORKERS: usize = 2;
const CLIENTS: usize = 40;
const TABLES: usize = 100;
/// Holds that are acknowledged before something dies.
const ENOUGH: usize = 200;
/// Rushes that a control may need until a crash shows what it left out.
const CHANCES: usize = 8;

/// PostgreSQL of its own whose background writer hardly ever helps a lazy commit to the disk.
fn bed() -> BedOptions {
    let own = ClusterOptions::new().postgres().redis().durable().setting("wal_writer_delay", "10s");
    Bed::with().workers(WORKERS).own_servers(own).env("REQUESTS_PER_USER", "0")
}

/// Clients that hold seat after seat until `over`, or until nobody answers them any more.
fn rush(
    sale: &Sale,
    clerk: &Client,
    (acknowledged, over): (&Arc<AtomicUsize>, &Arc<AtomicBool>),
) -> JoinSet<Vec<String>> {
    let mut clients = JoinSet::new();
    for (n, part) in labels(TABLES, 10).chunks(TABLES * 10 / CLIENTS).enumerate() {
        let (sale, clerk, part) = (sale.clone(), clerk.at(n % WORKERS), part.to_vec());
        let (acknowledged, over) = (Arc::clone(acknowledged), Arc::clone(over));
        clients.spawn(async move {
            let mut holds = Vec::new();
            for label in part {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(answer) = sale.hold(&clerk, &[&label]).await else { break };
                if answer.status == 201 {
                    holds.extend(text(&answer.json, "/id"));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            }
            holds
        });
    }
    clients
}

/// A watcher at each worker that notes what it is told until it hears no more.
async fn watch(bed: &Bed, sale: &Sale, over: &Arc<AtomicBool>) -> Result<JoinSet<Vec<Value>>> {
    let mut watchers = JoinSet::new();
    for worker in bed.workers() {
        let mut socket = Socket::open(&worker.address(), None).await?;
        socket.listen(sale.house.venue(), &["seats"], None).await?;
        let over = Arc::clone(over);
        watchers.spawn(async move {
            let mut told = Vec::new();
            loop {
                match socket.hear(Duration::from_millis(100)).await {
                    Ok(Some(Heard::Event(event))) => told.push(event),
                    Ok(Some(Heard::Control(_))) => {}
                    Ok(None) if !over.load(Ordering::Relaxed) => {}
                    _ => return told,
                }
            }
        });
    }
    Ok(watchers)
}

/// What was acknowledged and is gone, and what was told and never was.
async fn missing(sql: &Sql, holds: &[String], told: &[Value]) -> Result<(usize, usize)> {
    let kept = sql.column::<uuid::Uuid>("select hold_id from booking.claim", &[]).await?;
    let lost = holds.iter().filter(|id| !kept.iter().any(|kept| kept.to_string() == **id)).count();
    let log = "select seq::text || ' ' || (data->'seats'->0->>'id') from log.venue_event
        where type = 'seats_updated'";
    let log = sql.column::<String>(log, &[]).await?;
    let log: HashSet<&str> = log.iter().map(String::as_str).collect();
    let line = |event: &Value| {
        let seat = event.pointer("/data/seats/0/id").and_then(Value::as_str).unwrap_or_default();
        format!("{} {seat}", event["seq"])
    };
    let untrue = told.iter().filter(|event| !log.contains(line(event).as_str())).count();
    Ok((lost, untrue))
}

/// One rush that `strike` ends; gives what came of it.
async fn crash(
    bed: &Bed,
    strike: impl AsyncFnOnce(&Bed) -> Result<()>,
) -> Result<(usize, (usize, usize))> {
    let sale = Sale::of(bed.house().await?, blocks(TABLES, 10)).await?;
    let clerk = sale.house.member("box_office").await?;
    let (acknowledged, over) = (Arc::default(), Arc::default());
    let watchers = watch(bed, &sale, &over).await?;
    let clients = rush(&sale, clerk.client(), (&acknowledged, &over));
    wait_until("the rush is in its middle", PATIENCE, async || {
        Ok((acknowledged.load(Ordering::Relaxed) >= ENOUGH).then_some(()))
    })
    .await?;
    strike(bed).await?;
    over.store(true, Ordering::Relaxed);
    let holds = clients.join_all().await.concat();
    let told = watchers.join_all().await.concat();
    let sql = bed.sql().await?;
    Ok((holds.len().min(told.len()), missing(&sql, &holds, &told).await?))
}

async fn kill_postgres(bed: &Bed) -> Result<()> {
    let testkit::Server::Own(cluster) = bed.server() else { bail!("it has its own servers") };
    let postgres = cluster.postgres()?;
    tokio::task::block_in_place(|| {
        postgres.stop_immediate()?;
        postgres.start()
    })?;
    for worker in 0..WORKERS {
        found_again(bed, worker).await?;
    }
    Ok(())
}

async fn found_again(bed: &Bed, worker: usize) -> Result<()> {
    let client = bed.anyone().at(worker);
    wait_until("the worker has found PostgreSQL again", PATIENCE, async || {
        Ok((client.get("/readyz").await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_postgres_dies_in_a_rush_nothing_acknowledged_is_lost() -> Result<()> {
    let bed = bed().start().await?;
    for _ in 0..3 {
        let (least, missing) = crash(&bed, kill_postgres).await?;
        assert!(least >= ENOUGH, "only {least} were acknowledged and told");
        assert_eq!(missing, (0, 0), "acknowledged and lost, told and untrue");
    }
    let metrics = bed.anyone().at(0).get("/metrics").await?.text;
    let lazily = metrics.lines().any(|line| line.starts_with("pg_lazy_commits_total"));
    assert!(lazily, "no write of the rush gave its locks back before the flush");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_worker_dies_in_a_rush_nothing_acknowledged_is_lost() -> Result<()> {
    let bed = bed().start().await?;
    let (least, missing) = crash(&bed, async |bed| {
        bed.worker(0)?.kill()?;
        kill_postgres_under(bed, 1).await
    })
    .await?;
    assert!(least >= ENOUGH, "only {least} were acknowledged and told");
    assert_eq!(missing, (0, 0), "acknowledged and lost, told and untrue");
    Ok(())
}

/// The worker that is left has read what the dead one had not told: PostgreSQL dies on top of it.
async fn kill_postgres_under(bed: &Bed, worker: usize) -> Result<()> {
    let testkit::Server::Own(cluster) = bed.server() else { bail!("it has its own servers") };
    let postgres = cluster.postgres()?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::task::block_in_place(|| {
        postgres.stop_immediate()?;
        postgres.start()
    })?;
    found_again(bed, worker).await
}

/// The control: answered and told before the barrier, a crash shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_before_the_barrier_writes_are_lost() -> Result<()> {
    let bed = bed().env("ROWLOCK_CONTROLS", "barrier").start().await?;
    let (mut ever_lost, mut ever_untrue) = (0, 0);
    for _ in 0..CHANCES {
        let (_, (lost, untrue)) = crash(&bed, kill_postgres).await?;
        ever_lost += lost;
        ever_untrue += untrue;
        if ever_lost > 0 && ever_untrue > 0 {
            return Ok(());
        }
    }
    bail!(
        "{ever_lost} were lost and {ever_untrue} untrue in {CHANCES} crashes, so the other test \
         proves nothing"
    )
}
