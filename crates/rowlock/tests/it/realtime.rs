//! Sockets over the wire: why they are closed, what a changed role leaves, what is too large.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use kernel::event::{Event, Topic};
use serde_json::{Value, json};
use testkit::{Bed, Heard, House, Minter, PATIENCE, Person, Socket, wait_until};
use uuid::Uuid;

use crate::sale::text;
use crate::slice::Slice;

const SOCKETS_PER_USER: usize = 8;
/// How long an expired token may still be renewed, in seconds.
const GRACE: i64 = 30;
/// A worker that has read no head for 15 s gives up.
const DATABASE_AWAY_MAX: Duration = Duration::from_secs(20);
/// A changed role reaches open sockets within a second; a busy machine takes another.
const ROLE_WITHIN: Duration = Duration::from_secs(2);

/// Hears until the server closes.
async fn closed(socket: &mut Socket, within: Duration) -> Result<(u16, String)> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if let Some(Heard::Closed(code, reason)) = socket.hear(Duration::from_millis(100)).await? {
            return Ok((code, reason));
        }
    }
    bail!("not closed within {within:?}")
}

#[tokio::test]
async fn the_ninth_socket_of_a_user_is_one_too_many() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (ana, bob) = (bed.person().await?, bed.person().await?);
    let address = bed.worker(0)?.address();
    let mut open = Vec::new();
    for _ in 0..SOCKETS_PER_USER {
        open.push(Socket::open(&address, ana.token()).await?);
    }
    let refused = Socket::open(&address, ana.token()).await.unwrap_err().to_string();
    assert!(refused.contains("4504"), "{refused}");
    Socket::open(&address, bob.token()).await.context("others are not meant")?;
    open.pop().context("there are eight")?.close().await?;
    wait_until("there is room again", PATIENCE, async || {
        Ok(Socket::open(&address, ana.token()).await.ok())
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn an_expired_token_closes_unless_it_is_renewed() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (minter, ana) = (Minter::install(&bed.sql().await?).await?, bed.person().await?);
    let address = bed.worker(0)?.address();
    let good = ana.token().context("she is signed in")?;
    let mut payload = Minter::payload(good)?;
    // Three seconds before the grace is over: on a busy machine both may not be open by then.
    let both = wait_until("the worker knows the key", PATIENCE, async || {
        payload["exp"] = json!(Timestamp::now().as_second() - GRACE + 3);
        let token = minter.token(&payload);
        let Ok(late) = Socket::open(&address, Some(&token)).await else { return Ok(None) };
        let Ok(mut renewed) = Socket::open(&address, Some(&token)).await else { return Ok(None) };
        let renewal = renewed.request(json!({"op": "auth", "token": good})).await;
        Ok(renewal.ok().map(|answer| (late, renewed, answer)))
    });
    let (mut late, mut renewed, answer) = both.await?;
    assert_eq!(answer["user"], ana.user()["id"]);
    let (code, reason) = closed(&mut late, PATIENCE).await?;
    assert_eq!(code, 4004, "{reason}");
    assert_eq!(
        renewed.request(json!({"op": "unsub", "venue": Uuid::nil()})).await?["op"],
        "ok",
        "the renewed one lives on"
    );
    Ok(())
}

#[tokio::test]
async fn a_worker_that_lost_its_database_sends_its_sockets_elsewhere() -> Result<()> {
    let bed = Bed::with().through_a_proxy().start().await?;
    let house = bed.house().await?;
    let mut socket = Socket::open(&bed.worker(0)?.address(), house.owner().token()).await?;
    socket.listen(house.venue(), &["seats"], None).await?;
    bed.proxy()?.cut();
    let (code, reason) = closed(&mut socket, DATABASE_AWAY_MAX).await?;
    assert_eq!(code, 4006, "{reason}");
    Ok(())
}

/// By another worker than the one that has the person's sockets.
pub(crate) async fn change_role(house: &House, person: &Person, role: Option<&str>) -> Result<()> {
    let owner = house.owner().at(1);
    let members = owner.get(house.path("/members?limit=200")).await?.expect(200)?;
    let members = members["items"].as_array().into_iter().flatten();
    let mut own = members.filter(|member| member["email"] == person.email());
    let path = house.path(&format!("/members/{}", text(own.next().context("a member")?, "/id")?));
    match role {
        Some(role) => owner.patch(path, json!({"role": role})).await?.expect(200)?,
        None => owner.delete(path).await?.expect(204)?,
    };
    Ok(())
}

#[tokio::test]
async fn a_changed_role_changes_what_an_open_socket_hears() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let slice = Slice::of(&bed, &house)?;
    let tell = async |topic| {
        let entity = ("guest", Uuid::nil(), 1);
        slice.tell(Event::new(topic, "guest_updated", entity, "told", &json!({}))?).await
    };
    let host = house.member("host").await?;
    let mut socket = Socket::open(&bed.worker(0)?.address(), host.token()).await?;
    let granted = socket.listen(house.venue(), &["seats", "guests", "staff"], None).await?;
    assert_eq!(granted["topics"], json!(["seats", "guests"]));
    tell(Topic::Guests).await?;
    socket.hear_until("the guest", PATIENCE, |s| s.events().len() == 1).await?;

    change_role(&house, &host, Some("scanner")).await?;
    let left = |s: &Socket| s.topics() == ["seats"];
    socket.hear_until("what is left to a scanner", ROLE_WITHIN, left).await?;
    tell(Topic::Guests).await?;
    tell(Topic::Seats).await?;
    socket.hear_until("the seats", PATIENCE, |s| s.events().len() == 2).await?;
    assert_eq!(socket.events().last().context("two")?["seq"], json!(socket.seq()));

    let mut other = Socket::open(&bed.worker(0)?.address(), host.token()).await?;
    other.listen(house.venue(), &["floor"], None).await?;
    change_role(&house, &host, None).await?;
    let (code, reason) = closed(&mut other, ROLE_WITHIN).await?;
    assert_eq!(code, 4503, "nothing is left: {reason}");
    tell(Topic::Seats).await?;
    socket.hear_until("the seats, as anybody may", PATIENCE, |s| s.events().len() == 3).await
}

