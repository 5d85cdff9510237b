//! Many sockets in one process: they count what they hear, and how late.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::latency::Latencies;
use crate::ws::{Frame, WebSocket};

/// Sockets that are being opened at once.
const AT_ONCE: usize = 64;
const OPEN_MAX: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(10);
/// A user may have 8 sockets on a worker.
pub(super) const SOCKETS_PER_USER: usize = 8;

/// What a socket says at its beginning; nothing, to a server that asks for nothing.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    pub(super) token: String,
    pub(super) venue: String,
    pub(super) since: Option<String>,
}

/// What all sockets of a crowd have heard together.
#[derive(Debug, Default)]
pub(super) struct Heard {
    live: Cell<usize>,
    frames: Cell<u64>,
    is_sampling: Cell<bool>,
    lateness: RefCell<Latencies>,
}

/// Dropped, all its sockets are cut.
pub(super) struct Crowd {
    pub(super) heard: Rc<Heard>,
    sockets: JoinSet<()>,
}

impl Crowd {
    /// Opens a socket for each greeting; gives the crowd and how long it took until all listened.
    pub(super) async fn open(
        (address, path): (SocketAddr, &'static str),
        greetings: Vec<Option<Greeting>>,
    ) -> Result<(Self, Duration)> {
        let (heard, mut sockets) = (Rc::new(Heard::default()), JoinSet::new());
        let (count, turns, begun) =
            (greetings.len(), Rc::new(Semaphore::new(AT_ONCE)), Instant::now());
        for (number, greeting) in greetings.into_iter().enumerate() {
            let (heard, turns) = (Rc::clone(&heard), Rc::clone(&turns));
            sockets.spawn_local(async move {
                let opened = async {
                    let _turn = turns.acquire().await?;
                    open(address, path, (number, greeting.as_ref())).await
                };
                if let Ok(socket) = opened.await {
                    heard.live.set(heard.live.get() + 1);
                    listen(socket, &heard).await;
                    heard.live.set(heard.live.get() - 1);
                }
            });
        }
        let crowd = Self { heard, sockets };
        while crowd.heard.live.get() < count {
            if begun.elapsed() > OPEN_MAX {
                bail!("only {} of {count} sockets listen", crowd.heard.live.get());
            }
            sleep(LOOK).await;
        }
        Ok((crowd, begun.elapsed()))
    }

    pub(super) fn frames(&self) -> u64 {
        self.heard.frames.get()
    }

    /// From now on lateness is noted.
    pub(super) fn sample(&self) {
        self.heard.is_sampling.set(true);
    }

    /// What was noted, and how many still listen.
    pub(super) fn end(mut self) -> (Latencies, usize) {
        self.sockets.abort_all();
        (self.heard.lateness.take(), self.heard.live.get())
    }
}

async fn open(
    address: SocketAddr,
    path: &str,
    (number, greeting): (usize, Option<&Greeting>),
) -> Result<WebSocket> {
    let user = number / SOCKETS_PER_USER;
    // Each user comes from an address of their own, as in life.
    let from = format!("10.{}.{}.{}", user >> 16 & 255, user >> 8 & 255, user & 255);
    let mut socket = WebSocket::open_from(address, path, &from).await?;
    let Some(greeting) = greeting else { return Ok(socket) };
    let auth = json!({ "op": "auth", "id": 1, "token": greeting.token });
    socket.send(&auth.to_string()).await?;
    let mut sub = json!({ "op": "sub", "id": 2, "venue": greeting.venue, "topics": ["seats"] });
    if let (Some(since), Some(fields)) = (&greeting.since, sub.as_object_mut()) {
        fields.insert("since".to_owned(), json!(since));
    }
    socket.send(&sub.to_string()).await?;
    loop {
        match timeout(OPEN_MAX, socket.next()).await?? {
            Frame::Text(frame) if contains(frame, br#""id":2"#) => {
                if !contains(frame, br#""op":"ok""#) {
                    bail!("refused: {}", String::from_utf8_lossy(frame));
                }
                return Ok(socket);
            }
            Frame::Close(code, reason) => bail!("closed with {code} {reason}"),
            _ => {}
        }
    }
}

async fn listen(mut socket: WebSocket, heard: &Heard) {
    // The end of a connection is the end of its part.
    while let Ok(frame) = socket.next().await {
        match frame {
            Frame::Text(frame) if frame.starts_with(br#"{"type""#) => {
                heard.frames.set(heard.frames.get() + 1);
                if heard.is_sampling.get()
                    && let Ok(late) = lateness(frame)
                {
                    heard.lateness.borrow_mut().push(late.as_micros());
                }
            }
            Frame::Close(..) => return,
            _ => {}
        }
    }
}

/// From the event's instant, which PostgreSQL takes just before it waits for the disk.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with the clock of PostgreSQL, same machine"
)]
fn lateness(frame: &[u8]) -> Result<Duration> {
    const KEY: &[u8] = br#""pos":""#;
    let at = frame.windows(KEY.len()).position(|part| part == KEY).context("no pos")?;
    let rest = frame.get(at + KEY.len()..).unwrap_or_default();
    let text = std::str::from_utf8(rest.split(|byte| *byte == b'"').next().unwrap_or_default())?;
    let (_, at) = text.split_once('-').context("no position")?;
    let at = Duration::from_micros(u64::from_str_radix(at, 36)?);
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.saturating_sub(at))
}

fn contains(frame: &[u8], part: &[u8]) -> bool {
    frame.windows(part.len()).any(|window| window == part)
}
