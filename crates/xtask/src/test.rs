//! `test`: everything that CI runs, step by step, each with its time.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::cargo::{self, cargo};
use crate::{chaos, openapi, tidy};

/// Pinned: a new version may find new things in old code.
const DENY_VERSION: &str = "0.20.2";

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only the tests whose name contains one of these, and no other step.
    filter: Vec<String>,
    /// Run only one step.
    #[arg(long, value_enum, conflicts_with = "filter")]
    only: Option<Step>,
}

/// The steps, cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Fmt,
    Tidy,
    Clippy,
    Deny,
    Openapi,
    Tests,
    Chaos,
}

impl Step {
    fn run(self, filter: &[String]) -> Result<()> {
        match self {
            Self::Fmt => cargo::run(cargo().args(["fmt", "--all", "--check"]), "cargo fmt"),
            Self::Tidy => tidy::run(),
            Self::Clippy => {
                let options = ["--workspace", "--all-targets", "--", "-D", "warnings"];
                cargo::run(cargo().arg("clippy").args(options), "cargo clippy")
            }
            Self::Deny => deny(),
            Self::Openapi => openapi::run(&openapi::Options { check: true }),
            Self::Tests => tests(filter),
            Self::Chaos => chaos::run_short(),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let begun = Instant::now();
    let all = Step::value_variants();
    let steps: Vec<Step> = match (options.only, options.filter.is_empty()) {
        (Some(step), _) => vec![step],
        (None, false) => vec![Step::Tests],
        (None, true) => all.to_vec(),
    };
    for (number, step) in (1..).zip(&steps) {
        let name = format!("{step:?}").to_lowercase();
        println!("test {number}/{}: {name}", steps.len());
        let started = Instant::now();
        let outcome = step.run(&options.filter);
        // The closing line belongs to the test runner; ours goes to the other stream.
        let took = started.elapsed().as_secs_f32();
        eprintln!("test {number}/{}: {name} took {took:.1} s", steps.len());
        outcome?;
    }
    eprintln!("test: all of it took {:.1} s", begun.elapsed().as_secs_f32());
    Ok(())
}

fn deny() -> Result<()> {
    let root = cargo::target()?.join("tools");
    let program = root.join("bin/cargo-deny");
    let right = |program: &std::path::Path| {
        let answer = Command::new(program).arg("--version").output();
        answer.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains(DENY_VERSION))
    };
    if !right(&program) {
        println!("deny: installing cargo-deny {DENY_VERSION} into {}: 1 to 2 min", root.display());
        let mut install = cargo();
        install.args(["install", "cargo-deny", "--locked", "--debug", "--version", DENY_VERSION]);
        cargo::run(install.arg("--root").arg(&root), "cargo install cargo-deny")?;
    }
    println!("deny: advisories are left out: their database is another download");
    let mut check = Command::new(&program);
    check.current_dir(devkit::workspace_root()).stdin(Stdio::null());
    cargo::run(
        check.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]),
        "cargo deny",
    )
}

fn tests(filter: &[String]) -> Result<()> {
    // Held to the end, so that fetching is seen here and no test waits for a start.
    let _services = devkit::Services::for_tests()?;
    let rowlock = cargo::build_rowlock(cargo::Profile::Test)?;
    let nextest = cargo().args(["nextest", "--version"]).stderr(Stdio::null()).output();
    if !nextest.is_ok_and(|answer| answer.status.success()) {
        return plain_tests(&rowlock, filter);
    }
    if filter.is_empty() {
        // nextest does not run the examples of the documentation.
        let mut examples = cargo();
        examples
            .args(["test", "--workspace", "--doc", "--quiet"])
            .args(cargo::CONTROLS)
            .env("ROWLOCK_BIN", &rowlock);
        cargo::run(&mut examples, "the examples of the documentation")?;
    }
    let mut all = cargo();
    all.args(["nextest", "run", "--workspace"])
        .args(cargo::CONTROLS)
        .args(filter)
        .env("ROWLOCK_BIN", &rowlock);
    if std::env::var_os("CI").is_some() {
        all.args(["--profile", "ci"]);
    }
    cargo::run(&mut all, "cargo nextest")
}

/// Without nextest; cargo's summary is per test program, so the sum is told at the end.
fn plain_tests(rowlock: &std::path::Path, filter: &[String]) -> Result<()> {
    let mut all = cargo();
    all.args(["test", "--workspace", "--no-fail-fast"]).args(cargo::CONTROLS);
    all.arg("--").args(filter);
    let mut child = all.env("ROWLOCK_BIN", rowlock).stdout(Stdio::piped()).spawn()?;
    let said = child.stdout.take().context("cargo test has no output")?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(said).lines() {
        let line = line?;
        println!("{line}");
        let (more_passed, more_failed) = counts(&line);
        passed += more_passed;
        failed += more_failed;
    }
    let status = child.wait()?;
    println!("{passed} passed, {failed} failed");
    if !status.success() {
        bail!("cargo test failed ({status})");
    }
    Ok(())
}

/// What a `test result:` line adds; nothing for any other line.
fn counts(line: &str) -> (u32, u32) {
    if line.starts_with("test result:") {
        (number_before(line, " passed"), number_before(line, " failed"))
    } else {
        (0, 0)
    }
}

fn number_before(line: &str, word: &str) -> u32 {
    let before = line.split_once(word).map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_results_of_test_programs_are_counted() {
        assert_eq!(counts("test result: ok. 18 passed; 0 failed; 0 ignored"), (18, 0));
        assert_eq!(counts("test result: FAILED. 2 passed; 1 failed; 0 ignored"), (2, 1));
        assert_eq!(counts("test a::b ... 3 passed"), (0, 0));
    }
}
