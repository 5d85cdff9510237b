//! `bench scans`: loadgen measures the doors on a stage of its own.

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
    /// Venues of the first measurement; the second is of one.
    #[arg(long, default_value_t = 20)]
    venues: u16,
    /// Tickets in all venues together.
    #[arg(long, default_value_t = 20_000)]
    tickets: u32,
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
        ("--tickets", options.tickets.to_string()),
    ];
    let loadgen = stage.loadgen("scans", &figures)?;
    stage.measure(loadgen)
}
