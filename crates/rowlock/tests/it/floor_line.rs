//! The line: quotes that are told as the floor moves, and parties that are called.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, PATIENCE, Socket, wait_until};

use crate::floor_room::Room;
use crate::sale::{at, text};

fn waits(event: &Value) -> Option<&Vec<Value>> {
    (*at(event, "/type") == "waitlist_quoted")
        .then(|| at(event, "/data/items").as_array())
        .flatten()
}

#[tokio::test]
async fn quotes_follow_the_floor_and_only_those_that_changed_are_told() -> Result<()> {
    let bed = Bed::start(2).await?;
    let room = Room::of(&bed, 2).await?;
    let owner = room.house.owner();
    let pos = text(&room.floor(owner).await?, "/pos")?;
    let ana = room.receive(owner, "Ana", 2).await?;
    let bob = room.receive(owner, "Bob", 2).await?;
    for (guest, table) in [(&ana, 0), (&bob, 1)] {
        room.seat(owner, guest, &[&room.tables[table]]).await?.expect(200)?;
    }
    let mut socket = Socket::open(&bed.worker(1)?.address(), owner.token()).await?;
    socket.listen(room.house.venue(), &["guests"], Some(&pos)).await?;
    let eve = room.receive(owner, "Eve", 2).await?;
    let link = owner.post(room.path(&format!("/guests/{eve}/link")), json!({})).await?;
    let token = text(&link.expect(201)?, "/token")?;
    let told = |socket: &Socket, from: i64| {
        let mut all = socket.events().iter().filter_map(waits).flatten();
        all.any(|it| it["guestId"] == json!(eve) && it["quote"]["fromMinutes"] == json!(from))
    };
    // Two stay 75 minutes.
    socket.hear_until("Eve is quoted", PATIENCE, |socket| told(socket, 70)).await?;
    let place = || bed.anyone().get(room.path("/waitlist/place")).header("Waitlist-Token", &token);
    wait_until("her page shows it", PATIENCE, async || {
        let seen = place().await?.expect(200)?;
        Ok((seen["quote"]["fromMinutes"] == json!(70)).then_some(()))
    })
    .await?;
    room.step(owner, &ana, "complete").await?.expect(200)?;
    socket.hear_until("the table is made soon", PATIENCE, |socket| told(socket, 5)).await?;
    // Nothing changes: whatever is written, nobody is told again.
    let before = socket.events().iter().filter_map(waits).count();
    let path = room.path(&format!("/guests/{eve}"));
    owner.patch(path, json!({"notes": "likes windows"})).await?.expect(200)?;
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    while socket.hear(std::time::Duration::from_millis(50)).await?.is_some() {}
    assert_eq!(socket.events().iter().filter_map(waits).count(), before);
    Ok(())
}

#[tokio::test]
async fn a_party_that_is_called_is_written_to_and_its_device_is_told() -> Result<()> {
    let (address, mut calls) = operator().await?;
    let secret = format!("whsec_{}", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0");
    let bed = Bed::with()
        .env("PUSH_URL", &format!("http://{address}/push"))
        .env("PUSH_SECRET", &secret)
        .start()
        .await?;
    let room = Room::of(&bed, 1).await?;
    let (owner, sql) = (room.house.owner(), bed.sql().await?);
    let body = json!({"guestName": "Ana", "partySize": 2, "email": "ana@example.org",
        "phone": "+351 912"});
    let ana = text(&owner.post(room.path("/guests"), body).await?.expect(201)?, "/id")?;
    let notified = room.step(owner, &ana, "notify").await?.expect(200)?;
    assert_eq!(notified["guest"]["status"], "notified");
    let queued = "select count(*) from notify.mail where kind = 'table_ready'";
    assert_eq!(sql.value::<i64>(queued, &[]).await?, 1);
    let call = tokio::time::timeout(PATIENCE, calls.recv()).await?.context("nobody called")?;
    let (head, body) = call.split_once("\r\n\r\n").context("no body")?;
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /push "), "{head}");
    for name in ["webhook-id: ", "webhook-timestamp: ", "webhook-signature: v1,"] {
        assert!(head.contains(name), "{head}");
    }
    let body: Value = serde_json::from_str(body)?;
    assert_eq!((&body["type"], &body["data"]["guestId"]), (&json!("table_ready"), &json!(ana)));
    wait_until("it is settled", PATIENCE, async || {
        let sent = "select count(*) from notify.push where state = 'sent' and body is null";
        Ok((sql.value::<i64>(sent, &[]).await? == 1).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_party_that_has_arrived_keeps_its_place_and_an_undo_sends_it_back() -> Result<()> {
    let bed = Bed::start(1).await?;
    let room = Room::of(&bed, 1).await?;
    let owner = room.house.owner();
    let ana = room.receive(owner, "Ana", 2).await?;
    let early = room.step(owner, &ana, "arrive").await?.expect(200)?;
    assert_eq!(early["guest"]["status"], "waiting", "by itself, before it was told");
    let arrived_at = text(&early, "/guest/arrivedAt")?;
    let told = room.step(owner, &ana, "notify").await?.expect(200)?;
    assert_eq!(told["guest"]["arrivedAt"], arrived_at);
    let undone = room.step(owner, &ana, "undo").await?.expect(200)?;
    assert_eq!(
        (&undone["guest"]["status"], &undone["guest"]["arrivedAt"]),
        (&json!("waiting"), &json!(arrived_at)),
        "what was undone is the call"
    );
    room.step(owner, &ana, "notify").await?.expect(200)?;
    room.step(owner, &ana, "arrive").await?.expect(200)?;
    let undone = room.step(owner, &ana, "undo").await?.expect(200)?;
    assert_eq!(
        (&undone["guest"]["status"], undone["guest"].get("arrivedAt")),
        (&json!("notified"), None)
    );
    let seated = room.seat(owner, &ana, &[&room.tables[0]]).await?.expect(200)?;
    assert_eq!(seated["guest"]["status"], "seated");
    room.step(owner, &ana, "arrive").await?.refused(409, "floor.no_way")?;
    Ok(())
}

/// An operator's service that takes what it is sent.
async fn operator() -> Result<(String, tokio::sync::mpsc::Receiver<String>)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (heard, calls) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                text.push_str(&String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()));
                let whole =
                    text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}'));
                if whole {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n").await;
            let _ = heard.send(text).await;
        }
    });
    Ok((address, calls))
}
