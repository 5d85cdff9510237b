//! A show with doors, tickets with codes, and scanners.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Ask, Bed, Client, House};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::devices::Device;
use crate::sale::text;

/// Tickets of one request.
const ISSUE_MAX: usize = 1_000;
/// Clients that fetch codes at once.
const FETCHERS: usize = 8;

/// A show whose doors are open.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    pub(crate) house: House,
    pub(crate) show: String,
    /// A list that takes every class, once.
    pub(crate) list: String,
}

/// A ticket and what is on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coded {
    pub(crate) id: String,
    pub(crate) code: String,
}

impl Doors {
    /// Doors that are open for years, with one type (class 1) and one list.
    pub(crate) async fn open(bed: &Bed) -> Result<Self> {
        Self::of(bed.house().await?).await
    }

    pub(crate) async fn of(house: House) -> Result<Self> {
        let new = json!({"name": "Winter Gala", "startsAt": "2099-02-01T19:00:00.000000Z",
            "currency": "EUR"});
        let made = house.owner().post(house.path("/shows"), new).await?.expect(201)?;
        let mut doors = Self { show: text(&made, "/id")?, house, list: String::new() };
        doors.set("2020-01-01T00:00:00Z", "2099-03-01T00:00:00Z").await?;
        doors.add("ticket-types", json!({"name": "Standard"})).await?;
        let list = doors.add("lists", json!({"name": "Main"})).await?;
        doors.list = text(&list, "/id")?;
        Ok(doors)
    }

    /// Opens them from then until then.
    pub(crate) async fn set(&self, opens_at: &str, closes_at: &str) -> Result<Value> {
        let body = json!({"name": "Winter Gala", "opensAt": opens_at, "closesAt": closes_at,
            "sealsNames": true});
        self.house.owner().put(self.path("/doors"), body).await?.expect(200)
    }

    /// The show's path and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        self.house.path(&format!("/shows/{}{rest}", self.show))
    }

    /// Adds a type, a list, a zone or a question.
    pub(crate) async fn add(&self, what: &str, body: Value) -> Result<Value> {
        self.house.owner().post(self.path(&format!("/{what}")), body).await?.expect(201)
    }

    /// Issues tickets like this one.
    pub(crate) async fn issue(&self, like: Value, count: usize) -> Result<Vec<Coded>> {
        let mut ids = Vec::new();
        for part in (0..count).collect::<Vec<_>>().chunks(ISSUE_MAX) {
            let body = json!({"tickets": vec![like.clone(); part.len()]});
            let ask = self.house.owner().post(self.path("/tickets"), body);
            let made = ask.settled().await?.expect(201)?;
            let tickets = made.get("tickets").and_then(Value::as_array).context("no tickets")?;
            for ticket in tickets {
                ids.push(text(ticket, "/id")?);
            }
        }
        self.codes(ids).await
    }

    async fn codes(&self, ids: Vec<String>) -> Result<Vec<Coded>> {
        let (ids, mut fetchers) = (Arc::new(ids), JoinSet::new());
        for first in 0..FETCHERS.min(ids.len()) {
            let (ids, doors) = (Arc::clone(&ids), self.clone());
            fetchers.spawn(async move {
                let mut coded = Vec::new();
                for id in ids.iter().skip(first).step_by(FETCHERS) {
                    coded.push(doors.ticket(id).await?);
                }
                anyhow::Ok(coded)
            });
        }
        let mut coded = Vec::new();
        for fetched in fetchers.join_all().await {
            coded.extend(fetched?);
        }
        coded.sort();
        Ok(coded)
    }

    /// The ticket with the code that is on it now.
    pub(crate) async fn ticket(&self, id: &str) -> Result<Coded> {
        let path = self.house.path(&format!("/tickets/{id}"));
        let ticket = self.house.owner().get(path).settled().await?.expect(200)?;
        Ok(Coded { id: id.to_owned(), code: text(&ticket, "/code")? })
    }

    /// A scan of this code with the list.
    pub(crate) fn scan(&self, scanner: &Client, code: &str) -> Ask {
        self.scan_with(scanner, &json!({"code": code}))
    }

    /// A scan with more, or another list, nonce or kind.
    pub(crate) fn scan_with(&self, scanner: &Client, more: &Value) -> Ask {
        let mut body = json!({"nonce": Uuid::new_v4(), "list": self.list, "gate": "North"});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        scanner.post(self.house.path("/scans"), body).without_key()
    }

    /// What the door is told, in two words.
    pub(crate) async fn told(&self, scanner: &Client, more: Value) -> Result<(String, String)> {
        let answer = self.scan_with(scanner, &more).settled().await?.expect(200)?;
        Ok((text(&answer, "/verdict")?, text(&answer, "/reason")?))
    }

    /// Approved scanners with tokens.
    pub(crate) async fn scanners(&self, bed: &Bed, count: usize) -> Result<Vec<(String, Client)>> {
        let mut scanners = Vec::new();
        for _ in 0..count {
            let device = Device::approved(bed, &self.house, "scanner").await?;
            scanners.push((device.id.clone(), device.signed_in(bed).await?));
        }
        Ok(scanners)
    }

    /// How many are in the zone, by its own count.
    pub(crate) async fn inside(&self, zone: &str) -> Result<i64> {
        let rules = self.house.owner().get(self.path("/doors/rules")).await?.expect(200)?;
        let zones = rules.get("zones").and_then(Value::as_array).context("no zones")?;
        let found = zones.iter().find(|found| found.get("id").is_some_and(|id| id == zone));
        found.and_then(|zone| zone.get("inside")?.as_i64()).context("no such zone")
    }
}
