//! A client that writes: it holds, books, releases and cancels, and repeats what was not answered
//! with the same key, as a client of the API should.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::people::{Venue, seat};
use super::record::{Act, Outcome, Write};
use super::{Shared, dice::Dice};
use crate::http::{Connection, write_request};

/// How long one attempt may take: a client of the API gives up then and asks again.
const ATTEMPT_MAX: Duration = Duration::from_secs(4);
/// How long a write is repeated before it counts as unknown.
const PATIENCE: Duration = Duration::from_secs(40);
const BACKOFF_FIRST: Duration = Duration::from_millis(30);
const BACKOFF_MAX: Duration = Duration::from_millis(800);
/// Between two writes.
const THINK_MAX_MS: u64 = 120;
/// Bookings that a writer keeps before it cancels one: seats never run out.
const BOOKINGS_MAX: usize = 3;

/// A hold with its secret.
type Hold = (String, String);

pub(crate) struct Writer {
    shared: Rc<Shared>,
    venue: Rc<Venue>,
    dice: Dice,
    courier: Courier,
    /// For what is asked at the same time.
    rival: Courier,
    holds: Vec<Hold>,
    bookings: Vec<String>,
}

/// A connection and what repeats on it.
struct Courier {
    shared: Rc<Shared>,
    venue: Rc<Venue>,
    dice: Dice,
    connection: Option<Connection>,
}

/// A request and what it is.
struct Asked {
    act: Act,
    path: String,
    body: Value,
    /// The secret of a hold, for its header.
    token: Option<String>,
    target: Option<String>,
}

enum Answer {
    Done(Value),
    Refused(u16, String),
    /// Not done, or perhaps done: again with the same key.
    Again,
}

impl Writer {
    pub(crate) fn new(shared: Rc<Shared>, venue: Rc<Venue>, mut dice: Dice) -> Self {
        let mut courier = || Courier {
            shared: Rc::clone(&shared),
            venue: Rc::clone(&venue),
            dice: Dice::new(dice.roll()),
            connection: None,
        };
        let (courier, rival) = (courier(), courier());
        let (holds, bookings) = (Vec::new(), Vec::new());
        Self { shared, venue, dice, courier, rival, holds, bookings }
    }

    /// Writes until it is told to stop.
    pub(crate) async fn run(mut self) {
        while !self.shared.writers_stop.get() {
            let fallen = self.dice.below(10);
            let due = (self.bookings.len() > BOOKINGS_MAX).then(|| self.bookings.swap_remove(0));
            let hold = if due.is_none() { self.holds.pop_if(|_| fallen < 6) } else { None };
            match (due, hold) {
                (Some(booking), _) => self.ask(self.cancel(booking)).await,
                (None, Some(hold)) if fallen == 0 => self.ask(self.release(&hold)).await,
                (None, Some(hold)) if fallen == 1 => self.race(&hold).await,
                (None, Some(hold)) => self.ask(self.book(json!(hold.0), json!(hold.1))).await,
                (None, None) => {
                    let asked = self.take_seats(fallen);
                    self.ask(asked).await;
                }
            }
            sleep(Duration::from_millis(self.dice.below(THINK_MAX_MS))).await;
        }
    }

    async fn ask(&mut self, asked: Asked) {
        let (write, answer) = self.courier.carry_out(asked).await;
        self.note(write, &answer);
    }

    /// Books and releases one hold at the same time: at most one of the two may be done.
    async fn race(&mut self, hold: &Hold) {
        let (book, release) = (self.book(json!(hold.0), json!(hold.1)), self.release(hold));
        let (booked, released) =
            tokio::join!(self.courier.carry_out(book), self.rival.carry_out(release));
        self.note(booked.0, &booked.1);
        self.note(released.0, &released.1);
    }

    fn note(&mut self, write: Write, answer: &Value) {
        if let Outcome::Ok(id) = &write.outcome {
            let token = answer.get("token").and_then(Value::as_str).unwrap_or_default();
            match write.act {
                Act::Hold => self.holds.push((id.clone(), token.to_owned())),
                Act::Book => self.bookings.push(id.clone()),
                Act::Release | Act::Cancel => {}
            }
        }
        self.shared.record.borrow_mut().writes.push(write);
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/venues/{}/{rest}", self.venue.id)
    }

    fn show_path(&self, rest: &str) -> String {
        self.path(&format!("shows/{}/{rest}", self.venue.show))
    }

    fn cancel(&self, booking: String) -> Asked {
        let path = self.path(&format!("bookings/{booking}/cancel"));
        Asked { act: Act::Cancel, path, body: json!({}), token: None, target: Some(booking) }
    }

    fn release(&self, (id, token): &Hold) -> Asked {
        let path = self.path(&format!("holds/{id}"));
        let (token, target) = (Some(token.clone()), Some(id.clone()));
        Asked { act: Act::Release, path, body: Value::Null, token, target }
    }

    fn book(&self, hold: Value, token: Value) -> Asked {
        let target = hold.as_str().map(str::to_owned);
        let body = json!({ "hold": hold, "token": token });
        Asked { act: Act::Book, path: self.show_path("bookings"), body, token: None, target }
    }

    /// One or two neighbours, held or booked at once; others want them, too.
    fn take_seats(&mut self, fallen: u64) -> Asked {
        let first = usize::try_from(self.dice.below(100)).unwrap_or(0);
        let both = self.dice.below(2) == 0;
        let seats: Vec<String> = (first..=first + usize::from(both)).map(seat).collect();
        let body = json!({ "seats": seats });
        let (act, path) = if fallen < 8 {
            (Act::Hold, self.show_path("holds"))
        } else {
            (Act::Book, self.show_path("bookings"))
        };
        Asked { act, path, body, token: None, target: None }
    }
}

impl Courier {
    /// Sends it until it is answered.
    async fn carry_out(&mut self, mut asked: Asked) -> (Write, Value) {
        let key = uuid::Uuid::new_v4().to_string();
        if asked.act == Act::Book
            && let Some(body) = asked.body.as_object_mut()
        {
            // So that a booking tells which write made it.
            body.insert("customer".to_owned(), json!({ "name": key }));
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
        let method = if asked.act == Act::Release { "DELETE" } else { "POST" };
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
