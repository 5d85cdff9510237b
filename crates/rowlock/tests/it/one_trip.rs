//! Writes in one round trip do, say and tell what the longer way does.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Bed, Direction, PATIENCE, Socket, wait_until};
use tokio::task::JoinSet;

use crate::doors::Doors;
use crate::floor_room::Room;
use crate::sale::{Sale, at, blocks, labels, text};

/// The same with each string and number as the name of its type.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(all) => all.iter().map(|(name, it)| (name.clone(), shape(it))).collect(),
        Value::Array(all) => all.iter().map(shape).collect(),
        Value::String(text) if text.len() == 27 && text.ends_with('Z') => "instant".into(),
        Value::String(text) => format!("text of {}", text.len()).into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_hold_in_one_trip_is_a_hold() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (ana, sql) = (bed.person().await?, bed.sql().await?);
    let mut socket = Socket::open(&bed.worker(1)?.address(), None).await?;
    socket.listen(sale.house.venue(), &["seats"], None).await?;
    let short = sale.hold(&ana, &["T1-2", "T1-1"]).key("held-in-one-trip").await?;
    // A code, even one that opens nothing, is looked up the longer way.
    let body = json!({"seats": ["T1-4", "T1-3"], "code": "nothing"});
    let long = ana.post(sale.path("/holds"), body).await?.expect(201)?;
    let again = sale.hold(&ana.at(1), &["T1-2", "T1-1"]).key("held-in-one-trip").await?;
    assert_eq!((short.status, &again.text), (201, &short.text));
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(short.header("Idempotency-Replayed"), None);
    let short = short.expect(201)?;
    assert_eq!(shape(&short), shape(&long));
    assert_eq!(
        (at(&short, "/seats/0/id"), at(&short, "/price/amount")),
        (&json!("T1-1"), &json!(24_000))
    );
    sale.hold(&ana, &["T1-5"]).await?.refused(409, "booking.too_many_holds")?;

    let lives =
        "select extract(epoch from expires_at - created_at)::bigint from booking.hold limit 1";
    assert_eq!(sql.value::<i64>(lives, &[]).await?, 300);
    assert_eq!(sql.value::<i64>("select count(*) from booking.claim", &[]).await?, 4);
    let path = sale.house.path(&format!("/holds/{}", text(&short, "/id")?));
    let release = ana.delete(path).header("Hold-Token", &text(&short, "/token")?);
    assert_eq!(release.await?.status, 204, "its token is the right to it");

    let three = |s: &Socket| s.events().len() == 3;
    socket.hear_until("two holds and a release", PATIENCE, three).await?;
    let told: Vec<Value> = socket.events().iter().map(|event| shape(&event["data"])).collect();
    assert_eq!(told[0], told[1]);
    socket.check_against(&sql).await
}

#[tokio::test]
async fn a_move_in_one_trip_is_a_move() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::of(&bed, 3).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let mut socket = Socket::open(&bed.worker(1)?.address(), owner.token()).await?;
    socket.listen(room.house.venue(), &["floor"], None).await?;
    let section = owner.post(room.path("/sections"), json!({"name": "Bar \"5\" – é"})).await?;
    let change = json!({"sectionId": section.expect(201)?["id"], "name": "Fenêtre \"1\"",
        "combinableWith": [room.tables[1], room.tables[2]]});
    let path = room.path(&format!("/tables/{}", room.tables[0]));
    owner.patch(&path, change).await?.expect(200)?;
    let guest = room.receive(owner, "Lopes", 2).await?;
    room.seat(owner, &guest, &[&room.tables[0]]).await?.expect(200)?;
    for change in [json!({"x": 7}), json!({"y": 0.1, "rotation": -90.5}), json!({"width": 1e-7})] {
        let moved = owner.patch(&path, change.clone()).await?;
        let seen = room.table(owner, 0).await?;
        let version = format!("\"{}\"", seen["version"]);
        assert_eq!(moved.header("ETag"), Some(version.as_str()));
        assert_eq!(moved.expect(200)?, seen, "after {change}");
    }
    let stale = owner.patch(&path, json!({"x": 8, "version": 1})).await?;
    stale.refused(412, "floor.stale")?;
    let monitor = room.house.member("monitor").await?;
    assert_eq!(monitor.patch(&path, json!({"x": 8})).await?.status, 403);
    owner
        .patch(room.path("/tables/01980000-0000-7000-8000-000000000002"), json!({"x": 8}))
        .await?
        .refused(404, "floor.no_such_table")?;
    let actions = |s: &Socket| {
        let all = s.events().iter().filter(|event| event["type"] == "table_updated");
        all.filter(|event| event["entity_id"] == room.tables[0]).count() == 5
    };
    socket.hear_until("five changes", PATIENCE, actions).await?;
    let last: Vec<_> =
        socket.events().iter().rev().take(3).map(|event| event["action"].clone()).collect();
    assert_eq!(last, ["changed", "moved", "moved"]);
    socket.check_against(&sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_move_sent_20_times_at_once_moves_once() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::of(&bed, 1).await?;
    let owner = room.house.owner();
    let path = room.path(&format!("/tables/{}", room.tables[0]));
    let before = room.table(owner, 0).await?["version"].as_i64();
    let mut repeats = JoinSet::new();
    for n in 0..20 {
        let ask = owner.at(n % 2).patch(&path, json!({"x": 42})).key("key-of-the-same-move");
        repeats.spawn(ask.settled());
    }
    for answer in repeats.join_all().await {
        let answer = answer?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json["version"].as_i64(), before.map(|version| version + 1));
    }
    let reused = owner.patch(&path, json!({"x": 43})).key("key-of-the-same-move").await?;
    reused.refused(422, "key_reused")
}

