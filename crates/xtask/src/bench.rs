//! `bench`: servers and workers of their own, then loadgen, all built for speed.

mod booking;
mod fanout;
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
    /// What it costs to tell many sockets, next to stock actix-ws, and how late they hear.
    Fanout(fanout::Options),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        What::Booking(options) => booking::run(options),
        What::Fanout(options) => fanout::run(options),
    }
}
