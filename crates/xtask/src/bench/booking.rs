//! `bench booking`: loadgen measures holds and bookings on a stage of its own.

use anyhow::Result;

use super::stage::{Servers, Stage};

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
    /// How many venues the shows are spread over; those of one venue share one row of the log.
    #[arg(long, default_value_t = 100)]
    venues: u16,
    /// Shows of 200 seats for sale, in all venues together.
    #[arg(long, default_value_t = 1000)]
    shows: u16,
    /// Only `hold` or only `book`.
    #[arg(long)]
    only: Option<String>,
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
        ("--shows", options.shows.to_string()),
    ];
    let mut loadgen = stage.loadgen("booking", &figures)?;
    if let Some(only) = &options.only {
        loadgen.args(["--only", only]);
    }
    loadgen.arg("--disk").arg(stage.cluster.folder());
    stage.measure(loadgen)
}
