//! Every worker is restarted in turn under load, behind HAProxy: nobody may notice more than that
//! a request had to be sent once more and a socket had to come back.

use std::time::Duration;

use anyhow::{Result, bail};

use super::field::Field;
use super::{SETTLE_PATIENCE, Summary, conclude, summary};
use crate::cargo;

/// HAProxy looks twice, half a second apart, before it believes that a worker is going or back.
const DRAIN_DELAY_MS: &str = "1500";
/// Connections are made and statements prepared meanwhile: a build for tests is slow at both.
const WARM_UP: Duration = Duration::from_secs(8);
const REST: Duration = Duration::from_secs(2);
/// From SIGTERM to the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// A write is sent, and sent once more.
const ATTEMPTS_MAX: u32 = 2;
const RESTART: u16 = 1012;

pub(super) fn run(workers: usize) -> Result<()> {
    println!("rolling    {workers} workers, each restarted in turn");
    let delay = ("DRAIN_DELAY_MS".to_owned(), DRAIN_DELAY_MS.to_owned());
    let mut field = Field::start(workers, vec![delay])?;
    if !field.is_balanced() {
        println!("rolling    left out: without a balancer clients would ask the one that goes");
        return Ok(());
    }
    let out = cargo::target()?.join("chaos/rolling");
    field.start_load(1, &out)?;
    std::thread::sleep(WARM_UP);
    field.tell("warm")?;
    for number in 0..workers {
        let took = field.drain_worker(number)?;
        println!("rolling    worker {number} drained in {:.1} s", took.as_secs_f32());
        if took > DRAIN_MAX {
            bail!("worker {number} took longer than {DRAIN_MAX:?} to drain");
        }
        field.start_missing()?;
        std::thread::sleep(REST);
    }
    field.tell("finish")?;
    field.hear("settled", SETTLE_PATIENCE)?;
    conclude(&mut field)?;
    field.keep_logs(&out)?;
    judge(&summary(&out)?)
}

fn judge(sum: &Summary) -> Result<()> {
    let told = sum.closes.get(&RESTART).copied().unwrap_or(0);
    println!(
        "rolling    {} writes acknowledged, {} sent more than once, at most {} times; {told} sockets \
         told {RESTART}, {} deliveries, {:?} resyncs",
        sum.acked, sum.repeated, sum.most_attempts, sum.deliveries, sum.resyncs
    );
    let others: Vec<_> = sum.closes.iter().filter(|(code, _)| **code != RESTART).collect();
    if !others.is_empty() || sum.broken > 0 {
        bail!("sockets were closed with {others:?}, and {} without a word", sum.broken);
    }
    if told == 0 {
        bail!("no socket was told anything");
    }
    if sum.unknown > 0 || sum.most_attempts > ATTEMPTS_MAX {
        bail!("a write was sent {} times, {} are unknown", sum.most_attempts, sum.unknown);
    }
    if !sum.violations.is_empty() {
        bail!("{} violations", sum.violations.len());
    }
    Ok(())
}