#[tokio::test]
async fn a_move_of_which_nobody_knows_is_not_made_twice() -> Result<()> {
    let bed = Bed::with().through_a_proxy().env("DATABASE_POOL_SIZE", "1").start().await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, sql, proxy) = (room.house.owner(), bed.sql().await?, bed.proxy()?);
    let path = room.path(&format!("/tables/{}", room.tables[0]));
    let version = async || sql.value::<i64>("select version from floor.table", &[]).await;
    for key in [None, Some("key-of-a-lost-move")] {
        owner.patch(&path, json!({"x": 1})).await?.expect(200)?;
        let moved = version().await? + 1;
        proxy.deafen(Direction::ToClient);
        let ask = owner.patch(&path, json!({"x": 2}));
        let ask = key.map_or(ask.without_key(), |key| owner.patch(&path, json!({"x": 2})).key(key));
        let asking = tokio::spawn(async move { ask.await });
        wait_until("it is moved", PATIENCE, async || Ok((version().await? == moved).then_some(())))
            .await?;
        proxy.cut();
        proxy.heal();
        let answer = asking.await??;
        if key.is_none() {
            answer.refused(503, "commit_unknown")?;
        } else {
            assert_eq!(answer.header("Idempotency-Replayed"), Some("true"));
            assert_eq!(answer.expect(200)?["version"], moved);
        }
        assert_eq!(version().await?, moved);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_scan_tells_at_once_is_what_the_log_has() -> Result<()> {
    let bed = Bed::start(2).await?;
    let (doors, sql) = (Doors::open(&bed).await?, bed.sql().await?);
    let owner = doors.house.owner();
    let tickets = doors.issue(json!({"class": 1}), 3).await?;
    let mut socket = Socket::open(&bed.worker(1)?.address(), owner.token()).await?;
    socket.listen(doors.house.venue(), &["tickets"], None).await?;
    for ticket in &tickets {
        let told = doors.told(owner, json!({"code": ticket.code})).await?;
        assert_eq!(told, ("admit".to_owned(), "ok".to_owned()));
    }
    let all = |s: &Socket| {
        let told = s.events().iter().filter(|event| event["type"] == "ticket_verified");
        told.filter(|event| event["version"].as_i64().is_some_and(|it| it > 1)).count() == 3
    };
    socket.hear_until("three scans", PATIENCE, all).await?;
    socket.check_against(&sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_of_250_clients_go_together_and_tell_what_the_log_has() -> Result<()> {
    let bed = Bed::start(2).await?;
    let sale = Sale::gala(&bed).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let mut socket = Socket::open(&bed.worker(1)?.address(), None).await?;
    socket.listen(sale.house.venue(), &["seats"], None).await?;
    let seats = labels(25, 10);
    let mut clients = JoinSet::new();
    // Two want each pair, and name it the other way round.
    for pair in seats.chunks(2) {
        clients.spawn(sale.hold(&clerk.at(0), &[&pair[0], &pair[1]]).settled());
        clients.spawn(sale.hold(&clerk.at(1), &[&pair[1], &pair[0]]).settled());
    }
    let answers: Vec<_> = clients.join_all().await.into_iter().collect::<Result<_>>()?;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (125, 125));
    let mut places: Vec<_> = answers.iter().filter_map(|it| it.header("Rowlock-Pos")).collect();
    places.sort_unstable();
    places.dedup();
    assert!(places.len() >= 125, "each has a place of its own in the log");
    let commits = "select count(distinct at) from log.venue_event where type = 'seats_updated'";
    let commits = sql.value::<i64>(commits, &[]).await?;
    println!("125 holds in {commits} transactions");
    assert!(commits < 125, "none of them went with another");
    let circles = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sql.value::<i64>(circles, &[]).await?, 0, "nobody waited in a circle");
    socket.hear_until("125 holds", PATIENCE, |s| s.events().len() == 125).await?;
    socket.check_against(&sql).await
}

/// Clients that want one seat at the same moment.
const RIVALS: usize = 12;
/// Seats that are fought for, one after the other.
const FIGHTS: usize = 8;

/// How many claims there are too many when the wall behind the lock is gone: the primary key of
/// claims. The function rests behind its lock, so that whoever does not wait there is in time.
async fn claimed_twice(lock: &str) -> Result<i64> {
    let bed = Bed::with().workers(2).env("CALLS_TOGETHER", "1").start().await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let function: String =
        sql.value("select pg_get_functiondef('booking.hold_seats'::regproc)", &[]).await?;
    let (locks, rests) = ("for update)", "v_now := clock_timestamp()");
    assert!(function.contains(locks) && function.contains(rests), "{function}");
    let rest = format!("perform pg_sleep(0.02); {rests}");
    let function = function.replace(locks, lock).replace(rests, &rest);
    sql.run(&format!("alter table booking.claim drop constraint claim_pkey; {function}")).await?;
    for label in labels(1, FIGHTS) {
        let mut rivals = JoinSet::new();
        for n in 0..RIVALS {
            rivals.spawn(sale.hold(&clerk.at(n % 2), &[&label]).settled());
        }
        for answer in rivals.join_all().await {
            let answer = answer?;
            assert!([201, 409].contains(&answer.status), "{}", answer.text);
        }
    }
    let twice = "select (count(*) - count(distinct seat))::bigint from booking.claim";
    sql.value(twice, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_12_who_want_a_seat_at_once_one_holds_it_by_the_lock_alone() -> Result<()> {
    assert_eq!(claimed_twice("for update)").await?, 0);
    Ok(())
}

/// The control: without the lock in the function seats are held twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_of_the_function_seats_are_held_twice() -> Result<()> {
    assert!(claimed_twice(")").await? > 0);
    Ok(())
}
