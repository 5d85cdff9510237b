//! What a measurement runs on: a durable PostgreSQL and a Redis of its own, and workers as in
//! production.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use devkit::{Cluster, ClusterOptions, Running, Signal};

use crate::cargo::{self, Profile};

const READY_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);
/// The programs of PostgreSQL that a measurement needs besides the server's own.
const PROGRAMS: [&str; 2] = ["psql", "pgbench"];
/// The database that devkit makes in every cluster.
const DATABASE: &str = "rowlock";
/// Connections of one worker to PostgreSQL.
const POOL_SIZE: u8 = 16;

/// Where the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Disk,
    /// In memory with `fsync` on: like a disk whose cache survives a power cut, and without its noise.
    Memory,
}

impl Place {
    /// For the report.
    fn name(self) -> &'static str {
        match self {
            Self::Disk => "on disk",
            Self::Memory => "in memory with fsync on",
        }
    }
}

/// What the measurements next to PostgreSQL run on.
#[derive(clap::Args)]
pub(super) struct Servers {
    /// How many workers.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// The database in memory, `fsync` still on: no noise of the disk.
    #[arg(long)]
    ram: bool,
    /// A server that is built already, instead of building one.
    #[arg(long, value_name = "PROGRAM")]
    bin: Option<PathBuf>,
}

/// Builds loadgen for speed; gives where it is.
pub(super) fn build_loadgen() -> Result<PathBuf> {
    let mut build = cargo::cargo();
    build.args(["build", "--release", "--package", "loadgen"]);
    cargo::run(&mut build, "cargo build of loadgen")?;
    Ok(cargo::target()?.join("release/loadgen"))
}

/// Servers and workers; dropped, all of it is gone.
pub(super) struct Stage {
    // Workers go first, then what they need.
    workers: Vec<(SocketAddr, Running)>,
    pub(super) cluster: Cluster,
    pub(super) programs: PathBuf,
    pub(super) superuser_url: String,
    pub(super) worker_url: String,
    /// What reads the workers' metrics.
    pub(super) metrics_token: String,
    key: String,
    place: Place,
}

impl Stage {
    /// Builds what is to be measured and what measures it, and starts all that they need.
    pub(super) fn open(servers: &Servers) -> Result<Self> {
        println!("bench      building for release; the first time takes minutes");
        let rowlock = match &servers.bin {
            Some(built) => built.clone(),
            None => cargo::build_rowlock(Profile::Release)?,
        };
        build_loadgen()?;
        let place = if servers.ram { Place::Memory } else { Place::Disk };
        Self::start(&rowlock, servers.workers, place)
    }

    /// loadgen's `bench <name>` with these figures, told all that it has to know of this stage.
    pub(super) fn loadgen(&self, name: &str, figures: &[(&str, String)]) -> Result<Command> {
        let mut loadgen = Command::new(cargo::target()?.join("release/loadgen"));
        loadgen.args(["bench", name]);
        for (name, value) in figures {
            loadgen.args([*name, value.as_str()]);
        }
        let place = self.place.name();
        let setting = format!("{POOL_SIZE} connections each, PostgreSQL {place}");
        loadgen.args(["--setting", &setting]);
        for address in self.addresses() {
            loadgen.args(["--worker", &address.to_string()]);
        }
        for pid in self.pids() {
            loadgen.args(["--worker-pid", &pid.to_string()]);
        }
        let (postgres, redis) = (self.cluster.postgres()?, self.cluster.redis()?);
        let pid = postgres.pid().context("PostgreSQL does not run")?;
        loadgen.args(["--postgres-pid", &pid.to_string()]);
        let pid = redis.pid().context("Redis does not run")?;
        loadgen.args(["--redis-pid", &pid.to_string()]);
        loadgen.env("LOADGEN_SUPERUSER_URL", &self.superuser_url);
        loadgen.env("LOADGEN_WORKER_URL", &self.worker_url);
        loadgen.arg("--programs").arg(&self.programs);
        loadgen.arg("--out").arg(cargo::target()?.join(format!("bench/{name}.json")));
        Ok(loadgen)
    }

