//! `bench`: servers and workers of their own, then loadgen, all built for speed.

mod booking;
mod stage;

use anyhow::Result;

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

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        What::Booking(options) => booking::run(options),
    }
}
