//! Two workers, one log, and a real Redis that is frozen, killed and emptied between them.

use std::time::Duration;

use bus::{BusConfig, RedisState};
use devkit::{Cluster, ClusterOptions, Node};
use kernel::event::Topic;
use tokio::time::{Instant, sleep};

use crate::live_tests::{Client, Memory, Server};

/// Without Redis: the regular look, the query, and a slow machine.
const ALONE_MAX: Duration = Duration::from_millis(150);

struct Pair {
    here: Server,
    there: Server,
}

impl Pair {
    fn start(redis: &Node) -> Self {
        let log = Memory::default();
        let redis_url = redis.url().unwrap();
        let config = BusConfig { redis_url: Some(redis_url), ..BusConfig::default() };
        let here = Server::with(log.clone(), config.clone());
        Self { here, there: Server::with(log, config) }
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
