//! A client that listens, as the protocol's text tells it to: it resumes with the last position it
//! applied, loads the snapshot when it is told to, and comes back when it is cut.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::dice::Dice;
use super::people::{Person, Venue, text};
use super::record::{Pos, Span};
use super::state::{State, TOPICS};
use crate::http::{Connection, head, write_request};
use crate::ws::{Frame, WebSocket};

/// How long connecting, greeting and one look at a snapshot may take.
const STEP_MAX: Duration = Duration::from_secs(4);
/// A server says something every 25 s; a client that hears nothing for longer goes elsewhere.
const SILENCE_MAX: Duration = Duration::from_secs(35);
/// A `resync` follows the answer to `sub` at once, or not at all.
const GRANT_MAX: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_millis(400);
/// "Too many connections": cut ones are still being noticed.
const TOO_MANY: u16 = 4504;

/// What the others may know of a listener.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) venue: Rc<Venue>,
    pub(crate) person: Rc<Person>,
    /// What it names; none: all that are open to it.
    pub(crate) topics: Option<&'static [&'static str]>,
    /// Up to there it has heard everything, on a connection that is open.
    pub(crate) seq: Cell<i64>,
    pub(crate) state: RefCell<State>,
}

pub(crate) struct Listener {
    pub(crate) shared: Rc<Shared>,
    pub(crate) number: usize,
    pub(crate) dice: Dice,
    pub(crate) progress: Rc<Progress>,
    /// Rises when sockets are to be cut: by how many of a hundred.
    pub(crate) cuts: watch::Receiver<u64>,
    pub(crate) connections: u32,
    /// The last position applied; none before the first snapshot.
    pub(crate) pos: Option<String>,
    /// Where the venue was when listening was granted, and how much of its replay is still to come.
    pub(crate) granted: Option<(String, u64)>,
}

/// Why a connection is over.
enum End {
    Cut,
    Closed(u16),
}

impl Listener {
    /// Listens until it is told to stop.
    pub(crate) async fn run(mut self) {
        while !self.shared.listeners_stop.get() {
            self.connections += 1;
            match self.session().await {
                Ok(End::Closed(code)) if code >= 4500 && code != TOO_MANY => {
                    let number = self.number;
                    self.shared.violation(format!("listener {number} was sent off with {code}"));
                }
                // Whatever it was: back, and on from where it was.
                Ok(_) | Err(_) => {}
            }
            sleep(self.dice.jitter(BACKOFF_MAX)).await;
        }
    }

    async fn session(&mut self) -> Result<End> {
        let address = self.shared.address(&mut self.dice);
        let mut socket = timeout(STEP_MAX, WebSocket::open(address)).await??;
        let auth = json!({ "op": "auth", "id": 1, "token": self.progress.person.token() });
        socket.send(&auth.to_string()).await?;
        if self.pos.is_none() {
            self.load().await?;
        }
        let since = self.pos.clone().context("a snapshot has a position")?;
        let mut sub =
            json!({ "op": "sub", "id": 2, "venue": self.progress.venue.id, "since": since });
        if let (Some(topics), Some(fields)) = (self.progress.topics, sub.as_object_mut()) {
            fields.insert("topics".to_owned(), json!(topics));
        }
        socket.send(&sub.to_string()).await?;
        let from = Pos::parse(&since)?;
        let mut span = Span {
            listener: self.number,
            connection: self.connections,
            venue: self.progress.venue.id.clone(),
            topics: Vec::new(),
            from,
            to: from,
            seen: Vec::new(),
        };
        self.shared.record.borrow_mut().connections += 1;
        self.granted = None;
        let end = self.hear(&mut socket, &mut span).await;
        if end.is_err() {
            self.shared.record.borrow_mut().broken += 1;
        }
        self.close_span(span);
        end
    }

    async fn hear(&mut self, socket: &mut WebSocket, span: &mut Span) -> Result<End> {
        let mut cuts = self.cuts.clone();
        cuts.mark_unchanged();
        loop {
            let patience = if self.granted.is_some() { GRANT_MAX } else { SILENCE_MAX };
            let frame = tokio::select! {
                frame = timeout(patience, socket.next()) => match frame {
                    Ok(frame) => frame?,
                    Err(_) if self.granted.is_some() => {
                        self.settle_grant(span)?;
                        continue;
                    }
                    Err(_) => bail!("silence"),
                },
                changed = cuts.changed() => {
                    changed?;
                    let share = *cuts.borrow_and_update() % 1000;
                    if self.dice.below(100) < share {
                        return Ok(End::Cut);
                    }
                    continue;
                }
            };
            match frame {
                Frame::Ping => {}
                Frame::Close(code, _) => {
                    *self.shared.record.borrow_mut().closes.entry(code).or_default() += 1;
                    return Ok(End::Closed(code));
                }
                Frame::Text(frame) => {
                    let frame: Value = serde_json::from_slice(frame)?;
                    self.take(&frame, span).await?;
                }
            }
        }
    }

