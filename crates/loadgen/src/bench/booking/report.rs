//! The figures, for people and as JSON.

use anyhow::Result;
use serde::Serialize;

use super::Options;
use super::act::Act;
use super::side::Side;
use crate::bench::rig::Rig;
use crate::cpu::{Spent, load_average};
use crate::latency::{figure, median, span};
use crate::load::Tally;

const MICROS_PER_SEC: f64 = 1e6;
const MICROS_PER_MS: f64 = 1e3;

/// One run of one side.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    ok_per_sec: f64,
    refused: u64,
    errors: u64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU of all workers per write.
    workers_micros: f64,
    /// CPU of PostgreSQL with all its processes per write.
    postgres_micros: f64,
    redis_micros: f64,
    generator_micros: f64,
    /// Processors that strangers kept busy meanwhile.
    others_cores: f64,
    load_average: f64,
    #[serde(skip)]
    pub(super) ran_dry: bool,
    samples: Vec<String>,
}

impl Run {
    pub(super) fn new(tally: &mut Tally, ok_per_sec: f64, spent: &Spent) -> Self {
        let per_write = |secs_per_sec: f64| secs_per_sec / ok_per_sec * MICROS_PER_SEC;
        let mut percentile_ms =
            |percent| f64::from(tally.latencies.percentile(percent)) / MICROS_PER_MS;
        Self {
            ok_per_sec,
            refused: tally.refused,
            errors: tally.errors,
            p50_ms: percentile_ms(50),
            p99_ms: percentile_ms(99),
            workers_micros: per_write(spent.workers),
            postgres_micros: per_write(spent.postgres),
            redis_micros: per_write(spent.redis),
            generator_micros: per_write(spent.generator),
            others_cores: spent.others(),
            load_average: load_average().unwrap_or(f64::NAN),
            ran_dry: tally.ran_dry,
            samples: std::mem::take(&mut tally.samples),
        }
    }
}

/// All runs of one act.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    act: String,
    sides: Vec<Runs>,
    ratios: Vec<Ratio>,
}

#[derive(Debug, Serialize)]
struct Runs {
    side: String,
    runs: Vec<Run>,
}

/// The product's rate divided by another side's, per adjacent pair.
#[derive(Debug, Serialize)]
struct Ratio {
    to: String,
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Case {
    pub(super) fn new(act: Act) -> Self {
        let none = |side: Side| Runs { side: side.to_string(), runs: Vec::new() };
        Self { act: act.to_string(), sides: Side::ALL.map(none).into(), ratios: Vec::new() }
    }

    pub(super) fn add(&mut self, side: Side, run: Run) {
        if let Some(runs) = self.sides.iter_mut().find(|runs| runs.side == side.to_string()) {
            runs.runs.push(run);
        }
    }

    pub(super) fn print_summary(&mut self) {
        for runs in &self.sides {
            print_line("med", &runs.side, &middle(&runs.runs));
        }
        self.ratios = self.ratios();
        for ratio in &self.ratios {
            println!(
                "{}: product / {:<14} {:.2}   (pairs {:.2} to {:.2})",
                self.act, ratio.to, ratio.median, ratio.lowest, ratio.highest
            );
        }
    }

    fn ratios(&self) -> Vec<Ratio> {
        let Some((product, others)) = self.sides.split_first() else { return Vec::new() };
        let ratio = |other: &Runs| {
            let pairs = product.runs.iter().zip(&other.runs);
            let each: Vec<f64> = pairs.map(|(a, b)| a.ok_per_sec / b.ok_per_sec).collect();
            let (lowest, highest) = span(&each);
            Ratio { to: other.side.clone(), median: median(each), lowest, highest }
        };
        others.iter().map(ratio).collect()
    }
}

/// What stands above the runs.
pub(super) fn print_columns() {
    println!(
        "{:>4}  {:<14} {:>7} {:>8} {:>7} {:>8} {:>8}  {:>8} {:>9} {:>6} {:>10}  {:>7} {:>5}",
        "pair",
        "side",
        "ok/s",
        "refused",
        "errors",
        "p50 ms",
        "p99 ms",
        "worker",
        "postgres",
        "redis",
        "generator",
        "others",
        "load"
    );
}

/// One run, and what was wrong with it.
pub(super) fn print_run(pair: u32, side: Side, run: &Run) {
    print_line(&pair.to_string(), &side.to_string(), run);
    for sample in run.samples.iter().filter(|_| run.errors > 0) {
        println!("      {sample}");
    }
}

fn print_line(pair: &str, side: &str, run: &Run) {
    println!(
        "{pair:>4}  {side:<14} {:>7.0} {:>8} {:>7} {:>8.2} {:>8.2}  {:>8.0} {:>9.0} {:>6.0} {:>10.0}  {:>7.2} {:>5.1}",
        run.ok_per_sec,
        run.refused,
        run.errors,
        run.p50_ms,
        run.p99_ms,
        run.workers_micros,
        run.postgres_micros,
        run.redis_micros,
        run.generator_micros,
        run.others_cores,
        run.load_average
    );
}

/// The median of each figure by itself.
fn middle(runs: &[Run]) -> Run {
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
    Run {
        ok_per_sec: of(|run| run.ok_per_sec),
        refused: runs.iter().map(|run| run.refused).sum(),
        errors: runs.iter().map(|run| run.errors).sum(),
        p50_ms: of(|run| run.p50_ms),
        p99_ms: of(|run| run.p99_ms),
        workers_micros: of(|run| run.workers_micros),
        postgres_micros: of(|run| run.postgres_micros),
        redis_micros: of(|run| run.redis_micros),
        generator_micros: of(|run| run.generator_micros),
        others_cores: of(|run| run.others_cores),
        load_average: of(|run| run.load_average),
        ran_dry: false,
        samples: Vec::new(),
    }
}

/// What goes to the file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    seconds: u64,
    pairs: u32,
    clients: u16,
    workers: usize,
    venues: u16,
    shows: u16,
    setting: String,
    fdatasync_ms: f64,
    load_average_before: f64,
    cores: usize,
    cases: Vec<Case>,
}

