//! Many hosts at several workers want the same tables.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use testkit::{Answered, Bed, Person, Sql};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::floor_room::{Room, count};

const WORKERS: usize = 3;
const PARTIES: usize = 100;
const TABLES: usize = 20;

/// 100 hosts begin at the same moment; five want each table, at different workers.
async fn rush(room: &Room, host: &Person, guests: &[String]) -> Result<Vec<Answered>> {
    let start = Arc::new(Barrier::new(guests.len()));
    let mut hosts = JoinSet::new();
    for (n, guest) in guests.iter().cloned().enumerate() {
        let (room, start) = (room.clone(), Arc::clone(&start));
        let client = host.client().at(n % WORKERS);
        hosts.spawn(async move {
            let table = room.tables.get(n % TABLES).context("no table")?;
            start.wait().await;
            room.seat(&client, &guest, &[table]).settled().await
        });
    }
    hosts.join_all().await.into_iter().collect()
}

async fn parties(room: &Room, host: &Person) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for n in 0..PARTIES {
        all.push(room.receive(host, &format!("Party {n}"), 2).await?);
    }
    Ok(all)
}

async fn seated(sql: &Sql) -> Result<i64> {
    sql.value("select count(*) from floor.seating", &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_100_hosts_20_seat_their_party_at_the_20_tables() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let room = Room::of(&bed, TABLES).await?;
    let host = room.house.member("host").await?;
    let guests = parties(&room, &host).await?;
    let answers = rush(&room, &host, &guests).await?;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (TABLES, PARTIES - TABLES));
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        answer.refused(409, "floor.tables_taken")?;
        assert_eq!(answer.json["current"]["tables"][0]["status"], "occupied");
    }
    let sql = bed.sql().await?;
    assert_eq!(seated(&sql).await?, i64::try_from(TABLES)?);
    let same: i64 =
        sql.value("select count(*) from floor.guest where status = 'seated'", &[]).await?;
    assert_eq!(same, i64::try_from(TABLES)?, "a party is seated if and only if it has a table");
    Ok(())
}

/// Evenings in which the control may go well.
const EVENINGS_MAX: usize = 5;

/// The control: without the locks and without the key the same rush must seat two at one table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_key_100_hosts_seat_more_than_20_parties() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sql = bed.sql().await?;
    sql.run("alter table floor.seating drop constraint seating_pkey").await?;
    for _ in 0..EVENINGS_MAX {
        let room = Room::of(&bed, TABLES).await?;
        let host = room.house.member("host").await?;
        let (guests, before) = (parties(&room, &host).await?, seated(&sql).await?);
        let answers = rush(&room, &host, &guests).await?;
        if count(&answers, 200) > TABLES {
            assert!(seated(&sql).await? - before > i64::try_from(TABLES)?);
            return Ok(());
        }
    }
    bail!(
        "no table had two parties, so the other test proves nothing. Was the worker built with \
         `--features controls`?"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_of_12_parties_in_a_circle_never_deadlock() -> Result<()> {
    const CIRCLE: usize = 12;
    const ROUNDS: usize = 4;
    let bed = Bed::start(WORKERS).await?;
    let room = Room::of(&bed, CIRCLE).await?;
    let host = room.house.member("host").await?;
    let mut guests = Vec::new();
    for n in 0..CIRCLE {
        let guest = room.receive(&host, &format!("Party {n}"), 2).await?;
        room.seat(&host, &guest, &[&room.tables[n]]).await?.expect(200)?;
        guests.push(guest);
    }
    let mut swaps = JoinSet::new();
    for n in 0..CIRCLE * ROUNDS {
        let (one, other) = (guests[n % CIRCLE].clone(), guests[(n + 1) % CIRCLE].clone());
        let (room, client) = (room.clone(), host.client().at(n % WORKERS));
        swaps.spawn(async move {
            let path = room.path(&format!("/guests/{one}/swap"));
            client.post(path, json!({"with": other})).settled().await
        });
    }
    let answers: Vec<Answered> = swaps.join_all().await.into_iter().collect::<Result<_>>()?;
    assert_eq!(count(&answers, 200), CIRCLE * ROUNDS);
    let sql = bed.sql().await?;
    assert_eq!(seated(&sql).await?, i64::try_from(CIRCLE)?);
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sql.value::<i64>(deadlocks, &[]).await?, 0);
    let wrong = "select count(*) from floor.guest g where not exists (
        select from floor.seating s where s.guest_id = g.id and s.table_id = g.tables[1])";
    assert_eq!(sql.value::<i64>(wrong, &[]).await?, 0, "every party sits where it says");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_that_drag_a_table_one_is_told_where_it_is() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::of(&bed, 1).await?;
    let owner = room.house.owner();
    for round in 1..=10 {
        let drag = |n: usize| {
            let body = json!({"x": 10 * n, "version": round});
            owner.at(n).patch(room.path(&format!("/tables/{}", room.tables[0])), body).settled()
        };
        let (one, other) = tokio::join!(drag(0), drag(1));
        let answers = [one?, other?];
        assert_eq!((count(&answers, 200), count(&answers, 412)), (1, 1));
        let won = answers.iter().find(|answer| answer.status == 200).context("nobody won")?;
        let lost = answers.iter().find(|answer| answer.status == 412).context("nobody lost")?;
        lost.refused(412, "floor.stale")?;
        assert_eq!(lost.json["current"], won.json, "the current row comes back");
    }
    Ok(())
}
