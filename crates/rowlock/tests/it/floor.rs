//! The restaurant floor: tables, sections, layouts, parties and seating.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket};

use crate::floor_room::{Room, batch};
use crate::sale::text;

#[tokio::test]
async fn a_table_is_made_moved_and_deleted_and_everybody_hears_it() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, monitor) = (room.house.owner(), room.house.member("monitor").await?);
    let sql = bed.sql().await?;
    let before = room.floor(&monitor).await?;
    assert_eq!(before.get("guests"), None, "names are not for monitors");
    let mut socket = Socket::open(&bed.worker(1)?.address(), monitor.token()).await?;
    let pos = text(&before, "/pos")?;
    socket.listen(room.house.venue(), &["floor", "guests"], Some(&pos)).await?;

    let section = json!({"name": "Terrace", "server": "Sam"});
    let section = owner.post(room.path("/sections"), section).await?.expect(201)?;
    let table = format!("/tables/{}", room.tables[0]);
    let change = json!({"x": 7.5, "sectionId": section["id"], "version": 1});
    let moved = owner.patch(room.path(&table), change.clone()).await?.expect(200)?;
    assert_eq!((&moved["version"], &moved["x"]), (&json!(2), &json!(7.5)));
    let late = owner.patch(room.path(&table), change).await?;
    late.refused(412, "floor.stale")?;
    assert_eq!(late.json["current"], moved, "the loser sees the table as it is");
    owner.delete(room.path(&format!("/sections/{}", text(&section, "/id")?))).await?;
    assert_eq!(room.table(owner, 0).await?.get("sectionId"), None);
    assert_eq!(owner.delete(room.path(&table)).await?.status, 204);
    owner.get(room.path(&table)).await?.refused(404, "floor.no_such_table")?;

    let told = |s: &Socket| s.events().iter().any(|event| event["type"] == "table_deleted");
    socket.hear_until("the table is gone", PATIENCE, told).await?;
    let types: Vec<_> = socket.events().iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        types,
        ["section_created", "table_updated", "table_updated", "section_deleted", "table_deleted"]
    );
    socket.check_against(&sql).await
}

#[tokio::test]
async fn many_tables_are_saved_at_once_and_stale_ones_come_back() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 3).await?;
    let owner = room.house.owner();
    let elsewhere = json!({"y": 9, "version": 1});
    owner.patch(room.path(&format!("/tables/{}", room.tables[1])), elsewhere).await?.expect(200)?;
    let tables: Vec<Value> =
        room.tables.iter().map(|id| json!({"id": id, "version": 1, "x": 5})).collect();
    let all = json!({"tables": tables, "allOrNothing": true});
    let refused = owner.put(room.path("/tables"), all).await?;
    refused.refused(412, "floor.stale_tables")?;
    assert_eq!(refused.json["current"]["tables"][0]["y"], json!(9.0));
    assert_eq!(room.table(owner, 0).await?["version"], 1, "nothing was saved");
    let saved = owner.put(room.path("/tables"), json!({"tables": tables})).await?.expect(200)?;
    assert_eq!(saved["saved"].as_array().context("saved")?.len(), 2);
    assert_eq!(saved["stale"][0]["id"], json!(room.tables[1]));
    Ok(())
}

#[tokio::test]
async fn a_layout_is_saved_exported_changed_and_applied_again() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let owner = room.house.owner();
    let named = json!({"name": "Base"});
    let base = owner.post(room.path("/floor/layouts"), named.clone()).await?.expect(201)?;
    owner.post(room.path("/floor/layouts"), named).await?.refused(409, "floor.name_taken")?;
    let plan = owner.get(room.path("/floor/layout")).await?.expect(200)?;
    assert_eq!(plan, base["plan"]);
    let mut other = plan.clone();
    for table in other["tables"].as_array_mut().context("tables")? {
        // Table 1 is moved, table 2 makes room for another one.
        let change = if table["name"] == "1" { ("x", json!(777)) } else { ("name", json!("Bar")) };
        table[change.0] = change.1;
    }
    let applied = owner.put(room.path("/floor/layout"), json!({"plan": other})).await?;
    assert_eq!(applied.expect(200)?["tables"].as_array().context("tables")?.len(), 2);
    assert_eq!(room.table(owner, 0).await?["x"], json!(777.0), "the table kept its id");
    let back = json!({"layout": base["id"]});
    owner.put(room.path("/floor/layout"), back).await?.expect(200)?;
    let again = owner.get(room.path("/floor/layout")).await?.expect(200)?;
    assert_eq!(again, plan, "import and export agree");
    let ana = room.receive(owner, "Ana", 2).await?;
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    let gone = json!({"plan": {"tables": []}});
    owner.put(room.path("/floor/layout"), gone).await?.refused(409, "floor.table_in_use")?;
    Ok(())
}

