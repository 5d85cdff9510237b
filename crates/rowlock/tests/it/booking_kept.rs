//! Seats that the house keeps until a time, and shares of seats.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::{Bed, PATIENCE, Socket, wait_until};

use crate::booking_best::{best, rows, seats};
use crate::sale::{Sale, text};

/// Until the last of its times is over.
const LONGEST: Duration = Duration::from_secs(45);

#[tokio::test]
async fn a_withheld_seat_is_free_at_its_time_and_watchers_hear_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 3)).await?;
    let (ana, owner, sql) = (bed.person().await?, sale.house.owner(), bed.sql().await?);
    let keep = |until: &str| {
        owner.post(sale.path("/withhold"), json!({"seats": ["R1-1"], "until": until}))
    };
    keep("2020-01-01T00:00:00.000000Z").await?.refused(422, "booking.until_past")?;
    keep("2098-01-01T00:00:00.000000Z").await?.expect(200)?;
    sale.hold(&ana, &["R1-1"]).await?.refused(409, "booking.seats_taken")?;
    assert_eq!(sale.map(&ana).await?.seats["R1-1"], "withheld");
    best(&sale, &ana, 3).await?.refused(409, "booking.not_enough_seats")?;
    let over = "select coalesce(bool_and(withheld_until < clock_timestamp()), true)
        from booking.seat where withheld";
    // On a busy machine the time may be over before anybody has looked: then once more, and longer.
    let mut looked = false;
    for secs in [3, 10, 30] {
        let soon = format!(
            "select to_char((now() + interval '{secs} seconds') at time zone 'UTC',
                'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        );
        let kept = keep(&sql.value::<String>(&soon, &[]).await?).await?;
        // The sweep leaves out what somebody has locked: until the commit it does not come by.
        sql.run("begin; select 1 from booking.seat where label = 'R1-1' for update").await?;
        let seen = sale.map(&ana).await?.seats["R1-1"].clone();
        if !sql.value::<bool>(over, &[]).await? {
            kept.expect(200)?;
            assert_eq!(seen, "withheld");
            looked = true;
            break;
        }
        sql.run("commit").await?;
    }
    assert!(looked, "it was over before anybody had looked");
    wait_until("the release time", LONGEST, async || {
        Ok(sql.value::<bool>(over, &[]).await?.then_some(()))
    })
    .await?;
    assert_eq!(sale.map(&ana).await?.seats["R1-1"], "free", "though nobody has swept");
    let mut watcher = Socket::open(&bed.worker(0)?.address(), None).await?;
    watcher.listen(sale.house.venue(), &["seats"], None).await?;
    sql.run("commit").await?;
    let told = |socket: &Socket| socket.events().iter().any(|e| e["action"] == "released");
    watcher.hear_until("the release", PATIENCE, told).await?;
    let free = json!([{"id": "R1-1", "status": "free"}]);
    assert_eq!(watcher.events().last().map(|event| &event["data"]["seats"]), Some(&free));
    best(&sale, &ana, 3).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_share_of_seats_opens_to_its_code_and_its_roles_alone() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 4)).await?;
    let (ana, owner) = (bed.person().await?, sale.house.owner());
    let (clerk, host) =
        (sale.house.member("box_office").await?, sale.house.member("manager").await?);
    let share = sale.path("/allocations/sponsors");
    let front = ["R1-1", "R1-2", "R1-3", "R1-4"];
    let body = json!({"seats": front, "code": "GOLDEN-1", "roles": ["box_office"]});
    let made = owner.put(&share, body).await?.expect(200)?;
    assert_eq!((&made["hasCode"], made.get("code")), (&json!(true), None));
    let unknown = json!({"seats": ["Z-9"], "code": "GOLDEN-1"});
    owner.put(&share, unknown).await?.refused(404, "booking.no_such_seats")?;
    let map = sale.map(&ana).await?;
    assert_eq!((&*map.seats["R1-2"], &*map.seats["R2-2"]), ("withheld", "free"));

    sale.hold(&ana, &["R1-1"]).await?.refused(409, "booking.reserved")?;
    sale.hold(&host, &["R1-1"]).await?.refused(409, "booking.reserved")?;
    sale.book(&ana, &["R1-1"]).await?.refused(409, "booking.reserved")?;
    let open = best(&sale, &ana, 2).await?.expect(201)?;
    assert!(seats(&open).iter().all(|seat| seat.starts_with("R2-")), "{open}");
    let coded = |body: serde_json::Value| ana.post(sale.path("/holds"), body);
    let wrong = json!({"seats": ["R1-1"], "code": "SILVER-1"});
    coded(wrong).await?.refused(409, "booking.reserved")?;
    let right = json!({"best": {"quantity": 2}, "code": "GOLDEN-1"});
    let hold = coded(right).await?.expect(201)?;
    assert_eq!(seats(&hold), ["R1-1", "R1-2"], "the others are not left alone");
    sale.hold(&clerk, &["R1-3"]).await?.expect(201)?;

    let path = sale.house.path(&format!("/holds/{}", text(&hold, "/id")?));
    ana.delete(path).header("Hold-Token", &text(&hold, "/token")?).await?;
    assert_eq!(sale.map(&ana).await?.seats["R1-2"], "withheld", "back to the share");
    let listed = owner.get(sale.path("/allocations")).await?.expect(200)?;
    assert_eq!(listed["items"][0]["seats"], json!(front));
    assert_eq!(owner.delete(&share).await?.status, 204);
    owner.delete(&share).await?.refused(404, "booking.no_such_allocation")?;
    assert_eq!(sale.map(&ana).await?.seats["R1-2"], "free");
    Ok(())
}
