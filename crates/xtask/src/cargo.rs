//! Calls of cargo and of what it has built.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// cargo itself, the same that runs us, at the root of the checkout.
pub(crate) fn cargo() -> Command {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(program);
    command.current_dir(devkit::workspace_root()).stdin(Stdio::null());
    command
}

/// Runs a command in the foreground; `what` names it when it fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("{what} can't be run"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// The folder that cargo builds into.
pub(crate) fn target() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--format-version", "1"]).stderr(Stdio::inherit());
    let answer = command.output().context("cargo metadata can't be run")?;
    if !answer.status.success() {
        bail!("cargo metadata failed ({})", answer.status);
    }
    Ok(serde_json::from_slice::<Metadata>(&answer.stdout)?.target_directory)
}

/// How the server is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
    /// As debug, with the controls that let a test take one guarantee out.
    Test,
    /// As release, with the controls: what is compared is one binary.
    Compare,
}

/// What the tests build with, so that the server they run is built once.
pub(crate) const CONTROLS: [&str; 2] = ["--features", "rowlock/controls"];

/// Builds the server and says where it is; cargo's own progress is shown.
pub(crate) fn build_rowlock(profile: Profile) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "rowlock", "--bin", "rowlock"]);
    match profile {
        Profile::Debug => {}
        Profile::Release => {
            build.arg("--release");
        }
        Profile::Test => {
            build.args(CONTROLS);
        }
        Profile::Compare => {
            build.arg("--release").args(CONTROLS);
        }
    }
    run(&mut build, "cargo build of rowlock")?;
    let fast = matches!(profile, Profile::Release | Profile::Compare);
    let folder = if fast { "release" } else { "debug" };
    Ok(target()?.join(folder).join("rowlock"))
}
