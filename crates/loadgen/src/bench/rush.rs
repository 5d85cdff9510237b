//! One show of 8,000 seats, and buyers as fast as they come: the product as it is, the product
//! whose commits keep their locks until they are on the disk, and the product that locks the show
//! for every hold. All against one database, in turns.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::booking::shuffle;
use crate::cpu::load_average;
use crate::disk;
use crate::house::{Owner, open_venues, refresh, register, text};
use crate::http::{Connection, head};
use crate::latency::{figure, median};
use crate::load::{self, Plan, Source, Tally};
use crate::sql::{Client, Login};

const ROWS: usize = 160;
const SEATS_PER_ROW: usize = 50;
/// Pairs of neighbours of the show: what is for sale.
const PAIRS: usize = ROWS * SEATS_PER_ROW / 2;
/// One buyer in so many wants seats that another wants, too.
const RIVALS: usize = 5;
/// No rush may take longer.
const RUSH_MAX: Duration = Duration::from_mins(5);
const MICROS_PER_MS: f64 = 1e3;

/// What to measure, and where.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many buyers ask at the same time.
    #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u16).range(1..=2000))]
    buyers: u16,
    /// How often each side sells a show.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// A worker as it is, as 127.0.0.1:8080; once for each.
    #[arg(long, required = true)]
    rush: Vec<SocketAddr>,
    /// A worker whose commits keep their locks until they are on the disk.
    #[arg(long, required = true)]
    plain: Vec<SocketAddr>,
    /// A worker that locks the show for every hold.
    #[arg(long, required = true)]
    locked: Vec<SocketAddr>,
    /// The superuser of the database.
    #[arg(long, env = "LOADGEN_SUPERUSER_URL", hide_env_values = true)]
    superuser: Login,
    /// The folder of psql.
    #[arg(long)]
    programs: PathBuf,
    /// A folder on the same disk as the database.
    #[arg(long)]
    disk: PathBuf,
    /// Said in the report: how a flush is made slower, if it is.
    #[arg(long, default_value = "")]
    setting: String,
    /// Where the figures go as JSON.
    #[arg(long)]
    out: PathBuf,
}

/// What buyers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// Two seats that they name; some want the same.
    Named,
    /// The best two: as many buyers as there are pairs, so nobody may be refused.
    Best,
}

/// One rush on one show.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    ask: Ask,
    side: &'static str,
    holds_per_sec: f64,
    holds: u64,
    refused: u64,
    errors: u64,
    p50_ms: f64,
    p99_ms: f64,
    load_average: f64,
    samples: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    setting: String,
    fdatasync_ms: f64,
    buyers: u16,
    runs: Vec<Run>,
}

struct Stage {
    connection: Connection,
    owner: Owner,
    venue: String,
    client: Client,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let first = *options.rush.first().context("no worker")?;
    let client = Client { programs: options.programs.clone(), login: options.superuser.clone() };
    let mut stage = Stage::open(first, client).await?;
    let mut report = Report {
        setting: options.setting.clone(),
        fdatasync_ms: disk::fdatasync_ms(&options.disk)?,
        buyers: options.buyers,
        runs: Vec::new(),
    };
    println!(
        "rush       {} seats, {} buyers; a flush of the disk takes {:.2} ms{}",
        PAIRS * 2,
        options.buyers,
        report.fdatasync_ms,
        if report.setting.is_empty() { String::new() } else { format!(", {}", report.setting) },
    );
    println!("ask    side             holds/s   refused  errors   p50 ms   p99 ms  load");
    let sides = [
        ("as it is", &options.rush),
        ("plain commits", &options.plain),
        ("show locked", &options.locked),
    ];
    for ask in [Ask::Named, Ask::Best] {
        for _ in 0..options.rounds {
            for (side, workers) in sides {
                let run = stage.sell(ask, side, workers, options.buyers.into()).await?;
                run.print();
                report.runs.push(run);
            }
        }
        report.print_ratios(ask, &sides.map(|(side, _)| side));
    }
    if let Some(folder) = options.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&options.out, serde_json::to_vec_pretty(&report)?)?;
    println!("written    {}", options.out.display());
    Ok(())
}

impl Stage {
    async fn open(worker: SocketAddr, client: Client) -> Result<Self> {
        let mut connection = Connection::open(worker).await?;
        let mut owner = register(&mut connection, 0).await?;
        let venues = open_venues(&mut connection, &mut owner, 0..1).await?;
        let venue = venues.into_iter().next().context("no venue")?;
        Ok(Self { connection, owner, venue, client })
    }

    /// Sells one show as fast as it goes.
    async fn sell(
        &mut self,
        ask: Ask,
        side: &'static str,
        workers: &[SocketAddr],
        buyers: usize,
    ) -> Result<Run> {
        refresh(&mut self.connection, &mut self.owner).await?;
        let show = self.open_show().await?;
        let path = format!("/api/v1/venues/{}/shows/{show}/holds", self.venue);
        let wishes = Wishes::new(ask, head("POST", &path, &self.owner.access));
        let plan = Plan { workers: workers.to_vec(), clients: buyers, time: RUSH_MAX };
        let begun = Instant::now();
        let tally = load::run(&plan, wishes).await?;
        let secs = begun.elapsed().as_secs_f64();
        if !tally.ran_dry {
            bail!("the show was not sold within {RUSH_MAX:?}: {:?}", tally.samples);
        }
        if ask == Ask::Best && tally.refused > 0 {
            bail!("{} were refused while their seats were there", tally.refused);
        }
        Ok(Run::new(ask, side, tally, secs))
    }