    /// Measures, and stops.
    pub(super) fn measure(self, mut loadgen: Command) -> Result<()> {
        cargo::run(&mut loadgen, "loadgen")?;
        self.stop()
    }

    pub(super) fn start(rowlock: &Path, workers: u8, place: Place) -> Result<Self> {
        Self::start_with(rowlock, workers, (place, options(place)))
    }

    /// The same on disk, with more settings of PostgreSQL.
    pub(super) fn start_set(rowlock: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let all = settings.iter().fold(options(Place::Disk), |all, (key, to)| all.setting(key, to));
        Self::start_with(rowlock, 0, (Place::Disk, all))
    }

    fn start_with(
        rowlock: &Path,
        workers: u8,
        (place, options): (Place, ClusterOptions),
    ) -> Result<Self> {
        println!("servers    PostgreSQL and Redis of its own, fsync on");
        let cluster = Cluster::private(&options)?;
        let postgres = cluster.postgres()?;
        let programs = programs(postgres.pid().context("PostgreSQL does not run")?)?;
        let superuser_url = format!("{}/{DATABASE}", cut_database(&postgres.url()?)?);
        let password = devkit::password()?;
        make_login(&programs, &superuser_url, &password)?;
        let port = postgres.port();
        let worker_url =
            format!("postgres://rowlock_worker:{password}@127.0.0.1:{port}/{DATABASE}");
        let mut stage = Self {
            workers: Vec::new(),
            cluster,
            programs,
            superuser_url,
            worker_url,
            metrics_token: devkit::password()?,
            key: devkit::base64_key()?,
            place,
        };
        cargo::run(stage.command(rowlock, "migrate").stdout(Stdio::null()), "rowlock migrate")?;
        for number in 1..=workers {
            stage.launch(rowlock, number)?;
        }
        if workers > 0 {
            println!("workers    {workers}, with {POOL_SIZE} connections each");
        }
        Ok(stage)
    }

    /// Where the workers listen.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.workers.iter().map(|(address, _)| *address)
    }

    /// The workers' process ids.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.workers.iter().map(|(_, running)| running.pid())
    }

    /// Tells the workers to drain and waits for them.
    pub(super) fn stop(mut self) -> Result<()> {
        for (_, running) in &mut self.workers {
            running.signal(Signal::Terminate)?;
        }
        for (_, running) in &mut self.workers {
            running.wait(STOP_PATIENCE)?;
        }
        Ok(())
    }

    fn command(&self, rowlock: &Path, command: &str) -> Command {
        let mut rowlock = Command::new(rowlock);
        rowlock.arg(command).env("DATABASE_URL", &self.worker_url).env("ROWLOCK_KEY", &self.key);
        rowlock.env("ENVIRONMENT", "production").env("RUST_LOG", "warn").env_remove("PORT");
        // A crowd of users from one machine is not what these limits are for.
        rowlock.env("SIGN_INS_PER_MINUTE", "100000").env("TRUSTED_PROXIES", "127.0.0.0/8");
        for limit in ["REQUESTS_PER_USER", "REQUESTS_PER_ADDRESS", "REQUESTS_PER_VENUE"] {
            rowlock.env(limit, "0");
        }
        rowlock.env("METRICS_TOKEN", &self.metrics_token);
        rowlock.env("DATABASE_POOL_SIZE", POOL_SIZE.to_string()).stdin(Stdio::null());
        rowlock
    }

    /// One more worker that knows of no Redis.
    pub(super) fn launch_alone(&mut self, rowlock: &Path, number: u8) -> Result<()> {
        self.launch_with(rowlock, number, None, "").map(drop)
    }

    /// One more worker from which `controls` are taken out; gives its address.
    pub(super) fn launch_without(
        &mut self,
        rowlock: &Path,
        number: u8,
        controls: &str,
    ) -> Result<SocketAddr> {
        let redis = self.cluster.redis()?.url()?;
        self.launch_with(rowlock, number, Some(redis), controls)
    }

    fn launch(&mut self, rowlock: &Path, number: u8) -> Result<()> {
        let redis = self.cluster.redis()?.url()?;
        self.launch_with(rowlock, number, Some(redis), "").map(drop)
    }

    fn launch_with(
        &mut self,
        rowlock: &Path,
        number: u8,
        redis: Option<String>,
        controls: &str,
    ) -> Result<SocketAddr> {
        let address = SocketAddr::from(([127, 0, 0, 1], devkit::free_port()?));
        let name = format!("worker{number}");
        let mut command = self.command(rowlock, "serve");
        command.envs(redis.map(|url| ("REDIS_URL", url))).env("ROWLOCK_CONTROLS", controls);
        command.env("BIND", address.to_string()).env("WORKER_ID", &name).env("NO_COLOR", "1");
        let log = self.cluster.folder().join(format!("{name}.log"));
        let mut running = Running::start(&name, command, &log, Signal::Terminate)?;
        running.wait_ready(READY_PATIENCE, || is_ready(rowlock, address))?;
        self.workers.push((address, running));
        Ok(address)
    }
}

