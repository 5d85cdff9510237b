//! Verified scans per second through the product, in turns with pgbench leaving the same rows behind
//! with one statement: over many venues, and over one. Then what a batch of 1,000 takes, and what it
//! costs to verify a code.

mod side;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use jiff::Timestamp;
use loadgen::scanner::{Door, Scanner, read};
use serde::Serialize;
use serde_json::Value;

use super::rig::{Rig, Side};
use crate::cpu::load_average;
use crate::house::text;
use crate::http::Connection;
use crate::latency::{figure, median, span};
use side::{Hall, Ran, Stand};

/// Scans of the batch that is timed.
const BATCH_SCANS: usize = 1_000;
/// A batch has to be done within this.
const BATCH_MAX: Duration = Duration::from_secs(2);

/// What to measure, and where.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// How often each side runs.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    pairs: u32,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=200))]
    clients: u16,
    /// Venues of the first measurement; the second is of one.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    venues: u16,
    /// Tickets in all venues together.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..=500_000))]
    tickets: u32,
    #[command(flatten)]
    rig: Rig,
}

/// The figures of so many venues.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    venues: usize,
    product: Vec<Ran>,
    one_statement: Vec<Ran>,
    /// The product's rate divided by the other's, per pair.
    ratio: f64,
    lowest: f64,
    highest: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    figures: Vec<Figures>,
    batch_ms: f64,
    verify_micros: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let (rig, clients) = (&options.rig, options.clients);
    let plan = rig.plan(clients, options.seconds);
    let mut report = Report { figures: Vec::new(), batch_ms: 0.0, verify_micros: 0.0 };
    for venues in [usize::from(options.venues), 1] {
        let tickets = usize::try_from(options.tickets)?;
        println!("\nprepare    {venues} venues, {tickets} tickets with their codes");
        let hall = Hall::build(&rig.workers, venues, tickets).await?;
        let mut stand = Stand::set_up(hall, plan.clone(), rig.watch(), rig.superuser())?;
        println!(
            "measure    {} workers, {}; {clients} clients, {} pairs of {} s, load average {:.1}",
            rig.workers.len(),
            rig.setting,
            options.pairs,
            options.seconds,
            load_average()?,
        );
        report.figures.push(measure(&mut stand, venues, options.pairs).await?);
        if venues == 1 {
            stand.reset().await?;
            report.batch_ms = batch(&stand.hall, rig.first()?).await?;
            report.verify_micros = verify(&stand.hall)?;
        }
    }
    println!("\na batch of {BATCH_SCANS} scans takes {:.0} ms", report.batch_ms);
    println!("reading and verifying a code takes {:.1} µs", report.verify_micros);
    rig.write(&report)
}

fn rates(runs: &[Ran]) -> Vec<f64> {
    runs.iter().map(|run| run.scans_per_sec).collect()
}

/// Both sides in turns, so that what the machine does meanwhile meets both of them.
async fn measure(stand: &mut Stand, venues: usize, pairs: u32) -> Result<Figures> {
    stand.run(Side::Product, 0).await.context("warming up")?;
    println!("pair  side            scans/s   p50 ms   p99 ms    worker  postgres");
    let (mut product, mut one_statement) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        for side in Side::ALL {
            let ran = stand.run(side, pair).await?;
            println!("{pair:>4}  {:<13} {ran}", side.name());
            match side {
                Side::Product => product.push(ran),
                Side::OneStatement => one_statement.push(ran),
            }
        }
    }
    let each: Vec<f64> =
        rates(&product).iter().zip(rates(&one_statement)).map(|(a, b)| a / b).collect();
    let ((lowest, highest), ratio) = (span(&each), median(each));
    println!("product / one statement {ratio:.2}   (pairs {lowest:.2} to {highest:.2})");
    Ok(Figures { venues, product, one_statement, ratio, lowest, highest })
}

#[expect(clippy::disallowed_methods, reason = "a scanner has a clock of its own")]
fn clock() -> Timestamp {
    Timestamp::now()
}

/// A scanner with a full queue comes back to its network.
async fn batch(hall: &Hall, worker: SocketAddr) -> Result<f64> {
    let at = hall.doors.first().context("no doors")?;
    let token = hall.token_of(at);
    let mut connection = Connection::open(worker).await?;
    let mut scanner = Scanner::new(&at.show);
    loop {
        let since = scanner.since().map(|since| format!("?since={since}")).unwrap_or_default();
        let path = format!("/api/v1/venues/{}/shows/{}/offline-bundle{since}", at.venue, at.show);
        let bundle = connection.call(("GET", &path), token, &Value::Null).await?;
        if !scanner.take(&bundle, clock())? {
            break;
        }
    }
    let door = Door { list: at.list.clone(), gate: "North".to_owned(), kind: "entry" };
    for code in hall.codes.iter().take(BATCH_SCANS) {
        let shown = scanner.scan(&code.text, &door, uuid::Uuid::new_v4(), clock());
        ensure!(shown.verdict == "admit", "a fresh code was refused: {}", shown.reason);
    }
    let batch = scanner.batch(BATCH_SCANS, clock()).context("nothing to send")?;
    let path = format!("/api/v1/venues/{}/scans/batch", at.venue);
    let begun = Instant::now();
    let answer = connection.call(("POST", &path), token, &batch).await?;
    let took = begun.elapsed();
    ensure!(took < BATCH_MAX, "a batch took {took:?}");
    ensure!(text(&answer, "/results/999/verdict")? == "admit", "a scan was not taken");
    Ok(took.as_secs_f64() * 1e3)
}

/// What a scanner does with each code before it knows anything else of it.
fn verify(hall: &Hall) -> Result<f64> {
    let key = hall.key.as_slice();
    let begun = Instant::now();
    for code in &hall.codes {
        let read = read(&code.text).ok().context("a code cannot be read")?;
        ensure!(read.is_by(key), "a code is not by its show");
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / figure(u64::try_from(hall.codes.len())?))
}
