//! What a write costs in round trips to PostgreSQL, counted at the wire.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Client, Proxy};

use crate::doors::Doors;
use crate::floor_room::Room;
use crate::sale::{Sale, blocks, labels, text};

/// Far more than it takes to send a flight: no answer comes before all of it is sent.
const EACH_WAY: Duration = Duration::from_millis(25);
/// Only the pool of the requests ever prepares this.
const MARK: &str = "booking.hold_seats(";
const TRIPS_MAX: u64 = 3;

async fn cost(proxy: &Proxy, ask: testkit::Ask) -> Result<(u64, Value)> {
    let before = proxy.trips(MARK);
    let answer = ask.settled().await?;
    let trips = proxy.trips(MARK) - before;
    anyhow::ensure!(answer.status < 300, "{}", answer.text);
    Ok((trips, answer.json))
}

#[tokio::test]
async fn a_named_hold_costs_one_round_trip_and_any_other_write_at_most_three() -> Result<()> {
    let bed = Bed::with().through_a_proxy().env("DATABASE_POOL_SIZE", "1").start().await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 20)).await?;
    // A role that was just given is looked up, which is a trip of its own: an owner's is older.
    let clerk = sale.house.owner();
    let (seats, customer) = (labels(1, 20), bed.person().await?);
    let confirm = |client: &Client, hold: &Value| {
        let customer = json!({"name": "Ana Lopes"});
        let body = json!({"hold": hold["id"], "token": hold["token"], "customer": customer});
        client.post(sale.path("/bookings"), body)
    };
    let (warm, rest) = seats.split_at(2);
    for seat in warm {
        let hold = sale.hold(clerk, &[seat]).await?.expect(201)?;
        confirm(clerk, &hold).await?.expect(201)?;
    }
    let proxy = bed.proxy()?;
    proxy.delay(EACH_WAY);
    let best = json!({"best": {"quantity": 1}});
    // The second looks where the first found seats, which is a statement of its own.
    for _ in 0..2 {
        let held = clerk.post(sale.path("/holds"), best.clone()).await?.expect(201)?;
        release(&sale, clerk, &held).await?;
    }
    for pair in rest.chunks(2).take(4) {
        let (trips, hold) = cost(proxy, sale.hold(clerk, &[&pair[0], &pair[1]])).await?;
        println!("a hold of named seats cost {trips} round trips");
        assert_eq!(trips, 1);
        let (trips, held) = cost(proxy, clerk.post(sale.path("/holds"), best.clone())).await?;
        println!("a hold of the best seat cost {trips} round trips");
        assert!((1..=TRIPS_MAX).contains(&trips), "a hold of the best seat cost {trips} trips");
        release(&sale, clerk, &held).await?;
        let (trips, _) = cost(proxy, confirm(clerk, &hold)).await?;
        println!("a booking cost {trips} round trips");
        assert!((1..=TRIPS_MAX).contains(&trips), "a booking cost {trips} round trips");
    }
    let (trips, _) = cost(proxy, sale.hold(&customer, &[&seats[18]])).await?;
    assert_eq!(trips, 1, "nor does it cost a customer more");
    Ok(())
}

async fn release(sale: &Sale, client: &Client, hold: &Value) -> Result<()> {
    let path = sale.house.path(&format!("/holds/{}", text(hold, "/id")?));
    let answer = client.delete(path).header("Hold-Token", &text(hold, "/token")?).await?;
    anyhow::ensure!(answer.status == 204, "{}", answer.text);
    Ok(())
}

#[tokio::test]
async fn a_table_is_moved_in_one_round_trip() -> Result<()> {
    let bed = Bed::with().through_a_proxy().env("DATABASE_POOL_SIZE", "1").start().await?;
    let room = Room::of(&bed, 1).await?;
    let path = room.path(&format!("/tables/{}", room.tables[0]));
    let move_to = |x: i32| room.house.owner().patch(&path, json!({"x": x}));
    move_to(1).await?.expect(200)?;
    let proxy = bed.proxy()?;
    proxy.delay(EACH_WAY);
    for x in 2..6 {
        let before = proxy.trips("floor.move_table(");
        move_to(x).await?.expect(200)?;
        assert_eq!(proxy.trips("floor.move_table(") - before, 1);
    }
    Ok(())
}

/// Round trips of a batch of a thousand scans: three for each hundred, and what opens it.
const BATCH_TRIPS_MAX: u64 = 35;

#[tokio::test]
async fn a_batch_of_1000_scans_costs_three_round_trips_for_each_hundred() -> Result<()> {
    let bed = Bed::with().through_a_proxy().env("DATABASE_POOL_SIZE", "1").start().await?;
    let doors = Doors::open(&bed).await?;
    let owner = doors.house.owner();
    let body = json!({"tickets": vec![json!({"class": 1}); 1_000]});
    let made = owner.post(doors.path("/tickets"), body).await?.expect(201)?;
    let tickets = made["tickets"].as_array().context("no tickets")?;
    let scan = |ticket: &Value| {
        json!({"nonce": uuid::Uuid::new_v4(), "ticket": ticket["id"], "list": doors.list,
            "scannedAt": "2026-01-01T20:00:00Z", "verdict": "admit"})
    };
    let send = |tickets: &[Value]| {
        let scans: Vec<_> = tickets.iter().map(scan).collect();
        let batch = json!({"show": doors.show, "scans": scans});
        owner.post(doors.house.path("/scans/batch"), batch).without_key()
    };
    send(&tickets[..1]).await?.expect(200)?;
    let mark = "insert into tickets.scan";
    let proxy = bed.proxy()?;
    proxy.delay(EACH_WAY);
    let before = proxy.trips(mark);
    let answer = send(tickets).await?.expect(200)?;
    let trips = proxy.trips(mark) - before;
    println!("a batch of 1000 scans cost {trips} round trips");
    assert_eq!(answer["results"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(text(&answer, "/results/999/verdict")?, "admit");
    assert!((1..=BATCH_TRIPS_MAX).contains(&trips), "{trips} round trips");
    Ok(())
}