    async fn take(&mut self, frame: &Value, span: &mut Span) -> Result<()> {
        if frame.get("type").is_some() {
            self.settle_grant(span)?;
            self.granted.iter_mut().for_each(|(_, left)| *left -= 1);
            return self.event(frame, span);
        }
        if frame.get("op").is_none_or(|op| op != "resync") {
            self.settle_grant(span)?;
        }
        match frame.get("op").and_then(Value::as_str) {
            Some("ok") if frame.get("id") == Some(&json!(2)) => {
                span.topics = topics(frame);
                let replay = frame.get("replay").and_then(Value::as_u64).unwrap_or(0);
                self.granted = Some((text(frame, "/pos")?, replay));
            }
            Some("pos") => self.reach(&text(frame, "/pos")?, span)?,
            Some("topics") => bail!("nobody changes roles here: {frame}"),
            Some("resync") => self.resync(frame, span).await?,
            Some("err") => bail!("refused: {frame}"),
            _ => {}
        }
        Ok(())
    }

    /// The answer's position is ours once its replay is heard, unless a `resync` follows at once.
    fn settle_grant(&mut self, span: &mut Span) -> Result<()> {
        match self.granted.take_if(|(_, left)| *left == 0) {
            Some((pos, _)) => self.reach(&pos, span),
            None => Ok(()),
        }
    }

    fn event(&mut self, event: &Value, span: &mut Span) -> Result<()> {
        let pos_text = text(event, "/pos")?;
        let pos = Pos::parse(&pos_text)?;
        let who = format!("listener {}, connection {}", self.number, self.connections);
        if text(event, "/venue_id")? != span.venue {
            self.shared.violation(format!("{who}: an event of another venue: {event}"));
        }
        if event.get("seq").and_then(Value::as_i64) != Some(pos.seq) {
            self.shared.violation(format!("{who}: seq and pos differ: {event}"));
        }
        if pos.seq <= span.to.seq {
            self.shared.violation(format!("{who}: {pos} came after {}", span.to));
        }
        span.seen.push(pos);
        span.to = pos;
        self.shared.record.borrow_mut().deliveries += 1;
        let known = self.pos.as_deref().map(Pos::parse).transpose()?.unwrap_or_default();
        if pos.seq > known.seq {
            self.progress.state.borrow_mut().apply(event);
            self.pos = Some(pos_text);
            self.progress.seq.set(pos.seq);
        }
        Ok(())
    }

    fn reach(&mut self, text: &str, span: &mut Span) -> Result<()> {
        let pos = Pos::parse(text)?;
        if pos.seq < span.to.seq {
            let (number, to) = (self.number, span.to);
            self.shared.violation(format!("listener {number}: went back from {to} to {pos}"));
            return Ok(());
        }
        span.to = pos;
        let known = self.pos.as_deref().map(Pos::parse).transpose()?.unwrap_or_default();
        if pos.seq >= known.seq {
            self.pos = Some(text.to_owned());
            self.progress.seq.set(pos.seq);
        }
        Ok(())
    }

    /// Continuity was not proved: what was is closed, the snapshot is loaded, live goes on.
    async fn resync(&mut self, frame: &Value, span: &mut Span) -> Result<()> {
        self.granted = None;
        let (reason, pos) = (text(frame, "/reason")?, Pos::parse(&text(frame, "/pos")?)?);
        if reason != "behind" {
            let number = self.number;
            self.shared.violation(format!("listener {number}: resync {reason}, nothing was lost"));
        }
        *self.shared.record.borrow_mut().resyncs.entry(reason).or_default() += 1;
        let mut next = span.clone();
        (next.from, next.to, next.seen) = (pos, pos, Vec::new());
        self.close_span(std::mem::replace(span, next));
        self.load().await
    }

    /// Loads the snapshot. What it holds already is not applied again.
    async fn load(&mut self) -> Result<()> {
        let (pos, state) = snapshot(&self.shared, &mut self.dice, &self.progress).await?;
        *self.progress.state.borrow_mut() = state;
        self.progress.seq.set(Pos::parse(&pos)?.seq);
        self.pos = Some(pos);
        Ok(())
    }

    fn close_span(&self, span: Span) {
        if !span.topics.is_empty() {
            self.shared.record.borrow_mut().spans.push(span);
        }
    }
}

/// Position and state of what a listener hears, over HTTP.
pub(crate) async fn snapshot(
    shared: &Shared,
    dice: &mut Dice,
    of: &Progress,
) -> Result<(String, State)> {
    let topics = of.topics.map_or_else(|| TOPICS.to_owned(), |names| names.join(","));
    let path = format!("/api/v1/venues/{}/snapshot?topics={topics}", of.venue.id);
    let mut request = Vec::new();
    write_request(&mut request, &head("GET", &path, &of.person.token()), "chaos-snapshot", "");
    let looked = async {
        let mut connection = Connection::open(shared.address(dice)).await?;
        let reply = connection.send(&request).await?;
        if reply.status != 200 {
            bail!("the snapshot was answered with {}", reply.status);
        }
        anyhow::Ok(serde_json::from_slice::<Value>(reply.body)?)
    };
    let answer = timeout(STEP_MAX, looked).await??;
    Ok((text(&answer, "/pos")?, State::of_snapshot(&answer)))
}

fn topics(frame: &Value) -> Vec<String> {
    let names = frame.get("topics").and_then(Value::as_array).into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
