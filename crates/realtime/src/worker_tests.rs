//! Two workers, one log, and a real Redis that is frozen, killed and emptied between them.

use std::time::Duration;

use bus::{BusConfig, RedisState};
use devkit::{Cluster, ClusterOptions, Node, RedisCluster};
use kernel::event::Topic;
use tokio::time::{Instant, sleep};

use crate::live_tests::{Client, Memory, Server, VENUE};

/// Without Redis: the regular look, the query, and a slow machine.
const ALONE_MAX: Duration = Duration::from_millis(150);

struct Pair {
    here: Server,
    there: Server,
}

impl Pair {
    fn start(redis: &Node) -> Self {
        let redis_url = Some(redis.url().unwrap());
        Self::with(&BusConfig { redis_url, ..BusConfig::default() })
    }

    fn with(config: &BusConfig) -> Self {
        let log = Memory::default();
        let here = Server::with(log.clone(), config.clone());
        Self { here, there: Server::with(log, config.clone()) }
    }

    async fn until(&self, state: RedisState) {
        let both = || self.here.bus.state() == state && self.there.bus.state() == state;
        let began = Instant::now();
        while !both() {
            assert!(began.elapsed() < Duration::from_secs(10), "Redis is not {}", state.as_str());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Writes here, hears there; the median of `count`, for a busy machine may hold up one.
    async fn write(&self, client: &mut Client, count: i64) -> Duration {
        let mut waits = Vec::new();
        for _ in 0..count {
            let written = Instant::now();
            let batch = self.here.log.commit(Topic::Seats, 100);
            let seq = batch.first_seq;
            self.here.bus.publish(batch);
            assert_eq!(client.seqs(1).await, [seq], "every event, once, in order");
            waits.push(written.elapsed());
        }
        waits.sort_unstable();
        waits[waits.len() / 2]
    }
}

#[actix_web::test]
async fn no_fault_of_redis_costs_an_event_or_a_resync() {
    let cluster = Cluster::private(&ClusterOptions::new().redis()).unwrap();
    let redis = cluster.redis().unwrap();
    let pair = Pair::start(redis);
    pair.until(RedisState::Connected).await;
    let (mut client, _) = pair.there.listener(None).await;
    let carried = pair.write(&mut client, 100).await;
    assert!(carried < Duration::from_millis(50), "Redis carries: {carried:?}");

    redis.pause().unwrap();
    // Until the freeze is noticed only the look of each second delivers.
    let unnoticed = pair.write(&mut client, 1).await;
    assert!(unnoticed < Duration::from_millis(1_500), "{unnoticed:?}");
    pair.until(RedisState::Away).await;
    let frozen = pair.write(&mut client, 5).await;
    assert!(frozen < ALONE_MAX, "frozen: {frozen:?}");
    redis.resume().unwrap();
    pair.until(RedisState::Connected).await;
    pair.write(&mut client, 20).await;

    redis.kill().unwrap();
    pair.until(RedisState::Away).await;
    let killed = pair.write(&mut client, 10).await;
    assert!(killed < ALONE_MAX, "killed: {killed:?}");
    redis.start().unwrap();
    pair.until(RedisState::Connected).await;
    let back = pair.write(&mut client, 100).await;
    assert!(back < Duration::from_millis(50), "Redis carries again: {back:?}");
}

#[actix_web::test]
async fn two_writers_make_one_order() {
    let cluster = Cluster::private(&ClusterOptions::new().redis()).unwrap();
    let pair = Pair::start(cluster.redis().unwrap());
    pair.until(RedisState::Connected).await;
    let (mut near, _) = pair.here.listener(None).await;
    let (mut far, _) = pair.there.listener(None).await;
    for n in 0..300 {
        let writer = if n % 2 == 0 { &pair.here } else { &pair.there };
        let batch = writer.log.commit(Topic::Seats, 100);
        // Every seventh worker dies between commit and publish.
        if n % 7 != 0 {
            writer.bus.publish(batch);
        }
        if n % 10 == 0 {
            sleep(Duration::from_millis(3)).await;
        }
    }
    let all: Vec<i64> = (1..=300).collect();
    assert_eq!(near.seqs(300).await, all);
    assert_eq!(far.seqs(300).await, all);
}

/// Writes every few milliseconds while `disturb` runs and until Redis carries again; the client
/// hears all of it.
async fn write_through(pair: &Pair, client: &mut Client, disturb: impl FnOnce() + Send + 'static) {
    let first = pair.here.log.last() + 1;
    let done = tokio::task::spawn_blocking(disturb);
    let began = Instant::now();
    let mut last = first;
    // Whoever lost a node notices within seconds; all the while there is something to lose.
    while !done.is_finished() || began.elapsed() < Duration::from_secs(5) {
        let writer = if last % 2 == 0 { &pair.here } else { &pair.there };
        let batch = writer.log.commit(Topic::Seats, 100);
        last = batch.first_seq;
        writer.bus.publish(batch);
        sleep(Duration::from_millis(5)).await;
    }
    done.await.unwrap();
    let all: Vec<i64> = (first..=last).collect();
    assert_eq!(client.seqs(all.len()).await, all, "every event, once, in order");
}

#[actix_web::test]
async fn a_cluster_that_moves_slots_and_loses_a_node_costs_no_event() {
    let Some(cluster) = RedisCluster::private().unwrap() else { return };
    let cluster = std::sync::Arc::new(cluster);
    let redis_url = Some(cluster.url().unwrap());
    let pair = Pair::with(&BusConfig { redis_url, sharded: true, ..BusConfig::default() });
    pair.until(RedisState::Connected).await;
    let (mut client, _) = pair.there.listener(None).await;
    let carried = pair.write(&mut client, 50).await;
    assert!(carried < Duration::from_millis(50), "the cluster carries: {carried:?}");
    let slot = cluster.slot(&format!("rl:{{p07}}:{VENUE}")).unwrap();
    let owner = RedisCluster::first_owner(slot);
    let moves: Vec<(usize, usize)> =
        if owner == 0 { vec![(0, 1), (1, 0)] } else { vec![(owner, 0)] };
    let movers = std::sync::Arc::clone(&cluster);
    write_through(&pair, &mut client, move || {
        for (from, to) in moves {
            movers.move_slot(slot, from, to).unwrap();
            std::thread::sleep(Duration::from_secs(1));
        }
    })
    .await;
    pair.until(RedisState::Connected).await;
    let killer = std::sync::Arc::clone(&cluster);
    write_through(&pair, &mut client, move || killer.node(0).unwrap().kill().unwrap()).await;
    pair.until(RedisState::Connected).await;
    let again = pair.write(&mut client, 50).await;
    assert!(again < Duration::from_millis(50), "its follower carries: {again:?}");
}
