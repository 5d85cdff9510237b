//! `bench booking`: loadgen measures holds and bookings on a stage of its own.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::stage::{POOL_SIZE, Place, Stage};
use crate::cargo::{self, Profile};

/// How to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u16,
    /// How often each side runs.
    #[arg(long, default_value_t = 5)]
    pairs: u8,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 32)]
    clients: u8,
    /// How many workers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// How many venues the shows are spread over; those of one venue share one row of the log.
    #[arg(long, default_value_t = 100)]
    venues: u16,
    /// Shows of 200 seats for sale, in all venues together.
    #[arg(long, default_value_t = 1000)]
    shows: u16,
    /// Only `hold` or only `book`.
    #[arg(long)]
    only: Option<String>,
    /// The database in memory, `fsync` still on: no noise of the disk.
    #[arg(long)]
    ram: bool,
    /// A server that is built already, instead of building one.
    #[arg(long, value_name = "PROGRAM")]
    bin: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("bench      building for release; the first time takes minutes");
    let rowlock = match &options.bin {
        Some(built) => built.clone(),
        None => cargo::build_rowlock(Profile::Release)?,
    };
    let mut build = cargo::cargo();
    cargo::run(
        build.args(["build", "--release", "--package", "loadgen"]),
        "cargo build of loadgen",
    )?;
    let place = if options.ram { Place::Memory } else { Place::Disk };
    let stage = Stage::start(&rowlock, options.workers, place)?;
    let mut loadgen = std::process::Command::new(cargo::target()?.join("release/loadgen"));
    loadgen.args(["bench", "booking"]);
    let figures = [
        ("--seconds", options.seconds.to_string()),
        ("--pairs", options.pairs.to_string()),
        ("--clients", options.clients.to_string()),
        ("--venues", options.venues.to_string()),
        ("--shows", options.shows.to_string()),
        ("--setting", setting(place)),
    ];
    for (name, value) in figures {
        loadgen.args([name, &value]);
    }
    if let Some(only) = &options.only {
        loadgen.args(["--only", only]);
    }
    for address in stage.addresses() {
        loadgen.args(["--worker", &address.to_string()]);
    }
    for pid in stage.pids() {
        loadgen.args(["--worker-pid", &pid.to_string()]);
    }
    let (postgres, redis) = (stage.cluster.postgres()?, stage.cluster.redis()?);
    let pid = postgres.pid().context("PostgreSQL does not run")?;
    loadgen.args(["--postgres-pid", &pid.to_string()]);
    let pid = redis.pid().context("Redis does not run")?;
    loadgen.args(["--redis-pid", &pid.to_string()]);
    loadgen.env("LOADGEN_SUPERUSER_URL", &stage.superuser_url);
    loadgen.env("LOADGEN_WORKER_URL", &stage.worker_url);
    loadgen.arg("--programs").arg(&stage.programs).arg("--disk").arg(stage.cluster.folder());
    loadgen.arg("--out").arg(cargo::target()?.join("bench/booking.json"));
    cargo::run(&mut loadgen, "loadgen")?;
    stage.stop()
}

fn setting(place: Place) -> String {
    let place = match place {
        Place::Disk => "on disk",
        Place::Memory => "in memory with fsync on",
    };
    format!("{POOL_SIZE} connections each, PostgreSQL {place}")
}
