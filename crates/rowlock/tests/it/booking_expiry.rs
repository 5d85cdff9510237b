//! What a hold leaves behind when its time is over.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use testkit::{Bed, PATIENCE, Socket, Sql, wait_until};

use crate::sale::{Sale, blocks, text};

/// Long enough for a look at the map before it is over, unless the machine is very busy.
const SOON_MS: u32 = 1500;

/// All live holds end so many milliseconds from now.
pub(crate) async fn end_holds_in(sql: &Sql, millis: u32) -> Result<()> {
    let end = format!("clock_timestamp() + interval '{millis} milliseconds'");
    sql.run(&format!(
        "update booking.hold set expires_at = {end} where status = 'live';
         update booking.claim set expires_at = {end} where expires_at is not null"
    ))
    .await
}

#[tokio::test]
async fn seats_are_free_at_their_time_though_nobody_sweeps() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 2)).await?;
    let (ana, ben, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    let hold = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    end_holds_in(&sql, SOON_MS).await?;
    // The sweep leaves out what somebody has locked: until the commit it does not come by.
    sql.run("begin; select 1 from booking.hold for update").await?;
    let seen = sale.map(&bed.anyone()).await?.seats["T1-1"].clone();
    let over = "select bool_and(expires_at < clock_timestamp()) from booking.hold";
    let late = sql.value::<bool>(over, &[]).await?;
    assert!(seen == "held" || late, "{seen} before its time");
    wait_until("the hold is over", PATIENCE, async || {
        Ok(sql.value::<bool>(over, &[]).await?.then_some(()))
    })
    .await?;
    assert_eq!(sale.map(&bed.anyone()).await?.seats["T1-1"], "free");
    sale.hold(&ben, &["T1-1"]).await?.expect(201)?;
    let swept = "select count(*) from booking.hold where status = 'expired'";
    assert_eq!(sql.value::<i64>(swept, &[]).await?, 0);
    sql.run("commit").await?;
    let late = json!({"hold": hold["id"], "token": hold["token"], "customer": {"name": "Ana"}});
    ana.post(sale.path("/bookings"), late).await?.refused(410, "booking.hold_expired")?;
    let map = sale.map(&bed.anyone()).await?;
    assert_eq!((&*map.seats["T1-1"], &*map.seats["T1-2"]), ("held", "free"));
    Ok(())
}

#[tokio::test]
async fn a_watcher_hears_of_an_expiry_within_a_second() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 3)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let mut watcher = Socket::open(&bed.worker(1)?.address(), None).await?;
    watcher.listen(sale.house.venue(), &["seats"], None).await?;
    let mut slowest = Duration::ZERO;
    for round in 1..=3 {
        sale.hold(&ana.at(0), &["T1-1", "T1-3"]).await?.expect(201)?;
        end_holds_in(&sql, 0).await?;
        let ended = Instant::now();
        let expired = |s: &Socket| s.events().iter().filter(|e| e["action"] == "expired").count();
        watcher.hear_until("the hold expires", PATIENCE, |s| expired(s) == round).await?;
        slowest = slowest.max(ended.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "it took {slowest:?}");
    let seats = json!([{"id": "T1-1", "status": "free"}, {"id": "T1-3", "status": "free"}]);
    let event = watcher.events().last().cloned().unwrap_or_default();
    assert_eq!((&event["type"], &event["data"]["seats"]), (&"seats_updated".into(), &seats));
    assert_eq!(text(&event, "/data/showId")?, sale.show);
    watcher.check_against(&sql).await?;
    let swept: i64 =
        sql.value("select count(*) from booking.hold where status = 'expired'", &[]).await?;
    assert_eq!((swept, watcher.events().len()), (3, 6), "one sweep each, though two workers look");
    Ok(())
}
