//! What a door says, and why.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Client, PATIENCE, Socket};
use uuid::Uuid;

use crate::doors::{Coded, Doors};
use crate::sale::text;

fn is(told: &(String, String), verdict: &str, reason: &str) {
    assert_eq!((told.0.as_str(), told.1.as_str()), (verdict, reason));
}

async fn one(doors: &Doors, like: Value) -> Result<Coded> {
    doors.issue(like, 1).await?.pop().context("no ticket")
}

/// A door with its scanner: a member with a token.
async fn door(bed: &Bed) -> Result<(Doors, Client)> {
    let doors = Doors::open(bed).await?;
    let scanner = doors.house.member("scanner").await?;
    Ok((doors, scanner.client().clone()))
}

#[tokio::test]
async fn the_second_scan_is_told_of_the_first_and_a_repeat_gets_the_same_answer() -> Result<()> {
    let bed = Bed::start(2).await?;
    let (doors, scanner) = door(&bed).await?;
    let ticket = one(&doors, json!({"class": 1, "name": "Ana Lopes", "seat": "A-1"})).await?;
    let body = json!({"code": ticket.code, "nonce": Uuid::new_v4(), "gate": "North"});
    let first = doors.scan_with(&scanner, &body).await?.expect(200)?;
    assert_eq!((&first["verdict"], &first["reason"]), (&json!("admit"), &json!("ok")));
    assert_eq!(first["ticket"]["seat"], "A-1");
    let repeated = doors.scan_with(&scanner.at(1), &body).await?.expect(200)?;
    assert_eq!(repeated, first, "the nonce gives the stored verdict");
    let second = doors.scan(&scanner, &ticket.code).await?.expect(200)?;
    assert_eq!(
        (&second["verdict"], &second["reason"]),
        (&json!("deny"), &json!("already_admitted"))
    );
    assert_eq!(second["firstScan"]["at"], first["scannedAt"]);
    assert_eq!(second["firstScan"]["gate"], "North");
    assert!(second["firstScan"]["user"].as_str().is_some_and(|name| name.starts_with("Person")));
    let other = one(&doors, json!({"class": 1})).await?;
    let reused = json!({"code": other.code, "nonce": body["nonce"]});
    doors.scan_with(&scanner, &reused).await?.refused(422, "tickets.nonce_reused")?;
    Ok(())
}

#[tokio::test]
async fn every_reason_is_told() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (doors, scanner) = door(&bed).await?;
    let with = |code: &str| json!({"code": code});
    let told = async |more: Value| doors.told(&scanner, more).await;
    let ticket = one(&doors, json!({"class": 1})).await?;
    is(&told(with("4006381333931")).await?, "deny", "unknown");
    let (most, last) = ticket.code.split_at(ticket.code.len() - 1);
    let changed = format!("{most}{}", if last == "A" { "B" } else { "A" });
    is(&told(with(&changed)).await?, "deny", "forged");
    let elsewhere = Doors::of(doors.house.clone()).await?;
    let other = one(&elsewhere, json!({"class": 1})).await?;
    is(&told(with(&other.code)).await?, "deny", "wrong_show");
    let stranger = Doors::open(&bed).await?;
    let other = one(&stranger, json!({"class": 1})).await?;
    is(&told(with(&other.code)).await?, "deny", "forged");

    doors.add("ticket-types", json!({"name": "Press"})).await?;
    let press = one(&doors, json!({"class": 2})).await?;
    let list = doors.add("lists", json!({"name": "Guests", "classes": [1]})).await?;
    is(&told(json!({"code": press.code, "list": list["id"]})).await?, "deny", "wrong_list");
    let unpaid = one(&doors, json!({"class": 1, "paid": false})).await?;
    is(&told(with(&unpaid.code)).await?, "deny", "unpaid");
    let later = json!({"name": "Late", "opensAt": "2098-01-01T00:00:00Z"});
    let later = doors.add("lists", later).await?;
    is(&told(json!({"code": ticket.code, "list": later["id"]})).await?, "deny", "too_early");
    let over = json!({"name": "Over", "closesAt": "2021-01-01T00:00:00Z"});
    let over = doors.add("lists", over).await?;
    is(&told(json!({"code": ticket.code, "list": over["id"]})).await?, "deny", "too_late");
    is(&told(json!({"code": ticket.code, "type": "exit"})).await?, "deny", "not_inside");

    let sql = bed.sql().await?;
    sql.run("update tickets.ticket set blocked = 'Ask Ana' where number = number and paid").await?;
    let blocked = doors.scan(&scanner, &ticket.code).await?.expect(200)?;
    assert_eq!((&blocked["reason"], &blocked["note"]), (&json!("blocked"), &json!("Ask Ana")));
    sql.run("update tickets.ticket set blocked = null, serial = 2, reissued_at = now()").await?;
    is(&told(with(&ticket.code)).await?, "deny", "reissued");
    let fresh = doors.ticket(&ticket.id).await?;
    sql.run("update tickets.ticket set status = 'revoked', revoked_at = now()").await?;
    is(&told(with(&fresh.code)).await?, "deny", "revoked");
    sql.run("update tickets.ticket set status = 'issued', revoked_at = null").await?;
    is(&told(with(&fresh.code)).await?, "admit", "ok");
    Ok(())
}

