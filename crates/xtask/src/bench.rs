//! `bench` and `chaos`: passed on to loadgen, built for speed.

use anyhow::Result;

use crate::cargo;

/// What loadgen is to do.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The name of the measurement or fault, and its options; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(command: &str, options: &Options) -> Result<()> {
    println!("{command}: building loadgen and rowlock for release; the first time takes minutes");
    let rowlock = cargo::build_rowlock(cargo::Profile::Release)?;
    let mut loadgen = cargo::cargo();
    loadgen.args(["run", "--release", "--package", "loadgen", "--", command]);
    loadgen.args(&options.arguments).env("ROWLOCK_BIN", rowlock);
    cargo::run(&mut loadgen, &format!("loadgen {command}"))
}
