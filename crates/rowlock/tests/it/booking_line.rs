//! The line in front of a show: passes in the order of arrival, and no hold without one.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Client, PATIENCE, Person, Socket, Sql, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, text};

async fn set(sale: &Sale, body: Value) -> Result<Value> {
    sale.house.owner().put(sale.path("/line"), body).await?.expect(200)
}

async fn join(sale: &Sale, client: &Client) -> Result<i64> {
    let place = client.post(sale.path("/line"), json!({})).settled().await?.expect(200)?;
    place["place"].as_i64().context("no place")
}

async fn place(sale: &Sale, client: &Client) -> Result<Value> {
    client.get(sale.path("/line/me")).await?.expect(200)
}

async fn becomes(sale: &Sale, client: &Client, status: &str) -> Result<Value> {
    wait_until(status, PATIENCE, async || {
        Ok(Some(place(sale, client).await?).filter(|place| place["status"] == status))
    })
    .await
}

async fn people(bed: &Bed, count: usize) -> Result<Vec<Person>> {
    let mut people = Vec::new();
    for _ in 0..count {
        people.push(bed.person().await?);
    }
    Ok(people)
}

async fn release(sale: &Sale, client: &Client, hold: &Value) -> Result<()> {
    let path = sale.house.path(&format!("/holds/{}", text(hold, "/id")?));
    client.delete(path).header("Hold-Token", &text(hold, "/token")?).await?.expect(204)?;
    Ok(())
}

#[tokio::test]
async fn no_customer_holds_without_a_pass_and_each_pass_is_used_up() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(2, 4)).await?;
    let (ana, ben) = (bed.person().await?, bed.person().await?);
    let clerk = sale.house.member("box_office").await?;
    ana.post(sale.path("/line"), json!({})).await?.refused(409, "booking.no_line")?;
    // The control: as long as there is no line, nobody needs a pass.
    let free = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    release(&sale, &ana, &free).await?;
    let opened = set(&sale, json!({"open": true, "passesPerSec": 5})).await?;
    assert_eq!((&opened["open"], &opened["joined"]), (&true.into(), &0.into()));

    let best = json!({"best": {"quantity": 2}});
    sale.hold(&ana, &["T1-1"]).await?.refused(409, "booking.pass_needed")?;
    ana.post(sale.path("/holds"), best.clone()).await?.refused(409, "booking.pass_needed")?;
    sale.book(&ana, &["T1-1"]).await?.refused(409, "booking.pass_needed")?;
    let other = Sale::of(sale.house.clone(), blocks(1, 4)).await?;
    let shows = json!([{"show": sale.show, "seats": ["T1-1"]},
        {"show": other.show, "seats": ["T1-1"]}]);
    let bundle = ana.post(sale.house.path("/bundles"), json!({"shows": shows}));
    bundle.await?.refused(409, "booking.pass_needed")?;
    sale.hold(&clerk, &["T2-4"]).await?.expect(201)?;

    assert_eq!((join(&sale, &ana).await?, join(&sale, &ana).await?), (1, 1), "one place each");
    let passed = becomes(&sale, &ana, "passed").await?;
    assert_eq!((&passed["usesLeft"], &passed["ahead"]), (&3.into(), &0.into()));
    sale.hold(&ben, &["T1-2"]).await?.refused(409, "booking.pass_needed")?;
    let held = sale.hold(&ana, &["T1-1"]).await?.expect(201)?;
    release(&sale, &ana, &held).await?;
    // What cannot be had uses no pass.
    sale.hold(&ana, &["T2-4"]).await?.refused(409, "booking.seats_taken")?;
    let held = ana.post(sale.path("/holds"), best).await?.expect(201)?;
    release(&sale, &ana, &held).await?;
    sale.book(&ana, &["T1-3"]).await?.expect(201)?;
    sale.hold(&ana, &["T1-1"]).await?.refused(409, "booking.pass_needed")?;
    assert_eq!(place(&sale, &ana).await?["status"], "used");

    assert_eq!((join(&sale, &ana).await?, join(&sale, &ben).await?), (2, 3), "at the end again");
    becomes(&sale, &ben, "passed").await?;
    assert_eq!(ben.delete(sale.path("/line/me")).await?.status, 204);
    assert_eq!(place(&sale, &ben).await?["status"], "left");
    sale.hold(&ben, &["T1-2"]).await?.refused(409, "booking.pass_needed")?;
    let closed = set(&sale, json!({"open": false})).await?;
    assert_eq!((&closed["open"], &closed["served"]), (&false.into(), &closed["joined"]));
    sale.hold(&ben, &["T1-2"]).await?.expect(201)?;
    Ok(())
}

async fn places(sql: &Sql, status: &str) -> Result<Vec<i64>> {
    let of = "select place from booking.line_place where status = $1 order by place";
    sql.column(of, &[&status]).await
}