#[tokio::test]
async fn parties_are_found_by_name_phone_status_and_table() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let host = room.house.member("host").await?;
    let body = json!({"guestName": "John Doe", "partySize": 4, "phone": "+351 91 234-567",
        "allergies": "nuts", "flags": ["vip"], "quotedFromMinutes": 10, "quotedToMinutes": 20});
    let john = host.post(room.path("/guests"), body).await?.expect(201)?;
    let id = text(&john, "/id")?;
    room.receive(&host, "Eve 100%", 2).await?;
    room.seat(&host, &id, &[&room.tables[0]]).await?.expect(200)?;
    for (query, found) in [
        ("q=john", 1),
        ("q=91234567", 1),
        ("q=100%25", 1),
        ("q=%25", 1),
        ("status=waiting", 1),
        ("status=seated", 1),
        (&format!("table={}", room.tables[0]), 1),
        ("q=nobody", 0),
        ("status=seated&q=eve", 0),
    ] {
        let list = host.get(room.path(&format!("/guests?{query}"))).await?.expect(200)?;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(found), "{query}");
    }
    let path = room.path(&format!("/guests/{id}"));
    let changed = host.patch(&path, json!({"allergies": "", "partySize": 3})).await?.expect(200)?;
    assert_eq!((changed.get("allergies"), &changed["partySize"]), (None, &json!(3)));
    host.delete(&path).await?.refused(409, "floor.no_way")?;
    room.step(&host, &id, "complete").await?.expect(200)?;
    assert_eq!(host.delete(&path).await?.status, 204);
    host.get(&path).await?.refused(404, "floor.no_such_guest")?;
    Ok(())
}

#[tokio::test]
async fn the_last_step_is_undone_within_five_minutes() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let ana = room.receive(owner, "Ana", 2).await?;
    room.step(owner, &ana, "undo").await?.refused(409, "floor.nothing_to_undo")?;
    room.step(owner, &ana, "no-show").await?.expect(200)?;
    let undone = room.step(owner, &ana, "undo").await?.expect(200)?;
    assert_eq!(undone["guest"]["status"], "waiting");
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    room.step(owner, &ana, "complete").await?.expect(200)?;
    assert_eq!(room.table(owner, 0).await?["status"], "dirty");
    let undone = room.step(owner, &ana, "undo").await?.expect(200)?;
    assert_eq!(undone["tables"][0]["status"], "occupied", "the party sits there again");
    room.step(owner, &ana, "complete").await?.expect(200)?;
    let bob = room.receive(owner, "Bob", 2).await?;
    let clean = json!({"status": "available"});
    let table = room.path(&format!("/tables/{}", room.tables[0]));
    owner.patch(table, clean).await?.expect(200)?;
    room.seat(owner, &bob, &[&room.tables[0]]).await?.expect(200)?;
    room.step(owner, &ana, "undo").await?.refused(409, "floor.tables_taken")?;
    room.step(owner, &bob, "undo").await?.expect(200)?;
    assert_eq!(room.table(owner, 0).await?["status"], "available");
    sql.run("update floor.guest set stepped_at = stepped_at - interval '301 seconds'").await?;
    room.step(owner, &ana, "undo").await?.refused(409, "floor.nothing_to_undo")?;
    Ok(())
}

