//! A client of `rowlock.v1` that checks the order of what it hears.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::people::text;
use crate::{PATIENCE, Sql};

const PROTOCOL: &str = "rowlock.v1";
/// Whoever hears all topics hears every number.
const TOPICS: usize = 11;
/// How often a condition from outside is looked at while nothing is heard.
const LOOK: Duration = Duration::from_millis(20);

/// One thing that came.
#[derive(Clone, Debug)]
pub enum Heard {
    /// An event, its number checked.
    Event(Value),
    /// Any other frame.
    Control(Value),
    /// The server closed, with this code and reason.
    Closed(u16, String),
}

/// A socket that listens to one venue.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    requests: i64,
    venue: String,
    topics: Vec<String>,
    /// The number that was known when it subscribed.
    from: i64,
    seq: i64,
    /// What it had heard when it came back: up to there events may repeat.
    known: i64,
    pos: String,
    events: Vec<Value>,
    resyncs: Vec<String>,
}

impl Socket {
    /// Connects to a worker and says who it is; nobody, without a token.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn open(address: &str, token: Option<&str>) -> Result<Self> {
        let mut request = format!("ws://{address}/api/v1/realtime").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", PROTOCOL.parse()?);
        let stream = TcpStream::connect(address).await?;
        let (stream, _) = tokio_tungstenite::client_async(request, stream).await?;
        let mut socket = Self {
            stream,
            requests: 0,
            venue: String::new(),
            topics: Vec::new(),
            from: 0,
            seq: 0,
            known: 0,
            pos: String::new(),
            events: Vec::new(),
            resyncs: Vec::new(),
        };
        socket.request(json!({"op": "auth", "token": token})).await?;
        Ok(socket)
    }

    /// Listens to topics (without any: to all that are open) of a venue from `since` on, or from now on; gives what was granted.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn listen(
        &mut self,
        venue: &str,
        topics: &[&str],
        since: Option<&str>,
    ) -> Result<Value> {
        self.listen_with(venue, topics, since, None).await
    }

    /// The same with the secret of what is followed.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn listen_with(
        &mut self,
        venue: &str,
        topics: &[&str],
        since: Option<&str>,
        secret: Option<&str>,
    ) -> Result<Value> {
        venue.clone_into(&mut self.venue);
        if let Some(since) = since {
            self.reach(since)?;
            self.from = self.seq;
        }
        let topics = (!topics.is_empty()).then_some(topics);
        let frame = json!({"op": "sub", "venue": venue, "topics": topics, "since": since,
            "secret": secret});
        let granted = self.request(frame).await?;
        self.grant(&granted);
        if since.is_none() {
            self.reach(&text(&granted, "pos")?)?;
            self.from = self.seq;
        }
        Ok(granted)
    }

    /// Connects to a worker anew and goes on from where it was, with the same topics.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn resume(self, address: &str, token: Option<&str>) -> Result<Self> {
        let mut socket = Self::open(address, token).await?;
        socket.venue.clone_from(&self.venue);
        socket.pos.clone_from(&self.pos);
        (socket.from, socket.seq, socket.known) = (self.from, self.seq, self.seq);
        socket.topics.clone_from(&self.topics);
        (socket.events, socket.resyncs) = (self.events, self.resyncs);
        let frame = json!({"op": "sub", "venue": self.venue, "topics": self.topics,
            "since": self.pos});
        socket.request(frame).await?;
        Ok(socket)
    }

    /// The number up to which everything has been heard.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// The position to come back with.
    #[must_use]
    pub fn pos(&self) -> &str {
        &self.pos
    }

    /// What was granted.
    #[must_use]
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// The events heard, oldest first.
    #[must_use]
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    /// The reasons for which it was told to load anew.
    #[must_use]
    pub fn resyncs(&self) -> &[String] {
        &self.resyncs
    }

    /// Hears until `enough` holds; fails with `what` after `within`, or when the server closes.
    ///
    /// # Errors
    /// As said, and when something is out of order.
    pub async fn hear_until(
        &mut self,
        what: &str,
        within: Duration,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + within;
        while !enough(self) {
            if Instant::now() >= deadline {
                bail!("waited {within:?} in vain until {what}; heard up to {}", self.pos);
            }
            if let Some(Heard::Closed(code, reason)) = self.hear(LOOK).await? {
                bail!("closed with {code} {reason} before {what}");
            }
        }
        Ok(())
    }

    /// The next frame, or nothing within that time.
    ///
    /// # Errors
    /// When the connection breaks, or something is out of order.
    pub async fn hear(&mut self, within: Duration) -> Result<Option<Heard>> {
        let Ok(message) = tokio::time::timeout(within, self.stream.next()).await else {
            return Ok(None);
        };
        match message.context("the connection has ended without a close")?? {
            Message::Text(frame) => self.frame(serde_json::from_str(&frame)?).map(Some),
            Message::Close(frame) => Ok(Some(frame.map_or_else(
                || Heard::Closed(1005, String::new()),
                |frame| Heard::Closed(frame.code.into(), frame.reason.to_string()),
            ))),
            _ => Ok(None),
        }
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn close(mut self) -> Result<()> {
        Ok(self.stream.close(None).await?)
    }

    /// Compares what was heard with the log: each event of its topics once, word for word, nothing
    /// else.
    ///
    /// # Errors
    /// When they differ.
    pub async fn check_against(&self, sql: &Sql) -> Result<()> {
        let venue: uuid::Uuid = self.venue.parse()?;
        let logged = "select json_build_object('seq', seq, 'topic', topic & 255, 'type', type,
                'entity_id', entity_id, 'version', version, 'action', action, 'data', data)::text
            from log.venue_event where venue_id = $1 and seq > $2 and seq <= $3 order by seq";
        let logged = sql.column::<String>(logged, &[&venue, &self.from, &self.seq]).await?;
        let logged: Vec<Value> =
            logged.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
        let whole: Vec<i64> = logged.iter().filter_map(seq_of).collect();
        ensure!(
            whole.iter().copied().eq(self.from + 1..=self.seq),
            "the log itself has a hole between {} and {}: {whole:?}",
            self.from,
            self.seq
        );
        let topics: Vec<i64> = self.topics.iter().map(|topic| number_of(topic)).collect();
        let mine = |event: &&Value| event["topic"].as_i64().is_some_and(|it| topics.contains(&it));
        let wanted: Vec<&Value> = logged.iter().filter(mine).collect();
        let seqs: Vec<i64> = wanted.iter().filter_map(|event| seq_of(event)).collect();
        let heard: Vec<i64> = self.events.iter().filter_map(seq_of).collect();
        ensure!(seqs == heard, "should have heard {seqs:?}, heard {heard:?}");
        for (logged, heard) in wanted.into_iter().zip(&self.events) {
            let same = |field: &&str| logged.get(*field) == heard.get(*field);
            let fields = ["type", "entity_id", "version", "action", "data"];
            ensure!(fields.iter().all(same), "the log has {logged}, heard was {heard}");
        }
        Ok(())
    }

    /// Asks something and gives the answer; what comes before it is taken as always.
    ///
    /// # Errors
    /// When the worker refuses.
    pub async fn request(&mut self, mut frame: Value) -> Result<Value> {
        self.requests += 1;
        let id = self.requests;
        if let Some(fields) = frame.as_object_mut() {
            fields.insert("id".to_owned(), id.into());
            fields.retain(|_, value| !value.is_null());
        }
        self.stream.send(Message::text(frame.to_string())).await?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.hear(LOOK).await? {
                Some(Heard::Control(answer)) if answer.get("id") == Some(&id.into()) => {
                    let good = answer.get("op").is_some_and(|op| op == "ok");
                    ensure!(good, "the worker answered {frame} with {answer}");
                    return Ok(answer);
                }
                Some(Heard::Closed(code, reason)) => bail!("closed with {code} {reason}"),
                _ => {}
            }
        }
        bail!("no answer to {frame}")
    }

    fn frame(&mut self, frame: Value) -> Result<Heard> {
        if frame.get("type").is_some() {
            if seq_of(&frame).is_none_or(|seq| seq > self.known) {
                self.event(&frame)?;
                self.events.push(frame.clone());
            }
            return Ok(Heard::Event(frame));
        }
        match frame.get("op").and_then(Value::as_str) {
            Some("pos") => self.reach(&text(&frame, "pos")?)?,
            Some("resync") => {
                self.resyncs.push(text(&frame, "reason")?);
                (self.seq, self.known) = (0, 0);
                self.reach(&text(&frame, "pos")?)?;
            }
            Some("topics") => self.grant(&frame),
            _ => {}
        }
        Ok(Heard::Control(frame))
    }

    fn event(&mut self, event: &Value) -> Result<()> {
        ensure!(text(event, "venue_id")? == self.venue, "an event of another venue: {event}");
        let before = self.seq;
        self.reach(&text(event, "pos")?)?;
        ensure!(seq_of(event) == Some(self.seq), "seq and pos differ: {event}");
        ensure!(self.seq > before, "{} came after {before}: {event}", self.seq);
        let whole = self.topics.len() == TOPICS;
        ensure!(!whole || self.seq == before + 1, "a hole: {} came after {before}", self.seq);
        Ok(())
    }

    fn grant(&mut self, frame: &Value) {
        let topics = frame.get("topics").and_then(Value::as_array).into_iter().flatten();
        self.topics = topics.filter_map(|topic| topic.as_str().map(str::to_owned)).collect();
    }

    /// A position never goes back.
    fn reach(&mut self, pos: &str) -> Result<()> {
        let seq = pos.split('-').next().unwrap_or_default().parse::<i64>();
        let seq = seq.with_context(|| format!("{pos} is no position"))?;
        ensure!(seq >= self.seq, "the position went from {} back to {pos}", self.pos);
        self.seq = seq;
        pos.clone_into(&mut self.pos);
        Ok(())
    }
}

fn seq_of(event: &Value) -> Option<i64> {
    event.get("seq").and_then(Value::as_i64)
}

/// The topic's number in the log.
fn number_of(topic: &str) -> i64 {
    let topics = [
        "seats",
        "shows",
        "bookings",
        "floor",
        "guests",
        "tickets",
        "queue.therapist",
        "queue.cashier",
        "monitor",
        "staff",
        "audit",
    ];
    topics.iter().zip(0..).find(|(name, _)| **name == topic).map_or(-1, |(_, number)| number)
}