#[tokio::test]
async fn data_that_is_too_large_for_a_socket_is_fetched_by_its_reference() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let slice = Slice::of(&bed, &house)?;
    let mut socket = Socket::open(&bed.worker(0)?.address(), house.owner().token()).await?;
    socket.listen(house.venue(), &["guests"], None).await?;
    let notes = "x".repeat(20_000);
    let data = json!({"notes": notes});
    let id = Uuid::now_v7();
    let event =
        |kind, data: &Value| Event::new(Topic::Guests, kind, ("guest", id, 1), "told", data);
    slice.tell(event("guest_updated", &data)?).await?;
    slice.tell(event("guest_seated", &json!({}))?).await?;
    socket.hear_until("both", PATIENCE, |s| s.events().len() == 2).await?;
    let large = socket.events().first().context("two")?;
    assert_eq!(large["data"], Value::Null);
    let reference = text(large, "/ref")?;
    let owner = house.owner();
    let page = owner.get(&reference).await?.expect(200)?;
    let [item] = page["items"].as_array().context("items")?.as_slice() else {
        bail!("one event: {page}")
    };
    assert_eq!(item["data"], data);
    assert_eq!(item.get("ref"), None);
    for same in ["type", "seq", "pos", "version", "timestamp", "guest_id"] {
        assert_eq!(item[same], large[same], "{same}");
    }
    assert_eq!(page["resync"], false);
    let to_others = bed.anyone().get(&reference).await?.expect(200)?;
    assert_eq!(to_others["items"], json!([]), "the reference opens nothing");
    let all = owner.get(reference.replace("limit=1", "limit=10")).await?.expect(200)?;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    owner.get(reference.replace("limit=1", "limit=11")).await?.refused(400, "bad_limit")?;
    owner.get(reference.replace("&full=true", "")).await?.refused(400, "bad_pos")
}
