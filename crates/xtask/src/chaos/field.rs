//! Where it happens: servers of its own with `fsync` on, workers, a wire from each worker to each
//! server, HAProxy before them where there is one, and loadgen.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use devkit::{Account, Cluster, ClusterOptions, Running, Signal, haproxy};

use super::fault::Server;
use super::wire::Wire;
use crate::cargo;
use crate::up::probe;

const READY_PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(50);
const LOAD_PATIENCE: Duration = Duration::from_secs(90);
const METRICS_MAX: Duration = Duration::from_secs(2);
const DATABASE: &str = "rowlock";

/// A worker and its wires.
struct Worker {
    name: String,
    address: SocketAddr,
    postgres: Wire,
    redis: Wire,
    running: Option<Running>,
}

/// Servers, workers and loadgen; dropped, all of it is gone.
pub(super) struct Field {
    loadgen: Option<Loadgen>,
    balancer: Option<Running>,
    workers: Vec<Worker>,
    pub(super) cluster: Cluster,
    rowlock: PathBuf,
    env: Vec<(String, String)>,
    /// Repairs that killed workers had counted.
    repairs: u64,
    /// Where the balancer listens.
    front: Option<SocketAddr>,
}

struct Loadgen {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Loadgen {
    fn drop(&mut self) {
        // It has mostly ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Field {
    pub(super) fn start(workers: usize, env: Vec<(String, String)>) -> Result<Self> {
        let rowlock = cargo::build_rowlock(cargo::Profile::Test)?;
        let mut build = cargo::cargo();
        cargo::run(build.args(["build", "--package", "loadgen"]), "cargo build of loadgen")?;
        let options = ClusterOptions::new().postgres().redis().durable();
        // Commits that wait for the disk do not care; those that do not are lost for sure.
        let cluster = Cluster::private(&options.setting("wal_writer_delay", "2s"))?;
        let rowlock = keep_programs(&rowlock, cluster.folder())?;
        let mut field = Self {
            loadgen: None,
            balancer: None,
            workers: Vec::new(),
            cluster,
            rowlock,
            env,
            repairs: 0,
            front: None,
        };
        field.env.push(("ROWLOCK_KEY".to_owned(), devkit::base64_key()?));
        let port = field.cluster.postgres()?.port();
        let mut migrate = field.command("migrate", port)?;
        cargo::run(migrate.stdout(Stdio::null()), "rowlock migrate")?;
        for number in 1..=workers {
            let worker = Worker {
                name: format!("worker{number}"),
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, devkit::free_port()?)),
                postgres: Wire::to(port)?,
                redis: Wire::to(field.cluster.redis()?.port())?,
                running: None,
            };
            field.workers.push(worker);
        }
        field.start_missing()?;
        field.start_balancer()?;
        Ok(field)
    }

    /// The same database, user and password, by another port.
    fn database_url(&self, port: u16) -> Result<String> {
        let url = self.cluster.postgres()?.url()?;
        let (who, _) = url.rsplit_once('@').context("PostgreSQL's URL has no host")?;
        Ok(format!("{who}@127.0.0.1:{port}/{DATABASE}"))
    }

