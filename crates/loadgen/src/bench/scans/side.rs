//! One run of one side, and the tickets that it scans.

use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::bench::booking::shuffle;
use crate::bench::rig::{Side, watched};
use crate::cpu::{Spent, Watch};
use crate::house::{Owner, open_venues, refresh, register, text};
use crate::http::{Connection, head};
use crate::latency::figure;
use crate::load::{Plan, Source, Tally};
use crate::pgbench;
use crate::sql::Client;

/// Tickets of one request.
const ISSUE_MAX: usize = 1_000;
const MICROS_PER_MS: f64 = 1e3;
const MICROS_PER_SEC: f64 = 1e6;

/// The doors of one show.
#[derive(Debug, Clone)]
pub(super) struct DoorsOf {
    owner: usize,
    pub(super) venue: String,
    pub(super) show: String,
    pub(super) list: String,
}

/// A ticket and what is on it.
#[derive(Debug, Clone)]
pub(super) struct Code {
    doors: usize,
    ticket: String,
    pub(super) text: String,
}

/// Venues with doors, and tickets for them.
#[derive(Debug, Default)]
pub(super) struct Hall {
    owners: Vec<Owner>,
    pub(super) doors: Vec<DoorsOf>,
    pub(super) codes: Vec<Code>,
    /// What verifies the codes of the first doors.
    pub(super) key: Vec<u8>,
}

impl Hall {
    pub(super) async fn build(
        workers: &[SocketAddr],
        venues: usize,
        tickets: usize,
    ) -> Result<Self> {
        let first = *workers.first().context("no worker")?;
        let mut hall = Self::default();
        let mut connection = Connection::open(first).await?;
        let mut owner = register(&mut connection, 0).await?;
        for venue in open_venues(&mut connection, &mut owner, 0..venues).await? {
            hall.doors.push(open_doors(&mut connection, &owner, venue).await?);
        }
        hall.owners.push(owner);
        let per_venue = tickets.div_ceil(venues);
        let mut fetching = Vec::new();
        for (n, (doors, worker)) in hall.doors.iter().zip(workers.iter().cycle()).enumerate() {
            let (doors, token, worker) = (doors.clone(), hall.token_of(doors).to_owned(), *worker);
            fetching.push(tokio::spawn(async move {
                let mut connection = Connection::open(worker).await?;
                issue(&mut connection, &token, n, &doors, per_venue).await
            }));
        }
        for fetched in fetching {
            hall.codes.extend(fetched.await??);
        }
        hall.key = key(&mut connection, &hall).await?;
        Ok(hall)
    }

    pub(super) fn token_of(&self, doors: &DoorsOf) -> &str {
        self.owners.get(doors.owner).map_or("", |owner| owner.access.as_str())
    }

    /// One line a ticket: number, venue, show, list, ticket, who scans.
    fn to_csv(&self) -> Result<String> {
        let mut csv = String::new();
        for (n, code) in self.codes.iter().enumerate() {
            let doors = self.doors.get(code.doors).context("no doors")?;
            let user = &self.owners.get(doors.owner).context("no owner")?.user;
            let DoorsOf { venue, show, list, .. } = doors;
            writeln!(csv, "{n},{venue},{show},{list},{},{user}", code.ticket)?;
        }
        Ok(csv)
    }
}

async fn open_doors(connection: &mut Connection, owner: &Owner, venue: String) -> Result<DoorsOf> {
    let token = &owner.access;
    let path = format!("/api/v1/venues/{venue}/shows");
    let body =
        json!({ "name": "Gala", "startsAt": "2099-01-01T19:00:00.000000Z", "currency": "EUR" });
    let show = text(&connection.call(("POST", &path), token, &body).await?, "/id")?;
    let path = format!("{path}/{show}");
    let body = json!({ "name": "Gala", "opensAt": "2020-01-01T00:00:00.000000Z",
        "closesAt": "2099-02-01T00:00:00.000000Z" });
    connection.call(("PUT", &format!("{path}/doors")), token, &body).await?;
    let body = json!({ "name": "Standard" });
    connection.call(("POST", &format!("{path}/ticket-types")), token, &body).await?;
    let body = json!({ "name": "Main" });
    let list = connection.call(("POST", &format!("{path}/lists")), token, &body).await?;
    Ok(DoorsOf { owner: 0, venue, show, list: text(&list, "/id")? })
}

async fn issue(
    connection: &mut Connection,
    token: &str,
    number: usize,
    doors: &DoorsOf,
    count: usize,
) -> Result<Vec<Code>> {
    let DoorsOf { venue, show, .. } = doors;
    let path = format!("/api/v1/venues/{venue}/shows/{show}/tickets");
    let mut codes = Vec::with_capacity(count);
    for first in (0..count).step_by(ISSUE_MAX) {
        let few = ISSUE_MAX.min(count - first);
        let body = json!({ "tickets": vec![json!({ "class": 1, "name": "Ana Lopes" }); few] });
        let made = connection.call(("POST", &path), token, &body).await?;
        let made = made.get("tickets").and_then(Value::as_array).context("no tickets")?;
        for ticket in made {
            let ticket = text(ticket, "/id")?;
            let path = format!("/api/v1/venues/{venue}/tickets/{ticket}");
            let whole = connection.call(("GET", &path), token, &Value::Null).await?;
            codes.push(Code { doors: number, ticket, text: text(&whole, "/code")? });
        }
    }
    Ok(codes)
}

async fn key(connection: &mut Connection, hall: &Hall) -> Result<Vec<u8>> {
    let doors = hall.doors.first().context("no doors")?;
    let path = format!("/api/v1/venues/{}/shows/{}/offline-bundle", doors.venue, doors.show);
    let bundle = connection.call(("GET", &path), hall.token_of(doors), &Value::Null).await?;
    let payload: Value = serde_json::from_str(&text(&bundle, "/payload")?)?;
    Ok(STANDARD.decode(text(&payload, "/keys/0/publicKey")?)?)
}

