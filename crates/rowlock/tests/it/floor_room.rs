//! A restaurant with tables, and what tests ask of it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, House};

use crate::sale::text;

/// A venue with tables.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) house: House,
    pub(crate) tables: Vec<String>,
}

impl Room {
    /// So many tables of four in a new venue.
    pub(crate) async fn of(bed: &Bed, tables: usize) -> Result<Self> {
        Self::with(bed, &vec![4; tables]).await
    }

    /// Tables with so many seats each.
    pub(crate) async fn with(bed: &Bed, seats: &[i32]) -> Result<Self> {
        let house = bed.house().await?;
        let operations: Vec<Value> = seats
            .iter()
            .zip(1..)
            .map(|(seats, n)| {
                json!({"op": "create_table", "body": {"name": n.to_string(), "x": 100 * n, "y": 50,
                    "maxSeats": seats}})
            })
            .collect();
        let done = batch(&house, house.owner(), operations).await?.expect(200)?;
        let changed = done.get("changed").and_then(Value::as_array).context("nothing changed")?;
        let tables = changed.iter().map(|it| text(it, "/id")).collect::<Result<_>>()?;
        Ok(Self { house, tables })
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        self.house.path(rest)
    }

    /// Receives a party; gives its id.
    pub(crate) async fn receive(&self, client: &Client, name: &str, size: i32) -> Result<String> {
        let body = json!({"guestName": name, "partySize": size});
        let guest = client.post(self.path("/guests"), body).settled().await?.expect(201)?;
        text(&guest, "/id")
    }

    /// Asks to seat a party at tables.
    pub(crate) fn seat(&self, client: &Client, guest: &str, tables: &[&str]) -> Ask {
        client.post(self.path(&format!("/guests/{guest}/seat")), json!({"tables": tables}))
    }

    /// Asks to seat a party where the server thinks best.
    pub(crate) fn seat_anywhere(&self, client: &Client, guest: &str) -> Ask {
        client.post(self.path(&format!("/guests/{guest}/seat")), json!({}))
    }

    /// Asks for a step of a party that needs no more.
    pub(crate) fn step(&self, client: &Client, guest: &str, step: &str) -> Ask {
        client.post(self.path(&format!("/guests/{guest}/{step}")), json!({}))
    }

    /// The floor as `client` sees it.
    pub(crate) async fn floor(&self, client: &Client) -> Result<Value> {
        client.get(self.path("/floor")).await?.expect(200)
    }

    /// What table `number` is now.
    pub(crate) async fn table(&self, client: &Client, number: usize) -> Result<Value> {
        let id = self.tables.get(number).context("no such table")?;
        client.get(self.path(&format!("/tables/{id}"))).await?.expect(200)
    }
}

/// Runs a batch.
pub(crate) fn batch(house: &House, client: &Client, operations: Vec<Value>) -> Ask {
    client.post(house.path("/floor/batch"), json!({"operations": operations}))
}

/// The number of rows of `answers` with that status.
pub(crate) fn count(answers: &[Answered], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Something in every table of the floor.
pub(crate) async fn fill(bed: &Bed, house: &House) -> Result<()> {
    let owner = house.owner();
    let post = |rest: &str, body| owner.post(house.path(rest), body);
    post("/sections", json!({"name": "Hall"})).await?.expect(201)?;
    let table = json!({"name": "1", "x": 0, "y": 0, "maxSeats": 4});
    let table = post("/tables", table).await?.expect(201)?;
    let settings = house.path("/floor/settings");
    let rules = owner.get(&settings).await?.expect(200)?.get("rules").cloned();
    owner.put(&settings, rules.unwrap_or_default()).await?.expect(200)?;
    post("/floor/layouts", json!({"name": "Base"})).await?.expect(201)?;
    let at = crate::floor_reservations::evening(bed).await?;
    let later = json!({"startsAt": at, "partySize": 2, "guestName": "Ana"});
    post("/reservations", later).await?.expect(201)?;
    let guest = json!({"guestName": "Ana", "partySize": 2, "tables": [text(&table, "/id")?]});
    post("/guests", guest).await?.expect(201)?;
    Ok(())
}