fn options(place: Place) -> ClusterOptions {
    let options = ClusterOptions::new().postgres().redis();
    let options = match place {
        Place::Disk => options.durable(),
        // Later settings win over those that devkit gives a database in memory.
        Place::Memory => ["fsync", "synchronous_commit", "full_page_writes"]
            .into_iter()
            .fold(options, |options, name| options.setting(name, "on")),
    };
    // A checkpoint in one run of a pair and not in the other would be measured as a difference.
    options.setting("checkpoint_timeout", "1h").setting("max_wal_size", "8GB")
}

/// The folder of the server that runs: what it was started from is what its clients fit.
fn programs(postmaster: u32) -> Result<PathBuf> {
    let program = fs::read_link(format!("/proc/{postmaster}/exe"));
    let program = program.context("PostgreSQL's program can't be found: this needs Linux")?;
    let folder = program.parent().unwrap_or(Path::new("/")).to_owned();
    for name in PROGRAMS {
        if !folder.join(name).is_file() {
            bail!(
                "there is no {name} beside {}: install PostgreSQL with its clients (on Debian \
                 `apt-get install postgresql`), or set ROWLOCK_PG_BIN to a folder that has both",
                program.display()
            );
        }
    }
    Ok(folder)
}

fn cut_database(url: &str) -> Result<&str> {
    Ok(url.rsplit_once('/').context("PostgreSQL's URL names no database")?.0)
}

fn make_login(programs: &Path, url: &str, password: &str) -> Result<()> {
    let mut psql = Command::new(programs.join("psql"));
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v"]).arg(format!("password={password}"));
    // psql replaces variables in a file, not in a command.
    let script = std::env::temp_dir().join(format!("rowlock-login-{}.sql", std::process::id()));
    fs::write(&script, include_str!("worker_login.sql"))?;
    let outcome = cargo::run(psql.arg("-f").arg(&script).arg(url), "psql");
    fs::remove_file(&script)?;
    outcome
}

/// Asks as a container's health check does.
fn is_ready(rowlock: &Path, address: SocketAddr) -> bool {
    let asked = Instant::now();
    let mut check = Command::new(rowlock);
    check.arg("healthcheck").env("PORT", address.port().to_string());
    check.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ready = check.status().is_ok_and(|status| status.success());
    if !ready {
        std::thread::sleep(LOOK.saturating_sub(asked.elapsed()));
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_cut_from_the_url() {
        assert_eq!(cut_database("postgres://a:b@c:1/postgres").unwrap(), "postgres://a:b@c:1");
    }
}
