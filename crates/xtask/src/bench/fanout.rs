//! `bench fanout`: loadgen measures many sockets on a stage of its own.

use anyhow::Result;

use super::stage::{Place, Stage, build_loadgen};
use crate::cargo::{self, Profile};

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each measurement lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u16,
    /// Sockets whose deliveries are counted in CPU.
    #[arg(long, default_value_t = 1_000)]
    sockets: u32,
    /// Sockets that hear 200 writes a second from next door.
    #[arg(long, default_value_t = 2_000)]
    late: u32,
    /// Idle sockets, and sockets that lose their worker.
    #[arg(long, default_value_t = 10_000)]
    idle: u32,
    /// Only these of `idle`, `cpu`, `late` and `storm`, separated by commas; all unless told.
    #[arg(long)]
    what: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("bench      building rowlock and loadgen for release; the first time takes minutes");
    let rowlock = cargo::build_rowlock(Profile::Release)?;
    let loadgen = build_loadgen()?;
    let mut stage = Stage::start(&rowlock, 2, Place::Disk)?;
    stage.launch_alone(&rowlock, 3)?;
    let mut loadgen = std::process::Command::new(loadgen);
    loadgen.args(["bench", "fanout", "--seconds", &options.seconds.to_string()]);
    let sizes =
        [("--sockets", options.sockets), ("--late", options.late), ("--idle", options.idle)];
    for (name, value) in sizes {
        loadgen.args([name, &value.to_string()]);
    }
    if let Some(what) = &options.what {
        loadgen.args(["--what", what]);
    }
    for address in stage.addresses() {
        loadgen.args(["--worker", &address.to_string()]);
    }
    for pid in stage.pids() {
        loadgen.args(["--worker-pid", &pid.to_string()]);
    }
    loadgen.env("LOADGEN_SUPERUSER_URL", &stage.superuser_url);
    loadgen.env("LOADGEN_METRICS_TOKEN", &stage.metrics_token);
    loadgen.arg("--programs").arg(&stage.programs);
    cargo::run(&mut loadgen, "loadgen")?;
    stage.stop()
}
