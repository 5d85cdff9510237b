//! What the box office does with bookings: change, move, export, count.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testkit::{Answered, Bed, PATIENCE, Person, Socket};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::booking_best::{rows, seats};
use crate::sale::{Sale, live_claims, text};

const WORKERS: usize = 3;
const MOVERS: usize = 60;

/// Books seats and gives the booking's path.
async fn booked(sale: &Sale, clerk: &Person, seats: &[&str]) -> Result<(String, Value)> {
    let booking = sale.book(clerk, seats).settled().await?.expect(201)?;
    Ok((sale.house.path(&format!("/bookings/{}", text(&booking, "/id")?)), booking))
}

#[tokio::test]
async fn a_booking_is_renamed_by_whoever_has_seen_its_version() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::gala(&bed).await?;
    let clerk = sale.house.member("box_office").await?;
    let ana = bed.person().await?;
    let (path, _) = booked(&sale, &ana, &["T1-1"]).await?;
    let rename = |name: &str| json!({"name": name, "version": 1});
    let host = sale.house.member("host").await?;
    host.patch(&path, rename("Ana Maria")).await?.refused(403, "forbidden")?;
    let other = json!({"name": "Rui Costa", "email": "Rui@Example.org", "version": 1});
    let changed = clerk.patch(&path, other).await?.expect(200)?;
    assert_eq!(changed["customer"], json!({"name": "Rui Costa", "email": "rui@example.org"}));
    let stale = clerk.patch(&path, rename("Nobody")).await?;
    stale.refused(412, "booking.stale")?;
    assert_eq!(stale.json["current"]["version"], 2);
    let found = clerk.get(sale.house.path("/bookings?q=rui@")).await?.expect(200)?;
    assert_eq!(found["items"][0]["customer"]["name"], "Rui Costa");
    let none = clerk.patch(&path, json!({"email": ""})).await?.expect(200)?;
    assert_eq!(none["customer"], json!({"name": "Rui Costa"}));
    Ok(())
}

#[tokio::test]
async fn a_booking_moves_as_a_whole_or_stays() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 4)).await?;
    let clerk = sale.house.member("box_office").await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let (path, booking) = booked(&sale, &ana, &["R1-1", "R1-2"]).await?;
    sale.hold(&ana, &["R2-1"]).await?.expect(201)?;
    let go = |seats: &[&str]| clerk.post(format!("{path}/move"), json!({"seats": seats}));
    let taken = go(&["R2-2", "R2-1"]).await?;
    taken.refused(409, "booking.seats_taken")?;
    assert_eq!(taken.json["current"]["seats"], json!([{"id": "R2-1", "status": "held"}]));
    go(&["R2-2"]).await?.refused(422, "booking.other_count")?;
    go(&["R2-2", "Z-1"]).await?.refused(404, "booking.no_such_seats")?;
    assert_eq!(live_claims(&sql).await?, 3, "nothing was changed");
    let mut watcher = Socket::open(&bed.worker(0)?.address(), None).await?;
    watcher.listen(sale.house.venue(), &["seats"], None).await?;

    let moved = go(&["R1-2", "R1-3"]).await?.expect(200)?;
    assert_eq!(moved["seats"], json!(["R1-2", "R1-3"]));
    assert_eq!((&moved["price"], &moved["version"]), (&booking["price"], &json!(2)));
    watcher.hear_until("both changes", PATIENCE, |s| s.events().len() == 2).await?;
    let told: Vec<_> = watcher.events().iter().map(|event| &event["data"]["seats"]).collect();
    let (free, sold) =
        (json!([{"id": "R1-1", "status": "free"}]), json!([{"id": "R1-3", "status": "sold"}]));
    assert_eq!(told, [&free, &sold]);
    let map = sale.map(&ana).await?;
    assert_eq!((&*map.seats["R1-1"], &*map.seats["R1-3"]), ("free", "sold"));
    clerk.post(format!("{path}/cancel"), json!({})).await?.expect(200)?;
    go(&["R2-2", "R2-3"]).await?.refused(409, "booking.booking_over")?;
    assert_eq!(live_claims(&sql).await?, 1);
    Ok(())
}

/// As many bookings as movers; all of them want the same two seats at the same moment.
async fn scramble(bed: &Bed) -> Result<(Sale, Vec<Answered>)> {
    let sale = Sale::of(bed.house().await?, rows(MOVERS / 2 + 1, 4)).await?;
    let clerk = sale.house.member("box_office").await?;
    let mut paths = Vec::new();
    for n in 0..MOVERS {
        let (row, left) = (n / 2 + 2, n % 2 * 2 + 1);
        let own = [format!("R{row}-{left}"), format!("R{row}-{}", left + 1)];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        paths.push(booked(&sale, &clerk, &own).await?.0);
    }
    let start = Arc::new(Barrier::new(MOVERS));
    let mut movers = JoinSet::new();
    for (n, path) in paths.into_iter().enumerate() {
        let (clerk, start) = (clerk.client().at(n % WORKERS), Arc::clone(&start));
        movers.spawn(async move {
            start.wait().await;
            let seats = if n % 2 == 0 { ["R1-1", "R1-2"] } else { ["R1-2", "R1-1"] };
            clerk.post(format!("{path}/move"), json!({"seats": seats})).settled().await
        });
    }
    let answers = movers.join_all().await.into_iter().collect::<Result<_>>()?;
    Ok((sale, answers))
}

