//! Many sockets in one process: they count what they hear, and how late.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
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
/// Before a socket that was refused asks again.
const AGAIN: Duration = Duration::from_millis(200);
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
    keeps_place: Cell<bool>,
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
        Self::open_at((&[address], path), greetings, 0).await
    }

    /// The same over several addresses: each socket goes to one of them, and one that ends comes
    /// back at the next, from where it was. The first `stalled` ones read nothing after their
    /// greeting.
    pub(super) async fn open_at(
        (addresses, path): (&[SocketAddr], &'static str),
        greetings: Vec<Option<Greeting>>,
        stalled: usize,
    ) -> Result<(Self, Duration)> {
        let returns = addresses.len() > 1;
        let (heard, mut sockets) = (Rc::new(Heard::default()), JoinSet::new());
        let (count, turns, begun) =
            (greetings.len(), Rc::new(Semaphore::new(AT_ONCE)), Instant::now());
        for (number, greeting) in greetings.into_iter().enumerate() {
            let (heard, turns) = (Rc::clone(&heard), Rc::clone(&turns));
            let mut addresses: VecDeque<SocketAddr> = addresses.iter().copied().collect();
            let mut greeting = greeting;
            sockets.spawn_local(async move {
                while let Some(&address) = addresses.front() {
                    addresses.rotate_left(1);
                    let stalls = number < stalled;
                    let opened = async {
                        let _turn = turns.acquire().await?;
                        open((address, path, stalls), (number, greeting.as_ref())).await
                    };
                    // Whoever is refused for the moment asks again, as the protocol says.
                    let Ok((socket, pos)) = opened.await else {
                        sleep(AGAIN).await;
                        continue;
                    };
                    heard.live.set(heard.live.get() + 1);
                    if stalls {
                        // It lives, and reads nothing any more.
                        std::future::pending::<()>().await;
                    }
                    let pos = listen(socket, &heard).await.or(pos);
                    heard.live.set(heard.live.get() - 1);
                    if let Some(greeting) = greeting.as_mut() {
                        greeting.since.clone_from(&pos);
                    }
                    if !returns {
                        return;
                    }
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

    /// From now on lateness is noted, or not any more.
    pub(super) fn sample(&self, on: bool) {
        self.heard.is_sampling.set(on);
    }

    /// From now on each socket knows where it is, to come back from there.
    pub(super) fn keep_places(&self) {
        self.heard.keeps_place.set(true);
    }

    pub(super) fn live(&self) -> usize {
        self.heard.live.get()
    }

    /// What was noted, and how many still listen.
    pub(super) fn end(mut self) -> (Latencies, usize) {
        self.sockets.abort_all();
        (self.heard.lateness.take(), self.heard.live.get())
    }
}

/// Gives the socket, and where its venue is.
async fn open(
    (address, path, stalls): (SocketAddr, &str, bool),
    (number, greeting): (usize, Option<&Greeting>),
) -> Result<(WebSocket, Option<String>)> {
    let user = number / SOCKETS_PER_USER;
    // Each user comes from an address of their own, as in life.
    let from = format!("10.{}.{}.{}", user >> 16 & 255, user >> 8 & 255, user & 255);
    let mut socket = if stalls {
        WebSocket::open_small(address, path, &from).await?
    } else {
        WebSocket::open_from(address, path, &from).await?
    };
    let Some(greeting) = greeting else { return Ok((socket, None)) };
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
                let pos = position(frame)?.to_owned();
                return Ok((socket, Some(pos)));
            }
            Frame::Close(code, reason) => bail!("closed with {code} {reason}"),
            _ => {}
        }
    }
}

/// Counts until the connection ends; gives the last position that was heard of.
async fn listen(mut socket: WebSocket, heard: &Heard) -> Option<String> {
    let mut last = None;
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
                if heard.keeps_place.get() {
                    last = position(frame).ok().map(str::to_owned);
                }
            }
            Frame::Close(..) => break,
            _ => {}
        }
    }
    last
}

/// From the event's instant, which PostgreSQL takes just before it waits for the disk.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with the clock of PostgreSQL, same machine"
)]
fn lateness(frame: &[u8]) -> Result<Duration> {
    let (_, at) = position(frame)?.split_once('-').context("no position")?;
    let at = Duration::from_micros(u64::from_str_radix(at, 36)?);
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.saturating_sub(at))
}

fn position(frame: &[u8]) -> Result<&str> {
    const KEY: &[u8] = br#""pos":""#;
    let at = frame.windows(KEY.len()).position(|part| part == KEY).context("no pos")?;
    let rest = frame.get(at + KEY.len()..).unwrap_or_default();
    Ok(std::str::from_utf8(rest.split(|byte| *byte == b'"').next().unwrap_or_default())?)
}

fn contains(frame: &[u8], part: &[u8]) -> bool {
    frame.windows(part.len()).any(|window| window == part)
}
