//! What a measurement runs on: owners, their venues, shows with seats; made through the API.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::http::Connection;

/// One show in ten beyond those for sale is sold out already: `pgbench/prepare.sql` says why.
const SHOWS_PER_PAST_SHOW: usize = 10;
/// Blocks `1` to `20` of every show.
pub(crate) const ROWS: usize = 20;
/// Seats `1` to `10` of every row.
pub(crate) const SEATS_PER_ROW: usize = 10;
/// Pairs of neighbours that share no seat with another pair.
pub(crate) const PAIRS_PER_SHOW: usize = ROWS * SEATS_PER_ROW / 2;

/// How much to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) venues: usize,
    /// For sale, in all venues together.
    pub(crate) shows: usize,
    /// Registering is limited to 20 a minute and address, so few people own many venues.
    pub(crate) owners: usize,
}

impl Size {
    fn shows_per_venue(&self) -> usize {
        self.shows.div_ceil(self.venues)
    }

    fn past_shows_per_venue(&self) -> usize {
        self.shows_per_venue().div_ceil(SHOWS_PER_PAST_SHOW)
    }
}

/// An owner, signed in.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) user: String,
    pub(crate) access: String,
    refresh: String,
}

/// A show that has its seats.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub(crate) owner: usize,
    pub(crate) venue: String,
    pub(crate) id: String,
}

/// Everything that was made.
#[derive(Debug, Default)]
pub(crate) struct House {
    pub(crate) owners: Vec<Owner>,
    pub(crate) for_sale: Vec<Show>,
    past: Vec<Show>,
}

impl House {
    /// Makes it, every owner on a connection of their own.
    pub(crate) async fn build(workers: &[SocketAddr], size: Size) -> Result<Self> {
        let mut house = Self::default();
        let mut building = Vec::new();
        for (number, worker) in (0..size.owners).zip(workers.iter().cycle()) {
            let mut connection = Connection::open(*worker).await?;
            // One after the other: passwords are hashed one at a time, and the queue is short.
            let mut owner = register(&mut connection, number).await?;
            let venues = (0..size.venues).filter(move |venue| venue % size.owners == number);
            building.push(tokio::spawn(async move {
                let mut shows = Vec::new();
                let ids = open_venues(&mut connection, &mut owner, venues).await?;
                for venue in ids {
                    let at = Show { owner: number, venue, id: String::new() };
                    shows.push(open_shows(&mut connection, &owner, &at, size).await?);
                }
                anyhow::Ok((owner, shows))
            }));
        }
        for task in building {
            let (owner, venues) = task.await??;
            house.owners.push(owner);
            for (for_sale, past) in venues {
                house.for_sale.extend(for_sale);
                house.past.extend(past);
            }
        }
        // The last venue may have been given more than it needs.
        house.for_sale.truncate(size.shows);
        Ok(house)
    }

    /// Fresh access tokens: they last ten minutes, a benchmark longer.
    pub(crate) async fn refresh(&mut self, worker: SocketAddr) -> Result<()> {
        let mut connection = Connection::open(worker).await?;
        for owner in &mut self.owners {
            refresh(&mut connection, owner).await?;
        }
        Ok(())
    }

    /// One line a show: number, venue, show, owner, whether it is past.
    pub(crate) fn to_csv(&self) -> Result<String> {
        let mut csv = String::new();
        let all = self.for_sale.iter().map(|show| (show, false));
        let all = all.chain(self.past.iter().map(|show| (show, true)));
        for (number, (show, past)) in all.enumerate() {
            let user = &self.owners.get(show.owner).context("a show has no owner")?.user;
            writeln!(csv, "{number},{},{},{user},{past}", show.venue, show.id)?;
        }
        Ok(csv)
    }
}

