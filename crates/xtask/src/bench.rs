//! `bench`: servers and workers of their own, then loadgen, all built for speed.

mod booking;
mod claims;
mod fanout;
mod floor;
mod rls;
mod rush;
mod scans;
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
    /// Customers of a spa claimed per second, next to PostgreSQL doing the same as one statement.
    Claims(claims::Options),
    /// What it costs to tell many sockets, next to stock actix-ws, and how late they hear.
    Fanout(fanout::Options),
    /// What row-level security costs an authenticated read.
    Rls(rls::Options),
    /// Tables moved per second, with and without screens, next to PostgreSQL alone.
    Floor(floor::Options),
    /// One show of 8,000 seats, sold as fast as it goes, next to what it would be without.
    Rush(rush::Options),
    /// Scans per second, next to PostgreSQL doing the same as one statement.
    Scans(scans::Options),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        What::Booking(options) => booking::run(options),
        What::Claims(options) => claims::run(options),
        What::Fanout(options) => fanout::run(options),
        What::Rls(options) => rls::run(options),
        What::Floor(options) => floor::run(options),
        What::Rush(options) => rush::run(options),
        What::Scans(options) => scans::run(options),
    }
}
