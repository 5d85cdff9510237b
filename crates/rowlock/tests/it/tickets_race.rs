//! Many scanners on several workers scan the same tickets at the same time.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{Bed, Client, Sql};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::doors::{Coded, Doors};
use crate::sale::text;

const WORKERS: usize = 3;
const SCANNERS: usize = 40;
/// How often each ticket is scanned, by different devices at about the same moment.
const TIMES: usize = 3;

/// One scan: the ticket's number in the list, who scanned, what came of it.
struct Scanned {
    ticket: usize,
    device: String,
    answer: Value,
}

/// Every ticket is scanned three times: by three scanners, at three workers, all beginning at once.
async fn rush(
    doors: &Doors,
    tickets: &[Coded],
    scanners: &[(String, Client)],
) -> Result<Vec<Scanned>> {
    let start = Arc::new(Barrier::new(scanners.len()));
    let (mut running, tickets) = (JoinSet::new(), Arc::new(tickets.to_vec()));
    for (n, (device, client)) in scanners.iter().enumerate() {
        let (doors, device) = (doors.clone(), device.clone());
        let (client, start) = (client.at(n % WORKERS), Arc::clone(&start));
        let (tickets, count) = (Arc::clone(&tickets), scanners.len());
        running.spawn(async move {
            // Neighbours share a ticket: the same one comes up with three of them at a time.
            let mine = (0..tickets.len() * TIMES).filter(|scan| scan % count == n);
            let mut scanned = Vec::new();
            start.wait().await;
            for scan in mine {
                let ticket = scan / TIMES;
                let code = &tickets.get(ticket).context("no ticket")?.code;
                let answer = doors.scan(&client, code).settled().await?.expect(200)?;
                scanned.push(Scanned { ticket, device: device.clone(), answer });
            }
            anyhow::Ok(scanned)
        });
    }
    let all: Result<Vec<_>> = running.join_all().await.into_iter().collect();
    Ok(all?.into_iter().flatten().collect())
}

fn admits(scanned: &[Scanned]) -> HashMap<usize, Vec<&Scanned>> {
    let mut admits: HashMap<usize, Vec<&Scanned>> = HashMap::new();
    for scan in scanned.iter().filter(|scan| scan.answer["verdict"] == "admit") {
        admits.entry(scan.ticket).or_default().push(scan);
    }
    admits
}

