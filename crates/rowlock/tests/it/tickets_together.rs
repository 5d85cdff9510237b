//! Scans of one venue that wait for one another go together in one transaction, and each is judged as
//! if it were alone.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Client, Sql};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::doors::{Coded, Doors};
use crate::sale::text;

const SCANNERS: usize = 24;
const TICKETS: usize = 240;

/// What a scan was answered: its ticket's number in the list, the status, the body.
type Answers = Vec<(usize, u16, Value)>;

/// Each scanner at each worker scans its share of the tickets, all beginning at once.
async fn crowd(
    (doors, workers): (&Doors, usize),
    tickets: &[Coded],
    scanners: &[(String, Client)],
    more: impl Fn(usize) -> Value,
) -> Result<Answers> {
    let start = Arc::new(Barrier::new(scanners.len()));
    let mut running = JoinSet::new();
    for (n, (_, client)) in scanners.iter().enumerate() {
        let (doors, client, start) = (doors.clone(), client.at(n % workers), Arc::clone(&start));
        let mine: Vec<_> =
            tickets.iter().cloned().enumerate().skip(n).step_by(scanners.len()).collect();
        let more = more(n);
        running.spawn(async move {
            let mut answers = Answers::new();
            start.wait().await;
            for (ticket, coded) in mine {
                let mut body = json!({"code": coded.code});
                if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
                    body.extend(more.clone());
                }
                let ask = doors.scan_with(&client, &body);
                // What is broken stays so; whoever is only told to wait comes again.
                let broken = body["gate"] == "Broken";
                let answer = if broken { ask.await? } else { ask.settled().await? };
                answers.push((ticket, answer.status, answer.json.clone()));
            }
            anyhow::Ok(answers)
        });
    }
    let all: Result<Vec<_>> = running.join_all().await.into_iter().collect();
    Ok(all?.into_iter().flatten().collect())
}

fn admitted(answers: &Answers) -> usize {
    answers.iter().filter(|(_, status, body)| *status == 200 && body["verdict"] == "admit").count()
}

/// Transactions in which somebody was let in.
async fn transactions(sql: &Sql) -> Result<i64> {
    let admits = "select count(distinct xmin::text) from tickets.scan where verdict = 'admit'";
    sql.value(admits, &[]).await
}

async fn hall(doors: &mut Doors) -> Result<String> {
    let zone = doors.add("zones", json!({"name": "Hall"})).await?;
    let zone = text(&zone, "/id")?;
    let list = doors.add("lists", json!({"name": "Into the hall", "zoneId": zone})).await?;
    doors.list = text(&list, "/id")?;
    Ok(zone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_that_wait_go_together_and_each_is_judged_alone() -> Result<()> {
    let bed = Bed::start(2).await?;
    let mut doors = Doors::open(&bed).await?;
    let zone = hall(&mut doors).await?;
    let scanners = doors.scanners(&bed, SCANNERS).await?;
    let tickets = doors.issue(json!({"class": 1}), TICKETS).await?;
    let sql = bed.sql().await?;
    // One of them was revoked, which nobody has told the workers: only the packet itself finds out.
    let (gone, _) = scanners.first().context("no scanner")?;
    sql.run(&format!("update identity.device set status = 'revoked' where id = '{gone}'")).await?;

    let answers = crowd((&doors, 2), &tickets, &scanners, |_| json!({})).await?;

    for (ticket, status, body) in &answers {
        if ticket % SCANNERS == 0 {
            assert_eq!(*status, 401, "a device that is revoked scans nothing: {body}");
        } else {
            assert_eq!((*status, &body["verdict"]), (200, &json!("admit")), "{body}");
            assert!(body["ticket"]["id"] == json!(tickets[*ticket].id), "its own verdict");
        }
    }
    let people = i64::try_from(TICKETS - TICKETS / SCANNERS)?;
    assert_eq!(doors.inside(&zone).await?, people);
    let told = "select count(*) from log.venue_event where type = 'ticket_verified'";
    assert_eq!(sql.value::<i64>(told, &[]).await?, people);
    let together = transactions(&sql).await?;
    println!("{people} scans in {together} transactions");
    assert!(together < people, "none of them went with another");
    // What went together locks in one order: nobody waited in a circle.
    let circles = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sql.value::<i64>(circles, &[]).await?, 0);
    // All again, by others: everybody is told who was first.
    let again = crowd((&doors, 2), &tickets[1..SCANNERS], &scanners[1..], |_| json!({})).await?;
    assert_eq!(again.len(), SCANNERS - 1);
    assert!(again.iter().all(|(_, _, body)| body["reason"] == "already_admitted"));
    Ok(())
}

/// The control: with one scan a packet there are as many transactions as scans.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_by_one_every_scan_is_a_transaction() -> Result<()> {
    let bed = Bed::with().env("CALLS_TOGETHER", "1").start().await?;
    let doors = Doors::open(&bed).await?;
    let scanners = doors.scanners(&bed, SCANNERS).await?;
    let tickets = doors.issue(json!({"class": 1}), TICKETS).await?;

    let answers = crowd((&doors, 1), &tickets, &scanners, |_| json!({})).await?;

    assert_eq!(admitted(&answers), TICKETS);
    assert_eq!(transactions(&bed.sql().await?).await?, i64::try_from(TICKETS)?);
    Ok(())
}

/// Whatever fails at one gate fails there alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_fails_takes_nobody_with_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    let scanners = doors.scanners(&bed, SCANNERS).await?;
    let tickets = doors.issue(json!({"class": 1}), TICKETS).await?;
    let sql = bed.sql().await?;
    sql.run(
        "create function tickets.fail() returns trigger language plpgsql as
         $$ begin
            if new.gate = 'Broken' then
                raise exception 'broken' using errcode = '55P03';
            end if;
            return new;
         end $$;
         create trigger fail before insert on tickets.scan
            for each row execute function tickets.fail()",
    )
    .await?;

    let gate = |n: usize| json!({"gate": if n == 0 { "Broken" } else { "North" }});
    let answers = crowd((&doors, 1), &tickets, &scanners, gate).await?;

    let broken = TICKETS / SCANNERS;
    assert_eq!(admitted(&answers), TICKETS - broken, "everybody at the other gates");
    let failed = answers.iter().filter(|(ticket, ..)| ticket % SCANNERS == 0);
    assert!(failed.clone().all(|(_, status, _)| [409, 503].contains(status)), "{answers:?}");
    assert_eq!(failed.count(), broken);
    let rows: i64 = sql.value("select count(*) from tickets.scan", &[]).await?;
    assert_eq!(rows, i64::try_from(TICKETS - broken)?, "what failed is not there");
    Ok(())
}
