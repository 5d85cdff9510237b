//! `fuzz`: the parsers that read what strangers send, each for a while, with cargo-fuzz.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cargo::{self, cargo};

/// Pinned, as everything that is installed here.
const FUZZ_VERSION: &str = "0.13.2";
/// Crates with a folder `fuzz`, and their targets.
const TARGETS: [(&str, &str); 4] =
    [("tickets", "code"), ("edge", "token"), ("edge", "cursor"), ("edge", "forwarded")];

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these targets.
    target: Vec<String>,
    /// How long each runs, in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let known = |name: &String| TARGETS.iter().any(|(_, target)| target == name);
    if let Some(stranger) = options.target.iter().find(|name| !known(name)) {
        bail!("there is no target {stranger}: {}", TARGETS.map(|(_, target)| target).join(", "));
    }
    let root = cargo::target()?.join("tools");
    let program = root.join("bin/cargo-fuzz");
    install(&root, &program)?;
    let wanted = |target: &&str| {
        options.target.is_empty() || options.target.iter().any(|name| name == *target)
    };
    for (name, target) in TARGETS.iter().filter(|(_, target)| wanted(target)) {
        println!("fuzz {target}: {} s", options.seconds);
        let owner = devkit::workspace_root().join("crates").join(name);
        let (corpus, seeds) = (owner.join("fuzz/corpus"), owner.join("fuzz/seeds"));
        fs::create_dir_all(corpus.join(target))?;
        // What is fuzzed is built from the same versions as what is shipped.
        fs::copy(devkit::workspace_root().join("Cargo.lock"), owner.join("fuzz/Cargo.lock"))?;
        let mut fuzz = Command::new(&program);
        fuzz.current_dir(&owner).stdin(Stdio::null());
        // Without a sanitizer the stable toolchain does: there is no unsafe code of ours to watch.
        fuzz.args(["fuzz", "run", "--sanitizer", "none", "--target-dir"]);
        fuzz.arg(cargo::target()?.join("fuzz")).arg(target);
        // What is learned goes to the first; without the second hardly anything gets past the first
        // few letters.
        fuzz.arg(corpus.join(target)).arg(seeds.join(target)).arg("--");
        fuzz.arg(format!("-max_total_time={}", options.seconds)).arg("-print_final_stats=1");
        cargo::run(&mut fuzz, &format!("the target {target}"))?;
    }
    Ok(())
}

fn install(root: &Path, program: &Path) -> Result<()> {
    let answer = Command::new(program).arg("--version").output();
    if answer.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains(FUZZ_VERSION)) {
        return Ok(());
    }
    println!("fuzz: installing cargo-fuzz {FUZZ_VERSION} into {}", root.display());
    let mut install = cargo();
    install.args(["install", "cargo-fuzz", "--locked", "--debug", "--version", FUZZ_VERSION]);
    cargo::run(install.arg("--root").arg(root), "cargo install cargo-fuzz")
        .context("cargo-fuzz needs a C++ compiler, as its targets do")
}