impl Report {
    pub(super) fn new(options: &Options, fdatasync_ms: f64) -> Result<Self> {
        Ok(Self {
            seconds: options.seconds,
            pairs: options.pairs,
            clients: options.clients,
            workers: options.rig.workers.len(),
            venues: options.venues,
            shows: options.shows,
            setting: options.rig.setting.clone(),
            fdatasync_ms,
            load_average_before: load_average()?,
            cores: std::thread::available_parallelism()?.get(),
            cases: Vec::new(),
        })
    }

    pub(super) fn print_head(&self) {
        println!(
            "machine    {} cores, load average {:.1}, fdatasync of 8 KiB {:.3} ms",
            self.cores, self.load_average_before, self.fdatasync_ms
        );
        println!(
            "measure    {} workers, {}; {} clients, {} pairs of runs of {} s, generator on the same cores",
            self.workers, self.setting, self.clients, self.pairs, self.seconds
        );
        println!(
            "columns    worker, postgres, redis, generator: µs of CPU per write; others: cores that strangers used"
        );
    }

    pub(super) fn add(&mut self, case: Case) {
        self.cases.push(case);
    }

    /// Writes the file and says how far the figures can be trusted.
    pub(super) fn finish(&self, rig: &Rig) -> Result<()> {
        let runs = || self.cases.iter().flat_map(|case| &case.sides).flat_map(|side| &side.runs);
        let others = median(runs().map(|run| run.others_cores));
        let spread = self.cases.iter().flat_map(|case| &case.ratios);
        let spread = median(spread.map(|ratio| ratio.highest / ratio.lowest));
        println!(
            "\nnoise      strangers used {:.0} % of the machine; within a ratio the pairs differ by a factor of {spread:.2}",
            others / figure(u64::try_from(self.cores)?) * 100.0
        );
        rig.write(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ok_per_sec: f64) -> Run {
        let spent = Spent { workers: 0.5, machine: 1.0, ..Spent::default() };
        Run::new(&mut Tally::default(), ok_per_sec, &spent)
    }

    #[test]
    fn a_ratio_is_the_median_of_adjacent_runs() {
        let mut case = Case::new(Act::Hold);
        for (product, one) in [(80.0, 100.0), (10.0, 20.0), (90.0, 100.0)] {
            case.add(Side::Product, run(product));
            case.add(Side::OneStatement, run(one));
        }
        let ratios = case.ratios();
        let ratio = ratios.last().unwrap();
        assert_eq!((ratio.median, ratio.lowest, ratio.highest), (0.8, 0.5, 0.9));
    }

    #[test]
    fn half_a_core_for_a_thousand_writes_is_500_micros() {
        let run = run(1000.0);
        assert_eq!((run.workers_micros, run.others_cores), (500.0, 0.5));
    }
}
