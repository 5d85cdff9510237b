//! A venue with a show on sale, and its seat map as a watcher keeps it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Client, House, Sql};

/// The string at `pointer`.
pub(crate) fn text(json: &Value, pointer: &str) -> Result<String> {
    let found = json.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("there is no {pointer} in {json}"))
}

/// What stands at `pointer`; null where there is nothing.
pub(crate) fn at<'a>(json: &'a Value, pointer: &str) -> &'a Value {
    json.pointer(pointer).unwrap_or(&Value::Null)
}

/// A show on sale.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) house: House,
    pub(crate) show: String,
}

impl Sale {
    /// 25 tables of 10 in a new venue, each seat sold by itself.
    pub(crate) async fn gala(bed: &Bed) -> Result<Self> {
        Self::of(bed.house().await?, blocks(25, 10)).await
    }

    /// A show of `house` with these blocks.
    pub(crate) async fn of(house: House, blocks: Vec<Value>) -> Result<Self> {
        let sale = Self::draft(house, blocks).await?;
        let on_sale = json!({"status": "on_sale"});
        sale.house.owner().patch(sale.path(""), on_sale).await?.expect(200)?;
        Ok(sale)
    }

    /// The same, not yet on sale.
    pub(crate) async fn draft(house: House, blocks: Vec<Value>) -> Result<Self> {
        let new = json!({"name": "Winter Gala", "startsAt": "2099-02-01T19:00:00.000000Z",
            "currency": "EUR", "holdSecs": 300});
        let made = house.owner().post(house.path("/shows"), new).await?.expect(201)?;
        let sale = Self { show: text(&made, "/id")?, house };
        let category =
            json!({"code": "gala", "name": "Gala", "price": {"amount": 12_000, "currency": "EUR"}});
        let plan = json!({"plan": {"categories": [category], "blocks": blocks}});
        sale.house.owner().put(sale.path("/layout"), plan).await?.expect(200)?;
        Ok(sale)
    }

    /// The show's path and what follows.
    pub(crate) fn path(&self, rest: &str) -> String {
        self.house.path(&format!("/shows/{}{rest}", self.show))
    }

    /// Asks for a hold of these seats.
    pub(crate) fn hold(&self, client: &Client, seats: &[&str]) -> testkit::Ask {
        client.post(self.path("/holds"), json!({"seats": seats}))
    }

    /// Asks for a booking of these seats at once.
    pub(crate) fn book(&self, client: &Client, seats: &[&str]) -> testkit::Ask {
        let body = json!({"seats": seats, "customer": {"name": "Ana Lopes"}});
        client.post(self.path("/bookings"), body)
    }

    /// The seat map as `client` gets it.
    pub(crate) async fn map(&self, client: &Client) -> Result<SeatMap> {
        SeatMap::of(&client.get(self.path("/seats")).await?.expect(200)?)
    }
}

/// `count` tables of `seats`, T1 to T{count}.
pub(crate) fn blocks(count: usize, seats: usize) -> Vec<Value> {
    let block = |n| {
        json!({"name": format!("T{n}"), "kind": "table", "mode": "any_seat", "category": "gala",
            "seats": seats})
    };
    (1..=count).map(block).collect()
}

/// Every seat's id of `blocks(count, seats)`, in the order of the plan.
pub(crate) fn labels(count: usize, seats: usize) -> Vec<String> {
    let label = |n: usize| format!("T{}-{}", n / seats + 1, n % seats + 1);
    (0..count * seats).map(label).collect()
}

/// Who has which seat, as of a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeatMap {
    pub(crate) pos: String,
    pub(crate) seats: BTreeMap<String, String>,
}

impl SeatMap {
    fn of(json: &Value) -> Result<Self> {
        let mut map = Self { pos: text(json, "/pos")?, seats: BTreeMap::new() };
        map.take(json)?;
        Ok(map)
    }

    /// What a watcher does with an event.
    pub(crate) fn apply(&mut self, event: &Value) -> Result<()> {
        self.pos = text(event, "/pos")?;
        if event.get("type").is_some_and(|kind| kind == "seats_updated") {
            self.take(event.get("data").context("an event without data")?)?;
        }
        Ok(())
    }

    fn take(&mut self, json: &Value) -> Result<()> {
        for seat in json.get("seats").and_then(Value::as_array).context("there are no seats")? {
            self.seats.insert(text(seat, "/id")?, text(seat, "/status")?);
        }
        Ok(())
    }

    /// The number in the position.
    pub(crate) fn seq(&self) -> Result<i64> {
        Ok(self.pos.split('-').next().context("no position")?.parse()?)
    }
}

/// Live claims of all shows of a database.
pub(crate) async fn live_claims(sql: &Sql) -> Result<i64> {
    let live = "select count(*) from booking.claim where expires_at is null or expires_at > now()";
    sql.value(live, &[]).await
}
