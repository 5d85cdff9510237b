//! Levels, and reservations in batches.

use anyhow::Result;
use serde_json::json;
use testkit::Bed;

use crate::floor_reservations::evening;
use crate::floor_room::{Room, batch};
use crate::sale::text;

#[tokio::test]
async fn a_house_has_levels_and_sections_stand_on_them() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let owner = room.house.owner();
    let gallery = json!({"name": "Gallery", "storey": 1});
    let level = owner.post(room.path("/levels"), gallery.clone()).await?.expect(201)?;
    owner.post(room.path("/levels"), gallery).await?.refused(409, "floor.name_taken")?;
    let section = json!({"name": "Balcony", "levelId": level["id"]});
    let section = owner.post(room.path("/sections"), section).await?.expect(201)?;
    assert_eq!(section["levelId"], level["id"]);
    let nowhere = json!({"name": "Cellar", "levelId": owner.user()["id"]});
    let refused = owner.post(room.path("/sections"), nowhere).await?;
    refused.refused(404, "floor.no_such_level")?;
    let path = room.path(&format!("/levels/{}", text(&level, "/id")?));
    owner.patch(&path, json!({"storey": 2, "version": 1})).await?.expect(200)?;
    owner.patch(&path, json!({"storey": 3, "version": 1})).await?.refused(412, "floor.stale")?;
    let seen = room.floor(owner).await?;
    assert_eq!(
        (&seen["levels"][0]["storey"], &seen["levels"][0]["version"]),
        (&json!(2), &json!(2))
    );
    // A plan has them by name, and makes them again elsewhere.
    let plan = owner.get(room.path("/floor/layout")).await?.expect(200)?;
    assert_eq!(plan["sections"][0]["level"], "Gallery");
    assert_eq!(owner.delete(&path).await?.status, 204);
    assert_eq!(room.floor(owner).await?["sections"][0].get("levelId"), None);
    owner.put(room.path("/floor/layout"), json!({"plan": plan})).await?.expect(200)?;
    let again = room.floor(owner).await?;
    assert_eq!(again["sections"][0]["levelId"], again["levels"][0]["id"]);
    Ok(())
}

#[tokio::test]
async fn a_batch_reserves_moves_and_cancels_and_sees_what_it_did() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, at) = (room.house.owner(), evening(&bed).await?);
    let reserve = |name: &str| {
        json!({"op": "reserve_table",
            "body": {"startsAt": at, "partySize": 2, "guestName": name}})
    };
    // The second one finds the only table promised by the first one of the same batch.
    let both = batch(&room.house, owner, vec![reserve("Ana"), reserve("Bob")]).await?;
    both.refused(409, "floor.no_room")?;
    assert_eq!(both.json["errors"][0]["pointer"], "/operations/1");
    let body = json!({"operations": [reserve("Ana")], "whole": true});
    let done = owner.post(room.path("/floor/batch"), body).await?.expect(200)?;
    let ana = text(&done, "/reservations/0/id")?;
    let later = at.replace("20:00", "20:30");
    let steps = vec![
        json!({"op": "change_reservation", "id": ana, "body": {"partySize": 3, "version": 1}}),
        json!({"op": "cancel_reservation", "id": ana, "body": {}}),
        json!({"op": "reserve_table",
            "body": {"startsAt": later, "partySize": 2, "guestName": "Bob"}}),
    ];
    let done = batch(&room.house, owner, steps).await?.expect(200)?;
    assert_eq!(done["changed"][0]["action"], "cancelled");
    assert_eq!(done["changed"][0]["version"], 2, "one write, one version");
    let path = room.path("/reservations?status=booked");
    let kept = owner.get(path).await?.expect(200)?;
    assert_eq!(kept["items"][0]["guestName"], "Bob");
    let promises = "select count(*) from floor.promise";
    assert_eq!(bed.sql().await?.value::<i64>(promises, &[]).await?, 1);
    let bob = text(&kept, "/items/0/id")?;
    let come = vec![
        json!({"op": "arrive_for_reservation", "id": bob, "body": {"version": 1}}),
        json!({"op": "create_level", "body": {"name": "Roof", "storey": 5}}),
    ];
    let done = batch(&room.house, owner, come).await?.expect(200)?;
    assert_eq!(done["changed"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn customers_see_and_cancel_their_own_reservations_in_all_venues() -> Result<()> {
    let bed = Bed::start(1).await?;
    let rooms = [Room::of(&bed, 1).await?, Room::of(&bed, 1).await?];
    let (ana, eve, at) = (bed.person().await?, bed.person().await?, evening(&bed).await?);
    for room in &rooms {
        let wish = json!({"startsAt": at, "partySize": 2});
        let held = ana.post(room.path("/reservations/holds"), wish).await?.expect(201)?;
        let body = json!({"token": held["token"], "guestName": "Ana"});
        let id = text(&held, "/reservation/id")?;
        ana.post(room.path(&format!("/reservations/{id}/book")), body).await?.expect(200)?;
    }
    let mine = ana.get("/api/v1/me/reservations").await?.expect(200)?;
    assert_eq!(mine["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(mine["items"][0]["venueId"], json!(rooms[0].house.venue()));
    let page = ana.get("/api/v1/me/reservations?limit=1").await?.expect(200)?;
    assert!(page["nextCursor"].is_string());
    let none = eve.get("/api/v1/me/reservations").await?.expect(200)?;
    assert_eq!(none["items"], json!([]));
    bed.anyone().get("/api/v1/me/reservations").await?.refused(401, "no_token")?;
    let id = text(&mine, "/items/1/reservation/id")?;
    let cancel = rooms[1].path(&format!("/reservations/{id}/cancel"));
    eve.post(&cancel, json!({})).await?.refused(404, "floor.no_such_reservation")?;
    ana.post(&cancel, json!({})).await?.expect(200)?;
    let mine = ana.get("/api/v1/me/reservations").await?.expect(200)?;
    assert_eq!(mine["items"][1]["reservation"]["status"], "cancelled");
    Ok(())
}