fn moved(answers: &[Answered]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_60_bookings_that_want_the_same_seats_one_moves() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let (sale, answers) = scramble(&bed).await?;
    assert_eq!(moved(&answers), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        lost.refused(409, "booking.seats_taken")?;
    }
    let map = sale.map(&bed.anyone()).await?;
    let sold = map.seats.values().filter(|status| *status == "sold").count();
    assert_eq!(sold, 2 * MOVERS, "what the one left is free, nothing else is");
    Ok(())
}

/// Evenings in which the control may go well.
const EVENINGS_MAX: usize = 5;

/// The control: without the locks and without the unique index several come to the same seats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_several_bookings_move_to_the_same_seats() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    bed.sql().await?.run("alter table booking.claim drop constraint claim_pkey").await?;
    for _ in 0..EVENINGS_MAX {
        if moved(&scramble(&bed).await?.1) > 1 {
            return Ok(());
        }
    }
    bail!("one moved each evening, so the other test proves nothing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_that_change_places_again_and_again_never_deadlock() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::of(bed.house().await?, rows(3, 4)).await?;
    let clerk = sale.house.member("box_office").await?;
    let mut movers = JoinSet::new();
    for (n, row) in ["R1", "R2"].into_iter().enumerate() {
        let own = [format!("{row}-1"), format!("{row}-4")];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let (path, _) = booked(&sale, &clerk, &own).await?;
        let clerk = clerk.client().at(n);
        movers.spawn(async move {
            let places = [["R1-2", "R2-2"], ["R2-3", "R1-3"], ["R3-1", "R1-1"], ["R2-1", "R3-2"]];
            for at in 0..40 {
                let seats = places[(at + 2 * n) % places.len()];
                let asked = clerk.post(format!("{path}/move"), json!({"seats": seats}));
                let answer = asked.await?;
                anyhow::ensure!([200, 409].contains(&answer.status), "{}", answer.text);
            }
            anyhow::Ok(())
        });
    }
    movers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let retries: Vec<String> = bed
        .anyone()
        .get("/metrics")
        .await?
        .text
        .lines()
        .filter(|line| line.starts_with("pg_write_retries_total"))
        .map(str::to_owned)
        .collect();
    assert!(retries.is_empty(), "{retries:?}");
    assert_eq!(live_claims(&bed.sql().await?).await?, 4);
    Ok(())
}

#[tokio::test]
async fn bookings_leave_as_csv_and_as_a_workbook() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::gala(&bed).await?;
    let clerk = sale.house.member("box_office").await?;
    let customer = json!({"name": "=HYPERLINK(\"x\")", "email": "ana@example.org"});
    let body = json!({"seats": ["T1-1", "T1-2"], "customer": customer});
    let booking = clerk.post(sale.path("/bookings"), body).await?.expect(201)?;
    let (path, _) = booked(&sale, &clerk, &["T2-1"]).await?;
    clerk.post(format!("{path}/cancel"), json!({})).await?.expect(200)?;

    let export = |query: &str| clerk.get(sale.path(&format!("/bookings/export{query}")));
    let csv = export("?status=confirmed").await?;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let lines: Vec<&str> = csv.text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 2, "{}", csv.text);
    let code = text(&booking, "/code")?;
    let wanted = format!(
        "{code},confirmed,\"'=HYPERLINK(\"\"x\"\")\",ana@example.org,T1-1 T1-2,2,24000,EUR,"
    );
    assert!(lines.get(1).context("no row")?.starts_with(&wanted), "{}", csv.text);
    assert_eq!(export("").await?.text.trim_end().split("\r\n").count(), 3);
    let book = export("?format=xlsx").await?;
    assert!(book.status == 200 && book.text.starts_with("PK"), "a zip");
    let scanner = sale.house.member("scanner").await?;
    scanner.get(sale.path("/bookings/export")).await?.refused(403, "forbidden")?;
    Ok(())
}

#[tokio::test]
async fn figures_count_what_sells_and_what_was_wanted_in_vain() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, rows(2, 4)).await?;
    let (clerk, owner) = (sale.house.member("box_office").await?, sale.house.owner());
    booked(&sale, &clerk, &["R1-1", "R1-2"]).await?;
    let hold = sale.hold(&clerk, &["R2-1"]).await?.expect(201)?;
    assert_eq!(seats(&hold), ["R2-1"]);
    owner.post(sale.path("/withhold"), json!({"seats": ["R2-4"]})).await?.expect(200)?;
    for wanted in [&["R1-1"][..], &["R1-1", "R2-1"]] {
        sale.hold(&clerk, wanted).await?.refused(409, "booking.seats_taken")?;
    }
    let figures = clerk.get(sale.path("/figures?by=hour")).await?.expect(200)?;
    assert_eq!(figures["seats"], json!({"free": 4, "held": 1, "sold": 2, "withheld": 1}));
    let block = json!({"name": "R2", "seats": {"free": 2, "held": 1, "sold": 0, "withheld": 1}});
    assert_eq!(figures["blocks"][1], block);
    let hour = &figures["sales"][0];
    assert_eq!(
        (&hour["bookings"], &hour["seats"], &hour["cancelled"]),
        (&json!(1), &json!(2), &json!(0))
    );
    assert_eq!(figures["holds"], json!({"live": 1, "booked": 0, "released": 0, "expired": 0}));
    assert_eq!(figures["conflicts"]["requests"], 2);
    let wanted = json!([{"id": "R1-1", "times": 2}, {"id": "R2-1", "times": 1}]);
    assert_eq!(figures["conflicts"]["mostWanted"], wanted);
    Ok(())
}
