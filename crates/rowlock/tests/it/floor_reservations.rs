//! Reservations, the line, and devices that come back.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, PATIENCE, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::floor_room::{Room, count};
use crate::sale::text;

const EVENING: &str = "T20:00:00.000000Z";

/// An evening in a month.
pub(crate) async fn evening(bed: &Bed) -> Result<String> {
    evening_in(bed, 30).await
}

async fn evening_in(bed: &Bed, days: i32) -> Result<String> {
    let day = "select to_char(now() + $1 * interval '1 day', 'YYYY-MM-DD')";
    let day = bed.sql().await?.value::<String>(day, &[&f64::from(days)]).await?;
    Ok(format!("{day}{EVENING}"))
}

fn reserve(room: &Room, client: &Client, at: &str, size: i32, more: &Value) -> Ask {
    let mut body = json!({"startsAt": at, "partySize": size, "guestName": "Ana Lopes"});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    client.post(room.path("/reservations"), body)
}

#[tokio::test]
async fn a_reservation_is_held_booked_received_seated_and_completed() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::with(&bed, &[8, 2]).await?;
    let (owner, ana, eve) = (room.house.owner(), bed.person().await?, bed.person().await?);
    let at = evening(&bed).await?;
    let body = json!({"startsAt": at, "partySize": 2});
    let held = ana.post(room.path("/reservations/holds"), body).await?.expect(201)?;
    let (id, token) = (text(&held, "/reservation/id")?, text(&held, "/token")?);
    assert_eq!(held["reservation"]["tableIds"], json!([room.tables[1]]));
    assert!(text(&held, "/reservation/why")?.contains("smallest"));
    let path = |rest: &str| room.path(&format!("/reservations/{id}{rest}"));
    let book = |client: &Client, token: &str| {
        client.post(path("/book"), json!({"token": token, "guestName": "Ana Lopes"}))
    };
    book(&eve, "guessed").await?.refused(403, "floor.wrong_token")?;
    assert_eq!(book(&ana, &token).await?.expect(200)?["status"], "booked");
    eve.post(path("/cancel"), json!({})).await?.refused(404, "floor.no_such_reservation")?;
    owner.post(path("/no-show"), json!({})).await?.refused(409, "floor.reservation_over")?;
    let arrival = owner.post(path("/arrive"), json!({})).await?.expect(200)?;
    let guest = text(&arrival, "/guest/id")?;
    let seat = room.path(&format!("/guests/{guest}/seat"));
    let seated = owner.post(seat, json!({})).await?.expect(200)?;
    assert_eq!(seated["guest"]["tableIds"], json!([room.tables[1]]), "the table it reserved");
    assert_eq!(owner.get(path("")).await?.expect(200)?["status"], "seated");
    room.step(owner, &guest, "complete").await?.expect(200)?;
    assert_eq!(owner.get(path("")).await?.expect(200)?["status"], "completed");
    Ok(())
}

#[tokio::test]
async fn a_conflict_offers_other_times_and_tables_of_the_same_moment() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let (owner, at) = (room.house.owner(), evening(&bed).await?);
    let first = json!({"tables": [room.tables[0]]});
    reserve(&room, owner, &at, 4, &first).await?.expect(201)?;
    let refused = reserve(&room, owner, &at, 4, &first).await?;
    refused.refused(409, "floor.no_room")?;
    let instead = &refused.json["current"]["alternatives"];
    assert_eq!(instead["tables"], json!([room.tables[1]]));
    assert_eq!(instead["waitlist"], true);
    assert!(instead["times"].as_array().is_some_and(|times| !times.is_empty()));
    reserve(&room, owner, &at, 4, &json!({})).await?.expect(201)?;
    let full = reserve(&room, owner, &at, 4, &json!({})).await?;
    full.refused(409, "floor.no_room")?;
    let other = text(&full.json, "/current/alternatives/times/0")?;
    reserve(&room, owner, &other, 4, &json!({})).await?.expect(201)?;
    let query = format!("/availability?partySize=4&at={at}");
    let seen = bed.anyone().get(room.path(&query)).await?.expect(200)?;
    assert_eq!(seen["available"], false);
    Ok(())
}

