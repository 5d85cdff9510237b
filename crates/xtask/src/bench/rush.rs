//! `bench rush`: one show is sold by three kinds of workers in turns, on a stage of its own.

use anyhow::Result;

use super::stage::{Stage, build_loadgen};
use crate::cargo::{self, Profile};

/// Workers of each kind.
const WORKERS: u8 = 2;
/// The kinds, and what is taken out of them. Without `rush` each hold is a commit of its own that keeps
/// its locks until it is on the disk.
const KINDS: [(&str, &str); 3] =
    [("--rush", ""), ("--plain", "rush"), ("--locked", "rush,seat_locks")];
const MICROS_PER_MS: f64 = 1e3;

/// How to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many buyers ask at the same time.
    #[arg(long, default_value_t = 160)]
    buyers: u16,
    /// How often each kind sells a show.
    #[arg(long, default_value_t = 3)]
    rounds: u16,
    /// A flush takes so much longer, in milliseconds: as on a disk of the cloud (1 to 5).
    #[arg(long, default_value_t = 0.0)]
    flush_ms: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("bench      building rowlock with controls, and loadgen, for release");
    let rowlock = cargo::build_rowlock(Profile::Compare)?;
    let loadgen = build_loadgen()?;
    // Whoever flushes waits so long before it does, for all who come meanwhile.
    let delay = format!("{:.0}", options.flush_ms * MICROS_PER_MS);
    let settings = [("commit_delay", delay.as_str()), ("commit_siblings", "0")];
    let mut stage = Stage::start_set(&rowlock, &settings)?;
    let mut loadgen = std::process::Command::new(loadgen);
    loadgen.args(["bench", "rush", "--buyers", &options.buyers.to_string()]);
    loadgen.args(["--rounds", &options.rounds.to_string()]);
    let mut number = 0;
    for (kind, controls) in KINDS {
        for _ in 0..WORKERS {
            number += 1;
            let address = stage.launch_without(&rowlock, number, controls)?;
            loadgen.args([kind, &address.to_string()]);
        }
    }
    if options.flush_ms > 0.0 {
        let setting = format!("and commit_delay makes it {} ms longer", options.flush_ms);
        loadgen.args(["--setting", &setting]);
    }
    loadgen.env("LOADGEN_SUPERUSER_URL", &stage.superuser_url);
    loadgen.arg("--programs").arg(&stage.programs);
    loadgen.arg("--disk").arg(stage.cluster.folder());
    loadgen.arg("--out").arg(cargo::target()?.join("bench/rush.json"));
    cargo::run(&mut loadgen, "loadgen")?;
    stage.stop()
}
