//! Child processes that end with this one.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context as _, Result, bail};

use crate::os::{self, Signal};

const POLL: Duration = Duration::from_millis(10);
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// A process started here; dropped, it is told to end, and killed if it does not.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    farewell: Signal,
}

impl Running {
    /// Starts `command` in a process group of its own, its output appended to `log`.
    ///
    /// If this process dies, the kernel sends `farewell` to the child, as dropping does. Ctrl-C in a terminal does not
    /// reach the child by itself: the owner decides in which order things stop.
    pub fn start(name: &str, mut command: Command, log: &Path, farewell: Signal) -> Result<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log);
        let out = out.with_context(|| format!("can't write {}", log.display()))?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out).process_group(0);
        os::die_with_parent(&mut command, farewell);
        let program = command.get_program().to_owned();
        let child = spawn_in_nursery(command)
            .with_context(|| format!("can't start {name} ({})", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), farewell })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it was named at its start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            os::send(self.child.id(), signal)?;
        }
        Ok(())
    }

    /// Asks it to end and waits; after `patience` it is killed and an error says so.
    pub fn stop(&mut self, signal: Signal, patience: Duration) -> Result<()> {
        self.signal(signal)?;
        if self.wait(patience)?.is_some() {
            return Ok(());
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("{} did not stop within {patience:?} and was killed", self.name)
    }

    /// Waits at most `patience` for its end.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until `ready` says yes; fails with the end of the log if the process ends or time is up.
    pub fn wait_ready(&mut self, patience: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status}):\n{}", self.name, tail(&self.log));
            }
            if Instant::now() >= deadline {
                bail!("{} was not ready after {patience:?}:\n{}", self.name, tail(&self.log));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Failures mean that it is gone already, which is what is wanted. PostgreSQL, killed outright,
        // would leave its shared memory behind.
        let _ = self.signal(self.farewell);
        let _ = self.wait(DROP_PATIENCE);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of the loopback address that nobody listens on now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Several such ports, all different.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let held: std::io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    held?.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// The last lines of a log, for an error message.
#[must_use]
pub fn tail(log: &Path) -> String {
    const LINES: usize = 15;
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

type Job = (Command, Sender<io::Result<Child>>);

/// Starts a child on a thread that lives as long as this process.
///
/// The kernel's "parent has died" is about the *thread* that forked. A test's thread or a runtime's
/// blocking thread ends long before the process, and would take the server with it.
fn spawn_in_nursery(command: Command) -> Result<Child> {
    static NURSERY: OnceLock<Sender<Job>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (jobs, inbox) = channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The asker waits for the answer, so it can't be gone.
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    let (answer, outcome) = channel();
    nursery.send((command, answer)).ok().context("the thread that starts processes is gone")?;
    Ok(outcome.recv().context("the thread that starts processes is gone")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_ends_at_once_is_reported_with_its_log() -> Result<()> {
        let log = std::env::temp_dir().join(format!("devkit-process-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such port >&2; exit 3"]);
        let mut child = Running::start("sh", command, &log, Signal::Kill)?;
        let error = child.wait_ready(Duration::from_secs(5), || false).unwrap_err().to_string();
        fs::remove_file(&log)?;
        assert!(error.contains("no such port") && error.contains('3'), "{error}");
        Ok(())
    }

    #[test]
    fn a_child_outlives_the_thread_that_started_it() -> Result<()> {
        let log = std::env::temp_dir().join(format!("devkit-thread-{}.log", std::process::id()));
        let path = log.clone();
        let start = move || {
            let mut command = Command::new("sleep");
            command.arg("30");
            Running::start("sleep", command, &path, Signal::Kill)
        };
        let mut child = thread::spawn(start).join().ok().context("the thread panicked")??;
        assert_eq!(child.wait(Duration::from_millis(200))?, None);
        child.stop(Signal::Terminate, Duration::from_secs(5))?;
        fs::remove_file(&log)?;
        Ok(())
    }
}
