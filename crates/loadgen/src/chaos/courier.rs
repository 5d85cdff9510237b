//! Carries one write until it is answered: what was not is repeated with the same key, as a client
//! of the API should.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::people::Venue;
use super::record::{Act, Outcome, Write};
use super::{Shared, dice::Dice};
use crate::http::{Connection, write_request};

/// How long one attempt may take: a client of the API gives up then and asks again.
const ATTEMPT_MAX: Duration = Duration::from_secs(4);
/// How long a write is repeated before it counts as unknown.
const PATIENCE: Duration = Duration::from_secs(40);
const BACKOFF_FIRST: Duration = Duration::from_millis(30);
const BACKOFF_MAX: Duration = Duration::from_millis(800);

/// A connection and what repeats on it.
pub(super) struct Courier {
    shared: Rc<Shared>,
    venue: Rc<Venue>,
    dice: Dice,
    connection: Option<Connection>,
}

/// A request and what it is.
pub(super) struct Asked {
    pub(super) act: Act,
    pub(super) path: String,
    pub(super) body: Value,
    /// The secret of a hold, for its header.
    pub(super) token: Option<String>,
    pub(super) target: Option<String>,
}

enum Answer {
    Done(Value),
    Refused(u16, String),
    /// Not done, or perhaps done: again with the same key.
    Again,
}

impl Courier {
    pub(super) fn new(shared: &Rc<Shared>, venue: &Rc<Venue>, dice: &mut Dice) -> Self {
        Self {
            shared: Rc::clone(shared),
            venue: Rc::clone(venue),
            dice: Dice::new(dice.roll()),
            connection: None,
        }
    }

    /// Sends it until it is answered.
    pub(super) async fn carry_out(&mut self, mut asked: Asked) -> (Write, Value) {
        let key = uuid::Uuid::new_v4().to_string();
        // So that a booking and a party tell which write made them.
        if let Some(body) = asked.body.as_object_mut() {
            match asked.act {
                Act::Book => drop(body.insert("customer".to_owned(), json!({ "name": key }))),
                Act::Receive => drop(body.insert("guestName".to_owned(), json!(key))),
                _ => {}
            }
        }
        let (begun, invoked_ms) = (Instant::now(), self.shared.millis());
        let (mut attempts, mut backoff, mut answer) = (0, BACKOFF_FIRST, Value::Null);
        let outcome = loop {
            attempts += 1;
            match self.attempt(&key, &asked).await {
                Answer::Done(done) => {
                    answer = done;
                    let id = answer.get("id").and_then(Value::as_str).map(str::to_owned);
                    break Outcome::Ok(id.or_else(|| asked.target.clone()).unwrap_or_default());
                }
                Answer::Refused(status, code) => break Outcome::Fail(status, code),
                Answer::Again if begun.elapsed() > PATIENCE => break Outcome::Unknown,
                Answer::Again => sleep(self.dice.jitter(backoff)).await,
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        };
        let (venue, ended_ms) = (self.venue.id.clone(), self.shared.millis());
        let (act, target) = (asked.act, asked.target);
        let write = Write { venue, act, key, target, outcome, attempts, invoked_ms, ended_ms };
        (write, answer)
    }

    async fn attempt(&mut self, key: &str, asked: &Asked) -> Answer {
        let sent = timeout(ATTEMPT_MAX, self.send(key, asked)).await;
        let Ok(Ok((status, body))) = sent else {
            // The connection is in the middle of something: a new one, perhaps to another worker.
            self.connection = None;
            return Answer::Again;
        };
        let code = body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        match status {
            200..300 => Answer::Done(body),
            // A token that has just run out is being renewed; 5xx come from the balancer, too.
            401 | 408 | 425 | 429 | 502..=504 => Answer::Again,
            409 if code.ends_with("in_progress") => Answer::Again,
            409 | 410 => Answer::Refused(status, code),
            _ => {
                let (act, path) = (asked.act, &asked.path);
                let what = format!("{act:?} {path} was answered with {status} {code}: {body}");
                self.shared.violation(what);
                if status >= 500 { Answer::Again } else { Answer::Refused(status, code) }
            }
        }
    }

    async fn send(&mut self, key: &str, asked: &Asked) -> Result<(u16, Value)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.shared.address(&mut self.dice)).await?,
        };
        let method = match asked.act {
            Act::Release => "DELETE",
            Act::Wipe => "PATCH",
            _ => "POST",
        };
        let head = crate::http::head(method, &asked.path, &self.venue.owner.token());
        let head = match &asked.token {
            Some(token) => with_header(&head, &format!("hold-token: {token}\r\n")),
            None => head,
        };
        let mut request = Vec::new();
        let body = if asked.body.is_null() { String::new() } else { asked.body.to_string() };
        write_request(&mut request, &head, key, &body);
        let reply = connection.send(&request).await?;
        let answer = (reply.status, serde_json::from_slice(reply.body).unwrap_or(Value::Null));
        self.connection = Some(connection);
        Ok(answer)
    }
}

/// The head's last line is the key's name, so others go before it.
fn with_header(head: &str, line: &str) -> String {
    let at = head.rfind("idempotency-key").unwrap_or(head.len());
    let (before, after) = head.split_at(at);
    format!("{before}{line}{after}")
}

/// The addresses that clients know: the balancer, or all workers.
pub(crate) fn any(addresses: &[SocketAddr], dice: &mut Dice) -> SocketAddr {
    let count = u64::try_from(addresses.len()).unwrap_or(1);
    let place = usize::try_from(dice.below(count)).unwrap_or(0);
    addresses.get(place).copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}
