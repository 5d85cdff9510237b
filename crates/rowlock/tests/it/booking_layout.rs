//! A layout that is changed while seats are sold.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Bed, Client};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::booking_best::{best, rows, seats};
use crate::sale::{Sale, live_claims};

fn lay_out(sale: &Sale, client: &Client, blocks: &[Value]) -> testkit::Ask {
    let category =
        json!({"code": "gala", "name": "Gala", "price": {"amount": 9_000, "currency": "EUR"}});
    let plan = json!({"plan": {"categories": [category], "blocks": blocks}});
    client.put(sale.path("/layout"), plan)
}

#[tokio::test]
async fn a_new_layout_keeps_seats_that_are_sold_and_never_takes_one_away() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 4)).await?;
    let (ana, owner) = (bed.person().await?, sale.house.owner());
    sale.book(&ana, &["R2-1"]).await?.expect(201)?;
    let held = sale.hold(&ana, &["R2-2"]).await?.expect(201)?;

    let without = lay_out(&sale, owner, &rows(1, 6)).await?;
    without.refused(409, "booking.seats_in_use")?;
    let lost = json!({"seats": [{"id": "R2-1", "status": "sold"}, {"id": "R2-2",
        "status": "held"}]});
    assert_eq!(without.json["current"], lost);
    assert_eq!(sale.map(&ana).await?.seats.len(), 8, "nothing was changed");

    // R2 comes first and grows, R1 goes, R3 is new.
    let mut blocks = rows(3, 6);
    blocks.swap(0, 1);
    blocks.remove(1);
    let show = lay_out(&sale, owner, &blocks).await?.expect(200)?;
    assert_eq!(show["seatCount"], 12);
    let map = sale.map(&ana).await?;
    assert_eq!((&*map.seats["R2-1"], &*map.seats["R2-2"]), ("sold", "held"));
    assert!(!map.seats.contains_key("R1-1"));
    let clerk = sale.house.member("box_office").await?;
    let best = best(&sale, &clerk, 4).await?.expect(201)?;
    assert_eq!(seats(&best), ["R2-3", "R2-4", "R2-5", "R2-6"], "the new seats are beside the old");
    assert_eq!(best["price"]["amount"], 36_000);
    let customer = json!({"name": "Ana Lopes"});
    let book = json!({"hold": held["id"], "token": held["token"], "customer": customer});
    let booking = ana.post(sale.path("/bookings"), book).await?.expect(201)?;
    assert_eq!(booking["seats"], json!(["R2-2"]), "the hold is still on the same seat");
    Ok(())
}

/// Half of the buyers want seats of a row that the manager is taking away at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_layout_and_60_holds_each_sees_what_the_other_did() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 30)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let start = Arc::new(Barrier::new(61));
    let mut running = JoinSet::new();
    for n in 0..60 {
        let (sale, clerk, start) = (sale.clone(), clerk.client().at(n % 2), start.clone());
        running.spawn(async move {
            start.wait().await;
            let seat = format!("R{}-{}", n % 2 + 1, n / 2 + 1);
            sale.hold(&clerk, &[&seat]).settled().await
        });
    }
    start.wait().await;
    let layout = lay_out(&sale, sale.house.owner(), &rows(1, 30)).settled().await?;
    let mut held = 0;
    for answer in running.join_all().await {
        let answer = answer?;
        match answer.status {
            201 => held += 1,
            _ => answer.refused(404, "booking.no_such_seats")?,
        }
    }
    match layout.status {
        200 => assert_eq!(held, 30, "R2 was taken away before anybody had a seat of it"),
        _ => layout.refused(409, "booking.seats_in_use")?,
    }
    assert_eq!(live_claims(&sql).await?, held);
    Ok(())
}
