//! Who takes part: per venue an owner, a manager, somebody at the box office, a host and a customer.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::http::Connection;

const ROWS: usize = 10;
const SEATS_PER_ROW: usize = 10;
const TABLES: usize = 8;
const STAFF: [&str; 3] = ["manager", "box_office", "host"];

/// Somebody with an account.
#[derive(Debug)]
pub(crate) struct Person {
    email: String,
    password: String,
    token: RefCell<String>,
}

impl Person {
    pub(crate) async fn register(connection: &mut Connection) -> Result<Rc<Self>> {
        let unique = uuid::Uuid::new_v4();
        let (email, password) =
            (format!("p-{}@chaos.test", unique.simple()), uuid::Uuid::new_v4().to_string());
        let body = json!({ "name": "Somebody", "email": email, "password": password });
        let tokens = connection.call(("POST", "/api/v1/auth/register"), "", &body).await?;
        let token = RefCell::new(text(&tokens, "/accessToken")?);
        Ok(Rc::new(Self { email, password, token }))
    }

    /// A fresh token: they last ten minutes, and know only the roles of their time.
    pub(crate) async fn sign_in(&self, connection: &mut Connection) -> Result<()> {
        let body = json!({ "email": self.email, "password": self.password });
        let tokens = connection.call(("POST", "/api/v1/auth/login"), "", &body).await?;
        *self.token.borrow_mut() = text(&tokens, "/accessToken")?;
        Ok(())
    }

    pub(crate) fn token(&self) -> String {
        self.token.borrow().clone()
    }
}

/// A venue with one show on sale, and everybody who is there.
#[derive(Debug)]
pub(crate) struct Venue {
    pub(crate) id: String,
    pub(crate) show: String,
    pub(crate) tables: Vec<String>,
    pub(crate) owner: Rc<Person>,
    /// Owner, staff, customer: each hears something else.
    pub(crate) people: Vec<Rc<Person>>,
}

impl Venue {
    pub(crate) async fn open(address: SocketAddr) -> Result<Rc<Self>> {
        let mut connection = Connection::open(address).await?;
        let owner = Person::register(&mut connection).await?;
        let body = json!({ "name": "Chaos", "timeZone": "Europe/Lisbon", "currency": "EUR" });
        let venue = connection.call(("POST", "/api/v1/venues"), &owner.token(), &body).await?;
        let id = text(&venue, "/id")?;
        owner.sign_in(&mut connection).await?;
        let mut people = vec![Rc::clone(&owner)];
        for role in STAFF {
            let person = Person::register(&mut connection).await?;
            let body = json!({ "email": person.email, "role": role });
            let path = format!("/api/v1/venues/{id}/members");
            connection.call(("POST", &path), &owner.token(), &body).await?;
            person.sign_in(&mut connection).await?;
            people.push(person);
        }
        people.push(Person::register(&mut connection).await?);
        let show = open_show(&mut connection, &id, &owner.token()).await?;
        let tables = set_tables(&mut connection, &id, &owner.token()).await?;
        Ok(Rc::new(Self { id, show, tables, owner, people }))
    }
}

/// A floor with a few tables: hosts want the same ones.
async fn set_tables(connection: &mut Connection, venue: &str, token: &str) -> Result<Vec<String>> {
    let table = |number: usize| {
        json!({ "op": "create_table", "body": { "name": number.to_string(), "x": 100 * number,
                "y": 50, "maxSeats": 4 } })
    };
    let operations: Vec<Value> = (1..=TABLES).map(table).collect();
    let path = format!("/api/v1/venues/{venue}/floor/batch");
    let body = json!({ "operations": operations });
    let done = connection.call(("POST", &path), token, &body).await?;
    let changed = done.get("changed").and_then(Value::as_array).context("no tables were made")?;
    changed.iter().map(|table| text(table, "/id")).collect()
}

async fn open_show(connection: &mut Connection, venue: &str, token: &str) -> Result<String> {
    let path = format!("/api/v1/venues/{venue}/shows");
    let body = json!({
        "name": "Winter Gala", "startsAt": "2099-01-01T19:00:00.000000Z", "currency": "EUR",
        // As long as may be: what a writer lost in a fault stays held through a short run.
        "holdSecs": 900,
    });
    let show = text(&connection.call(("POST", &path), token, &body).await?, "/id")?;
    let path = format!("{path}/{show}");
    let row = |number: usize| {
        json!({ "name": number.to_string(), "kind": "row", "mode": "by_seat",
                "category": "standard", "seats": SEATS_PER_ROW })
    };
    let plan = json!({ "plan": {
        "categories": [{ "code": "standard", "name": "Stalls",
                         "price": { "amount": 4500, "currency": "EUR" } }],
        "blocks": (1..=ROWS).map(row).collect::<Vec<_>>(),
    }});
    connection.call(("PUT", &format!("{path}/layout")), token, &plan).await?;
    connection.call(("PATCH", &path), token, &json!({ "status": "on_sale" })).await?;
    Ok(show)
}

/// A seat of every show.
pub(crate) fn seat(number: usize) -> String {
    let number = number % (ROWS * SEATS_PER_ROW);
    format!("{}-{}", number / SEATS_PER_ROW + 1, number % SEATS_PER_ROW + 1)
}

pub(crate) fn text(answer: &Value, pointer: &str) -> Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the answer has no {pointer}: {answer}"))?.to_owned())
}
