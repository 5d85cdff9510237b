//! What is seen of the doors: figures, who is scanning, what looks wrong.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket, wait_until};

use crate::devices::Device;
use crate::doors::Doors;
use crate::sale::text;

#[tokio::test]
async fn figures_add_up_and_what_looks_wrong_is_told_once() -> Result<()> {
    let bed = Bed::start(2).await?;
    let doors = Doors::open(&bed).await?;
    let owner = doors.house.owner();
    let mut socket = Socket::open(&bed.worker(1)?.address(), owner.token()).await?;
    socket.listen(doors.house.venue(), &["staff"], None).await?;
    let scanners = doors.scanners(&bed, 2).await?;
    let [(north, at_north), (south, at_south)] = scanners.as_slice() else {
        anyhow::bail!("no scanners")
    };
    let tickets = doors.issue(json!({"class": 1}), 2).await?;
    for ticket in &tickets {
        doors.scan(at_north, &ticket.code).await?.expect(200)?;
    }
    let first = tickets.first().map(|ticket| ticket.code.clone()).unwrap_or_default();
    let copy = json!({"code": first, "gate": "South"});
    doors.scan_with(at_south, &copy).await?.expect(200)?;
    for _ in 0..10 {
        doors.scan(at_north, "4006381333931").await?.expect(200)?;
    }
    let off = json!({"code": "1", "gate": "South", "scannedAt": "2026-01-01T00:00:00Z"});
    doors.scan_with(at_south, &off).await?.expect(200)?;

    let alerts = |s: &Socket| -> Vec<(String, String)> {
        let told = s.events().iter().filter(|event| event["type"] == "security_alert");
        let of = |event: &Value| {
            Some((text(event, "/data/kind").ok()?, text(event, "/data/subject").ok()?))
        };
        told.filter_map(of).collect()
    };
    socket.hear_until("three alerts", PATIENCE, |s| alerts(s).len() >= 3).await?;
    let mut told = alerts(&socket);
    told.sort();
    let ticket = tickets.first().map(|ticket| ticket.id.clone()).unwrap_or_default();
    let wanted = [("clock_off", south), ("many_denials", north), ("two_gates", &ticket)];
    let wanted = wanted.map(|(kind, subject)| (kind.to_owned(), subject.clone()));
    assert_eq!(told, wanted, "each once");
    let active = |s: &Socket| {
        s.events().iter().any(|event| {
            event["type"] == "staff_activity"
                && event["data"]["deviceId"] == json!(north)
                && event["data"]["admitted"] == 2
                && event["data"]["denied"] == 10
        })
    };
    socket.hear_until("the scanner's activity", PATIENCE, active).await?;

    figures_add_up(&doors, north).await?;
    let open = owner.get(doors.house.path("/alerts?open=true")).await?.expect(200)?;
    assert_eq!(open["items"].as_array().map(Vec::len), Some(3));
    let seen = doors.house.path(&format!("/alerts/{}/seen", text(&open, "/items/0/id")?));
    let alert = owner.post(&seen, json!({})).await?.expect(200)?;
    assert_eq!(alert["version"], 2);
    assert_eq!(owner.post(&seen, json!({})).await?.expect(200)?, alert, "once is enough");
    let open = owner.get(doors.house.path("/alerts?open=true")).await?.expect(200)?;
    assert_eq!(open["items"].as_array().map(Vec::len), Some(2));
    let scanner = doors.house.member("scanner").await?;
    scanner.get(doors.house.path("/alerts")).await?.refused(403, "forbidden")
}

