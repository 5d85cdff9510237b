//! Who of the staff is on which screen.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use testkit::{Bed, Heard, House, Person, Socket};

/// The bound of the issue.
const GONE_WITHIN: Duration = Duration::from_secs(30);

async fn on_screen(
    bed: &Bed,
    (house, person): (&House, &Person),
    worker: usize,
    screen: &str,
) -> Result<Socket> {
    let mut socket = Socket::open(&bed.worker(worker)?.address(), person.token()).await?;
    socket.listen(house.venue(), &["shows"], None).await?;
    let frame = json!({"op": "presence", "venue": house.venue(), "screen": screen});
    socket.request(frame).await?;
    Ok(socket)
}

/// Hears until the frame about presence says so.
async fn heard(
    socket: &mut Socket,
    within: Duration,
    enough: impl Fn(&Value) -> bool,
) -> Result<()> {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        match socket.hear(Duration::from_millis(200)).await? {
            Some(Heard::Control(frame)) if is_presence(&frame) && enough(&frame) => {
                return Ok(());
            }
            _ => {}
        }
    }
    bail!("not heard within {within:?}")
}

fn is_presence(frame: &Value) -> bool {
    frame.get("op").is_some_and(|op| op == "presence")
}

fn screens(frame: &Value) -> Vec<&str> {
    let people = frame["people"].as_array().into_iter().flatten();
    let mut screens: Vec<&str> = people.filter_map(|one| one["screen"].as_str()).collect();
    screens.sort_unstable();
    screens
}

#[tokio::test]
async fn staff_sees_who_is_where_on_every_worker_and_who_is_gone() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let host = house.member("host").await?;
    let mut here = on_screen(&bed, (&house, house.owner()), 0, "floor").await?;
    let there = on_screen(&bed, (&house, &host), 1, "door").await?;
    heard(&mut here, GONE_WITHIN, |frame| screens(frame) == ["door", "floor"]).await?;
    there.close().await?;
    heard(&mut here, GONE_WITHIN, |frame| screens(frame) == ["floor"]).await?;
    let _there = on_screen(&bed, (&house, &host), 1, "door").await?;
    heard(&mut here, GONE_WITHIN, |frame| screens(frame) == ["door", "floor"]).await?;
    bed.worker(1)?.kill()?;
    heard(&mut here, GONE_WITHIN, |frame| screens(frame) == ["floor"]).await
}

#[tokio::test]
async fn customers_have_no_presence() -> Result<()> {
    let bed = Bed::start(1).await?;
    let (house, ana) = (bed.house().await?, bed.person().await?);
    let mut socket = Socket::open(&bed.worker(0)?.address(), ana.token()).await?;
    socket.listen(house.venue(), &["seats"], None).await?;
    let frame = json!({"op": "presence", "venue": house.venue(), "screen": "floor"});
    let refused = socket.request(frame).await.unwrap_err().to_string();
    assert!(refused.contains("forbidden"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn without_redis_nobody_knows() -> Result<()> {
    let bed = Bed::with().without_redis().start().await?;
    let house = bed.house().await?;
    let mut socket = on_screen(&bed, (&house, house.owner()), 0, "floor").await?;
    heard(&mut socket, GONE_WITHIN, |frame| frame["available"] == false).await
}
