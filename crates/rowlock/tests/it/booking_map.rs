//! Seat maps from the workers' memory: never older than what was acknowledged.

use anyhow::Result;
use serde_json::json;
use testkit::Bed;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, labels};

const WORKERS: usize = 3;
const BUYERS: usize = 12;

/// Buyers hold seats at one worker and look at the map of another; gives how often a map was older
/// than what its reader had been told.
async fn stale_looks(bed: &Bed, sale: &Sale) -> Result<usize> {
    let clerk = sale.house.member("box_office").await?;
    for worker in 0..WORKERS {
        sale.map(&bed.anyone().at(worker)).await?;
    }
    let mut buyers = JoinSet::new();
    for (n, part) in labels(12, 10).chunks(120 / BUYERS).enumerate() {
        let (sale, clerk, part) = (sale.clone(), clerk.client().clone(), part.to_vec());
        buyers.spawn(async move {
            let mut stale = 0;
            for (at, label) in part.iter().enumerate() {
                sale.hold(&clerk.at(n % WORKERS), &[label]).settled().await?.expect(201)?;
                let map = sale.map(&clerk.at((n + at + 1) % WORKERS)).await?;
                stale += usize::from(map.seats[label] != "held");
            }
            anyhow::Ok(stale)
        });
    }
    let all = buyers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().sum())
}

async fn from_memory(bed: &Bed) -> Result<u64> {
    let mut sum = 0;
    for worker in 0..WORKERS {
        let text = bed.anyone().at(worker).get("/metrics").await?.text;
        let line = text.lines().find(|line| line.contains("booking_seat_maps_total{by=\"memory\""));
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        sum += count.unwrap_or(0);
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_shows_what_was_acknowledged_before_it_was_asked_for() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::of(bed.house().await?, blocks(12, 10)).await?;
    assert_eq!(stale_looks(&bed, &sale).await?, 0);
    assert!(from_memory(&bed).await? > 50, "the maps were read from the database");
    let kept = sale.map(&bed.anyone().at(0)).await?;
    bed.worker(1)?.kill()?;
    bed.restart(1).await?;
    let read = sale.map(&bed.anyone().at(1)).await?;
    assert_eq!(kept, read, "what was patched is what is there");
    Ok(())
}

/// Evenings in which every event may be faster than the next look.
const EVENINGS_MAX: usize = 5;

/// The control: maps that are never compared with the log are stale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maps_that_are_not_compared_with_the_log_are_stale() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "fresh_maps").start().await?;
    for _ in 0..EVENINGS_MAX {
        let sale = Sale::of(bed.house().await?, blocks(12, 10)).await?;
        if stale_looks(&bed, &sale).await? > 0 {
            return Ok(());
        }
    }
    anyhow::bail!("no map was stale, so the other test proves nothing")
}

#[tokio::test]
async fn an_unchanged_map_is_304_and_every_change_another_tag() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::gala(&bed).await?;
    let (owner, ana) = (sale.house.owner(), bed.person().await?);
    let path = sale.path("/seats");
    let first = bed.anyone().at(0).get(&path).await?;
    let tag = first.header("etag").unwrap_or_default().to_owned();
    for worker in 0..2 {
        let same = bed.anyone().at(worker).get(&path).header("If-None-Match", &tag).await?;
        assert_eq!((same.status, same.text.as_str()), (304, ""));
    }
    sale.hold(&ana.at(0), &["T1-1"]).await?.expect(201)?;
    let changed = bed.anyone().at(1).get(&path).header("If-None-Match", &tag).await?;
    assert_eq!(changed.status, 200);

    let keep = json!({"seats": ["T1-2"], "until": "2098-01-01T00:00:00.000000Z"});
    owner.at(0).post(sale.path("/withhold"), keep).await?.expect(200)?;
    assert_eq!(sale.map(&ana.at(1)).await?.seats["T1-2"], "withheld");
    let renamed = json!({"name": "Spring Gala", "status": "closed"});
    owner.at(0).patch(sale.path(""), renamed).await?.expect(200)?;
    let show = ana.at(1).get(sale.path("")).await?;
    assert_eq!(show.json["name"], "Spring Gala");
    assert_eq!(ana.at(1).get(&path).await?.json["status"], "closed");
    let plan = json!({"plan": {
        "categories": [{"code": "gala", "name": "Gala",
            "price": {"amount": 1, "currency": "EUR"}}],
        "blocks": blocks(26, 10),
    }});
    owner.at(0).put(sale.path("/layout"), plan).await?.expect(200)?;
    assert_eq!(sale.map(&ana.at(1)).await?.seats.len(), 260);
    Ok(())
}
