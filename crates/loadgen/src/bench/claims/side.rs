//! One run of one side.

use std::fmt;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::crew::Crew;
use crate::bench::rig::{Side, watched};
use crate::cpu::{Spent, Watch};
use crate::latency::figure;
use crate::load::{self, Plan, Tally};
use crate::pgbench::{self, Folder};
use crate::sql::Client;

/// What the treatments go on for beyond a run.
const LONGER: Duration = Duration::from_secs(2);
const MICROS_PER_SEC: f64 = 1e6;

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ran {
    pub(super) claims_per_sec: f64,
    /// Of all that was asked, what found the therapist busy still, or nothing.
    idle_percent: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU of all workers per claim, in microseconds.
    workers_micros: f64,
    /// CPU of PostgreSQL per claim, with the treatments.
    postgres_micros: f64,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>10.0} {:>7.1} {:>8.2} {:>8.2} {:>9.0} {:>9.0}",
            self.claims_per_sec,
            self.idle_percent,
            self.p50_ms,
            self.p99_ms,
            self.workers_micros,
            self.postgres_micros
        )
    }
}

/// Everything that runs have in common.
pub(super) struct Stand {
    crew: Crew,
    plan: Plan,
    watch: Watch,
    superuser: Client,
    folder: Folder,
    reset: PathBuf,
    count: PathBuf,
    treat: PathBuf,
    claim: PathBuf,
}

impl Stand {
    pub(super) async fn set_up(
        mut crew: Crew,
        plan: Plan,
        watch: Watch,
        superuser: Client,
    ) -> Result<Self> {
        let folder = Folder::make()?;
        let prepare = include_str!("../../../pgbench/claims_prepare.sql");
        superuser.script(&folder.put("prepare.sql", prepare)?, &crew.to_csv()?)?;
        crew.refresh(*plan.workers.first().context("there is no worker")?).await?;
        let reset = include_str!("../../../pgbench/claims_reset.sql");
        let count = include_str!("../../../pgbench/claims_count.sql");
        let treat = include_str!("../../../pgbench/claims_treat.sql");
        let claim = include_str!("../../../pgbench/claim_one_statement.sql");
        Ok(Self {
            reset: folder.put("reset.sql", reset)?,
            count: folder.put("count.sql", count)?,
            treat: folder.put("treat.sql", treat)?,
            claim: folder.put("claim.sql", claim)?,
            crew,
            plan,
            watch,
            superuser,
            folder,
        })
    }

    /// The product alone, uncounted. On cold caches some wait longer for their lock than a write may
    /// and are told to come again, which they do; gives how often.
    pub(super) async fn warm_up(&mut self, rows: u32) -> Result<u64> {
        self.line_up(rows).await?;
        let mut treating = self.treatments()?;
        let tally = load::run_patiently(&self.plan, self.crew.asks()).await;
        let treated = treating.wait()?;
        let tally = check(tally?)?;
        if !treated.success() {
            bail!("the treatments ended with {treated}");
        }
        Ok(tally.repeated)
    }

    /// A line of `rows` orders, and therapists whose tokens last for a run.
    async fn line_up(&mut self, rows: u32) -> Result<()> {
        let reset = std::fs::read_to_string(&self.reset)?;
        let reset = reset.replace("ROWS", &rows.to_string());
        let reset = self.folder.put("reset_now.sql", &reset)?;
        self.superuser.script(&reset, "")?;
        self.crew.refresh(*self.plan.workers.first().context("there is no worker")?).await
    }

    /// A line of `rows` orders, then `side` for the time of a run.
    pub(super) async fn run(&mut self, side: Side, rows: u32) -> Result<Ran> {
        self.line_up(rows).await?;
        let mut treating = self.treatments()?;
        let ran = match side {
            Side::Product => self.product().await,
            Side::OneStatement => self.pgbench(),
        };
        let treated = treating.wait()?;
        let (mut tally, asked, spent) = ran?;
        if !treated.success() {
            bail!("the treatments ended with {treated}");
        }
        let line = self.superuser.script(&self.count, "")?;
        let counts: Vec<u64> = line.trim().split(',').filter_map(|it| it.parse().ok()).collect();
        let &[claims, orders, events] = counts.as_slice() else {
            bail!("the rows can't be counted: psql said `{line}`")
        };
        if claims != orders || events != 2 * claims {
            bail!("{}: {claims} claims of {orders} orders left {events} events", side.name());
        }
        if claims + 100 >= u64::from(rows) {
            bail!("{rows} orders were gone too soon: give more --rows or fewer --seconds");
        }
        let rate = figure(claims) / self.plan.time.as_secs_f64();
        let mut percentile = |percent| f64::from(tally.latencies.percentile(percent)) / 1e3;
        Ok(Ran {
            claims_per_sec: rate,
            idle_percent: 100.0 * figure(asked.saturating_sub(claims)) / figure(asked.max(1)),
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            workers_micros: spent.workers / rate * MICROS_PER_SEC,
            postgres_micros: spent.postgres / rate * MICROS_PER_SEC,
        })
    }

    /// Ends treatments for as long as a run takes.
    fn treatments(&self) -> Result<Child> {
        let secs = (self.plan.time + LONGER).as_secs();
        let script = std::fs::read_to_string(&self.treat)?;
        let script = script.replace("SECS", &secs.to_string());
        let script = self.folder.put("treat_now.sql", &script)?;
        let mut psql = self.superuser.command("psql");
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script);
        psql.spawn().context("psql can't be run")
    }

    async fn product(&self) -> Result<(Tally, u64, Spent)> {
        let (tally, spent) = watched(&self.plan, &self.watch, self.crew.asks()).await?;
        let tally = check(tally)?;
        let asked = tally.ok + tally.refused;
        Ok((tally, asked, spent))
    }

    fn pgbench(&self) -> Result<(Tally, u64, Spent)> {
        let variables = [
            ("n", "-1".to_owned()),
            ("clients", self.plan.clients.to_string()),
            ("therapists", self.crew.count().to_string()),
        ];
        let run = pgbench::Run {
            script: &self.claim,
            clients: self.plan.clients,
            time: self.plan.time,
            variables: &variables,
            session: &[],
        };
        let (latencies, spent) = pgbench::run(&self.superuser, &self.folder, &run, &self.watch)?;
        let asked = u64::try_from(latencies.count())?;
        Ok((Tally { latencies, ..Tally::default() }, asked, spent))
    }
}

/// A figure for work that was not done is worse than none.
fn check(tally: Tally) -> Result<Tally> {
    match (tally.errors, tally.samples.first()) {
        (1.., Some(sample)) => bail!("{} answers were errors: {sample}", tally.errors),
        _ => Ok(tally),
    }
}
