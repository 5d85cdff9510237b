#![doc = include_str!("../README.md")]

mod bench;
mod chaos;
mod cpu;
mod disk;
mod house;
mod http;
mod latency;
mod load;
mod pgbench;
mod sql;
mod ws;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load on a running Rowlock.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure.
    #[command(subcommand)]
    Bench(Box<bench::Bench>),
    /// Write and listen while somebody else breaks things.
    Chaos(chaos::Options),
    /// The stock WebSocket server that `bench fanout` compares with.
    Stock {
        /// Where to listen.
        #[arg(long)]
        address: std::net::SocketAddr,
        /// How it tells everybody.
        #[arg(long, value_enum)]
        way: bench::fanout::stock::Way,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // It brings a runtime of its own.
    if let Command::Stock { address, way } = command {
        return ended(bench::fanout::stock::serve(address, way));
    }
    // One thread: the generator shares its cores with what it measures, and one core is plenty.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(async {
            match command {
                Command::Bench(bench) => bench::run(*bench).await,
                Command::Chaos(options) => chaos::run(options).await,
                Command::Stock { .. } => Ok(()),
            }
        }),
        Err(error) => Err(error.into()),
    };
    ended(outcome)
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn no_option_stands_twice() {
        Arguments::command().debug_assert();
    }
}
