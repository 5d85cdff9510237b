//! Holds and bookings per second through the product, in turns with PostgreSQL doing the same work
//! alone: with the same statements, with the same statements in packets, and as one statement.

mod act;
mod report;
mod scripts;
mod side;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use super::rig::Rig;
use crate::disk;
use crate::house::{House, PAIRS_PER_SHOW, Size};
use crate::sql::Login;
use act::Act;
pub(super) use act::shuffle;
use report::{Case, Report};
use side::{Bench, Side};

/// More sign-ins than this, and the limit per address is near.
const OWNERS_MAX: usize = 10;
/// Before the first run: connections are opened, statements prepared, pages read.
const WARM_UP: Duration = Duration::from_secs(2);

/// What to measure, and where.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often each side runs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pairs: u32,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=250))]
    clients: u16,
    /// How many venues the shows are spread over; those of one venue share one row of the log.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    venues: u16,
    /// Shows of 200 seats for sale, in all venues together.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    shows: u16,
    /// Only one of the two.
    #[arg(long)]
    only: Option<Act>,
    #[command(flatten)]
    rig: Rig,
    /// The database as the workers log in.
    #[arg(long, env = "LOADGEN_WORKER_URL", hide_env_values = true)]
    worker_url: Login,
    /// A folder on the same disk as the database.
    #[arg(long)]
    disk: PathBuf,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let size = Size {
        venues: options.venues.into(),
        shows: options.shows.into(),
        owners: OWNERS_MAX.min(options.venues.into()),
    };
    let begun = Instant::now();
    println!(
        "prepare    {} venues, {} shows of 200 seats, through the API",
        options.venues, options.shows
    );
    let house = House::build(&options.rig.workers, size).await?;
    println!("prepare    done after {:.1} s", begun.elapsed().as_secs_f64());
    let mut bench = bench(&options, house)?;
    let mut report = Report::new(&options, disk::fdatasync_ms(&options.disk)?)?;
    report.print_head();
    let acts = options.only.map_or_else(|| vec![Act::Hold, Act::Book], |act| vec![act]);
    for act in acts {
        let mut case = measure(&mut bench, act, options.pairs).await?;
        case.print_summary();
        report.add(case);
    }
    report.finish(&options.rig)
}

fn bench(options: &Options, house: House) -> Result<Bench> {
    let rig = &options.rig;
    let plan = rig.plan(options.clients, options.seconds);
    let worker = rig.client(&options.worker_url);
    Bench::prepare(house, plan, rig.watch(), rig.superuser(), worker)
}

/// All sides in turns, so that what the machine does meanwhile meets all of them.
async fn measure(bench: &mut Bench, act: Act, pairs: u32) -> Result<Case> {
    let mut case = Case::new(act);
    println!("\n{act}: warming up");
    bench.warm_up(act, WARM_UP).await?;
    report::print_columns();
    for pair in 1..=pairs {
        for side in Side::ALL {
            let run = bench.run(act, side, pair).await?;
            report::print_run(pair, side, &run);
            let seats = bench.shows() * PAIRS_PER_SHOW;
            if run.ran_dry {
                bail!(
                    "{seats} pairs of seats were gone too soon: give more --shows or fewer --seconds"
                );
            }
            case.add(side, run);
        }
    }
    Ok(case)
}
