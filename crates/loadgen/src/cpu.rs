//! Who used the processors, from `/proc`. CPU per write is the steadiest figure of all: a busy
//! neighbour makes everybody slower, but hardly anybody's work larger.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::latency::figure;

/// `USER_HZ`: what the kernel counts in for `/proc`, on every Linux there is.
const TICKS_PER_SEC: f64 = 100.0;

/// Whose time is read.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    /// Each is one process.
    pub(crate) workers: Vec<u32>,
    /// The postmaster; its children are counted with it, also those that have ended.
    pub(crate) postgres: u32,
    pub(crate) redis: Option<u32>,
}

/// Seconds of processor time, since each process began or per second of a run.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spent {
    pub(crate) workers: f64,
    pub(crate) postgres: f64,
    pub(crate) redis: f64,
    /// We ourselves and the program that we run just now.
    pub(crate) generator: f64,
    /// The whole machine.
    pub(crate) machine: f64,
}

impl Spent {
    /// What strangers took of the machine.
    pub(crate) fn others(&self) -> f64 {
        (self.machine - self.workers - self.postgres - self.redis - self.generator).max(0.0)
    }
}

/// A reading with its moment.
pub(crate) struct Reading {
    at: Instant,
    spent: Spent,
}

impl Reading {
    /// What was used per second since an earlier reading.
    pub(crate) fn per_sec_since(&self, earlier: &Self) -> Spent {
        let secs = (self.at - earlier.at).as_secs_f64();
        let share = |now: f64, before: f64| (now - before) / secs;
        let (now, before) = (self.spent, earlier.spent);
        Spent {
            workers: share(now.workers, before.workers),
            postgres: share(now.postgres, before.postgres),
            redis: share(now.redis, before.redis),
            generator: share(now.generator, before.generator),
            machine: share(now.machine, before.machine),
        }
    }
}

impl Watch {
    /// `generator` is a program that makes the load in our place.
    pub(crate) fn read(&self, generator: Option<u32>) -> Result<Reading> {
        let workers = self.workers.iter().map(|pid| Ok(process(*pid)?.own)).sum::<Result<f64>>()?;
        let redis = self.redis.map(process).transpose()?.map_or(0.0, |redis| redis.own);
        let ourselves = process(std::process::id())?.own;
        let program = generator.map(process).transpose()?.map_or(0.0, |program| program.own);
        let spent = Spent {
            workers,
            postgres: tree(self.postgres)?,
            redis,
            generator: ourselves + program,
            machine: machine()?,
        };
        Ok(Reading { at: Instant::now(), spent })
    }
}

/// The processor time of one process since it began, in seconds.
pub(crate) fn seconds(pid: u32) -> Result<f64> {
    Ok(process(pid)?.own)
}

/// What one process has in memory.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.with_context(|| format!("/proc/{pid}/status can't be read"))
}

#[derive(Debug, PartialEq)]
struct Process {
    parent: u32,
    own: f64,
    ended_children: f64,
}

fn process(pid: u32) -> Result<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let stat = stat.with_context(|| format!("process {pid} is gone"))?;
    parse_process(&stat).with_context(|| format!("/proc/{pid}/stat can't be read"))
}

/// The name in brackets may hold anything, so fields are counted from the last bracket.
fn parse_process(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        own: (ticks(11)? + ticks(12)?) / TICKS_PER_SEC,
        ended_children: (ticks(13)? + ticks(14)?) / TICKS_PER_SEC,
    })
}

/// A process with its direct children, which is all that PostgreSQL has.
fn tree(root: u32) -> Result<f64> {
    let postmaster = process(root)?;
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ends between the listing and the look is counted with the postmaster next time.
    let children = pids.filter_map(|pid| process(pid).ok()).filter(|it| it.parent == root);
    Ok(postmaster.own + postmaster.ended_children + children.map(|it| it.own).sum::<f64>())
}

fn machine() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    parse_machine(&text).context("/proc/stat can't be read")
}

/// user, nice, system, (idle, iowait,) irq, softirq, steal of all processors.
fn parse_machine(text: &str) -> Option<f64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Option<Vec<u64>> = line.split_whitespace().map(|field| field.parse().ok()).collect();
    let busy = ticks?.into_iter().take(8).enumerate().filter(|(at, _)| ![3, 4].contains(at));
    Some(figure(busy.map(|(_, ticks)| ticks).sum()) / TICKS_PER_SEC)
}

/// The machine's load over the last minute.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    text.split(' ').next().and_then(|load| load.parse().ok()).context("/proc/loadavg can't be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 42 7 7 0 -1 4194560 1 2 3 4 150 50 300 100 20 0 1 0";
        let expected = Process { parent: 42, own: 2.0, ended_children: 4.0 };
        assert_eq!(parse_process(stat), Some(expected));
        assert_eq!(parse_process("nonsense"), None);
    }

    #[test]
    fn waiting_is_not_work() {
        let text = "cpu  100 0 100 5000 6000 50 50 0 0 0\ncpu0 1 2 3\n";
        assert_eq!(parse_machine(text), Some(3.0));
    }
}