#[tokio::test]
async fn one_may_leave_and_come_back_where_the_list_allows_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (mut doors, scanner) = door(&bed).await?;
    let zone = |name: &str, capacity| json!({"name": name, "capacity": capacity});
    let hall = text(&doors.add("zones", zone("Hall", 2)).await?, "/id")?;
    let lounge = text(&doors.add("zones", zone("Lounge", 1)).await?, "/id")?;
    let again = |name: &str, zone: &str| json!({"name": name, "zoneId": zone, "reentry": "after_exit", "entriesMax": 3});
    let into_lounge = doors.add("lists", again("Lounge", &lounge)).await?;
    doors.list = text(&doors.add("lists", again("Hall", &hall)).await?, "/id")?;
    let tickets = doors.issue(json!({"class": 1}), 3).await?;
    let [ana, ben, eve] = tickets.as_slice() else { anyhow::bail!("no tickets") };
    let enter = async |ticket: &Coded| doors.told(&scanner, json!({"code": ticket.code})).await;
    let leave = async |ticket: &Coded| {
        doors.told(&scanner, json!({"code": ticket.code, "type": "exit"})).await
    };
    is(&enter(ana).await?, "admit", "ok");
    is(&enter(ben).await?, "admit", "ok");
    is(&enter(eve).await?, "deny", "zone_full");
    assert_eq!(doors.inside(&hall).await?, 2);
    // From one zone to another: out of the first by itself.
    let move_to = json!({"code": ana.code, "list": into_lounge["id"]});
    is(&doors.told(&scanner, move_to).await?, "admit", "ok");
    assert_eq!((doors.inside(&hall).await?, doors.inside(&lounge).await?), (1, 1));
    is(&enter(eve).await?, "admit", "ok");
    is(&leave(ana).await?, "admit", "ok");
    assert_eq!((doors.inside(&hall).await?, doors.inside(&lounge).await?), (2, 0));
    is(&leave(ana).await?, "deny", "not_inside");
    is(&leave(ben).await?, "admit", "ok");
    is(&enter(ana).await?, "admit", "ok");
    is(&leave(ana).await?, "admit", "ok");
    is(&enter(ana).await?, "deny", "no_entries_left");
    assert_eq!(doors.inside(&hall).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_door_asks_before_it_admits() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (doors, scanner) = door(&bed).await?;
    let age = doors.add("questions", json!({"text": "Is the guest 18?", "class": 1})).await?;
    let band = json!({"text": "Which band was handed out?", "choices": ["red", "blue"]});
    let band = doors.add("questions", band).await?;
    let ticket = one(&doors, json!({"class": 1})).await?;
    let asked = doors.scan(&scanner, &ticket.code).await?.expect(200)?;
    assert_eq!(asked["verdict"], "ask");
    assert_eq!(asked["questions"].as_array().map(Vec::len), Some(2));
    let answered = json!({"code": ticket.code, "answers": [
        {"question": age["id"], "answer": "yes"}, {"question": band["id"], "answer": "red"}]});
    is(&doors.told(&scanner, answered).await?, "admit", "ok");
    let scans = doors.house.owner().get(doors.path("/scans")).await?.expect(200)?;
    assert_eq!(scans["items"][1]["answers"][1]["answer"], "red");
    Ok(())
}

