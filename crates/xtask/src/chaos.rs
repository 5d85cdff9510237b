//! `chaos`: faults at random under load, then a judgement.
//!
//! Everything is decided by a printed seed. The last fault of every run is always the same: Redis
//! is gone while the last writes are made, and what is missing then only the head check finds.

mod dice;
mod fault;
mod field;
mod rolling;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde::Deserialize;

use self::dice::Dice;
use self::fault::{Fault, Kind};
use self::field::Field;
use crate::cargo;

/// Rounds unless told.
const ROUNDS: u32 = 20;
const SHORT_ROUNDS: u32 = 8;
/// A second fault comes with one round in so many.
const SECOND_IN: usize = 4;
const WARM_UP: Duration = Duration::from_secs(4);
const REST_MS: (u64, u64) = (300, 1_200);
/// Whoever watches a long run hears of it so often.
const PROGRESS_EVERY: Duration = Duration::from_mins(1);
/// How long the last writes go on without Redis.
const TAIL: Duration = Duration::from_secs(2);
/// How long loadgen may take to settle what is under way, and to judge.
const SETTLE_PATIENCE: Duration = Duration::from_mins(2);

/// How long, with how many, from which seed.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// So many rounds of one or two faults; 20 unless told.
    #[arg(long, conflicts_with = "minutes")]
    rounds: Option<u32>,
    /// Rounds until that time is over.
    #[arg(long)]
    minutes: Option<u32>,
    /// The same faults in the same order as another run; by chance unless told.
    #[arg(long)]
    seed: Option<u64>,
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Takes one guarantee out. Then the run must find that it is missing.
    #[arg(long, value_enum)]
    control: Option<Control>,
    /// No faults: every worker is restarted in turn, as for a new version.
    #[arg(long, conflicts_with_all = ["rounds", "minutes", "control"])]
    rolling: bool,
}

/// A guarantee that can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Control {
    PublishAfterCommit,
    DurableCommits,
    HeadCheck,
    RowLocks,
}

impl Control {
    fn name(self) -> &'static str {
        match self {
            Self::PublishAfterCommit => "publish_after_commit",
            Self::DurableCommits => "durable_commits",
            Self::HeadCheck => "head_check",
            Self::RowLocks => "row_locks",
        }
    }

    /// The fault that shows it; the last one of every run shows the others.
    fn shown_by(self) -> Option<Kind> {
        match self {
            Self::PublishAfterCommit | Self::DurableCommits => Some(Kind::PostgresCrashed),
            Self::HeadCheck | Self::RowLocks => None,
        }
    }
}

/// The part of loadgen's report that we tell.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    acked: u64,
    refused: u64,
    unknown: u64,
    repeated: u64,
    deliveries: u64,
    connections: u64,
    /// How often the most stubborn write was sent.
    most_attempts: u32,
    /// Sockets that ended without a word.
    broken: u64,
    closes: BTreeMap<u16, u64>,
    resyncs: BTreeMap<String, u64>,
    violations: Vec<String>,
}

/// What CI runs: a few rounds, and one control that shows that the checker sees.
pub(crate) fn run_short() -> Result<()> {
    let run_with = |rounds, control| {
        let rounds = Some(rounds);
        let (minutes, seed, workers, rolling) = (None, None, 3, false);
        run(&Options { rounds, minutes, seed, workers, control, rolling })
    };
    run_with(SHORT_ROUNDS, None)?;
    run_with(3, Some(Control::DurableCommits))?;
    rolling::run(3)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.rolling {
        return rolling::run(options.workers);
    }
    let seed = match options.seed {
        Some(seed) => seed,
        None => u64::from_str_radix(devkit::password()?.get(..8).unwrap_or("1"), 16)?,
    };
    let control = options.control.map_or("none", Control::name);
    println!("chaos      seed {seed}, {} workers, control {control}", options.workers);
    let env = options.control.map(|it| ("ROWLOCK_CONTROLS".to_owned(), it.name().to_owned()));
    let mut field = Field::start(options.workers, env.into_iter().collect())?;
    let out = cargo::target()?.join("chaos").join(format!("{seed}-{control}"));
    field.start_load(seed, &out)?;
    // A control has nothing to lose before the first write was acknowledged.
    std::thread::sleep(WARM_UP);
    println!("load       writers and listeners take part; now things break");
    let struck = strike(options, &mut field, &mut Dice::new(seed))?;
    finish(&mut field)?;
    field.keep_logs(&out)?;
    let repairs = field.repairs();
    judge(options, &out, (seed, repairs), &struck)
}

