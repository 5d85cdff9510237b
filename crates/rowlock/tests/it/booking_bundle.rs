//! Holds of several shows: all of them or none.

use std::sync::Arc;

use anyhow::Result;
use serde_json::json;
use testkit::{Answered, Bed, Client};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::booking_best::rows;
use crate::sale::{Sale, live_claims, text};

const WORKERS: usize = 3;
const BUYERS: usize = 90;
const SHOWS: usize = 3;

/// Shows of one venue.
async fn shows(bed: &Bed, count: usize, seats: usize) -> Result<Vec<Sale>> {
    let house = bed.house().await?;
    let mut sales = Vec::new();
    for _ in 0..count {
        sales.push(Sale::of(house.clone(), rows(1, seats)).await?);
    }
    Ok(sales)
}

/// Asks for these seats in these shows.
fn bundle(client: &Client, parts: &[(&Sale, &[&str])]) -> testkit::Ask {
    let path = parts.first().map(|(sale, _)| sale.house.path("/bundles")).unwrap_or_default();
    let part = |(sale, seats): &(&Sale, &[&str])| json!({"show": sale.show, "seats": seats});
    client.post(path, json!({"shows": parts.iter().map(part).collect::<Vec<_>>()}))
}

#[tokio::test]
async fn seats_of_several_shows_are_held_extended_and_booked_together() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sales = shows(&bed, 2, 4).await?;
    let (ana, rui, sql) = (bed.person().await?, bed.person().await?, bed.sql().await?);
    let [first, second] = &sales[..] else { anyhow::bail!("two shows") };
    let made = bundle(&ana, &[(first, &["R1-1", "R1-2"]), (second, &["R1-1"])]).await?;
    let made = made.expect(201)?;
    assert_eq!(made["prices"], json!([{"amount": 36_000, "currency": "EUR"}]));
    assert_eq!(made["holds"].as_array().map(Vec::len), Some(2));

    let lost = bundle(&rui, &[(first, &["R1-3"]), (second, &["R1-1"])]).await?;
    lost.refused(409, "booking.seats_taken")?;
    let state = json!({"showId": second.show, "seats": [{"id": "R1-1", "status": "held"}]});
    assert_eq!(lost.json["current"]["shows"], json!([state]));
    assert_eq!(first.map(&rui).await?.seats["R1-3"], "free", "all of them or none");

    // It counts as one: a second hold is allowed, a third is not.
    first.hold(&ana, &["R1-4"]).await?.expect(201)?;
    first.hold(&ana, &["R1-3"]).await?.refused(409, "booking.too_many_holds")?;
    let two: &[(&Sale, &[&str])] = &[(first, &["R1-3"]), (second, &["R1-3"])];
    bundle(&ana, two).await?.refused(409, "booking.too_many_holds")?;

    let (id, token) = (text(&made, "/id")?, text(&made, "/token")?);
    let path = first.house.path(&format!("/bundles/{id}"));
    let alone = first.house.path(&format!("/holds/{}", text(&made, "/holds/0/id")?));
    let part = ana.delete(&alone).header("Hold-Token", &token).await?;
    part.refused(409, "booking.in_bundle")?;
    let wrong = ana.post(format!("{path}/extend"), json!({})).header("Hold-Token", "no");
    wrong.await?.refused(403, "booking.wrong_token")?;
    let longer = ana.post(format!("{path}/extend"), json!({})).header("Hold-Token", &token);
    let longer = longer.await?.expect(200)?;
    assert!(text(&longer, "/expiresAt")? > text(&made, "/expiresAt")?);

    let body = json!({"token": token, "customer": {"name": "Ana Lopes"}});
    let booked = ana.post(format!("{path}/bookings"), body.clone()).await?.expect(201)?;
    // Shows that were made in the same millisecond have their ids in any order.
    let bookings = || booked["bookings"].as_array().into_iter().flatten();
    let of = |sale: &Sale| bookings().find(|one| one["showId"] == sale.show).map(|it| &it["seats"]);
    assert_eq!(of(first), Some(&json!(["R1-1", "R1-2"])));
    assert_eq!(of(second), Some(&json!(["R1-1"])));
    ana.post(format!("{path}/bookings"), body).await?.refused(410, "booking.hold_over")?;
    ana.delete(&path).header("Hold-Token", &token).await?.refused(410, "booking.hold_over")?;
    assert_eq!(second.map(&rui).await?.seats["R1-1"], "sold");

    let again = bundle(&rui, &[(first, &["R1-3"]), (second, &["R1-2"])]).await?.expect(201)?;
    let path = first.house.path(&format!("/bundles/{}", text(&again, "/id")?));
    let token = text(&again, "/token")?;
    assert_eq!(rui.delete(&path).header("Hold-Token", &token).await?.status, 204);
    assert_eq!(live_claims(&sql).await?, 4, "three are booked, one is held");
    Ok(())
}

/// Each buyer wants one seat in each of three shows, named in an order of their own; buyers cross.
async fn rush(bed: &Bed, seats: usize) -> Result<Vec<Answered>> {
    let sales = shows(bed, SHOWS, seats).await?;
    let clerk = sales[0].house.member("box_office").await?;
    let (start, mut buyers) = (Arc::new(Barrier::new(BUYERS)), JoinSet::new());
    for n in 0..BUYERS {
        let (clerk, start) = (clerk.client().at(n % WORKERS), Arc::clone(&start));
        let mut wanted: Vec<(Sale, String)> = Vec::new();
        for (at, sale) in sales.iter().enumerate() {
            wanted.push((sale.clone(), format!("R1-{}", (n * (at + 1)) % seats + 1)));
        }
        wanted.rotate_left(n % SHOWS);
        buyers.spawn(async move {
            start.wait().await;
            let seats: Vec<[&str; 1]> = wanted.iter().map(|(_, seat)| [seat.as_str()]).collect();
            let parts: Vec<(&Sale, &[&str])> =
                wanted.iter().zip(&seats).map(|((sale, _), seat)| (sale, &seat[..])).collect();
            bundle(&clerk, &parts).settled().await
        });
    }
    buyers.join_all().await.into_iter().collect()
}

fn won(answers: &[Answered]) -> usize {
    answers.iter().filter(|answer| answer.status == 201).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_90_bundles_that_cross_none_gets_a_half_and_none_deadlocks() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let answers = rush(&bed, 30).await?;
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        lost.refused(409, "booking.seats_taken")?;
    }
    let claims = live_claims(&bed.sql().await?).await?;
    assert!(won(&answers) > 0);
    assert_eq!(claims, i64::try_from(won(&answers) * SHOWS)?, "all three seats or none");
    let metrics = bed.anyone();
    for worker in 0..WORKERS {
        let text = metrics.at(worker).get("/metrics").await?.text;
        assert!(!text.contains("pg_write_retries_total"), "a deadlock: {text}");
    }
    Ok(())
}

/// Evenings in which a control may go well.
const EVENINGS_MAX: usize = 10;

/// The control: without the locks and without the unique index seats are given out twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_bundles_get_seats_twice() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    bed.sql().await?.run("alter table booking.claim drop constraint claim_pkey").await?;
    // One evening may go well by chance; ten do not.
    for _ in 0..EVENINGS_MAX {
        if won(&rush(&bed, 5).await?) > 5 {
            return Ok(());
        }
    }
    anyhow::bail!("five seats a show were enough {EVENINGS_MAX} times")
}