#[tokio::test]
async fn pacing_hours_and_walk_in_tables_are_kept_and_staff_may_exceed_them() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 3).await?;
    let (owner, ana, at) = (room.house.owner(), bed.person().await?, evening(&bed).await?);
    let path = room.path("/floor/settings");
    let mut rules = owner.get(&path).await?.expect(200)?["rules"].clone();
    rules["coversPerQuarter"] = json!(4);
    owner.put(&path, rules.clone()).await?.expect(200)?;
    let kept = reserve(&room, owner, &at, 4, &json!({})).await?.expect(201)?;
    reserve(&room, owner, &at, 2, &json!({})).await?.refused(409, "floor.pacing_full")?;
    let anyway = reserve(&room, owner, &at, 2, &json!({"anyway": true})).await?.expect(201)?;
    assert_eq!(anyway["exceedsPacing"], true);
    rules["hours"] = json!([{"weekday": 1, "opens": "03:00", "lastSeating": "03:15"}]);
    owner.put(&path, rules.clone()).await?.expect(200)?;
    let hold = json!({"startsAt": at, "partySize": 2});
    let hold = || ana.post(room.path("/reservations/holds"), hold.clone());
    hold().await?.refused(409, "floor.closed")?;
    let broken = owner.get(room.path("/reservations/broken")).await?.expect(200)?;
    assert_eq!(broken["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(broken["items"][0]["reservation"]["id"], kept["id"], "nothing was moved");
    (rules["hours"], rules["coversPerQuarter"]) = (json!([]), json!(100));
    owner.put(&path, rules).await?.expect(200)?;
    let walk_in = json!({"walkInOnly": true});
    for table in &room.tables {
        owner.patch(room.path(&format!("/tables/{table}")), walk_in.clone()).await?.expect(200)?;
    }
    hold().await?.refused(409, "floor.no_room")?;
    Ok(())
}

#[tokio::test]
async fn a_hold_that_has_run_out_frees_its_table_at_once_and_watchers_are_told() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, ana) = (room.house.owner(), bed.person().await?);
    let (at, sql) = (evening(&bed).await?, bed.sql().await?);
    let body = json!({"startsAt": at, "partySize": 2});
    let held = ana.post(room.path("/reservations/holds"), body.clone()).await?.expect(201)?;
    ana.post(room.path("/reservations/holds"), body).await?.refused(409, "floor.no_room")?;
    sql.run("update floor.reservation set expires_at = now() - interval '1 second'").await?;
    reserve(&room, owner, &at, 2, &json!({})).await?.expect(201)?;
    let path = room.path(&format!("/reservations/{}", text(&held, "/reservation/id")?));
    wait_until("the hold is swept", PATIENCE, async || {
        let found = owner.get(&path).await?.expect(200)?;
        Ok((found["status"] == "cancelled").then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_walk_in_is_not_seated_where_a_reservation_comes_soon() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let soon = "select to_char((now() + interval '30 minutes') at time zone 'UTC',
        'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let soon = sql.value::<String>(soon, &[]).await?;
    let kept = reserve(&room, owner, &soon, 2, &json!({})).await?.expect(201)?;
    let eve = room.receive(owner, "Eve", 2).await?;
    room.seat(owner, &eve, &[&room.tables[0]]).await?.refused(409, "floor.promised")?;
    let cancel = room.path(&format!("/reservations/{}/cancel", text(&kept, "/id")?));
    owner.post(cancel, json!({})).await?.expect(200)?;
    room.seat(owner, &eve, &[&room.tables[0]]).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn a_reservation_is_moved_to_another_time_and_keeps_its_table_where_it_can() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::with(&bed, &[2, 4]).await?;
    let (owner, at) = (room.house.owner(), evening(&bed).await?);
    let made = reserve(&room, owner, &at, 2, &json!({})).await?.expect(201)?;
    let path = room.path(&format!("/reservations/{}", text(&made, "/id")?));
    let later = at.replace("20:00", "20:30");
    let change = json!({"startsAt": later, "version": 1});
    let moved = owner.patch(&path, change.clone()).await?.expect(200)?;
    assert_eq!((&moved["tableIds"], &moved["version"]), (&made["tableIds"], &json!(2)));
    owner.patch(&path, change).await?.refused(412, "floor.stale")?;
    let larger = owner.patch(&path, json!({"partySize": 4})).await?.expect(200)?;
    assert_eq!(larger["tableIds"], json!([room.tables[1]]));
    reserve(&room, owner, &at, 2, &json!({})).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn the_wait_is_quoted_from_the_expected_turns() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, anyone) = (room.house.owner(), bed.anyone());
    let quote = || anyone.get(room.path("/waitlist/quote?partySize=4"));
    assert_eq!(quote().await?.expect(200)?["toMinutes"], 0);
    let ana = room.receive(owner, "Ana", 4).await?;
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    let full = quote().await?.expect(200)?;
    // Four stay 90 minutes.
    assert_eq!((&full["fromMinutes"], &full["toMinutes"]), (&json!(85), &json!(120)));
    let bob = room.receive(owner, "Bob", 2).await?;
    assert_eq!(quote().await?.expect(200)?["ahead"], 1);
    let line = owner.get(room.path("/waitlist")).await?.expect(200)?;
    assert_eq!(line["items"][0]["guestId"], json!(bob));
    assert_eq!(line["items"][0]["quote"]["fromMinutes"], 85);
    let none = anyone.get(room.path("/waitlist/quote?partySize=9")).await?.expect(200)?;
    assert_eq!(none["possible"], false);
    Ok(())
}

#[tokio::test]
async fn a_device_that_comes_back_gets_what_has_changed_or_loads_anew() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let pos = text(&room.floor(owner).await?, "/pos")?;
    let sync = |client: &Client, pos: &str| client.get(room.path(&format!("/sync?since={pos}")));
    assert_eq!(sync(owner, &pos).await?.expect(200)?["changed"], json!([]));
    let ana = room.receive(owner, "Ana", 2).await?;
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    let seen = sync(owner, &pos).await?.expect(200)?;
    let changed = seen["changed"].as_array().context("nothing changed")?;
    let of: Vec<_> = changed.iter().filter_map(|event| event["entity"].as_str()).collect();
    assert_eq!(of, ["guest", "table"], "each entity once");
    let now = room.floor(owner).await?;
    let tables = now["tables"].as_array().context("no tables")?;
    assert!(tables.contains(&changed[1]["data"]), "the same JSON that REST gives");
    assert_eq!(changed[0]["data"], now["guests"][0]);
    assert_eq!(seen["pos"], now["pos"]);
    let monitor = room.house.member("monitor").await?;
    let seen = sync(&monitor, &pos).await?.expect(200)?;
    assert!(!seen.to_string().contains("Ana"), "no names");
    sql.run("delete from log.venue_event where seq < 4").await?;
    assert_eq!(sync(owner, "1-abc").await?.expect(200)?["resync"], true);
    sync(owner, "nonsense").await?.refused(400, "bad_pos")?;
    Ok(())
}

