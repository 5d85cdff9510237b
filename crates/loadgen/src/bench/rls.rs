//! What row-level security costs an authenticated read: the same requests to the same worker over
//! the same rows, with the walls up and down in turns.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cpu::{Reading, Watch};
use crate::house::{House, Size};
use crate::http::head;
use crate::latency::{figure, median};
use crate::load::{self, Plan, Source};
use crate::sql::{Client, Login};

const UP: &str = include_str!("../../pgbench/walls_up.sql");
const DOWN: &str = include_str!("../../pgbench/walls_down.sql");
/// So that a page of a list is full.
const SHOWS: usize = 50;
/// Before each run: plans are made anew.
const WARM_UP: Duration = Duration::from_millis(500);

/// What to measure, and where.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often each side runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pairs: u32,
    /// Connections.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=250))]
    clients: u16,
    /// The worker, as 127.0.0.1:8080.
    #[arg(long)]
    worker: SocketAddr,
    /// Its process id.
    #[arg(long)]
    worker_pid: u32,
    /// The postmaster's process id.
    #[arg(long)]
    postgres_pid: u32,
    /// The database as its superuser; its walls are taken down.
    #[arg(long, env = "LOADGEN_SUPERUSER_URL", hide_env_values = true)]
    superuser_url: Login,
    /// The folder with psql.
    #[arg(long)]
    programs: PathBuf,
}

/// The same request again and again.
struct Again(String);

impl Source for Again {
    fn next<'a>(&'a mut self, _body: &mut String) -> Option<&'a str> {
        Some(&self.0)
    }
}

/// What one read took, in microseconds of processor time, and how long half of them waited.
#[derive(Clone, Copy, Debug)]
struct Cost {
    worker: f64,
    postgres: f64,
    p50: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let house =
        House::build(&[options.worker], Size { venues: 1, shows: SHOWS, owners: 1 }).await?;
    let show = house.for_sale.first().context("there is no show")?;
    let token = &house.owners.get(show.owner).context("there is no owner")?.access;
    let reads = [
        ("one row by its id", format!("/api/v1/venues/{}", show.venue)),
        ("a page of 50", format!("/api/v1/venues/{}/shows?limit=50", show.venue)),
    ];
    println!("{:<20} {:>6} {:>22} {:>22}", "", "", "with the walls", "without");
    println!(
        "{:<20} {:>6} {:>22} {:>22}",
        "read", "pair", "worker / PG µs, p50", "worker / PG µs, p50"
    );
    for (what, path) in reads {
        let source = head("GET", &path, token);
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for pair in 1..=options.pairs {
            // Whoever goes first in one pair goes second in the next.
            let order = if pair % 2 == 0 { [false, true] } else { [true, false] };
            for up in order {
                let cost = side(&options, &source, up).await?;
                if up { with.push(cost) } else { without.push(cost) }
            }
            let (a, b) = (last(&with)?, last(&without)?);
            println!("{what:<20} {pair:>6} {} {}", text(a), text(b));
        }
        summary(what, &with, &without);
    }
    walls(&options, true)
}

async fn side(options: &Options, source: &str, up: bool) -> Result<Cost> {
    walls(options, up)?;
    let plan = |time| Plan { workers: vec![options.worker], clients: options.clients.into(), time };
    load::run(&plan(WARM_UP), Again(source.to_owned())).await?;
    let watch =
        Watch { workers: vec![options.worker_pid], postgres: options.postgres_pid, redis: None };
    let before = watch.read(None)?;
    let time = Duration::from_secs(options.seconds);
    let mut tally = load::run(&plan(time), Again(source.to_owned())).await?;
    let after: Reading = watch.read(None)?;
    if tally.errors > 0 || tally.ok == 0 {
        bail!("{} reads failed: {}", tally.errors, tally.samples.join("\n"));
    }
    let spent = after.per_sec_since(&before);
    let per_read = |share: f64| share * time.as_secs_f64() * 1e6 / figure(tally.ok);
    let (worker, postgres) = (per_read(spent.workers), per_read(spent.postgres));
    Ok(Cost { worker, postgres, p50: f64::from(tally.latencies.percentile(50)) })
}

fn walls(options: &Options, up: bool) -> Result<()> {
    let client =
        Client { programs: options.programs.clone(), login: options.superuser_url.clone() };
    client.script(Path::new("-"), if up { UP } else { DOWN }).map(drop)
}

fn last(costs: &[Cost]) -> Result<Cost> {
    costs.last().copied().context("nothing was measured")
}

fn text(cost: Cost) -> String {
    format!("{:>8.1} /{:>6.1} {:>6.0}", cost.worker, cost.postgres, cost.p50)
}

fn summary(what: &str, with: &[Cost], without: &[Cost]) {
    let middle = |costs: &[Cost], pick: fn(&Cost) -> f64| median(costs.iter().map(pick));
    let all = |costs: &[Cost]| middle(costs, |cost| cost.worker + cost.postgres);
    let postgres = |costs: &[Cost]| middle(costs, |cost| cost.postgres);
    println!(
        "{what:<20} median: the walls cost {:+.1} µs of PostgreSQL's time a read ({:+.1} % of the \
         whole read's {:.1} µs)\n",
        postgres(with) - postgres(without),
        (all(with) - all(without)) / all(without) * 100.0,
        all(with),
    );
}