async fn figures_add_up(doors: &Doors, north: &str) -> Result<()> {
    let owner = doors.house.owner();
    let figures = owner.get(doors.path("/scans/stats")).await?.expect(200)?;
    assert_eq!((&figures["tickets"], &figures["arrived"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&figures["scans"]["entries"], &figures["scans"]["denied"]),
        (&json!(2), &json!(12))
    );
    assert_eq!(figures["gates"][0]["gate"], "North");
    assert_eq!(figures["devices"][0]["deviceId"], json!(north));
    assert_eq!(figures["reasons"][0], json!({"reason": "unknown", "scans": 11}));
    let minutes: i64 = figures["minutes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|minute| minute["scans"]["entries"].as_i64())
        .sum();
    assert_eq!(minutes, 2);
    let later =
        owner.get(doors.path("/scans/stats?from=2099-01-01T00:00:00Z")).await?.expect(200)?;
    assert_eq!(later["scans"]["denied"], 0);
    Ok(())
}

/// The events of that type about this device: what it did, and the device.
fn statuses(socket: &Socket, device: &str) -> Vec<(String, Value)> {
    let told = socket
        .events()
        .iter()
        .filter(|event| event["type"] == "device_status" && event["data"]["id"] == json!(device));
    told.filter_map(|event| Some((text(event, "/action").ok()?, event["data"].clone()))).collect()
}

#[tokio::test]
async fn a_device_tells_how_it_is_and_its_silence_is_told() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let mut socket = Socket::open(&bed.worker(1)?.address(), house.owner().token()).await?;
    socket.listen(house.venue(), &["staff"], None).await?;
    let device = Device::approved(&bed, &house, "scanner").await?;
    let client = device.signed_in(&bed).await?;
    let report = json!({"appVersion": "2.4.1", "battery": 17, "queueLength": 3});
    client.post(house.path("/devices/me/status"), report).await?.expect(200)?;
    let id = device.id.clone();
    socket.hear_until("it is online", PATIENCE, |s| !statuses(s, &id).is_empty()).await?;
    let told = statuses(&socket, &id);
    let (action, state) = &told[0];
    assert_eq!((action.as_str(), &state["online"]), ("online", &json!(true)));
    assert_eq!((&state["battery"], &state["queueLength"]), (&json!(17), &json!(3)));
    assert_eq!((&state["appVersion"], state["seenAt"].is_string()), (&json!("2.4.1"), true));

    // Three minutes without a word. Both workers look; it is told once.
    let sql = bed.sql().await?;
    sql.run("update identity.device set seen_at = now() - interval '3 minutes'").await?;
    socket.hear_until("it is offline", PATIENCE, |s| statuses(s, &id).len() == 2).await?;
    let told = statuses(&socket, &id);
    assert_eq!((told[1].0.as_str(), &told[1].1["online"]), ("offline", &json!(false)));
    let listed = house.owner().get(house.path("/devices")).await?.expect(200)?;
    assert_eq!(listed["items"][0]["online"], false);
    let status = house.path("/devices/me/status");
    client.post(status, json!({"battery": 16})).await?.expect(200)?;
    socket.hear_until("it is back", PATIENCE, |s| statuses(s, &id).len() == 3).await?;
    assert_eq!(statuses(&socket, &id)[2].0, "online");
    Ok(())
}

#[tokio::test]
async fn a_device_that_nobody_trusts_and_that_tries_is_told_once() -> Result<()> {
    let bed = Bed::start(2).await?;
    let doors = Doors::open(&bed).await?;
    let house = &doors.house;
    let mut socket = Socket::open(&bed.worker(1)?.address(), house.owner().token()).await?;
    socket.listen(house.venue(), &["staff"], None).await?;
    let ticket = doors.issue(json!({"class": 1}), 1).await?.remove(0);
    let (asking, going) =
        (Device::pair(&bed, house, "scanner").await?, Device::pair(&bed, house, "scanner").await?);
    let revoked = Device::approved(&bed, house, "scanner").await?;
    let client = revoked.signed_in(&bed).await?;
    // Whoever was just paired may ask whether they are approved.
    asking.token(&bed).await?.refused(409, "identity.device_pending")?;
    let sql = bed.sql().await?;
    let old = format!(
        "update identity.device set created_at = now() - interval '1 hour' where id = '{}'",
        going.id
    );
    sql.run(&old).await?;
    going.token(&bed).await?.refused(409, "identity.device_pending")?;
    revoked.act(house, "revoke").await?.expect(200)?;
    // Its token is good for minutes more, and counts no more.
    wait_until("the word has come", PATIENCE, async || {
        let answer = doors.scan(&client, &ticket.code).await?;
        Ok((answer.status == 401 && answer.code() == "token_revoked").then_some(()))
    })
    .await?;
    for _ in 0..3 {
        doors.scan(&client, &ticket.code).await?.refused(401, "token_revoked")?;
    }
    let alerts = |s: &Socket| -> Vec<(String, String)> {
        let told = s.events().iter().filter(|event| event["data"]["kind"] == "unapproved_device");
        let of = |event: &Value| {
            Some((text(event, "/data/subject").ok()?, text(event, "/data/detail/status").ok()?))
        };
        told.filter_map(of).collect()
    };
    socket.hear_until("two alerts", PATIENCE, |s| alerts(s).len() >= 2).await?;
    // Another round of the watch says nothing new.
    let quiet = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < quiet {
        socket.hear(Duration::from_millis(100)).await?;
    }
    let mut told = alerts(&socket);
    told.sort();
    let mut wanted =
        vec![(going.id.clone(), "pending".to_owned()), (revoked.id.clone(), "revoked".to_owned())];
    wanted.sort();
    assert_eq!(told, wanted, "each once, and nothing of {}", asking.id);
    let open = house.owner().get(house.path("/alerts?open=true")).await?.expect(200)?;
    assert_eq!(open["items"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn where_a_scan_came_from_is_forgotten_after_thirty_days() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    let scanner = doors.house.member("scanner").await?;
    let tickets = doors.issue(json!({"class": 1}), 3).await?;
    for ticket in &tickets {
        doors.scan(scanner.client(), &ticket.code).await?.expect(200)?;
    }
    let sql = bed.sql().await?;
    for (ticket, days) in tickets.iter().zip([400, 31, 29]) {
        let age = format!(
            "update tickets.scan set received_at = now() - interval '{days} days'
                where ticket_id = '{}'",
            ticket.id
        );
        sql.run(&age).await?;
    }
    let known = "select count(address) from tickets.scan";
    assert_eq!(sql.value::<i64>(known, &[]).await?, 3, "addresses are kept");
    // The job looks when its worker starts, then every ten minutes.
    bed.worker(0)?.stop()?;
    bed.restart(0).await?;
    wait_until("two are forgotten", PATIENCE, async || {
        Ok((sql.value::<i64>(known, &[]).await? == 1).then_some(()))
    })
    .await?;
    let left = "select count(*) from tickets.scan where address is not null
        and received_at > now() - interval '30 days'";
    assert_eq!(sql.value::<i64>(left, &[]).await?, 1);
    let scans = "select count(*) from tickets.scan where verdict = 'admit' and gate = 'North'";
    assert_eq!(sql.value::<i64>(scans, &[]).await?, 3, "the scans themselves are kept for ever");
    Ok(())
}