#[tokio::test]
async fn a_batch_is_done_as_a_whole_or_not_at_all_and_the_failing_one_is_named() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let ana = room.receive(owner, "Ana", 2).await?;
    let pos = text(&room.floor(owner).await?, "/pos")?;
    let seat = |table: &str, version: i64| json!({"op": "seat_guest", "id": ana, "body": {"tables": [table], "version": version}});
    let rename =
        json!({"op": "change_table", "id": room.tables[1], "body": {"name": "Bar", "version": 1}});
    let wrong = vec![rename.clone(), seat(&room.tables[0], 7)];
    let refused = batch(&room.house, owner, wrong).await?;
    refused.refused(412, "floor.stale")?;
    assert_eq!(refused.json["errors"][0]["pointer"], "/operations/1");
    assert_eq!(room.table(owner, 1).await?["name"], "2", "nothing was done");

    let mut socket = Socket::open(&bed.worker(0)?.address(), owner.token()).await?;
    socket.listen(room.house.venue(), &["floor", "guests"], Some(&pos)).await?;
    let done = batch(&room.house, owner, vec![rename, seat(&room.tables[0], 1)]).await?;
    let changed = done.expect(200)?["changed"].clone();
    assert_eq!(changed.as_array().map(Vec::len), Some(3));
    let complete = |s: &Socket| {
        s.events().last().is_some_and(|event| event["type"] == "atomic_transaction_complete")
    };
    socket.hear_until("the batch is complete", PATIENCE, complete).await?;
    let last = socket.events().last().context("no event")?;
    let first = socket.events().first().context("no event")?;
    let seq = |event: &Value| event["seq"].as_i64().context("no seq");
    assert_eq!(last["data"], json!({"from": seq(first)?, "to": seq(last)? - 1}));
    let guest = socket.events().iter().find(|event| event["type"] == "guest_updated");
    let guest = guest.context("no guest_updated")?;
    assert_eq!(guest["guest_id"], json!(ana));
    assert_eq!(guest["action"], "seated");
    assert_eq!(guest["data"]["guestName"], "Ana");
    assert_eq!(guest["data"]["tableId"], json!(room.tables[0]));
    socket.check_against(&sql).await?;
    let logged = "select data::text from log.venue_event order by seq desc limit 1";
    let logged: Value = serde_json::from_str(&sql.value::<String>(logged, &[]).await?)?;
    assert_eq!(logged, last["data"], "the log says the same");
    Ok(())
}

#[tokio::test]
async fn whoever_has_the_link_sees_how_many_are_ahead() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, anyone) = (room.house.owner(), bed.anyone());
    room.receive(owner, "Ana", 2).await?;
    let bob = room.receive(owner, "Bob", 3).await?;
    let link = owner.post(room.path(&format!("/guests/{bob}/link")), json!({})).await?;
    let token = text(&link.expect(201)?, "/token")?;
    let place = || anyone.get(room.path("/waitlist/place")).header("Waitlist-Token", &token);
    let seen = place().await?.expect(200)?;
    assert_eq!(seen, json!({"status": "waiting", "partySize": 3, "ahead": 1}));
    room.step(owner, &bob, "notify").await?.expect(200)?;
    assert_eq!(place().await?.expect(200)?["status"], "notified");
    let wrong = anyone.get(room.path("/waitlist/place")).header("Waitlist-Token", "guessed");
    wrong.await?.refused(404, "floor.no_such_guest")?;
    anyone.get(room.path("/waitlist/place")).await?.refused(400, "floor.token_missing")?;
    Ok(())
}

#[tokio::test]
async fn the_dashboard_counts_covers_waits_and_tables() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 3).await?;
    let owner = room.house.owner();
    let (ana, bob) = (room.receive(owner, "Ana", 2).await?, room.receive(owner, "Bob", 4).await?);
    room.receive(owner, "Eve", 3).await?;
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    room.seat(owner, &bob, &[&room.tables[1]]).await?.expect(200)?;
    room.step(owner, &ana, "complete").await?.expect(200)?;
    let monitor = room.house.member("monitor").await?;
    let seen = monitor.get(room.path("/dashboard")).await?.expect(200)?;
    let totals = &seen["totals"];
    let number = |name: &str| totals[name].as_i64();
    assert_eq!(number("covers"), Some(6));
    assert_eq!((number("seatedCovers"), number("waitingCovers")), (Some(4), Some(3)));
    assert_eq!((number("tables"), number("occupiedTables")), (Some(3), Some(1)));
    assert_eq!(seen["hours"][0]["covers"], 6);
    assert!(!seen.to_string().contains("Ana"), "no names");
    Ok(())
}
