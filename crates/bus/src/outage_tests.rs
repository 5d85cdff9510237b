//! Two buses and a Redis that is stopped, emptied, frozen and killed.

use std::time::Duration;

use bytes::Bytes;
use devkit::{Cluster, ClusterOptions};
use jiff::Timestamp;
use kernel::event::{Batch, Frame, Topic};
use kernel::ids::{UserId, VenueId};
use tokio::time::{Instant, sleep, timeout};

use crate::{Bus, BusConfig, Control, Incoming, Notice, Origin, RedisState};

const VENUE: VenueId = VenueId(uuid::Uuid::from_u128(1));
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn batch(seq: i64) -> Batch {
    Batch {
        venue: VENUE,
        first_seq: seq,
        at: Timestamp::from_microsecond(seq).unwrap(),
        prev_at: Timestamp::from_microsecond(seq - 1).unwrap(),
        frames: vec![Frame {
            topic: Topic::Seats,
            follow: None,
            json: Bytes::from(format!("{{\"n\":{seq}}}")),
        }],
    }
}

fn start(url: &str) -> (Bus, Incoming) {
    let config = BusConfig { redis_url: Some(url.to_owned()), ..BusConfig::default() };
    Bus::start(config).unwrap()
}

pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// The next notice that `wanted` takes; others are passed over.
pub(crate) async fn hear<T>(
    incoming: &mut Incoming,
    mut wanted: impl FnMut(Notice) -> Option<T>,
) -> T {
    timeout(PATIENCE, async {
        loop {
            if let Some(found) = wanted(incoming.next().await.expect("the bus lives")) {
                return found;
            }
        }
    })
    .await
    .expect("nothing was heard")
}

pub(crate) fn remote(notice: Notice) -> Option<Batch> {
    match notice {
        Notice::Batch(batch, Origin::Remote) => Some(batch),
        _ => None,
    }
}

pub(crate) fn connected(notice: Notice) -> Option<()> {
    matches!(notice, Notice::Connected).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_travel_and_every_outage_ends() {
    let cluster = Cluster::private(&ClusterOptions::new().redis()).unwrap();
    let redis = cluster.redis().unwrap();
    let url = redis.url().unwrap();
    let ((here, mut own), (there, mut heard)) = (start(&url), start(&url));
    hear(&mut heard, connected).await;
    until("connected", || here.state() == RedisState::Connected).await;
    assert!(there.subscribe(VENUE).await, "Redis confirms");
    assert!(here.subscribe(VENUE).await);

    here.publish(batch(1));
    assert_eq!(hear(&mut heard, remote).await, batch(1));
    let control = Control::UserRevoked { user: UserId(uuid::Uuid::nil()) };
    here.publish_control(control);
    let told = hear(&mut heard, |notice| match notice {
        Notice::Control(control) => Some(control),
        _ => None,
    });
    assert_eq!(told.await, control);
    while let Some(notice) = own.try_next() {
        assert!(remote(notice).is_none(), "a worker does not hear its own echo");
    }

    // Frozen: nothing fails, and it is noticed long before the connection is given up.
    redis.pause().unwrap();
    let noticed = until("away", || there.state() == RedisState::Away).await;
    assert!(noticed < Duration::from_millis(1_600), "{noticed:?}");
    here.publish(batch(2));
    redis.resume().unwrap();
    until("back", || {
        there.state() == RedisState::Connected && here.state() == RedisState::Connected
    })
    .await;
    here.publish(batch(3));
    let mut last = hear(&mut heard, remote).await;
    while last.first_seq < 3 {
        last = hear(&mut heard, remote).await;
    }

    // Killed and empty again: the venue is subscribed anew without anybody asking.
    redis.kill().unwrap();
    until("away", || there.state() == RedisState::Away).await;
    let began = Instant::now();
    (10..1_000).for_each(|seq| here.publish(batch(seq)));
    assert!(began.elapsed() < Duration::from_millis(500), "nobody waits for Redis");
    let late = VenueId(uuid::Uuid::from_u128(2));
    assert!(!there.subscribe(late).await, "not confirmed, but wanted");
    while heard.try_next().is_some() {}
    redis.start().unwrap();
    hear(&mut heard, connected).await;
    until("back", || here.state() == RedisState::Connected).await;
    here.publish(Batch { venue: late, ..batch(1) });
    assert_eq!(hear(&mut heard, remote).await.venue, late);
    here.publish(batch(1_000));
    assert_eq!(hear(&mut heard, remote).await, batch(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_venues_are_subscribed_at_once() {
    let cluster = Cluster::private(&ClusterOptions::new().redis()).unwrap();
    let (bus, _incoming) = start(&cluster.redis().unwrap().url().unwrap());
    until("connected", || bus.state() == RedisState::Connected).await;
    let began = Instant::now();
    let venues = (0..1_000).map(|n| VenueId(uuid::Uuid::from_u128(n)));
    let confirmed = futures_util::future::join_all(venues.map(|venue| bus.subscribe(venue))).await;
    assert!(confirmed.iter().all(|confirmed| *confirmed));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
