//! `bench rls`: loadgen reads from one worker with row-level security and without.

use anyhow::{Context as _, Result};

use super::stage::{Place, Stage, build_loadgen};
use crate::cargo::{self, Profile};

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u16,
    /// How often each side runs.
    #[arg(long, default_value_t = 5)]
    pairs: u16,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("bench      building rowlock and loadgen for release; the first time takes minutes");
    let rowlock = cargo::build_rowlock(Profile::Release)?;
    let loadgen = build_loadgen()?;
    let stage = Stage::start(&rowlock, 1, Place::Disk)?;
    let address = stage.addresses().next().context("there is no worker")?;
    let pid = stage.pids().next().context("there is no worker")?;
    let postgres = stage.cluster.postgres()?.pid().context("PostgreSQL does not run")?;
    let mut loadgen = std::process::Command::new(loadgen);
    loadgen.args(["bench", "rls", "--worker", &address.to_string()]);
    loadgen.args(["--worker-pid", &pid.to_string(), "--postgres-pid", &postgres.to_string()]);
    loadgen.args(["--seconds", &options.seconds.to_string()]);
    loadgen.args(["--pairs", &options.pairs.to_string()]);
    loadgen.arg("--programs").arg(&stage.programs);
    loadgen.env("LOADGEN_SUPERUSER_URL", &stage.superuser_url);
    cargo::run(&mut loadgen, "loadgen")?;
    stage.stop()
}
