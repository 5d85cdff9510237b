//! One run of one side.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::act::{Act, Pairs};
use super::report::Run;
use super::scripts::{CEILING_SESSION, Scripts, WORKER_SESSION};
use crate::bench::rig::watched;
use crate::cpu::{Spent, Watch};
use crate::house::{House, PAIRS_PER_SHOW};
use crate::latency::figure;
use crate::load::{self, Plan, Tally};
use crate::pgbench;
use crate::sql::Client;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The product, over HTTP.
    Product,
    /// pgbench with the product's statements, one trip each.
    Statements,
    /// pgbench with the product's statements in the product's packets.
    Packets,
    /// pgbench with one statement: the ceiling.
    OneStatement,
}

impl Side {
    pub(super) const ALL: [Self; 4] =
        [Self::Product, Self::Statements, Self::Packets, Self::OneStatement];
}

impl Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Product => "product",
            Self::Statements => "statements",
            Self::Packets => "packets",
            Self::OneStatement => "one statement",
        })
    }
}

/// Everything that runs have in common.
pub(super) struct Bench {
    house: House,
    plan: Plan,
    watch: Watch,
    superuser: Client,
    worker: Client,
    folder: pgbench::Folder,
    scripts: Scripts,
}

/// What a run left in the database beyond history.
struct Written {
    writes: u64,
    claims: u64,
    events: u64,
}

impl Bench {
    pub(super) fn prepare(
        house: House,
        plan: Plan,
        watch: Watch,
        superuser: Client,
        worker: Client,
    ) -> Result<Self> {
        let folder = pgbench::Folder::make()?;
        let scripts = Scripts::write(&folder)?;
        superuser.script(&scripts.prepare, &house.to_csv()?)?;
        Ok(Self { house, plan, watch, superuser, worker, folder, scripts })
    }

    pub(super) fn shows(&self) -> usize {
        self.house.for_sale.len()
    }

    /// The product alone, uncounted.
    pub(super) async fn warm_up(&mut self, act: Act, time: Duration) -> Result<()> {
        self.superuser.script(&self.scripts.reset, "")?;
        self.house.refresh(self.first_worker()?).await?;
        let plan = Plan { time, ..self.plan.clone() };
        let tally = load::run(&plan, Pairs::shuffled(act, &self.house)).await?;
        match tally.samples.first() {
            Some(sample) => bail!("a {act} was answered with {sample}"),
            None => Ok(()),
        }
    }

    /// Clears what the last run has left and runs `side` once; `pair` varies the order of the seats.
    pub(super) async fn run(&mut self, act: Act, side: Side, pair: u32) -> Result<Run> {
        self.superuser.script(&self.scripts.reset, "")?;
        self.house.refresh(self.first_worker()?).await?;
        let (mut tally, spent) = match side {
            Side::Product => self.product(act).await?,
            _ => self.pgbench(act, side, pair)?,
        };
        let written = self.count(act)?;
        check(act, side, &tally, &written)?;
        Ok(Run::new(&mut tally, figure(written.writes) / self.plan.time.as_secs_f64(), &spent))
    }

    async fn product(&self, act: Act) -> Result<(Tally, Spent)> {
        watched(&self.plan, &self.watch, Pairs::shuffled(act, &self.house)).await
    }

    fn first_worker(&self) -> Result<SocketAddr> {
        self.plan.workers.first().copied().context("there is no worker")
    }

    fn pgbench(&self, act: Act, side: Side, pair: u32) -> Result<(Tally, Spent)> {
        let script = self.scripts.of(act, side).context("this side has no script")?;
        let (client, session) = match side {
            Side::OneStatement => (&self.superuser, CEILING_SESSION),
            _ => (&self.worker, WORKER_SESSION),
        };
        let variables = [
            ("n", "-1".to_owned()),
            ("clients", self.plan.clients.to_string()),
            ("pairs", (self.shows() * PAIRS_PER_SHOW).to_string()),
            ("seed", pair.to_string()),
        ];
        let run = pgbench::Run {
            script,
            clients: self.plan.clients,
            time: self.plan.time,
            variables: &variables,
            session,
        };
        let ran = pgbench::run(client, &self.folder, &run, &self.watch);
        let (latencies, spent) = ran.context(
            "if it says that a key exists, the seats were gone too soon: give more --shows or \
             fewer --seconds",
        )?;
        Ok((Tally { latencies, ..Tally::default() }, spent))
    }

    fn count(&self, act: Act) -> Result<Written> {
        let line = self.superuser.script(&self.scripts.count, "")?;
        let counts: Vec<u64> = line.trim().split(',').filter_map(|it| it.parse().ok()).collect();
        let &[holds, bookings, claims, events] = counts.as_slice() else {
            bail!("the rows can't be counted: psql said `{line}`")
        };
        let writes = if act == Act::Hold { holds } else { bookings };
        Ok(Written { writes, claims, events })
    }
}

/// A figure for work that was not done is worse than none.
fn check(act: Act, side: Side, tally: &Tally, written: &Written) -> Result<()> {
    let Written { writes, claims, events } = *written;
    let events_expected = if act == Act::Hold { writes } else { writes * 2 };
    if claims != writes * 2 || events != events_expected {
        bail!("{side}: {writes} writes left {claims} claims and {events} events");
    }
    if side == Side::Product && tally.ok != writes {
        bail!("the product said yes {} times and wrote {writes} times", tally.ok);
    }
    Ok(())
}
