//! Claims per second through the product, in turns with pgbench doing the same as one statement, for
//! a short line and a long one: many therapists of one venue ask for the next customer.
//!
//! Treatments take no time: a procedure in the database ends them some milliseconds later, many at
//! once, for both sides alike.

mod crew;
mod side;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use crate::cpu::{self, load_average};
use crate::latency::{median, span};
use crate::load::Plan;
use crate::sql::{Client, Login};
use crew::Crew;
use side::{Ran, Side, Stand};

/// So many therapists for each client: whoever was asked for is free before their turn comes again.
const THERAPISTS_PER_CLIENT: usize = 4;

/// What to measure, and where.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=120))]
    seconds: u64,
    /// How often each side runs.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    pairs: u32,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=200))]
    clients: u16,
    /// Lengths of the line: more than a run can take away, at some 5,000 a second.
    #[arg(long, value_delimiter = ',', default_value = "40000,100000")]
    rows: Vec<u32>,
    /// A worker, as 127.0.0.1:8080; once for each.
    #[arg(long = "worker", required = true)]
    workers: Vec<SocketAddr>,
    /// The workers' process ids, in any order.
    #[arg(long = "worker-pid", required = true)]
    worker_pids: Vec<u32>,
    /// The postmaster's process id.
    #[arg(long)]
    postgres_pid: u32,
    /// Redis' process id.
    #[arg(long)]
    redis_pid: Option<u32>,
    /// The database as its superuser; everything in it is changed.
    #[arg(long, env = "LOADGEN_SUPERUSER_URL", hide_env_values = true)]
    superuser_url: Login,
    /// The folder with psql and pgbench.
    #[arg(long)]
    programs: PathBuf,
    /// Said in the report: where the database is, connections of a worker.
    #[arg(long, default_value = "")]
    setting: String,
    /// Where the figures go as JSON.
    #[arg(long)]
    out: PathBuf,
}

/// The figures of one length of the line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    rows: u32,
    product: Vec<Ran>,
    one_statement: Vec<Ran>,
    /// The product's rate divided by the other's, per pair.
    ratio: f64,
    lowest: f64,
    highest: f64,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let clients = usize::from(options.clients);
    println!("prepare    {} therapists of one venue", clients * THERAPISTS_PER_CLIENT);
    let crew = Crew::hire(&options.workers, clients * THERAPISTS_PER_CLIENT).await?;
    let watch = cpu::Watch {
        workers: options.worker_pids.clone(),
        postgres: options.postgres_pid,
        redis: options.redis_pid,
    };
    let time = Duration::from_secs(options.seconds);
    let plan = Plan { workers: options.workers.clone(), clients, time };
    let client =
        Client { programs: options.programs.clone(), login: options.superuser_url.clone() };
    let mut stand = Stand::set_up(crew, plan, watch, client).await?;
    println!(
        "measure    {} workers, {}; {clients} clients, {} pairs of runs of {} s, load average {:.1}",
        options.workers.len(),
        options.setting,
        options.pairs,
        options.seconds,
        load_average()?,
    );
    let mut all = Vec::new();
    for rows in &options.rows {
        all.push(measure(&mut stand, *rows, options.pairs).await?);
    }
    if let (Some(short), Some(long)) = (all.first(), all.last()) {
        let kept = median(rates(&long.product)) / median(rates(&short.product));
        println!(
            "\nfrom {} to {} orders the product keeps {kept:.2} of its rate",
            short.rows, long.rows
        );
    }
    let folder = options.out.parent().context("the file is in no folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(&options.out, serde_json::to_string_pretty(&all)?)?;
    println!("figures    {}", options.out.display());
    Ok(())
}

fn rates(runs: &[Ran]) -> Vec<f64> {
    runs.iter().map(|run| run.claims_per_sec).collect()
}

/// Both sides in turns, so that what the machine does meanwhile meets both of them.
async fn measure(stand: &mut Stand, rows: u32, pairs: u32) -> Result<Figures> {
    println!("\n{rows} orders wait");
    stand.run(Side::Product, rows).await.context("warming up")?;
    println!("pair  side           claims/s  idle %   p50 ms   p99 ms    worker  postgres");
    let (mut product, mut one_statement) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        for side in [Side::Product, Side::OneStatement] {
            let ran = stand.run(side, rows).await?;
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
    Ok(Figures { rows, product, one_statement, ratio, lowest, highest })
}