    /// One statement as superuser, past the wires; gives what psql prints.
    pub(super) fn sql(&self, statement: &str) -> Result<String> {
        let postgres = self.cluster.postgres()?;
        let mut psql = Command::new(psql_folder(postgres.pid())?.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-c", statement]);
        psql.arg(self.database_url(postgres.port())?);
        let output = psql.stderr(Stdio::null()).output()?;
        // A server that is just recovering answers nothing.
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, command: &str, port: u16) -> Result<Command> {
        let mut rowlock = Command::new(&self.rowlock);
        rowlock.arg(command).env("DATABASE_URL", self.database_url(port)?);
        rowlock.env("RUST_LOG", "warn").env("NO_COLOR", "1").env_remove("PORT");
        rowlock.env("SIGN_INS_PER_MINUTE", "100000").env("DATABASE_POOL_SIZE", "8");
        rowlock.envs(self.env.iter().map(|(name, value)| (name, value)));
        rowlock.stdin(Stdio::null());
        Ok(rowlock)
    }

    /// Starts the workers that do not run and waits until all are ready.
    pub(super) fn start_missing(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        for number in 0..self.workers.len() {
            loop {
                self.start_if_missing(number)?;
                let worker = self.workers.get(number).context("no such worker")?;
                if probe::answers_ok(worker.address, "/readyz") {
                    break;
                }
                if Instant::now() > deadline {
                    let log = devkit::tail(&self.log(&worker.name));
                    bail!("{} is not ready:\n{log}", worker.name);
                }
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// One that ended at its start, because its servers were away, is started again.
    fn start_if_missing(&mut self, number: usize) -> Result<()> {
        let worker = self.workers.get_mut(number).context("no such worker")?;
        let ended = worker.running.as_mut().map(Running::exited).transpose()?.flatten();
        if worker.running.is_some() && ended.is_none() {
            return Ok(());
        }
        let (name, address) = (worker.name.clone(), worker.address);
        let (postgres, redis) = (worker.postgres.port, worker.redis.port);
        let mut command = self.command("serve", postgres)?;
        let url = self.cluster.redis()?.url()?;
        let (who, _) = url.rsplit_once('@').context("Redis' URL has no host")?;
        command.env("REDIS_URL", format!("{who}@127.0.0.1:{redis}"));
        command.env("BIND", address.to_string()).env("WORKER_ID", &name);
        let running = Running::start(&name, command, &self.log(&name), Signal::Kill)?;
        if let Some(worker) = self.workers.get_mut(number) {
            worker.running = Some(running);
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.cluster.folder().join(format!("{name}.log"))
    }

    fn start_balancer(&mut self) -> Result<()> {
        let account = Account::for_servers()?;
        let Some(program) = haproxy::locate(&account) else {
            println!("balancer   no HAProxy: clients go to any worker");
            return Ok(());
        };
        let template = devkit::workspace_root().join("deploy/haproxy/haproxy.cfg");
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, devkit::free_port()?));
        let workers: Vec<SocketAddr> = self.workers.iter().map(|worker| worker.address).collect();
        let config = haproxy::fill(&fs::read_to_string(template)?, bind, &workers)?;
        fs::create_dir_all(self.cluster.folder().join("logs"))?;
        let mut running = haproxy::start(&program, &account, self.cluster.folder(), &config)?;
        running.wait_ready(READY_PATIENCE, || probe::answers_ok(bind, "/readyz"))?;
        self.balancer = Some(running);
        self.front = Some(bind);
        Ok(())
    }

    /// Starts loadgen and waits until everybody takes part.
    pub(super) fn start_load(&mut self, seed: u64, out: &Path) -> Result<()> {
        let postgres = self.cluster.postgres()?;
        let programs = psql_folder(postgres.pid())?;
        let root = devkit::workspace_root();
        let mut loadgen = Command::new(self.rowlock.with_file_name("loadgen"));
        loadgen.args(["chaos", "--seed", &seed.to_string(), "--programs"]).arg(programs);
        loadgen.arg("--scripts").arg(root.join("crates/loadgen/chaos")).arg("--out").arg(out);
        let all = self.workers.iter().map(|worker| worker.address);
        let addresses: Vec<SocketAddr> = self.front.map_or_else(|| all.collect(), |it| vec![it]);
        for address in addresses {
            loadgen.args(["--address", &address.to_string()]);
        }
        loadgen.env("LOADGEN_SUPERUSER_URL", self.database_url(postgres.port())?);
        let mut child = loadgen.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (tell, lines) = channel();
        let said = child.stdout.take().context("loadgen has no output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                // Nobody asks any more: the run is over.
                let _ = tell.send(line);
            }
        });
        self.loadgen = Some(Loadgen { child, lines });
        self.hear("ready", LOAD_PATIENCE)
    }

    /// Says a line to loadgen.
    pub(super) fn tell(&mut self, line: &str) -> Result<()> {
        let loadgen = self.loadgen.as_mut().context("loadgen does not run")?;
        let stdin = loadgen.child.stdin.as_mut().context("loadgen does not listen")?;
        writeln!(stdin, "{line}").context("loadgen has ended")
    }

    /// Waits until loadgen says it.
    pub(super) fn hear(&mut self, line: &str, patience: Duration) -> Result<()> {
        let loadgen = self.loadgen.as_mut().context("loadgen does not run")?;
        loop {
            let said = loadgen.lines.recv_timeout(patience);
            let said = said.with_context(|| format!("loadgen does not say `{line}`"))?;
            if said == line {
                return Ok(());
            }
            println!("{said}");
        }
    }

    /// Waits for loadgen's end, and prints what it says meanwhile.
    pub(super) fn hear_the_rest(&mut self) -> Result<()> {
        let mut loadgen = self.loadgen.take().context("loadgen does not run")?;
        for said in &loadgen.lines {
            println!("{said}");
        }
        let status = loadgen.child.wait()?;
        if !status.success() {
            bail!("loadgen failed ({status})");
        }
        Ok(())
    }

    pub(super) fn worker(&mut self, number: usize) -> Result<&mut Running> {
        let worker = self.workers.get_mut(number).context("no such worker")?;
        worker.running.as_mut().context("this worker does not run")
    }

    pub(super) fn wire(&self, number: usize, server: Server) -> Result<&Wire> {
        let worker = self.workers.get(number).context("no such worker")?;
        Ok(match server {
            Server::Postgres => &worker.postgres,
            Server::Redis => &worker.redis,
        })
    }

    /// SIGKILL: no say in it.
    pub(super) fn kill_worker(&mut self, number: usize) -> Result<()> {
        self.count_repairs(number);
        let worker = self.workers.get_mut(number).context("no such worker")?;
        let mut running = worker.running.take().context("this worker does not run")?;
        running.signal(Signal::Kill)?;
        running.wait(READY_PATIENCE)?;
        Ok(())
    }

    /// Whether clients come through a balancer.
    pub(super) fn is_balanced(&self) -> bool {
        self.front.is_some()
    }

    /// SIGTERM; gives how long the worker took to drain.
    pub(super) fn drain_worker(&mut self, number: usize) -> Result<Duration> {
        let begun = Instant::now();
        let running = self.worker(number)?;
        running.signal(Signal::Terminate)?;
        let status = running.wait(READY_PATIENCE)?.context("it does not drain")?;
        if !status.success() {
            bail!("worker {number} drained and ended with {status}");
        }
        Ok(begun.elapsed())
    }

    /// Nobody has died who was not killed.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        for number in 0..self.workers.len() {
            if let Some(status) = self.worker(number)?.exited()? {
                let log = self.workers.get(number).map(|worker| self.log(&worker.name));
                let log = log.map(|log| devkit::tail(&log)).unwrap_or_default();
                bail!("worker {number} ended by itself ({status}):\n{log}");
            }
        }
        Ok(())
    }

    /// Reads of the log that repaired something, of all workers since the beginning.
    pub(super) fn repairs(&mut self) -> u64 {
        (0..self.workers.len()).for_each(|number| self.count_repairs(number));
        self.repairs
    }

    fn count_repairs(&mut self, number: usize) {
        let address = self.workers.get(number).map(|worker| worker.address);
        let text = address.and_then(|address| metrics(address).ok()).unwrap_or_default();
        self.repairs += repairs_in(&text);
    }

    /// Keeps the workers' logs, for whoever wants to know what happened.
    pub(super) fn keep_logs(&self, out: &Path) -> Result<()> {
        fs::create_dir_all(out)?;
        for worker in &self.workers {
            fs::copy(self.log(&worker.name), out.join(format!("{}.log", worker.name)))?;
        }
        Ok(())
    }
}