/// Every ticket once, in a random order: all that is measured are admissions.
struct Scans {
    heads: Vec<String>,
    /// Head and what a body has after its nonce, of each ticket.
    bodies: Vec<(usize, String)>,
    order: Vec<usize>,
}

impl Scans {
    fn shuffled(hall: &Hall) -> Self {
        let head_of = |doors: &DoorsOf| {
            head("POST", &format!("/api/v1/venues/{}/scans", doors.venue), hall.token_of(doors))
        };
        let list = |code: &Code| hall.doors.get(code.doors).map_or("", |doors| &doors.list);
        let scan = |code: &Code| {
            (
                code.doors,
                format!(r#"","code":"{}","list":"{}","gate":"North"}}"#, code.text, list(code)),
            )
        };
        let mut order: Vec<usize> = (0..hall.codes.len()).collect();
        shuffle(&mut order);
        let heads = hall.doors.iter().map(head_of).collect();
        Self { heads, bodies: hall.codes.iter().map(scan).collect(), order }
    }
}

impl Source for Scans {
    fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
        let (doors, rest) = self.bodies.get(self.order.pop()?)?;
        // Writing to a string does not fail.
        let _ = write!(body, r#"{{"nonce":"{}{rest}"#, uuid::Uuid::new_v4());
        self.heads.get(*doors).map(String::as_str)
    }
}

/// One run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ran {
    pub(super) scans_per_sec: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU of all workers per scan.
    workers_micros: f64,
    /// CPU of PostgreSQL with all its processes per scan.
    postgres_micros: f64,
}

impl Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9.0} {:>8.2} {:>8.2} {:>9.0} {:>9.0}",
            self.scans_per_sec, self.p50_ms, self.p99_ms, self.workers_micros, self.postgres_micros
        )
    }
}

/// What all runs share.
pub(super) struct Stand {
    pub(super) hall: Hall,
    plan: Plan,
    watch: Watch,
    client: Client,
    folder: pgbench::Folder,
    scan: PathBuf,
    reset: PathBuf,
    count: PathBuf,
}

impl Stand {
    pub(super) fn set_up(hall: Hall, plan: Plan, watch: Watch, client: Client) -> Result<Self> {
        let folder = pgbench::Folder::make()?;
        let put = |name: &str, text: &str| folder.put(name, text);
        let prepare = put("prepare.sql", include_str!("../../../pgbench/scans_prepare.sql"))?;
        client.script(&prepare, &hall.to_csv()?)?;
        let scan = put("scan.sql", include_str!("../../../pgbench/scan_one_statement.sql"))?;
        let reset = put("reset.sql", include_str!("../../../pgbench/scans_reset.sql"))?;
        let count = put("count.sql", include_str!("../../../pgbench/scans_count.sql"))?;
        Ok(Self { hall, plan, watch, client, folder, scan, reset, count })
    }

    /// Nobody was ever let in.
    pub(super) async fn reset(&mut self) -> Result<()> {
        self.client.script(&self.reset, "")?;
        let mut connection =
            Connection::open(*self.plan.workers.first().context("no worker")?).await?;
        for owner in &mut self.hall.owners {
            refresh(&mut connection, owner).await?;
        }
        Ok(())
    }

    pub(super) async fn run(&mut self, side: Side, pair: u32) -> Result<Ran> {
        self.reset().await?;
        let (mut tally, spent) = match side {
            Side::Product => self.product().await?,
            Side::OneStatement => self.pgbench(pair)?,
        };
        if tally.ran_dry {
            bail!("all tickets were scanned too soon: give more --tickets or fewer --seconds");
        }
        if let Some(sample) = tally.samples.first() {
            bail!("a scan was answered with {sample}");
        }
        // A figure for work that was not done is worse than none.
        let line = self.client.script(&self.count, "")?;
        let counts: Vec<u64> = line.trim().split(',').filter_map(|it| it.parse().ok()).collect();
        let &[admitted, scans, events] = counts.as_slice() else {
            bail!("the rows can't be counted: psql said `{line}`")
        };
        ensure!(
            admitted == scans && scans == events,
            "{}: {admitted} tickets, {scans} scans, {events} events",
            side.name()
        );
        let rate = figure(scans) / self.plan.time.as_secs_f64();
        let per_scan = |secs_per_sec: f64| secs_per_sec / rate * MICROS_PER_SEC;
        let mut ms = |percent| f64::from(tally.latencies.percentile(percent)) / MICROS_PER_MS;
        Ok(Ran {
            scans_per_sec: rate,
            p50_ms: ms(50),
            p99_ms: ms(99),
            workers_micros: per_scan(spent.workers),
            postgres_micros: per_scan(spent.postgres),
        })
    }

    async fn product(&self) -> Result<(Tally, Spent)> {
        watched(&self.plan, &self.watch, Scans::shuffled(&self.hall)).await
    }

    fn pgbench(&self, pair: u32) -> Result<(Tally, Spent)> {
        let variables = [
            ("n", "-1".to_owned()),
            ("clients", self.plan.clients.to_string()),
            ("tickets", self.hall.codes.len().to_string()),
            ("seed", pair.to_string()),
        ];
        let run = pgbench::Run {
            script: &self.scan,
            clients: self.plan.clients,
            time: self.plan.time,
            variables: &variables,
            session: &[("plan_cache_mode", "force_generic_plan")],
        };
        let (latencies, spent) = pgbench::run(&self.client, &self.folder, &run, &self.watch)?;
        Ok((Tally { latencies, ..Tally::default() }, spent))
    }
}