pub(crate) async fn register(connection: &mut Connection, number: usize) -> Result<Owner> {
    // Several benchmarks may use one database one after the other.
    let unique = uuid::Uuid::new_v4().simple();
    let body = json!({
        "name": format!("Owner {number}"),
        "email": format!("owner-{number}-{unique}@bench.test"),
        "password": format!("{}", uuid::Uuid::new_v4()),
    });
    let tokens = connection.call(("POST", "/api/v1/auth/register"), "", &body).await?;
    let (access, refresh) = (text(&tokens, "/accessToken")?, text(&tokens, "/refreshToken")?);
    Ok(Owner { user: text(&tokens, "/user/id")?, access, refresh })
}

pub(crate) async fn refresh(connection: &mut Connection, owner: &mut Owner) -> Result<()> {
    let body = json!({ "refreshToken": owner.refresh });
    let tokens = connection.call(("POST", "/api/v1/auth/refresh"), "", &body).await?;
    owner.access = text(&tokens, "/accessToken")?;
    owner.refresh = text(&tokens, "/refreshToken")?;
    Ok(())
}

pub(crate) async fn open_venues(
    connection: &mut Connection,
    owner: &mut Owner,
    numbers: impl Iterator<Item = usize>,
) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in numbers {
        let body = json!({
            "name": format!("Venue {number}"), "timeZone": "Europe/Lisbon", "currency": "EUR",
        });
        let venue = connection.call(("POST", "/api/v1/venues"), &owner.access, &body).await?;
        ids.push(text(&venue, "/id")?);
    }
    // Only a token that was made after them names the roles in the venues.
    refresh(connection, owner).await?;
    Ok(ids)
}

/// The shows of one venue: those for sale, and those of the past.
async fn open_shows(
    connection: &mut Connection,
    owner: &Owner,
    venue: &Show,
    size: Size,
) -> Result<(Vec<Show>, Vec<Show>)> {
    let mut shows = Vec::new();
    for number in 0..size.shows_per_venue() + size.past_shows_per_venue() {
        let path = format!("/api/v1/venues/{}/shows", venue.venue);
        let body = json!({
            "name": format!("Show {number}"), "startsAt": "2099-01-01T19:00:00.000000Z",
            // As long as may be: nothing expires while it is measured.
            "currency": "EUR", "holdSecs": 900,
        });
        let show = connection.call(("POST", &path), &owner.access, &body).await?;
        let show = Show { id: text(&show, "/id")?, ..venue.clone() };
        let path = format!("{path}/{}", show.id);
        let layout = format!("{path}/layout");
        connection.call(("PUT", &layout), &owner.access, &json!({ "plan": plan() })).await?;
        let on_sale = json!({ "status": "on_sale" });
        connection.call(("PATCH", &path), &owner.access, &on_sale).await?;
        shows.push(show);
    }
    let past = shows.split_off(size.shows_per_venue());
    Ok((shows, past))
}

fn plan() -> Value {
    let row = |number: usize| {
        json!({
            "name": number.to_string(), "kind": "row", "mode": "by_seat", "category": "standard",
            "seats": SEATS_PER_ROW,
        })
    };
    json!({
        "categories": [{
            "code": "standard", "name": "Stalls", "price": { "amount": 4500, "currency": "EUR" },
        }],
        "blocks": (1..=ROWS).map(row).collect::<Vec<_>>(),
    })
}

pub(crate) fn text(answer: &Value, pointer: &str) -> Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("the answer has no {pointer}: {answer}"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_venue_has_all_shows_and_some_of_the_past() {
        let size = Size { venues: 1, shows: 1000, owners: 1 };
        assert_eq!((size.shows_per_venue(), size.past_shows_per_venue()), (1000, 100));
        let size = Size { venues: 100, shows: 1000, owners: 10 };
        assert_eq!((size.shows_per_venue(), size.past_shows_per_venue()), (10, 1));
    }

    #[test]
    fn every_show_has_its_number_in_the_csv() {
        let owner = Owner { user: "u".into(), access: String::new(), refresh: String::new() };
        let show = |id: &str| Show { owner: 0, venue: "v".into(), id: id.into() };
        let house = House { owners: vec![owner], for_sale: vec![show("a")], past: vec![show("b")] };
        assert_eq!(house.to_csv().unwrap(), "0,v,a,u,false\n1,v,b,u,true\n");
    }
}
