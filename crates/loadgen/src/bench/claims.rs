//! Claims per second through the product, in turns with pgbench doing the same as one statement, for
//! a short line and a long one: many therapists of one venue ask for the next customer.
//!
//! Treatments take no time: a procedure in the database ends them some milliseconds later, many at
//! once, for both sides alike.

mod crew;
mod side;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use super::rig::{Rig, Side};
use crate::cpu::load_average;
use crate::latency::{median, span};
use crew::Crew;
use side::{Ran, Stand};

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
    #[command(flatten)]
    rig: Rig,
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
    let rig = &options.rig;
    let crew = Crew::hire(rig.first()?, clients * THERAPISTS_PER_CLIENT).await?;
    let plan = rig.plan(options.clients, options.seconds);
    let mut stand = Stand::set_up(crew, plan, rig.watch(), rig.superuser()).await?;
    println!(
        "measure    {} workers, {}; {clients} clients, {} pairs of runs of {} s, load average {:.1}",
        rig.workers.len(),
        rig.setting,
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
    rig.write(&all)
}

fn rates(runs: &[Ran]) -> Vec<f64> {
    runs.iter().map(|run| run.claims_per_sec).collect()
}

/// Both sides in turns, so that what the machine does meanwhile meets both of them.
async fn measure(stand: &mut Stand, rows: u32, pairs: u32) -> Result<Figures> {
    println!("\n{rows} orders wait");
    let repeated = stand.warm_up(rows).await.context("warming up")?;
    println!("warm-up    {repeated} requests were repeated after a 503");
    println!("pair  side           claims/s  idle %   p50 ms   p99 ms    worker  postgres");
    let (mut product, mut one_statement) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        for side in Side::ALL {
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