/// How many evenings a control may take until a race goes wrong.
const EVENINGS_MAX: i32 = 10;

/// 40 hosts at four workers reserve the same table for the same evening.
async fn rush(room: &Room, at: &str) -> Result<Vec<Answered>> {
    const HOSTS: usize = 40;
    let start = Arc::new(Barrier::new(HOSTS));
    let host = room.house.member("host").await?;
    let mut hosts = JoinSet::new();
    for n in 0..HOSTS {
        let (room, start, at) = (room.clone(), Arc::clone(&start), at.to_owned());
        let client = host.client().at(n % 4);
        hosts.spawn(async move {
            start.wait().await;
            let table = json!({"tables": room.tables});
            reserve(&room, &client, &at, 2, &table).settled().await
        });
    }
    hosts.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_40_reservations_of_a_table_one_is_made_and_the_constraint_never_speaks() -> Result<()> {
    let bed = Bed::start(4).await?;
    let room = Room::of(&bed, 1).await?;
    let at = evening(&bed).await?;
    let answers = rush(&room, &at).await?;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 39));
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        answer.refused(409, "floor.no_room")?;
        let times = &answer.json["current"]["alternatives"]["times"];
        assert!(times.as_array().is_some_and(|times| !times.is_empty()), "the lock spoke");
    }
    Ok(())
}

/// Without the locks the constraint speaks; it has no alternatives to offer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_the_constraint_speaks() -> Result<()> {
    let bed = Bed::with().workers(4).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let room = Room::of(&bed, 1).await?;
    let spoke = |answer: &Answered| {
        answer.json["current"]["alternatives"]["times"].as_array().is_some_and(Vec::is_empty)
    };
    // A race may be won in order by chance: another evening, another chance.
    for days in 30..30 + EVENINGS_MAX {
        let answers = rush(&room, &evening_in(&bed, days).await?).await?;
        assert_eq!(count(&answers, 201), 1, "the constraint is the last wall");
        if answers.iter().any(spoke) {
            return Ok(());
        }
    }
    bail!("the lock is still there")
}

/// Without locks and constraint a table is promised more than once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_constraint_a_table_is_promised_twice() -> Result<()> {
    let bed = Bed::with().workers(4).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let room = Room::of(&bed, 1).await?;
    bed.sql().await?.run("alter table floor.promise drop constraint promise_no_overlap").await?;
    for days in 30..30 + EVENINGS_MAX {
        let answers = rush(&room, &evening_in(&bed, days).await?).await?;
        if count(&answers, 201) > 1 {
            return Ok(());
        }
    }
    bail!("no table was promised twice, so the other tests prove nothing")
}