#[tokio::test]
async fn a_scan_is_taken_back_within_a_quarter_of_an_hour() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (mut doors, scanner) = door(&bed).await?;
    let hall = text(&doors.add("zones", json!({"name": "Hall"})).await?, "/id")?;
    let list = json!({"name": "Hall", "zoneId": hall, "reentry": "after_exit"});
    doors.list = text(&doors.add("lists", list).await?, "/id")?;
    let ticket = one(&doors, json!({"class": 1})).await?;
    let scan = async |kind: &str| {
        let nonce = Uuid::new_v4();
        let body = json!({"code": ticket.code, "nonce": nonce, "type": kind});
        is(&doors.told(&scanner, body).await?, "admit", "ok");
        anyhow::Ok(nonce)
    };
    let undo =
        |nonce: Uuid| scanner.post(doors.house.path(&format!("/scans/{nonce}/undo")), json!({}));
    let entry = scan("entry").await?;
    let exit = scan("exit").await?;
    undo(entry).await?.refused(409, "tickets.cannot_undo")?;
    assert!(undo(exit).await?.expect(200)?["undoneAt"].is_string());
    assert_eq!(doors.inside(&hall).await?, 1);
    undo(entry).await?.expect(200)?;
    assert_eq!(doors.inside(&hall).await?, 0);
    undo(Uuid::new_v4()).await?.refused(404, "tickets.no_such_scan")?;
    let old = scan("entry").await?;
    let sql = bed.sql().await?;
    sql.run("update tickets.scan set received_at = received_at - interval '16 minutes'").await?;
    undo(old).await?.refused(409, "tickets.cannot_undo")?;
    let other = doors.house.member("scanner").await?;
    let path = doors.house.path(&format!("/scans/{old}/undo"));
    other.post(&path, json!({})).await?.refused(404, "tickets.no_such_scan")?;
    Ok(())
}

#[tokio::test]
async fn a_supervisor_lets_somebody_in_with_a_reason() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (doors, scanner) = door(&bed).await?;
    let unpaid = one(&doors, json!({"class": 1, "paid": false, "name": "Zoe Quint"})).await?;
    let force = |client: &Client, ticket: &str| {
        let body = json!({"nonce": Uuid::new_v4(), "ticket": ticket, "list": doors.list,
            "reason": "Pays at the bar"});
        client.post(doors.house.path("/scans/force"), body).without_key()
    };
    force(&scanner, &unpaid.id).await?.refused(403, "forbidden")?;
    // Found by name, as the door does it.
    let found = scanner.get(doors.path("/tickets?q=zoe")).await?.expect(200)?;
    assert_eq!(found["items"][0]["id"], unpaid.id.as_str());
    let by_hand = json!({"ticket": unpaid.id});
    is(&doors.told(&scanner, by_hand).await?, "deny", "unpaid");
    let forced = force(doors.house.owner(), &unpaid.id).await?.expect(200)?;
    assert_eq!((&forced["verdict"], &forced["reason"]), (&json!("admit"), &json!("forced")));
    let audit = doors.house.owner().get(doors.house.path("/audit")).await?.expect(200)?;
    assert!(audit.to_string().contains("scan_forced"), "{audit}");
    bed.sql()
        .await?
        .run("update tickets.ticket set status = 'revoked', revoked_at = now()")
        .await?;
    let dead = force(doors.house.owner(), &unpaid.id).await?.expect(200)?;
    assert_eq!((&dead["verdict"], &dead["reason"]), (&json!("deny"), &json!("revoked")));
    Ok(())
}