/// A hall that counts, and doors into it.
async fn hall(doors: &mut Doors, capacity: Option<i64>) -> Result<String> {
    let zone = doors.add("zones", json!({"name": "Hall", "capacity": capacity})).await?;
    let zone = text(&zone, "/id")?;
    let list = doors.add("lists", json!({"name": "Into the hall", "zoneId": zone})).await?;
    doors.list = text(&list, "/id")?;
    Ok(zone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_6000_scans_by_40_scanners_2000_let_somebody_in() -> Result<()> {
    const TICKETS: usize = 2_000;
    let bed = Bed::start(WORKERS).await?;
    let mut doors = Doors::open(&bed).await?;
    let zone = hall(&mut doors, None).await?;
    let scanners = doors.scanners(&bed, SCANNERS).await?;
    let tickets = doors.issue(json!({"class": 1, "name": "Ana Lopes"}), TICKETS).await?;
    let sql = bed.sql().await?;

    let scanned = rush(&doors, &tickets, &scanners).await?;

    assert_eq!(scanned.len(), TICKETS * TIMES);
    let admits = admits(&scanned);
    assert_eq!(admits.len(), TICKETS, "every ticket let somebody in");
    assert!(admits.values().all(|each| each.len() == 1), "and each of them once");
    for scan in scanned.iter().filter(|scan| scan.answer["verdict"] != "admit") {
        assert_eq!(scan.answer["reason"], "already_admitted");
        let first = admits.get(&scan.ticket).and_then(|each| each.first()).context("no winner")?;
        assert_eq!(scan.answer["firstScan"]["deviceId"], first.device.as_str());
        assert_eq!(scan.answer["firstScan"]["gate"], "North");
        assert_eq!(scan.answer["firstScan"]["at"], first.answer["scannedAt"]);
        assert_eq!(scan.answer["ticket"]["name"], "Ana Lopes");
    }
    agree(&doors, &sql, &zone, i64::try_from(TICKETS)?).await?;
    let attempts: i64 = sql.value("select count(*) from tickets.scan", &[]).await?;
    assert_eq!(attempts, i64::try_from(TICKETS * TIMES)?, "every attempt is kept");
    let told = "select count(*) from log.venue_event where type = 'ticket_verified'";
    assert_eq!(sql.value::<i64>(told, &[]).await?, i64::try_from(TICKETS)?);
    Ok(())
}

/// The count of the zone, the tickets that say they are in it and the scans that count are one number.
async fn agree(doors: &Doors, sql: &Sql, zone: &str, people: i64) -> Result<()> {
    let tickets = "select count(*) from tickets.ticket where zone_id is not null";
    let scans =
        "select count(*) filter (where kind = 'entry') - count(*) filter (where kind = 'exit')
        from tickets.scan where counts and undone_at is null";
    assert_eq!(doors.inside(zone).await?, people);
    assert_eq!(sql.value::<i64>(tickets, &[]).await?, people);
    assert_eq!(sql.value::<i64>(scans, &[]).await?, people);
    Ok(())
}

/// Takes the row lock out of the function that does a scan in one trip. The moment between its look
/// and its write is a millisecond; here it is longer, so that few scans suffice to meet in it.
async fn without_lock(sql: &Sql) -> Result<()> {
    let function = "select pg_get_functiondef(oid) from pg_proc where proname = 'pass'";
    let text: String = sql.value(function, &[]).await?;
    ensure!(text.contains(" for update;"), "the function has another lock");
    sql.run(&text.replace(" for update;", "; perform pg_sleep(0.03);")).await
}

/// Evenings in which the control may go well.
const EVENINGS_MAX: usize = 4;

/// The control: without the lock the same rush must let people in twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_200_tickets_let_in_more_than_200() -> Result<()> {
    const TICKETS: usize = 200;
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let doors = Doors::open(&bed).await?;
    let scanners = doors.scanners(&bed, SCANNERS).await?;
    without_lock(&bed.sql().await?).await?;
    for _ in 0..EVENINGS_MAX {
        let tickets = doors.issue(json!({"class": 1}), TICKETS).await?;
        let scanned = rush(&doors, &tickets, &scanners).await?;
        if admits(&scanned).values().any(|each| each.len() > 1) {
            return Ok(());
        }
    }
    bail!(
        "nobody was let in twice, so the other test proves nothing. Was the worker built with \
         `--features controls`?"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hall_for_25_takes_25_of_100_at_its_doors() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let mut doors = Doors::open(&bed).await?;
    let zone = hall(&mut doors, Some(25)).await?;
    let scanners = doors.scanners(&bed, 20).await?;
    let tickets = doors.issue(json!({"class": 1}), 100).await?;

    let scanned = rush(&doors, &tickets, &scanners).await?;

    assert_eq!(admits(&scanned).len(), 25);
    let full = scanned.iter().filter(|scan| scan.answer["reason"] == "zone_full").count();
    assert!(full >= 75, "only {full} were told that the hall is full");
    agree(&doors, &bed.sql().await?, &zone, 25).await
}

/// A nonce that is sent to three workers at once is one scan with one verdict.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_is_sent_three_times_at_once_is_one_scan() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let doors = Doors::open(&bed).await?;
    let scanners = doors.scanners(&bed, 1).await?;
    let (_, scanner) = scanners.first().context("no scanner")?;
    let tickets = doors.issue(json!({"class": 1}), 40).await?;
    for ticket in &tickets {
        let body = json!({"code": ticket.code, "nonce": uuid::Uuid::new_v4()});
        let asks = (0..TIMES).map(|n| doors.scan_with(&scanner.at(n), &body).settled());
        let mut running = JoinSet::new();
        asks.for_each(|ask| drop(running.spawn(ask)));
        let mut answers = Vec::new();
        for answer in running.join_all().await {
            answers.push(answer?.expect(200)?);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0]["verdict"], "admit");
    }
    let scans: i64 = bed.sql().await?.value("select count(*) from tickets.scan", &[]).await?;
    assert_eq!(scans, 40);
    Ok(())
}