/// Copies the programs: a run is one of one build, whatever is built meanwhile.
fn keep_programs(rowlock: &Path, folder: &Path) -> Result<PathBuf> {
    let kept = folder.join("rowlock");
    for program in [rowlock, &rowlock.with_file_name("loadgen")] {
        let copy = folder.join(program.file_name().context("a program has a name")?);
        fs::copy(program, &copy).with_context(|| format!("can't copy {}", program.display()))?;
    }
    Ok(kept)
}

/// Beside the server that runs, or wherever one finds it.
fn psql_folder(postmaster: Option<u32>) -> Result<PathBuf> {
    let server = postmaster.and_then(|pid| fs::read_link(format!("/proc/{pid}/exe")).ok());
    let beside = server.and_then(|server| Some(server.parent()?.to_owned()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = beside.into_iter().chain(std::env::split_paths(&path));
    let found = found.into_iter().find(|folder| folder.join("psql").is_file());
    found.context("there is no psql: install PostgreSQL's clients, the checker asks through it")
}

fn metrics(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, METRICS_MAX)?;
    stream.set_read_timeout(Some(METRICS_MAX))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Opening a venue reads the log, too, and repairs nothing.
fn repairs_in(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("rowlock_gap_repairs_total"));
    let lines = lines.filter(|line| !line.contains("activate"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_of_all_causes_are_counted_and_openings_are_not() {
        let text = "rowlock_gap_repairs_total{cause=\"head\"} 2\n\
                    rowlock_gap_repairs_total{cause=\"activate\"} 9\n\
                    rowlock_gap_repairs_total{cause=\"hole\"} 3\n";
        assert_eq!(repairs_in(text), 5);
    }
}
