//! `bench` and `chaos`: servers and workers of their own, then loadgen, all built for speed.

mod booking;
mod stage;

use anyhow::{Result, bail};

/// What loadgen is to do.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Holds and bookings per second, next to PostgreSQL doing the same work alone.
    Booking(booking::Options),
}

pub(crate) fn run(command: &str, options: &Options) -> Result<()> {
    if command != "bench" {
        bail!("there is nothing to break yet: `{command}` has no faults");
    }
    match &options.what {
        What::Booking(options) => booking::run(options),
    }
}
