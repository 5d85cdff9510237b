//! `bench claims`: loadgen measures the spa's line on a stage of its own.

use anyhow::Result;

use super::stage::{Servers, Stage};

/// How to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u16,
    /// How often each side runs.
    #[arg(long, default_value_t = 3)]
    pairs: u8,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 64)]
    clients: u8,
    /// Lengths of the line, with commas: more than a run can take away.
    #[arg(long, default_value = "40000,100000")]
    rows: String,
    #[command(flatten)]
    servers: Servers,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let stage = Stage::open(&options.servers)?;
    let figures = [
        ("--seconds", options.seconds.to_string()),
        ("--pairs", options.pairs.to_string()),
        ("--clients", options.clients.to_string()),
        ("--rows", options.rows.clone()),
    ];
    let loadgen = stage.loadgen("claims", &figures)?;
    stage.measure(loadgen)
}
