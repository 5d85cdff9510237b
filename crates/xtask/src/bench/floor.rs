//! `bench floor`: loadgen moves tables on a stage of its own.

use anyhow::Result;

use super::stage::{Servers, Stage};

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
    /// How many venues the tables are in; those of one share one row of the log.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=32))]
    venues: u8,
    #[command(flatten)]
    servers: Servers,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let stage = Stage::open(&options.servers)?;
    let figures = [
        ("--seconds", options.seconds.to_string()),
        ("--pairs", options.pairs.to_string()),
        ("--clients", options.clients.to_string()),
        ("--venues", options.venues.to_string()),
    ];
    let mut loadgen = stage.loadgen("floor", &figures)?;
    loadgen.arg("--disk").arg(stage.cluster.folder());
    stage.measure(loadgen)
}
