//! A client that writes: it holds, books, releases and cancels.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::courier::{Asked, Courier};
use super::people::{Venue, seat};
use super::record::{Act, Outcome, Write};
use super::{Shared, dice::Dice};

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

impl Writer {
    pub(crate) fn new(shared: Rc<Shared>, venue: Rc<Venue>, mut dice: Dice) -> Self {
        let mut courier = || Courier::new(&shared, &venue, &mut dice);
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
                _ => {}
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
