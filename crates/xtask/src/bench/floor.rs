//! `bench floor`: loadgen moves tables on a stage of its own.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::stage::{POOL_SIZE, Place, Stage};
use crate::cargo::{self, Profile};

/// How to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 6)]
    seconds: u16,
    /// How often each side runs.
    #[arg(long, default_value_t = 3)]
    pairs: u8,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 32)]
    clients: u8,
    /// How many workers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// How many venues the tables are in; those of one share one row of the log.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=32))]
    venues: u8,
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
    let (place, named) = if options.ram {
        (Place::Memory, "in memory with fsync on")
    } else {
        (Place::Disk, "on disk")
    };
    let stage = Stage::start(&rowlock, options.workers, place)?;
    let mut loadgen = std::process::Command::new(cargo::target()?.join("release/loadgen"));
    loadgen.args(["bench", "floor"]);
    let figures = [
        ("--seconds", options.seconds.to_string()),
        ("--pairs", options.pairs.to_string()),
        ("--clients", options.clients.to_string()),
        ("--venues", options.venues.to_string()),
        ("--setting", format!("{POOL_SIZE} connections each, PostgreSQL {named}")),
    ];
    for (name, value) in figures {
        loadgen.args([name, &value]);
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
    loadgen.arg("--programs").arg(&stage.programs).arg("--disk").arg(stage.cluster.folder());
    loadgen.arg("--out").arg(cargo::target()?.join("bench/floor.json"));
    cargo::run(&mut loadgen, "loadgen")?;
    stage.stop()
}
