//! Users, venues and members, made through the API.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Client;

const PASSWORD: &str = "sea-otters hold hands 42";

/// The string at `name`.
pub(crate) fn text(json: &Value, name: &str) -> Result<String> {
    let found = json.get(name).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("there is no {name} in {json}"))
}

/// A signed-in user.
#[derive(Clone, Debug)]
pub struct Person {
    client: Client,
    email: String,
    refresh_token: String,
    user: Value,
}

impl Deref for Person {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Person {
    /// A new user from an address of its own: the limits per address are for strangers.
    pub(crate) async fn register(anyone: &Client) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let email = format!("person-{number}@example.org");
        let body =
            json!({"name": format!("Person {number}"), "email": email, "password": PASSWORD});
        let ask = anyone.post("/api/v1/auth/register", body);
        let answer = ask.header("X-Forwarded-For", &address(number)).settled().await?;
        Self::of(anyone, &answer.expect(201)?, email)
    }

    /// The same user with a new session, whose token knows the roles given meanwhile.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn sign_in(&self) -> Result<Self> {
        let body = json!({"email": self.email, "password": PASSWORD});
        let number =
            self.email.bytes().fold(0, |sum: u32, byte| sum * 7 % 65_521 + u32::from(byte));
        let ask = self.client.post("/api/v1/auth/login", body);
        let answer = ask.header("X-Forwarded-For", &address(number)).settled().await?;
        Self::of(&self.client, &answer.expect(200)?, self.email.clone())
    }

    /// Somebody who has registered already.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn log_in(anyone: &Client, email: &str, password: &str) -> Result<Self> {
        let body = json!({"email": email, "password": password});
        let answer = anyone.post("/api/v1/auth/login", body).settled().await?;
        Self::of(anyone, &answer.expect(200)?, email.to_owned())
    }

    fn of(client: &Client, tokens: &Value, email: String) -> Result<Self> {
        let client = client.with_token(&text(tokens, "accessToken")?);
        let refresh_token = text(tokens, "refreshToken")?;
        let user = tokens.get("user").cloned().unwrap_or_default();
        Ok(Self { client, email, refresh_token, user })
    }

    /// The user's requests.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The address that it signs in with.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The password of every person here.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// What gets the next access token.
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// The user as the API told it.
    #[must_use]
    pub fn user(&self) -> &Value {
        &self.user
    }
}

/// An address of a private network for each number.
fn address(number: u32) -> String {
    format!("10.{}.{}.7", number / 256 % 256, number % 256)
}

/// A venue and its owner.
#[derive(Clone, Debug)]
pub struct House {
    venue: String,
    owner: Person,
}

impl House {
    /// `person` opens a venue and becomes its owner.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn open(person: Person) -> Result<Self> {
        let body = json!({"name": "Teatro Aurora", "timeZone": "Europe/Lisbon", "currency": "EUR"});
        let venue = person.post("/api/v1/venues", body).settled().await?.expect(201)?;
        Ok(Self { venue: text(&venue, "id")?, owner: person.sign_in().await? })
    }

    /// The venue's id.
    #[must_use]
    pub fn venue(&self) -> &str {
        &self.venue
    }

    /// Its owner.
    #[must_use]
    pub fn owner(&self) -> &Person {
        &self.owner
    }

    /// `/api/v1/venues/{venue}` and what follows.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/venues/{}{rest}", self.venue)
    }

    /// A new user with `role` here, signed in since.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn member(&self, role: &str) -> Result<Person> {
        let person = Person::register(&self.owner.client).await?;
        let body = json!({"email": person.email, "role": role});
        self.owner.post(self.path("/members"), body).settled().await?.expect(201)?;
        person.sign_in().await
    }
}
