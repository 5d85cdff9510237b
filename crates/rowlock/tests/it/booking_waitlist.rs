//! The waiting list of a show.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testkit::{Ask, Bed, Client, PATIENCE, Person, Socket, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::booking_best::{rows, seats};
use crate::booking_expiry::end_holds_in;
use crate::sale::{Sale, live_claims, text};

fn wait_for(sale: &Sale, client: &Client, quantity: u32) -> Ask {
    client.post(sale.path("/waitlist"), json!({"quantity": quantity}))
}

fn cancel(sale: &Sale, client: &Client, booking: &Value) -> Result<Ask> {
    let path = sale.house.path(&format!("/bookings/{}/cancel", text(booking, "/id")?));
    Ok(client.post(path, json!({})))
}

/// One's only place in a list.
async fn place(client: &Client) -> Result<Value> {
    let mine = client.get("/api/v1/me/waitlist").await?.expect(200)?;
    mine.pointer("/items/0").cloned().context("there is no place")
}

async fn offered(client: &Client) -> Result<Value> {
    wait_until("the offer", PATIENCE, async || {
        Ok(Some(place(client).await?).filter(|place| place.get("offer").is_some()))
    })
    .await
}

fn entry(sale: &Sale, place: &Value, rest: &str) -> Result<String> {
    Ok(sale.house.path(&format!("/waitlist/{}{rest}", text(place, "/id")?)))
}

#[tokio::test]
async fn what_comes_free_is_offered_to_the_first_party_that_it_fits() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 4)).await?;
    let (ana, ben, cleo) = (bed.person().await?, bed.person().await?, bed.person().await?);
    let first = sale.book(&ana, &["R1-1", "R1-2"]).await?.expect(201)?;
    sale.book(&ana, &["R1-3", "R1-4"]).await?.expect(201)?;
    let mut staff = Socket::open(&bed.worker(1)?.address(), sale.house.owner().token()).await?;
    staff.listen(sale.house.venue(), &["bookings"], None).await?;
    let three = wait_for(&sale, &ben, 3).await?.expect(201)?;
    assert_eq!(three["status"], "waiting");
    wait_for(&sale, &ben, 2).await?.refused(409, "booking.waits_already")?;
    wait_for(&sale, &cleo, 2).await?.expect(201)?;
    let accept = |place: &Value| entry(&sale, place, "/accept");
    ben.post(accept(&three)?, json!({})).await?.refused(409, "booking.no_offer")?;

    cancel(&sale, &ana, &first)?.await?.expect(200)?;
    let offer = offered(&cleo).await?;
    assert_eq!(offer["status"], "offered", "two seats do not fit the three of Ben");
    ben.post(accept(&offer)?, json!({})).await?.refused(404, "booking.no_such_waiting")?;
    let hold = cleo.post(accept(&offer)?, json!({})).await?.expect(200)?;
    assert_eq!(seats(&hold), ["R1-1", "R1-2"]);
    let book = json!({"hold": hold["id"], "token": hold["token"], "customer": {"name": "Cleo"}});
    cleo.post(sale.path("/bookings"), book).await?.expect(201)?;
    wait_until("the place is settled", PATIENCE, async || {
        Ok((place(&cleo).await?["status"] == "taken").then_some(()))
    })
    .await?;
    let list = sale.house.owner().get(sale.path("/waitlist")).await?.expect(200)?;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "only Ben still waits");
    assert_eq!(ben.delete(entry(&sale, &three, "")?).await?.status, 204);
    assert_eq!(place(&ben).await?["status"], "left");
    let told = |socket: &Socket| socket.events().iter().any(|e| e["type"] == "waitlist_left");
    staff.hear_until("Ben leaves", PATIENCE, told).await?;
    assert!(staff.events().iter().any(|event| event["type"] == "waitlist_offered"
        && event["data"]["offer"]["seats"] == json!(["R1-1", "R1-2"])));
    Ok(())
}

