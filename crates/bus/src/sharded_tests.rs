//! Two buses and a real Redis Cluster whose slots move and whose nodes die.

use std::time::Duration;

use devkit::RedisCluster;
use kernel::event::Batch;
use kernel::ids::VenueId;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::channel::{Names, partition};
use crate::outage_tests::{batch, connected, hear, remote, until};
use crate::{Bus, BusConfig, Incoming, RedisState};

/// From a node's death to the first event by way of its follower: it has to be missed, elected,
/// found and listened to.
const FAIL_OVER_MAX: Duration = Duration::from_secs(15);

fn start(cluster: &RedisCluster) -> (Bus, Incoming) {
    let redis_url = Some(cluster.url().unwrap());
    Bus::start(BusConfig { redis_url, sharded: true, ..BusConfig::default() }).unwrap()
}

fn venue(number: u128) -> VenueId {
    VenueId(Uuid::from_u128(number))
}

fn at(venue: VenueId, seq: i64) -> Batch {
    Batch { venue, ..batch(seq) }
}

/// A venue whose channel is at the node `owner`, and not at the one that all workers listen to.
fn venue_of(cluster: &RedisCluster, owner: usize) -> (VenueId, u32) {
    let names = Names::new("rl:".into(), true);
    let control = cluster.slot(&names.control()).unwrap();
    let all = (0..128).map(|number| {
        let venue = venue(number);
        (venue, cluster.slot(&names.venue(venue)).unwrap())
    });
    let mut fits =
        all.filter(|(_, slot)| RedisCluster::first_owner(*slot) == owner && *slot != control);
    fits.next().unwrap()
}

/// Publishes until something of that venue arrives; what was published before is in the log.
async fn carried(here: &Bus, heard: &mut Incoming, venue: VenueId, from: i64) {
    let began = Instant::now();
    for seq in from.. {
        assert!(began.elapsed() < FAIL_OVER_MAX, "nothing arrives any more");
        here.publish(at(venue, seq));
        sleep(Duration::from_millis(20)).await;
        while let Some(notice) = heard.try_next() {
            if remote(notice).is_some_and(|batch| batch.venue == venue && batch.first_seq >= from) {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_carries_and_follows_its_slots_and_nodes() {
    let Some(cluster) = RedisCluster::private().unwrap() else { return };
    let ((here, _own), (there, mut heard)) = (start(&cluster), start(&cluster));
    hear(&mut heard, connected).await;
    until("connected", || {
        here.state() == RedisState::Connected && there.state() == RedisState::Connected
    })
    .await;

    // Channels of all partitions, so of all nodes.
    let venues: Vec<VenueId> = (0..300).map(venue).collect();
    assert!(venues.iter().any(|venue| partition(*venue) == 127));
    let confirmed = venues.iter().map(|venue| there.subscribe(*venue));
    let confirmed = futures_util::future::join_all(confirmed).await;
    assert!(confirmed.into_iter().all(|confirmed| confirmed), "Redis confirms each");
    for venue in &venues {
        here.publish(at(*venue, 1));
    }
    let mut missing: std::collections::HashSet<VenueId> = venues.iter().copied().collect();
    while !missing.is_empty() {
        let batch = hear(&mut heard, remote).await;
        assert!(missing.remove(&batch.venue), "each once");
    }

    // A slot moves: whoever listened there is told, and its heads are looked at.
    let (moved, slot) = venue_of(&cluster, 1);
    cluster.move_slot(slot, 1, 2).unwrap();
    let began = Instant::now();
    hear(&mut heard, connected).await;
    carried(&here, &mut heard, moved, 10).await;
    eprintln!("a moved slot carries after {:?}", began.elapsed());

    // A node dies: its follower takes over.
    let (orphan, _) = venue_of(&cluster, 0);
    cluster.node(0).unwrap().kill().unwrap();
    let began = Instant::now();
    hear(&mut heard, connected).await;
    carried(&here, &mut heard, orphan, 10).await;
    eprintln!("a dead node's venue is carried again after {:?}", began.elapsed());
    carried(&here, &mut heard, moved, 1_000).await;
    until("connected", || here.state() == RedisState::Connected).await;
}
