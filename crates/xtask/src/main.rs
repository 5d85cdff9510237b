#![doc = include_str!("../README.md")]
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool: it reads the environment itself, nothing of it reaches the server"
)]

mod bench;
mod cargo;
mod chaos;
mod down;
mod fuzz;
mod fuzz_api;
mod openapi;
mod test;
mod tidy;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development commands of Rowlock.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set everything up and run the product until Ctrl-C.
    Up(up::Options),
    /// Stop an `up` that runs elsewhere, and what a killed one has left.
    Down,
    /// Run everything that CI runs.
    Test(test::Options),
    /// Check the rules that no lint knows.
    Tidy,
    /// Write the API's documents, or compare them.
    Openapi(openapi::Options),
    /// Measure; carried out by loadgen.
    Bench(bench::Options),
    /// Feed the parsers that read what strangers send.
    Fuzz(fuzz::Options),
    /// Ask a worker all that its document allows, and what it forbids.
    FuzzApi(fuzz_api::Options),
    /// Break things under load and judge what came of it.
    Chaos(chaos::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Up(options) => up::run(&options),
        Command::Down => down::run(),
        Command::Test(options) => test::run(&options),
        Command::Tidy => tidy::run(),
        Command::Openapi(options) => openapi::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::FuzzApi(options) => fuzz_api::run(&options),
        Command::Chaos(options) => chaos::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
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