#[tokio::test]
async fn codes_of_a_retired_key_count_and_those_of_a_revoked_one_do_not() -> Result<()> {
    let bed = Bed::start(2).await?;
    let (doors, scanner) = door(&bed).await?;
    let tickets = doors.issue(json!({"class": 1}), 2).await?;
    let rotate = async |revoke: bool| {
        let body = json!({"revokeOlder": revoke});
        doors.house.owner().post(doors.path("/doors/rotate-key"), body).await?.expect(200)
    };
    rotate(false).await?;
    let new = doors.ticket(&tickets[1].id).await?;
    assert_ne!(new.code, tickets[1].code);
    // The other worker has not heard of the new key before.
    is(&doors.told(&scanner.at(1), json!({"code": tickets[0].code})).await?, "admit", "ok");
    rotate(true).await?;
    is(&doors.told(&scanner.at(1), json!({"code": new.code})).await?, "deny", "forged");
    let newest = doors.ticket(&tickets[1].id).await?;
    is(&doors.told(&scanner.at(1), json!({"code": newest.code})).await?, "admit", "ok");
    Ok(())
}

#[tokio::test]
async fn gates_hear_what_happens_without_names() -> Result<()> {
    let bed = Bed::start(2).await?;
    let (doors, scanner) = door(&bed).await?;
    let ticket = one(&doors, json!({"class": 1, "name": "Ana Lopes"})).await?;
    let mut socket = Socket::open(&bed.worker(1)?.address(), scanner.token()).await?;
    socket.listen(doors.house.venue(), &["tickets"], None).await?;
    doors.scan(&scanner.at(0), &ticket.code).await?.expect(200)?;
    doors.scan(&scanner.at(0), &ticket.code).await?.expect(200)?;
    let two = |socket: &Socket| socket.events().len() >= 2;
    socket.hear_until("both scans are told", PATIENCE, two).await?;
    let told = socket.events();
    assert_eq!(told[0]["type"], "ticket_verified");
    assert_eq!(told[0]["data"]["ticketId"], ticket.id.as_str());
    assert_eq!(told[1]["type"], "scan_denied");
    assert_eq!(told[1]["data"]["reason"], "already_admitted");
    assert!(!told.iter().any(|event| event.to_string().contains("Lopes")));
    socket.check_against(&bed.sql().await?).await
}

#[tokio::test]
async fn a_usual_scan_costs_one_round_trip() -> Result<()> {
    let bed = Bed::with().through_a_proxy().env("DATABASE_POOL_SIZE", "1").start().await?;
    let doors = Doors::open(&bed).await?;
    // A role that was just given is looked up, which is a trip of its own: an owner's is older.
    let scanner = doors.house.owner();
    let tickets = doors.issue(json!({"class": 1}), 6).await?;
    let (warm, rest) = tickets.split_at(2);
    for ticket in warm {
        is(&doors.told(scanner, json!({"code": ticket.code})).await?, "admit", "ok");
    }
    let proxy = bed.proxy()?;
    proxy.delay(std::time::Duration::from_millis(25));
    for ticket in rest {
        let before = proxy.trips("tickets.pass(");
        is(&doors.told(scanner, json!({"code": ticket.code})).await?, "admit", "ok");
        let trips = proxy.trips("tickets.pass(") - before;
        println!("a scan cost {trips} round trips");
        assert_eq!(trips, 1);
    }
    Ok(())
}
