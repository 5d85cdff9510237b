//! The measurements. Each is a file of its own beside this one's folder entry, and a line here.

mod booking;
pub(crate) mod fanout;

use anyhow::Result;
use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Holds and bookings per second, next to PostgreSQL doing the same work without us.
    Booking(Box<booking::Options>),
    /// What it costs to tell many sockets, and how late they hear.
    Fanout(fanout::Options),
}

pub(crate) async fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Booking(options) => booking::run(*options).await,
        Bench::Fanout(options) => fanout::run(options).await,
    }
}
