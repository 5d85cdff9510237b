//! A show that is cancelled while people hold, book and cancel.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Bed, Person};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, live_claims, text};

const WORKERS: usize = 2;
const PEOPLE: usize = 24;

/// Books a seat, cancels it, holds another, as long as the show lets them.
async fn customer(sale: Sale, who: Person, n: usize, start: Arc<Barrier>) -> Result<()> {
    let seat = format!("T{}-1", n + 1);
    let client = who.at(n % WORKERS);
    let booked = sale.book(&client, &[&seat]).settled().await?.expect(201)?;
    let path = sale.house.path(&format!("/bookings/{}", text(&booked, "/id")?));
    let held = sale.hold(&client, &[&format!("T{}-2", n + 1)]).settled().await?.expect(201)?;
    start.wait().await;
    if n.is_multiple_of(2) {
        let gone = client.post(format!("{path}/cancel"), json!({})).settled().await?;
        ensure!([200, 409].contains(&gone.status), "{}", gone.text);
    }
    let body = json!({"hold": held["id"], "token": held["token"], "customer": {"name": "Ana"}});
    let late = client.post(sale.path("/bookings"), body).settled().await?;
    ensure!([201, 409, 410].contains(&late.status), "{}", late.text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_cancelled_in_a_crowd_of_24_leaves_nothing_and_never_deadlocks() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::of(bed.house().await?, blocks(PEOPLE, 2)).await?;
    let (owner, sql) = (sale.house.owner().clone(), bed.sql().await?);
    let show = sale.house.path(&format!("/shows/{}", sale.show));
    let doors = json!({"name": "Gala", "opensAt": "2020-01-01T00:00:00Z",
        "closesAt": "2099-03-01T00:00:00Z"});
    owner.put(format!("{show}/doors"), doors).await?.expect(200)?;
    owner.post(format!("{show}/ticket-types"), json!({"name": "All"})).await?.expect(201)?;
    owner.patch(&show, json!({"tickets": true})).await?.expect(200)?;

    let (start, mut people) = (Arc::new(Barrier::new(PEOPLE + 1)), JoinSet::new());
    for n in 0..PEOPLE {
        people.spawn(customer(sale.clone(), bed.person().await?, n, start.clone()));
    }
    start.wait().await;
    owner.post(format!("{show}/cancel"), json!({})).settled().await?.expect(200)?;
    while let Some(done) = people.join_next().await {
        done??;
    }

    let number = async |query: &str| sql.value::<i64>(query, &[]).await;
    assert_eq!(live_claims(&sql).await?, 0);
    let live = "select count(*) from booking.booking where status in ('pending', 'confirmed')";
    assert_eq!(number(live).await?, 0);
    assert_eq!(number("select count(*) from booking.hold where status = 'live'").await?, 0);
    let tickets = "select count(*) from tickets.ticket";
    ensure!(number(tickets).await? >= i64::try_from(PEOPLE)?, "tickets were issued");
    let open = format!("{tickets} where status <> 'revoked'");
    assert_eq!(number(&open).await?, 0, "a ticket opens a door of a show that is not");
    for worker in 0..WORKERS {
        let text = bed.anyone().at(worker).get("/metrics").await?.text;
        ensure!(!text.contains("pg_write_retries_total"), "a deadlock: {text}");
    }
    Ok(())
}
