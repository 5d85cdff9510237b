//! The measurements. Each is a file of its own beside this one's folder entry, and a line here.

mod booking;
mod claims;
pub(crate) mod fanout;
mod floor;
mod rig;
mod rls;
mod rush;
mod scans;

use anyhow::Result;
use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Holds and bookings per second, next to PostgreSQL doing the same work without us.
    Booking(Box<booking::Options>),
    /// Customers of a spa claimed per second, next to PostgreSQL doing the same as one statement.
    Claims(Box<claims::Options>),
    /// What it costs to tell many sockets, and how late they hear.
    Fanout(fanout::Options),
    /// What row-level security costs an authenticated read.
    Rls(rls::Options),
    /// Tables moved per second, with and without screens, next to PostgreSQL alone.
    Floor(Box<floor::Options>),
    /// One show of 8,000 seats, sold as fast as it goes.
    Rush(rush::Options),
    /// Tickets scanned per second, next to PostgreSQL doing the same as one statement.
    Scans(Box<scans::Options>),
}

pub(crate) async fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Booking(options) => booking::run(*options).await,
        Bench::Claims(options) => claims::run(*options).await,
        Bench::Fanout(options) => fanout::run(options).await,
        Bench::Rls(options) => rls::run(options).await,
        Bench::Floor(options) => floor::run(*options).await,
        Bench::Rush(options) => rush::run(options).await,
        Bench::Scans(options) => scans::run(*options).await,
    }
}
