//! What the measurements next to PostgreSQL have in common: where everything runs, who does the work,
//! whose processors are read meanwhile, and where the figures go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use tokio::time::sleep;

use crate::cpu::{Spent, Watch};
use crate::load::{self, Plan, Source, Tally};
use crate::sql::{Client, Login};

/// The last reading is taken while the clients still run: it walks through all processes.
const READING: Duration = Duration::from_millis(50);

/// The servers of a measurement, and its report.
#[derive(Args, Debug)]
pub(crate) struct Rig {
    /// A worker, as 127.0.0.1:8080; once for each.
    #[arg(long = "worker", required = true)]
    pub(super) workers: Vec<SocketAddr>,
    /// The workers' process ids, in any order.
    #[arg(long = "worker-pid", required = true)]
    worker_pids: Vec<u32>,
    /// The postmaster's process id.
    #[arg(long)]
    postgres_pid: u32,
    /// Redis' process id.
    #[arg(long)]
    redis_pid: Option<u32>,
    /// The database as its superuser; everything in it is changed.
    #[arg(long, env = "LOADGEN_SUPERUSER_URL", hide_env_values = true)]
    superuser_url: Login,
    /// The folder with psql and pgbench.
    #[arg(long)]
    programs: PathBuf,
    /// Said in the report: where the database is, connections of a worker.
    #[arg(long, default_value = "")]
    pub(super) setting: String,
    /// Where the figures go as JSON.
    #[arg(long)]
    out: PathBuf,
}

impl Rig {
    /// The worker that prepares things.
    pub(super) fn first(&self) -> Result<SocketAddr> {
        self.workers.first().copied().context("there is no worker")
    }

    /// So many clients, spread over all workers, for so many seconds.
    pub(super) fn plan(&self, clients: u16, seconds: u64) -> Plan {
        let time = Duration::from_secs(seconds);
        Plan { workers: self.workers.clone(), clients: clients.into(), time }
    }

    /// Whose processor time is read.
    pub(super) fn watch(&self) -> Watch {
        Watch {
            workers: self.worker_pids.clone(),
            postgres: self.postgres_pid,
            redis: self.redis_pid,
        }
    }

    /// PostgreSQL's programs, as its superuser.
    pub(super) fn superuser(&self) -> Client {
        self.client(&self.superuser_url)
    }

    /// PostgreSQL's programs, with that login.
    pub(super) fn client(&self, login: &Login) -> Client {
        Client { programs: self.programs.clone(), login: login.clone() }
    }

    /// Writes the figures where they are wanted, and says where.
    pub(super) fn write(&self, figures: &impl Serialize) -> Result<()> {
        if let Some(folder) = self.out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.out, serde_json::to_string_pretty(figures)?)
            .with_context(|| format!("can't write {}", self.out.display()))?;
        println!("figures    {}", self.out.display());
        Ok(())
    }
}

/// Who does the work, where the product stands next to nothing but the ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The product, over HTTP.
    Product,
    /// pgbench with one statement: the ceiling.
    OneStatement,
}

impl Side {
    pub(super) const ALL: [Self; 2] = [Self::Product, Self::OneStatement];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::OneStatement => "one statement",
        }
    }
}

/// Runs the plan, and reads who used the processors from its first eighth on.
pub(super) async fn watched<S: Source + 'static>(
    plan: &Plan,
    watch: &Watch,
    source: S,
) -> Result<(Tally, Spent)> {
    let watching = async {
        sleep(plan.time / 8).await;
        let first = watch.read(None)?;
        sleep((plan.time * 7 / 8).saturating_sub(READING)).await;
        anyhow::Ok(watch.read(None)?.per_sec_since(&first))
    };
    let (tally, spent) = tokio::join!(load::run(plan, source), watching);
    Ok((tally?, spent?))
}
