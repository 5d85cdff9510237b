//! A client that keeps a floor: it receives parties, seats them, sees them off and wipes the table.
//! Two of them want the same tables.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::courier::{Asked, Courier};
use super::people::Venue;
use super::record::{Act, Outcome};
use super::{Shared, dice::Dice};

/// Between two writes.
const THINK_MAX_MS: u64 = 250;
/// Parties that wait before one has to be seated, and that sit before one has to leave.
const PARTIES_MAX: usize = 3;

pub(crate) struct Host {
    shared: Rc<Shared>,
    venue: Rc<Venue>,
    dice: Dice,
    courier: Courier,
    waiting: Vec<String>,
    /// With the table.
    seated: Vec<(String, String)>,
    dirty: Vec<String>,
}

impl Host {
    pub(crate) fn new(shared: Rc<Shared>, venue: Rc<Venue>, mut dice: Dice) -> Self {
        let courier = Courier::new(&shared, &venue, &mut dice);
        let (waiting, seated, dirty) = (Vec::new(), Vec::new(), Vec::new());
        Self { shared, venue, dice, courier, waiting, seated, dirty }
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(mut self) {
        while !self.shared.writers_stop.get() {
            if let Some(table) = self.dirty.pop() {
                self.wipe(table).await;
            } else if self.seated.len() > PARTIES_MAX {
                let (guest, table) = self.seated.swap_remove(0);
                self.leave(guest, table).await;
            } else if self.waiting.len() > PARTIES_MAX || self.dice.below(2) == 0 {
                match self.waiting.pop() {
                    Some(guest) => self.seat(guest).await,
                    None => self.receive().await,
                }
            } else {
                self.receive().await;
            }
            sleep(Duration::from_millis(self.dice.below(THINK_MAX_MS))).await;
        }
        self.send_home().await;
    }

    /// Whoever waits is told anew how long every now and then, and an event that comes behind the
    /// last write shows a hole that only the head check should find.
    async fn send_home(&mut self) {
        while let Some(guest) = self.waiting.pop() {
            let path = format!("guests/{guest}/cancel");
            self.ask(Act::Leave, path, json!({}), Some(guest)).await;
        }
    }

    /// The thing that it was done to, when it was.
    async fn ask(
        &mut self,
        act: Act,
        path: String,
        body: Value,
        target: Option<String>,
    ) -> Option<String> {
        let path = format!("/api/v1/venues/{}/{path}", self.venue.id);
        let (write, _) =
            self.courier.carry_out(Asked { act, path, body, token: None, target }).await;
        let done = match &write.outcome {
            Outcome::Ok(id) => Some(id.clone()),
            Outcome::Fail(..) | Outcome::Unknown => None,
        };
        self.shared.record.borrow_mut().writes.push(write);
        done
    }

    async fn receive(&mut self) {
        let guest = self.ask(Act::Receive, "guests".into(), json!({ "partySize": 2 }), None).await;
        self.waiting.extend(guest);
    }

    async fn seat(&mut self, guest: String) {
        let count = u64::try_from(self.venue.tables.len()).unwrap_or(1);
        let number = usize::try_from(self.dice.below(count)).unwrap_or(0);
        let Some(table) = self.venue.tables.get(number).cloned() else { return };
        let path = format!("guests/{guest}/seat");
        let body = json!({ "tables": [table] });
        match self.ask(Act::Seat, path, body, Some(guest.clone())).await {
            Some(_) => self.seated.push((guest, table)),
            None => self.waiting.push(guest),
        }
    }

    async fn leave(&mut self, guest: String, table: String) {
        let path = format!("guests/{guest}/complete");
        if self.ask(Act::Leave, path, json!({}), Some(guest.clone())).await.is_some() {
            self.dirty.push(table);
        }
    }

    async fn wipe(&mut self, table: String) {
        let body = json!({ "status": "available" });
        self.ask(Act::Wipe, format!("tables/{table}"), body, Some(table)).await;
    }
}