#[tokio::test]
async fn an_offer_that_is_not_taken_goes_to_the_next() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 2)).await?;
    let (ana, ben, cleo) = (bed.person().await?, bed.person().await?, bed.person().await?);
    let (dora, sql) = (bed.person().await?, bed.sql().await?);
    let hold = sale.hold(&ana, &["R1-1", "R1-2"]).await?.expect(201)?;
    for person in [&ben, &cleo, &dora] {
        wait_for(&sale, person, 2).await?.expect(201)?;
    }
    let path = sale.house.path(&format!("/holds/{}", text(&hold, "/id")?));
    ana.delete(path).header("Hold-Token", &text(&hold, "/token")?).await?;
    let passed = offered(&ben).await?;
    end_holds_in(&sql, 0).await?;
    let next = offered(&cleo).await?;
    assert_eq!(place(&ben).await?["status"], "passed");
    let accept = entry(&sale, &passed, "/accept")?;
    ben.post(accept, json!({})).await?.refused(409, "booking.no_offer")?;
    assert_eq!(cleo.delete(entry(&sale, &next, "")?).await?.status, 204);
    offered(&dora).await?;
    assert_eq!(live_claims(&sql).await?, 2);
    Ok(())
}

/// Ten bookings of two are cancelled at once, at three workers; 15 parties of two wait, and clerks
/// want the same seats.
async fn scramble(bed: &Bed, sale: &Sale) -> Result<(Vec<Person>, usize)> {
    let clerk = sale.house.member("box_office").await?;
    let mut bookings = Vec::new();
    for n in 0..10 {
        let pair = [format!("R1-{}", 2 * n + 1), format!("R1-{}", 2 * n + 2)];
        bookings.push(sale.book(&clerk, &[&pair[0], &pair[1]]).await?.expect(201)?);
    }
    let mut parties = Vec::new();
    for _ in 0..15 {
        let person = bed.person().await?;
        wait_for(sale, &person, 2).await?.expect(201)?;
        parties.push(person);
    }
    let start = Arc::new(Barrier::new(40));
    let (mut cancels, mut holds) = (JoinSet::new(), JoinSet::new());
    for (n, booking) in bookings.iter().enumerate() {
        let ask = cancel(sale, &clerk.at(n % 3), booking)?;
        let start = start.clone();
        cancels.spawn(async move {
            start.wait().await;
            ask.settled().await?.expect(200)
        });
    }
    for n in 0..30 {
        let (sale, clerk, start) = (sale.clone(), clerk.at(n % 3), start.clone());
        holds.spawn(async move {
            start.wait().await;
            let mut won = 0;
            for seat in [n % 20 + 1, (n + 7) % 20 + 1, (n + 13) % 20 + 1] {
                let answer = sale.hold(&clerk, &[&format!("R1-{seat}")]).settled().await?;
                won += usize::from(answer.status == 201);
            }
            anyhow::Ok(won)
        });
    }
    cancels.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let won = holds.join_all().await.into_iter().sum::<Result<usize>>()?;
    Ok((parties, won))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_15_parties_and_30_buyers_nobody_gets_a_seat_that_another_has() -> Result<()> {
    let bed = Bed::start(3).await?;
    let sale = Sale::of(bed.house().await?, rows(1, 20)).await?;
    let (parties, won) = scramble(&bed, &sale).await?;
    let sql = bed.sql().await?;
    // Whatever two seats were left over are offered: at most one single stays.
    wait_until("all that fits is offered", PATIENCE, async || {
        Ok((live_claims(&sql).await? >= 19).then_some(()))
    })
    .await?;
    let (mut offers, mut waiting) = (0, false);
    for party in &parties {
        let offered = place(party).await?["status"] == "offered";
        assert!(!(offered && waiting), "a party was offered seats before one that came earlier");
        waiting |= !offered;
        offers += usize::from(offered);
    }
    assert_eq!(live_claims(&sql).await?, i64::try_from(won + 2 * offers)?);
    Ok(())
}

/// Evenings in which the control may go well.
const EVENINGS_MAX: usize = 6;
/// Far longer than the job of the waiting list takes to look again.
const OFFERED_WITHIN: Duration = Duration::from_secs(5);

/// The control: without the lock and without the unique index offers and holds overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_offers_and_holds_overlap() -> Result<()> {
    let bed = Bed::with().workers(3).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sql = bed.sql().await?;
    sql.run("alter table booking.claim drop constraint claim_pkey").await?;
    for _ in 0..EVENINGS_MAX {
        let sale = Sale::of(bed.house().await?, rows(1, 20)).await?;
        scramble(&bed, &sale).await?;
        let shared =
            wait_until("somebody got a seat that another has", OFFERED_WITHIN, async || {
                let twice = "select count(*) - count(distinct (show_id, seat)) from booking.claim";
                Ok((sql.value::<i64>(twice, &[]).await? > 0).then_some(()))
            });
        if shared.await.is_ok() {
            return Ok(());
        }
    }
    bail!("nobody got a seat that another has, so the other test proves nothing")
}
