//! One `rowlock serve` process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use devkit::{Running, Signal};

/// How long a worker may take to be ready, and to end.
const READY_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// How often a start may fail for a reason that passes.
const STARTS_MAX: u32 = 5;
/// Lines of a log that are shown.
const SHOWN_MAX: usize = 25;

/// The binary under test: `ROWLOCK_BIN`, or the one that cargo has built beside the test.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(given) = env::var_os("ROWLOCK_BIN").filter(|given| !given.is_empty()) {
        return Ok(given.into());
    }
    let test = env::current_exe()?;
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("rowlock"));
    let found = beside.into_iter().find(|path| path.is_file());
    found.context("there is no `rowlock` beside the test: build it, or set ROWLOCK_BIN")
}

/// The binary with nothing of the test's own environment but what programs need to run.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env_clear();
    for name in ["PATH", "HOME", "RUST_LOG", "RUST_BACKTRACE"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A worker that can be killed, frozen and started again.
#[derive(Debug)]
pub struct Worker {
    name: String,
    binary: PathBuf,
    env: Vec<(String, String)>,
    log: PathBuf,
    port: AtomicU16,
    running: Mutex<Option<Running>>,
}

impl Worker {
    pub(crate) fn new(number: usize, env: Vec<(String, String)>, folder: &Path) -> Result<Self> {
        let name = format!("worker-{number}");
        let log = folder.join(format!("{name}.log"));
        let (binary, port) = (binary()?, AtomicU16::new(devkit::free_port()?));
        Ok(Self { name, binary, env, log, port, running: Mutex::new(None) })
    }

    /// Where it listens, `http://127.0.0.1:…`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens, `127.0.0.1:…`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.load(Ordering::Relaxed))
    }

    /// Starts the process and does not wait until it is ready.
    pub(crate) fn spawn(&self) -> Result<()> {
        let mut command = command(&self.binary);
        command.arg("serve").envs(self.env.iter().cloned());
        command.env("BIND", self.address()).env("WORKER_ID", &self.name);
        *self.lock() = Some(Running::start(&self.name, command, &self.log, Signal::Kill)?);
        Ok(())
    }

    /// Waits until it answers. One that could not start because its port was taken meanwhile is
    /// started again on another; any other failure to start is the worker's own.
    pub(crate) async fn ready(&self, http: &reqwest::Client) -> Result<()> {
        let deadline = Instant::now() + READY_PATIENCE;
        let mut starts = 1;
        loop {
            let answer = http.get(format!("{}/readyz", self.base())).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let ended = self.lock().as_mut().map(Running::exited).transpose()?.flatten();
            let passes = || devkit::tail(&self.log).contains("cannot listen");
            match ended {
                Some(_) if starts < STARTS_MAX && passes() => {
                    starts += 1;
                    self.port.store(devkit::free_port()?, Ordering::Relaxed);
                    self.spawn()?;
                }
                Some(status) => {
                    bail!("{} ended ({status}):\n{}", self.name, devkit::tail(&self.log))
                }
                None if Instant::now() >= deadline => {
                    bail!("{} is not ready:\n{}", self.name, devkit::tail(&self.log))
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// SIGKILL: no say in it.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&self) -> Result<()> {
        let mut running = self.lock().take().context("it is not running")?;
        running.signal(Signal::Kill)?;
        running.wait(STOP_PATIENCE)?.context("it did not end")?;
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it is not running or does not end.
    pub fn stop(&self) -> Result<()> {
        let mut running = self.lock().take().context("it is not running")?;
        running.stop(Signal::Terminate, STOP_PATIENCE)
    }

    /// Freezes it: connections stay open and nobody answers.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pause(&self) -> Result<()> {
        self.lock().as_mut().context("it is not running")?.signal(Signal::Pause)
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resume(&self) -> Result<()> {
        self.lock().as_mut().context("it is not running")?.signal(Signal::Resume)
    }

    /// Its warnings and errors, the last ones.
    #[must_use]
    pub fn complaints(&self) -> String {
        let text = self.log();
        let loud = |line: &&str| ["WARN", "ERROR", "panicked"].iter().any(|w| line.contains(w));
        let lines: Vec<&str> = text.lines().filter(loud).collect();
        lines.get(lines.len().saturating_sub(SHOWN_MAX)..).unwrap_or_default().join("\n")
    }

    /// All that it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The memory that it has now, in bytes.
    ///
    /// # Errors
    /// When it is not running.
    pub fn resident(&self) -> Result<usize> {
        let pid = self.lock().as_ref().context("it is not running")?.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(kib.parse::<usize>()? * 1024)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
