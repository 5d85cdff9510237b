//! The therapists of one venue, made through the API and signed in.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::http::{Connection, head};
use crate::load::Source;

/// One of them.
struct Member {
    user: String,
    access: String,
    refresh: String,
}

/// All of them, and where they work.
pub(super) struct Crew {
    pub(super) venue: String,
    members: Vec<Member>,
}

fn text(answer: &Value, pointer: &str) -> Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the answer has no {pointer}: {answer}"))?.to_owned())
}

impl Crew {
    /// The first opens the venue, the others are put on its staff by `claims_prepare.sql`.
    pub(super) async fn hire(worker: SocketAddr, count: usize) -> Result<Self> {
        let mut connection = Connection::open(worker).await?;
        let mut members = Vec::new();
        for number in 0..=count {
            let body = json!({
                "name": format!("Therapist {number}"),
                "email": format!("t{number}-{}@bench.test", uuid::Uuid::new_v4().simple()),
                "password": format!("{}", uuid::Uuid::new_v4()),
            });
            let told = connection.call(("POST", "/api/v1/auth/register"), "", &body).await?;
            let [access, refresh, user] =
                ["/accessToken", "/refreshToken", "/user/id"].map(|at| text(&told, at));
            members.push(Member { user: user?, access: access?, refresh: refresh? });
        }
        let owner = members.pop().context("nobody was hired")?;
        let body = json!({ "name": "Spa", "timeZone": "Europe/Lisbon", "currency": "EUR" });
        let venue = connection.call(("POST", "/api/v1/venues"), &owner.access, &body).await?;
        Ok(Self { venue: text(&venue, "/id")?, members })
    }

    /// Fresh tokens, which know of the role: they last ten minutes, a benchmark longer.
    pub(super) async fn refresh(&mut self, worker: SocketAddr) -> Result<()> {
        let mut connection = Connection::open(worker).await?;
        for member in &mut self.members {
            let body = json!({ "refreshToken": member.refresh });
            let told = connection.call(("POST", "/api/v1/auth/refresh"), "", &body).await?;
            member.access = text(&told, "/accessToken")?;
            member.refresh = text(&told, "/refreshToken")?;
        }
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// One line each: number, venue, user.
    pub(super) fn to_csv(&self) -> Result<String> {
        let mut csv = String::new();
        for (number, member) in self.members.iter().enumerate() {
            writeln!(csv, "{number},{},{}", self.venue, member.user)?;
        }
        Ok(csv)
    }

    /// They ask for the next customer one after the other.
    pub(super) fn asks(&self) -> Asks {
        let path = format!("/api/v1/venues/{}/queue/therapist/next", self.venue);
        let heads = self.members.iter().map(|member| head("POST", &path, &member.access));
        Asks { heads: heads.collect(), next: 0 }
    }
}

/// Requests for the next customer.
pub(super) struct Asks {
    heads: Vec<String>,
    next: usize,
}

impl Source for Asks {
    fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
        body.push_str("{}");
        let head = self.heads.get(self.next % self.heads.len())?;
        self.next += 1;
        Some(head)
    }
}