type Struck = BTreeMap<Kind, u64>;

fn strike(options: &Options, field: &mut Field, dice: &mut Dice) -> Result<Struck> {
    let rounds = options.rounds.unwrap_or(ROUNDS);
    let time = options.minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    let (begun, mut struck, mut round) = (Instant::now(), Struck::new(), 0);
    let mut told = begun;
    while time.map_or(round < rounds, |time| begun.elapsed() < time) {
        round += 1;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            let (minutes, faults) = (begun.elapsed().as_secs() / 60, struck.values().sum::<u64>());
            println!("after      {minutes} min: round {round}, {faults} faults");
        }
        field.check_alive()?;
        let mut faults = vec![choose(options, round, dice)];
        let second = choose(options, 0, dice);
        let both = dice.below(SECOND_IN) == 0;
        if both && faults.iter().all(|first| first.goes_with(&second)) {
            faults.push(second);
        }
        for fault in &faults {
            fault.strike(field).with_context(|| format!("round {round}: {}", fault.kind.name()))?;
            *struck.entry(fault.kind).or_default() += 1;
        }
        std::thread::sleep(faults.iter().map(|fault| fault.lasts).max().unwrap_or_default());
        for fault in &faults {
            fault.heal(field).with_context(|| format!("round {round}: {}", fault.kind.name()))?;
        }
        field.start_missing()?;
        std::thread::sleep(dice.between(REST_MS.0, REST_MS.1));
    }
    Ok(struck)
}

/// Every second fault of a control run is the one that shows what is missing.
fn choose(options: &Options, round: u32, dice: &mut Dice) -> Fault {
    let kind = dice.one_of(&Kind::ALL).unwrap_or(Kind::SocketsCut);
    let shown_by = options.control.and_then(Control::shown_by).filter(|_| round % 2 == 1);
    Fault::of(shown_by.unwrap_or(kind), options.workers, dice)
}

/// The last writes are made while Redis is gone; then all is healed and loadgen judges.
fn finish(field: &mut Field) -> Result<()> {
    field.check_alive()?;
    field.cluster.redis()?.kill()?;
    std::thread::sleep(TAIL);
    field.tell("finish")?;
    field.hear("settled", SETTLE_PATIENCE)?;
    field.cluster.redis()?.start()?;
    conclude(field)
}

/// All is healed: loadgen judges.
fn conclude(field: &mut Field) -> Result<()> {
    field.start_missing()?;
    field.tell("healed")?;
    field.hear_the_rest()
}

fn summary(out: &Path) -> Result<Summary> {
    Ok(serde_json::from_str(&std::fs::read_to_string(out.join("summary.json"))?)?)
}

fn judge(
    options: &Options,
    out: &Path,
    (seed, repairs): (u64, u64),
    struck: &Struck,
) -> Result<()> {
    let sum = summary(out)?;
    let faults: u64 = struck.values().sum::<u64>() + 1;
    let kinds = struck.iter().map(|(kind, count)| format!("{} {count}", kind.name()));
    println!("faults     {faults}: {}, and Redis at the end", kinds.collect::<Vec<_>>().join(", "));
    println!(
        "writes     {} acknowledged, {} refused, {} unknown; {} were sent more than once",
        sum.acked, sum.refused, sum.unknown, sum.repeated
    );
    let resyncs: u64 = sum.resyncs.values().sum();
    println!(
        "sockets    {} connections, {} deliveries, {resyncs} resyncs {:?}, {repairs} repairs",
        sum.connections, sum.deliveries, sum.resyncs
    );
    let violations = sum.violations.len();
    let folder = out.display();
    match (violations, options.control) {
        (0, None) => println!("chaos      seed {seed}: {faults} faults, 0 violations"),
        (0, Some(control)) => {
            bail!("seed {seed}: {} is taken out and nobody noticed", control.name())
        }
        (found, None) => bail!(
            "{found} violations, see {folder}; again with `cargo xtask chaos --seed {seed}` and \
             the same number of rounds"
        ),
        (found, Some(control)) => {
            println!(
                "chaos      seed {seed}: found, {found} violations without {}",
                control.name()
            );
        }
    }
    Ok(())
}
