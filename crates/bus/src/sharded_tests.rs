//! Two buses and a real Redis Cluster whose slots move and whose nodes die.

use std::collections::BTreeSet;
use std::time::Duration;

use devkit::RedisCluster;
use kernel::event::Batch;
use kernel::ids::VenueId;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::channel::{Names, partition};
use crate::outage_tests::{batch, connected, hear, remote, until};
use crate::{Bus, BusConfig, Incoming, Piece, RedisState, Taker, WORK_IDLE_MAX};

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

/// Takes pieces, and those that are dropped, until there are `count` of them; then it says so.
async fn taken(taker: &mut Taker, count: usize, within: Duration) -> Vec<Piece> {
    let (began, mut pieces) = (Instant::now(), Vec::new());
    while pieces.len() < count {
        assert!(began.elapsed() < within, "{} of {count} pieces came", pieces.len());
        pieces.extend(taker.take(count - pieces.len()).await);
    }
    pieces
}

/// Adds a piece as soon as the cluster takes one.
async fn added(bus: &Bus, text: &str) {
    let began = Instant::now();
    while bus.work().add(text).await.is_err() {
        assert!(began.elapsed() < FAIL_OVER_MAX, "no work is taken any more");
        sleep(Duration::from_millis(50)).await;
    }
}

fn texts(pieces: &[Piece]) -> BTreeSet<&str> {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_shared_in_a_cluster_and_outlives_the_node_that_has_it() {
    let Some(cluster) = RedisCluster::private().unwrap() else { return };
    let names = Names::new("rl:".into(), true);
    let slot = cluster.slot(&names.work()).unwrap();
    // The node that has a follower is to have the stream.
    let owner = RedisCluster::first_owner(slot);
    if owner != 0 {
        cluster.move_slot(slot, owner, 0).unwrap();
    }
    let ((here, _own), (there, _other)) = (start(&cluster), start(&cluster));
    until("connected", || {
        here.state() == RedisState::Connected && there.state() == RedisState::Connected
    })
    .await;
    let (mut mine, mut theirs) = (here.work().taker().unwrap(), there.work().taker().unwrap());
    for n in 0..6 {
        added(&here, &format!("piece {n}")).await;
    }
    let first = taken(&mut mine, 3, FAIL_OVER_MAX).await;
    let second = taken(&mut theirs, 3, FAIL_OVER_MAX).await;
    assert_eq!(texts(&first).union(&texts(&second)).count(), 6, "each has other pieces");
    for piece in &second {
        there.work().done(&piece.id).await;
    }
    assert_eq!(here.work().waiting().await, Ok(3), "those in somebody's hands count");
    let of_node = cluster.node(0).unwrap().ask(&["XLEN", &names.work()]).unwrap();
    assert_eq!(of_node, "3", "all of it is at one node");

    // The node dies, and with it the worker that has three pieces: the follower knows of them.
    added(&there, "before").await;
    let followed = cluster.node(0).unwrap().ask(&["WAIT", "1", "5000"]).unwrap();
    assert_eq!(followed, "1");
    cluster.node(0).unwrap().kill().unwrap();
    drop((mine, here));
    let within = FAIL_OVER_MAX + WORK_IDLE_MAX;
    let rest = taken(&mut theirs, 4, within).await;
    let wanted: BTreeSet<&str> = texts(&first).into_iter().chain(["before"]).collect();
    assert_eq!(texts(&rest), wanted);
    until("connected", || there.state() == RedisState::Connected).await;
    added(&there, "after").await;
    for piece in &rest {
        there.work().done(&piece.id).await;
    }
    // What was said on the connection to the dead node was not heard: such a piece comes again.
    let (began, mut seen) = (Instant::now(), BTreeSet::new());
    while there.work().waiting().await != Ok(0) {
        assert!(began.elapsed() < within, "some pieces are never done");
        for piece in theirs.take(10).await {
            there.work().done(&piece.id).await;
            seen.insert(piece.text);
        }
    }
    assert!(seen.contains("after"), "{seen:?}");
}
