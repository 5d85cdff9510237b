//! Runs a script through pgbench and reads what came of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::cpu::{Spent, Watch};
use crate::latency::Latencies;
use crate::sql::Client;

/// pgbench's own threads; its clients share them.
const THREADS: &str = "2";

/// A folder of our own for scripts and pgbench's logs, removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn make() -> Result<Self> {
        let name = format!("rowlock-loadgen-{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// Writes a file into it.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind is a few small files in the folder for temporary ones.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How to run a script.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) script: &'a Path,
    pub(crate) clients: usize,
    pub(crate) time: Duration,
    /// Variables that the script uses.
    pub(crate) variables: &'a [(&'static str, String)],
    /// Settings of its sessions.
    pub(crate) session: &'a [(&'static str, &'static str)],
}

/// How long its transactions took, and what was used per second. How many there were the database
/// says.
pub(crate) fn run(
    client: &Client,
    folder: &Folder,
    run: &Run<'_>,
    watch: &Watch,
) -> Result<(Latencies, Spent)> {
    let clients = run.clients.to_string();
    let mut command = client.command("pgbench");
    command.args(["-n", "-M", "prepared", "-j", THREADS, "-c", &clients, "-l", "-T"]);
    command.arg(run.time.as_secs().to_string());
    command.arg("--log-prefix").arg(folder.0.join("log")).arg("-f").arg(run.script);
    for (name, value) in run.variables {
        command.args(["-D", &format!("{name}={value}")]);
    }
    let session: Vec<_> = run.session.iter().map(|(key, to)| format!("-c {key}={to}")).collect();
    let child = command.env("PGOPTIONS", session.join(" ")).spawn();
    let child = child.context("pgbench can't be run")?;
    // Not from the start: opening connections costs as much as some hundred writes.
    sleep(run.time / 8);
    let first = watch.read(Some(child.id()));
    sleep(run.time * 7 / 8);
    let last = watch.read(Some(child.id()));
    let answer = child.wait_with_output()?;
    let (said, complaint) =
        (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
    if !answer.status.success() {
        bail!("pgbench failed in {}:\n{}", run.script.display(), complaint.trim());
    }
    let latencies = take_logs(&folder.0)?;
    if latencies.is_empty() {
        bail!("pgbench logged nothing:\n{said}");
    }
    Ok((latencies, last?.per_sec_since(&first?)))
}

/// Reads and removes the logs, one per thread.
fn take_logs(folder: &Path) -> Result<Latencies> {
    let mut all = Latencies::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log")) {
            add_log(&fs::read_to_string(&path)?, &mut all);
            fs::remove_file(&path)?;
        }
    }
    Ok(all)
}

/// `client transaction latency_us script second microsecond`
fn add_log(text: &str, all: &mut Latencies) {
    let third = |line: &str| line.split(' ').nth(2)?.parse().ok();
    text.lines().filter_map(third).for_each(|micros| all.push(micros));
}

/// The same script with each packet sent as a whole, as the product sends them.
pub(crate) fn pipelined(script: &str) -> String {
    script.replace("-- packet begins", "\\startpipeline").replace("-- packet ends", "\\endpipeline")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gives_the_third_column() {
        let mut all = Latencies::default();
        add_log("0 1 2500 0 1700000000 12\n1 1 3500 0 1700000000 13\n", &mut all);
        assert_eq!(all.percentile(99), 3500);
    }

    #[test]
    fn packets_become_pipelines() {
        let script = "select 1;\n-- packet begins\nselect 2;\n-- packet ends\n";
        let expected = "select 1;\n\\startpipeline\nselect 2;\n\\endpipeline\n";
        assert_eq!(pipelined(script), expected);
    }
}
