//! Seating: capacity, joined tables, moves, and what the server chooses.

use anyhow::Result;
use serde_json::json;
use testkit::Bed;

use crate::floor_room::Room;
use crate::sale::text;

#[tokio::test]
async fn a_party_is_seated_moved_and_completed_with_its_tables() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::of(&bed, 3).await?;
    let host = room.house.member("host").await?;
    let ana = room.receive(&host, "Ana", 4).await?;
    let seated = room.seat(&host, &ana, &[&room.tables[0]]).await?.expect(200)?;
    assert_eq!(seated["guest"]["tableId"], json!(room.tables[0]));
    assert_eq!(seated["tables"][0]["guestId"], json!(ana));
    let bob = room.receive(&host, "Bob", 2).await?;
    let refused = room.seat(&host, &bob, &[&room.tables[0]]).await?;
    refused.refused(409, "floor.tables_taken")?;
    assert_eq!(refused.json["current"]["tables"][0]["status"], "occupied");
    room.seat(&host, &ana, &[&room.tables[1]]).await?.refused(409, "floor.no_way")?;
    let to = json!({"tables": [room.tables[1]]});
    host.post(room.path(&format!("/guests/{ana}/move")), to).await?.expect(200)?;
    assert_eq!(room.table(&host, 0).await?["status"], "dirty", "the table it left");
    let done = room.step(&host, &ana, "complete").await?.expect(200)?;
    assert_eq!(done["guest"]["status"], "completed");
    assert_eq!(room.table(&host, 1).await?["status"], "dirty");
    Ok(())
}

#[tokio::test]
async fn a_party_that_does_not_fit_is_seated_anyway_only_on_a_word_and_counted() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let owner = room.house.owner();
    let six = room.receive(owner, "Six", 6).await?;
    room.seat(owner, &six, &[&room.tables[0]]).await?.refused(409, "floor.over_capacity")?;
    let both: Vec<&str> = room.tables.iter().map(String::as_str).collect();
    room.seat(owner, &six, &both).await?.refused(409, "floor.not_combinable")?;
    let anyway = json!({"tables": [room.tables[0]], "anyway": true});
    let seated =
        owner.post(room.path(&format!("/guests/{six}/seat")), anyway).await?.expect(200)?;
    assert_eq!(seated["guest"]["overCapacity"], true);
    let seen = owner.get(room.path("/dashboard")).await?.expect(200)?;
    assert_eq!(seen["totals"]["overCapacity"], 1);
    Ok(())
}

#[tokio::test]
async fn joined_tables_block_each_other() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 2).await?;
    let owner = room.house.owner();
    let joins = json!({"combinableWith": [room.tables[1]]});
    owner.patch(room.path(&format!("/tables/{}", room.tables[0])), joins).await?.expect(200)?;
    let eight = room.receive(owner, "Eight", 8).await?;
    let path = room.path(&format!("/guests/{eight}/seat"));
    let seated = owner.post(path, json!({})).await?.expect(200)?;
    assert_eq!(seated["tables"].as_array().map(Vec::len), Some(2), "no single table is enough");
    assert!(text(&seated, "/why")?.contains("pushed together"));
    let bob = room.receive(owner, "Bob", 2).await?;
    for table in &room.tables {
        room.seat(owner, &bob, &[table]).await?.refused(409, "floor.tables_taken")?;
    }
    let path = room.path(&format!("/guests/{bob}/seat"));
    owner.post(path, json!({})).await?.refused(409, "floor.no_table")?;
    room.step(owner, &eight, "unseat").await?.expect(200)?;
    room.seat(owner, &bob, &[&room.tables[1]]).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn the_server_chooses_the_smallest_table_that_fits_and_says_why() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::with(&bed, &[8, 4, 2]).await?;
    let owner = room.house.owner();
    let ana = room.receive(owner, "Ana", 3).await?;
    let seat = |id: &str| owner.post(room.path(&format!("/guests/{id}/seat")), json!({}));
    let seated = seat(&ana).await?.expect(200)?;
    assert_eq!(seated["guest"]["tableId"], json!(room.tables[1]));
    assert!(text(&seated, "/why")?.contains("smallest"));
    let bob = room.receive(owner, "Bob", 3).await?;
    assert_eq!(seat(&bob).await?.expect(200)?["guest"]["tableId"], json!(room.tables[0]));
    Ok(())
}

#[tokio::test]
async fn parties_are_merged_split_and_swapped() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 3).await?;
    let owner = room.house.owner();
    let ana = room.receive(owner, "Ana", 2).await?;
    let bob = room.receive(owner, "Bob", 2).await?;
    let eve = room.receive(owner, "Eve", 4).await?;
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    room.seat(owner, &eve, &[&room.tables[1]]).await?.expect(200)?;
    let act =
        |id: &str, what: &str, body| owner.post(room.path(&format!("/guests/{id}/{what}")), body);
    let merged = act(&ana, "merge", json!({"with": bob})).await?.expect(200)?;
    assert_eq!(merged["guest"]["partySize"], 4);
    owner.get(room.path(&format!("/guests/{bob}"))).await?.refused(404, "floor.no_such_guest")?;
    let swapped = act(&ana, "swap", json!({"with": eve})).await?.expect(200)?;
    assert_eq!(swapped["one"]["guest"]["tableId"], json!(room.tables[1]));
    assert_eq!(swapped["other"]["guest"]["tableId"], json!(room.tables[0]));
    let split = json!({"partySize": 2, "guestName": "Bob", "tables": [room.tables[2]]});
    let split = act(&ana, "split", split).await?.expect(200)?;
    assert_eq!(split["one"]["guest"]["partySize"], 2);
    assert_eq!(split["other"]["guest"]["guestName"], "Bob");
    assert_eq!(split["other"]["guest"]["tableId"], json!(room.tables[2]));
    act(&ana, "swap", json!({"with": ana})).await?.refused(422, "floor.same_guest")?;
    Ok(())
}

#[tokio::test]
async fn a_setting_says_what_becomes_of_a_table_that_was_left() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let owner = room.house.owner();
    let path = room.path("/floor/settings");
    let mut rules = owner.get(&path).await?.expect(200)?["rules"].clone();
    rules["clearedTo"] = json!("available");
    let changed = owner.put(&path, rules.clone()).header("If-Match", "\"0\"").await?.expect(200)?;
    assert_eq!(changed["version"], 1);
    owner.put(&path, rules).header("If-Match", "\"0\"").await?.refused(412, "floor.stale")?;
    let ana = room.receive(owner, "Ana", 2).await?;
    room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    room.step(owner, &ana, "complete").await?.expect(200)?;
    assert_eq!(room.table(owner, 0).await?["status"], "available");
    Ok(())
}