#[tokio::test]
async fn passes_go_to_the_first_come_and_never_to_more_than_there_are_seats() -> Result<()> {
    let bed = Bed::start(3).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 5)).await?;
    let (people, sql) = (people(&bed, 6).await?, bed.sql().await?);
    let clerk = sale.house.member("box_office").await?;
    let mut watcher = Socket::open(&bed.worker(2)?.address(), None).await?;
    watcher.listen(sale.house.venue(), &["seats"], None).await?;
    set(&sale, json!({"open": true, "passesPerSec": 50, "passSecs": 600})).await?;
    sale.book(&clerk, &["T1-1"]).await?.expect(201)?;
    let held = sale.hold(&clerk, &["T1-2"]).await?.expect(201)?;
    for (n, person) in (1..).zip(&people) {
        assert_eq!(join(&sale, &person.at(usize::try_from(n)? % 3)).await?, n);
    }
    let served = |least: i64| {
        move |socket: &Socket| {
            let mut moved = socket.events().iter().filter(|e| e["type"] == "line_moved");
            moved.any(|event| event["data"]["served"].as_i64().is_some_and(|seen| seen >= least))
        }
    };
    watcher.hear_until("three are called", PATIENCE, served(3)).await?;
    // Three seats are free: three have passes, however often three workers look.
    wait_until("the workers have looked again", PATIENCE, async || {
        Ok((places(&sql, "passed").await? == [1, 2, 3]).then_some(()))
    })
    .await?;
    let fourth = place(&sale, &people[3]).await?;
    assert_eq!((&fourth["status"], &fourth["ahead"]), (&"waiting".into(), &0.into()));
    assert_eq!(place(&sale, &people[5]).await?["ahead"], 2);

    // The first uses theirs: one seat less, one pass less that is out. The second lets it pass.
    sale.book(&people[0], &["T1-3"]).await?.expect(201)?;
    sql.run("update booking.line_place set pass_until = now() where place = 2").await?;
    sale.hold(&people[1], &["T1-4"]).await?.refused(409, "booking.pass_needed")?;
    becomes(&sale, &people[3], "passed").await?;
    assert_eq!(place(&sale, &people[1]).await?["status"], "expired");
    assert_eq!(places(&sql, "waiting").await?, [5, 6]);

    // All is sold: nobody waits for nothing, and what is only held does not count as sold.
    sale.book(&clerk, &["T1-4", "T1-5"]).await?.expect(201)?;
    assert_eq!(place(&sale, &people[4]).await?["status"], "waiting");
    let customer = json!({"name": "Ana Lopes"});
    let book = json!({"hold": held["id"], "token": held["token"], "customer": customer});
    clerk.post(sale.path("/bookings"), book).await?.expect(201)?;
    becomes(&sale, &people[4], "ended").await?;
    let sold_out =
        |s: &Socket| s.events().iter().any(|event| event["data"]["soldOut"] == json!(true));
    watcher.hear_until("it is sold out", PATIENCE, sold_out).await?;
    let line = bed.anyone().get(sale.path("/line")).await?.expect(200)?;
    assert_eq!((&line["soldOut"], &line["served"]), (&true.into(), &6.into()));
    let moved = watcher.events().iter().filter(|event| event["type"] == "line_moved");
    assert!(moved.count() <= 6, "one event a step, not one a person");
    Ok(())
}

const CROWD: usize = 24;

/// All join at the same moment, at three workers.
async fn crowd(bed: &Bed, sale: &Sale) -> Result<Vec<testkit::Answered>> {
    // Nobody is called meanwhile.
    set(sale, json!({"open": true})).await?;
    let start = Arc::new(Barrier::new(CROWD));
    let mut joining = JoinSet::new();
    for (n, person) in people(bed, CROWD).await?.into_iter().enumerate() {
        let ask = person.at(n % 3).post(sale.path("/line"), json!({}));
        let start = start.clone();
        joining.spawn(async move {
            start.wait().await;
            ask.settled().await
        });
    }
    joining.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_24_who_come_at_once_each_has_a_place_of_their_own() -> Result<()> {
    let bed = Bed::start(3).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    let mut places = BTreeSet::new();
    for answer in crowd(&bed, &sale).await? {
        places.extend(answer.expect(200)?["place"].as_i64());
    }
    assert_eq!(places.into_iter().collect::<Vec<_>>(), (1..=24).collect::<Vec<_>>());
    Ok(())
}

/// The control: without the lock of the line, and without its key, several have the same place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_key_several_have_the_same_place() -> Result<()> {
    let bed = Bed::with().workers(3).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sql = bed.sql().await?;
    sql.run("alter table booking.line_place drop constraint line_place_pkey").await?;
    for _ in 0..4 {
        let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
        crowd(&bed, &sale).await?;
        let twice = "select count(*) - count(distinct (show_id, place)) from booking.line_place";
        if sql.value::<i64>(twice, &[]).await? > 0 {
            return Ok(());
        }
    }
    anyhow::bail!("everybody had a place of their own, so the other test proves nothing")
}