    async fn open_show(&mut self) -> Result<String> {
        let (connection, token) = (&mut self.connection, &self.owner.access);
        let path = format!("/api/v1/venues/{}/shows", self.venue);
        let body = json!({
            "name": "Rush", "startsAt": "2099-01-01T19:00:00.000000Z", "currency": "EUR",
            "holdSecs": 900,
        });
        let show = text(&connection.call(("POST", &path), token, &body).await?, "/id")?;
        let path = format!("{path}/{show}");
        let row = |number: usize| {
            json!({
                "name": number.to_string(), "kind": "row", "mode": "by_seat",
                "category": "standard", "seats": SEATS_PER_ROW,
            })
        };
        let plan = json!({
            "categories": [{
                "code": "standard", "name": "Stalls", "price": {"amount": 4500, "currency": "EUR"},
            }],
            "blocks": (1..=ROWS).map(row).collect::<Vec<_>>(),
        });
        let layout = format!("{path}/layout");
        connection.call(("PUT", &layout), token, &json!({ "plan": plan })).await?;
        connection.call(("PATCH", &path), token, &json!({ "status": "on_sale" })).await?;
        // A show is laid out long before it sells: PostgreSQL has looked at its seats by itself.
        let mut psql = self.client.command("psql");
        if !psql.args(["-X", "-q", "-c", "analyze"]).status()?.success() {
            bail!("psql could not analyze");
        }
        Ok(show)
    }
}

/// What all buyers of one rush want, in the order in which they come.
struct Wishes {
    ask: Ask,
    head: String,
    pairs: Vec<usize>,
}

impl Wishes {
    fn new(ask: Ask, head: String) -> Self {
        let mut pairs: Vec<usize> = (0..PAIRS).collect();
        if ask == Ask::Named {
            pairs.extend((0..PAIRS).step_by(RIVALS));
        }
        shuffle(&mut pairs);
        Self { ask, head, pairs }
    }
}

impl Source for Wishes {
    fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
        let pair = self.pairs.pop()?;
        let (row, left) = (pair / (SEATS_PER_ROW / 2) + 1, pair % (SEATS_PER_ROW / 2) * 2 + 1);
        // Writing to a string does not fail.
        let _ = match self.ask {
            Ask::Named => write!(body, r#"{{"seats":["{row}-{left}","{row}-{}"]}}"#, left + 1),
            Ask::Best => write!(body, r#"{{"best":{{"quantity":2}}}}"#),
        };
        Some(&self.head)
    }
}

impl Run {
    fn new(ask: Ask, side: &'static str, mut tally: Tally, secs: f64) -> Self {
        let mut percentile_ms =
            |percent| f64::from(tally.latencies.percentile(percent)) / MICROS_PER_MS;
        Self {
            ask,
            side,
            holds_per_sec: figure(tally.ok) / secs,
            holds: tally.ok,
            refused: tally.refused,
            errors: tally.errors,
            p50_ms: percentile_ms(50),
            p99_ms: percentile_ms(99),
            load_average: load_average().unwrap_or(f64::NAN),
            samples: tally.samples,
        }
    }

    fn print(&self) {
        let ask = match self.ask {
            Ask::Named => "named",
            Ask::Best => "best",
        };
        println!(
            "{ask:<6} {:<16} {:>7.0} {:>9} {:>7} {:>8.1} {:>8.1} {:>5.1}",
            self.side,
            self.holds_per_sec,
            self.refused,
            self.errors,
            self.p50_ms,
            self.p99_ms,
            self.load_average,
        );
        if self.errors > 0 {
            println!("       {}", self.samples.join("\n       "));
        }
    }
}

impl Report {
    /// The first side next to the others, each by the median of its rounds.
    fn print_ratios(&self, ask: Ask, sides: &[&'static str]) {
        let rate = |side: &str| {
            let runs = self.runs.iter().filter(|run| run.ask == ask && run.side == side);
            median(runs.map(|run| run.holds_per_sec))
        };
        let Some((first, others)) = sides.split_first() else { return };
        for other in others {
            println!("       {first} / {other}: {:.2}", rate(first) / rate(other));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_pair_is_wanted_once_and_some_twice() {
        let mut wishes = Wishes::new(Ask::Named, "head".into());
        let (mut wanted, mut body) = (HashMap::<String, usize>::new(), String::new());
        while wishes.next(&mut body).is_some() {
            *wanted.entry(std::mem::take(&mut body)).or_default() += 1;
        }
        assert_eq!(wanted.len(), PAIRS);
        assert_eq!(wanted.values().filter(|count| **count == 2).count(), PAIRS / RIVALS);
        assert!(wanted.contains_key(r#"{"seats":["160-49","160-50"]}"#));
    }
}
