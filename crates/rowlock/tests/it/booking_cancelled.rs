//! A show that is cancelled while people hold, book, cancel and begin to wait.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::json;
use testkit::{Answered, Bed, Person, Sql};
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

/// Shows that are cancelled in one test, each with a list of its own.
const EVENINGS: u64 = 6;

/// All begin to wait at the moment when the show is cancelled, one so long after the other. What they
/// were answered.
async fn waits(sale: &Sale, people: &[Person], apart: Duration) -> Result<Vec<Answered>> {
    let owner = sale.house.owner().clone();
    let (start, mut joining) = (Arc::new(Barrier::new(people.len() + 1)), JoinSet::new());
    for ((n, person), after) in people.iter().enumerate().zip(0_u32..) {
        let body = json!({"quantity": 2});
        let ask = person.at(n % WORKERS).post(sale.path("/waitlist"), body);
        let start = start.clone();
        joining.spawn(async move {
            start.wait().await;
            tokio::time::sleep(apart * after).await;
            ask.settled().await
        });
    }
    let cancel = owner.post(sale.path("/cancel"), json!({}));
    start.wait().await;
    cancel.settled().await?.expect(200)?;
    joining.join_all().await.into_iter().collect()
}

/// Places in the list of a show that does not take place.
async fn left_behind(sql: &Sql) -> Result<i64> {
    let waiting = "select count(*) from booking.waiting w
        join booking.show s on s.venue_id = w.venue_id and s.id = w.show_id
        where s.status = 'cancelled' and w.status in ('waiting', 'offered')";
    sql.value(waiting, &[]).await
}

async fn people(bed: &Bed) -> Result<Vec<Person>> {
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(bed.person().await?);
    }
    Ok(people)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_24_who_begin_to_wait_nobody_waits_for_a_show_that_is_cancelled() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let (house, sql, people) = (bed.house().await?, bed.sql().await?, people(&bed).await?);
    let (mut dismissed, mut late) = (0, 0);
    // On a fast machine all are early when all come at once: each evening they come less so.
    for evening in 0..4 * EVENINGS {
        if evening >= EVENINGS && late > 0 && dismissed > 0 {
            break;
        }
        let sale = Sale::of(house.clone(), blocks(1, 1)).await?;
        for answer in waits(&sale, &people, Duration::from_millis(evening)).await? {
            if answer.status == 201 {
                dismissed += 1;
            } else {
                answer.refused(409, "booking.not_on_sale")?;
                late += 1;
            }
        }
        assert_eq!(left_behind(&sql).await?, 0, "somebody waits for what never comes");
    }
    let left: i64 =
        sql.value("select count(*) from booking.waiting where status = 'left'", &[]).await?;
    assert_eq!(left, dismissed);
    println!("{dismissed} were dismissed, {late} were told");
    assert!(late > 0 && dismissed > 0, "all were early or all were late: the race was none");
    Ok(())
}

/// The control: without the lock of the show some wait for a show that is cancelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_of_the_show_some_wait_for_a_cancelled_one() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let (house, sql, people) = (bed.house().await?, bed.sql().await?, people(&bed).await?);
    for _ in 0..4 * EVENINGS {
        let sale = Sale::of(house.clone(), blocks(1, 1)).await?;
        waits(&sale, &people, Duration::ZERO).await?;
        if left_behind(&sql).await? > 0 {
            return Ok(());
        }
    }
    bail!("nobody waits for a cancelled show, so the other test proves nothing")
}
