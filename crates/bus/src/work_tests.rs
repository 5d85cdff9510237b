//! Work that two workers share over a Redis that is emptied and killed.

use std::collections::BTreeSet;
use std::time::Duration;

use devkit::{Cluster, ClusterOptions};
use tokio::time::{Instant, timeout};

use crate::outage_tests::until;
use crate::{Bus, BusConfig, Piece, RedisState, Taker, WORK_IDLE_MAX, WorkAway};

const PATIENCE: Duration = Duration::from_secs(15);

async fn start(url: &str) -> Bus {
    let config = BusConfig { redis_url: Some(url.to_owned()), ..BusConfig::default() };
    let (bus, mut incoming) = Bus::start(config).unwrap();
    tokio::spawn(async move { while incoming.next().await.is_some() {} });
    until("connected", || bus.state() == RedisState::Connected).await;
    bus
}

async fn take(taker: &mut Taker) -> Vec<Piece> {
    let taken = timeout(PATIENCE, async {
        loop {
            let pieces = taker.take(10).await;
            if !pieces.is_empty() {
                return pieces;
            }
        }
    });
    taken.await.expect("there is work")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_is_taken_once_unless_it_is_dropped() {
    let cluster = Cluster::private(&ClusterOptions::new().redis()).unwrap();
    let url = cluster.redis().unwrap().url().unwrap();
    let (here, there) = (start(&url).await, start(&url).await);
    let (mut mine, mut theirs) = (here.work().taker().unwrap(), there.work().taker().unwrap());
    for n in 0..6 {
        here.work().add(&format!("piece {n}")).await.unwrap();
    }
    let (first, second) = (mine.take(3).await, take(&mut theirs).await);
    let all: BTreeSet<_> = first.iter().chain(&second).map(|piece| &piece.text).collect();
    assert_eq!((first.len(), second.len(), all.len()), (3, 3, 6));
    for piece in &second {
        there.work().done(&piece.id).await;
    }
    assert_eq!(here.work().waiting().await, Ok(3), "those in somebody's hands count");

    // This worker says no more of its three.
    drop((mine, here));
    let began = Instant::now();
    let again = take(&mut theirs).await;
    assert_eq!(again, first);
    assert!(began.elapsed() + Duration::from_secs(1) >= WORK_IDLE_MAX, "they were still its own");
    for piece in &again {
        there.work().done(&piece.id).await;
        there.work().done(&piece.id).await;
    }
    assert_eq!(there.work().waiting().await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_was_emptied_takes_work_again_and_one_that_is_gone_says_so() {
    let cluster = Cluster::private(&ClusterOptions::new().redis()).unwrap();
    let redis = cluster.redis().unwrap();
    let bus = start(&redis.url().unwrap()).await;
    let mut taker = bus.work().taker().unwrap();
    bus.work().add("lost").await.unwrap();
    assert_eq!(taker.take(1).await.len(), 1);
    redis.ask(&["FLUSHALL"]).unwrap();
    bus.work().add("kept").await.unwrap();
    assert_eq!(take(&mut taker).await[0].text, "kept");

    redis.kill().unwrap();
    until("away", || bus.state() == RedisState::Away).await;
    let began = Instant::now();
    assert_eq!(bus.work().add("nowhere").await, Err(WorkAway));
    assert_eq!(bus.work().is_full().await, Err(WorkAway));
    assert!(began.elapsed() < Duration::from_millis(100), "nobody waits for a Redis that is away");
    redis.start().unwrap();
    until("back", || bus.state() == RedisState::Connected).await;
    bus.work().add("back").await.unwrap();
    assert_eq!(take(&mut taker).await[0].text, "back");
    assert!(Bus::start(BusConfig::default()).unwrap().0.work().taker().is_none());
}
