//! One PostgreSQL server: its folder, its settings, its start.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::tail;
use crate::secret::write_secret;
use crate::{Account, Running, Signal, find, secret, url};

const START_PATIENCE: Duration = Duration::from_mins(1);
/// Tests, their workers and the template builder together.
const CONNECTIONS_MAX: u32 = 300;

/// Where it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Only a Unix socket in its folder: no port can clash, and the folder keeps others out.
    Socket,
    /// The loopback address, with a password.
    Loopback(u16),
}

/// What a commit is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing after a power cut: for tests.
    Fast,
    /// PostgreSQL's promise.
    Durable,
}

/// A server's place and settings; it need not be running.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) programs: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) account: Account,
    pub(crate) listen: Listen,
    pub(crate) durability: Durability,
    pub(crate) settings: Vec<(String, String)>,
}

impl Postgres {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Beside the folder, which belongs to the server: we write nothing where it could lay us a link.
    fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    fn password_file(&self) -> PathBuf {
        self.folder.with_extension("password")
    }

    /// Makes the database cluster if there is none yet.
    pub(crate) fn create(&self) -> Result<()> {
        let data = self.data();
        if let Ok(made_by) = fs::read_to_string(data.join("PG_VERSION")) {
            let ours = find::postgres_major(&self.programs).unwrap_or_default();
            if made_by.trim() != ours.to_string() {
                bail!(
                    "{} was made by PostgreSQL {}, but {} is version {ours}: remove the folder \
                     (`cargo xtask up --fresh` does), or set ROWLOCK_PG_BIN to that version",
                    data.display(),
                    made_by.trim(),
                    self.programs.display(),
                );
            }
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        self.account.own(&self.folder)?;
        let password = self.password_file();
        write_secret(&password, &secret::password()?, &self.account)?;
        // initdb writes elsewhere first, so that an interrupted one leaves no half a cluster.
        let partial = self.folder.join("data.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        let mut initdb = self.account.command(&self.programs.join("initdb"));
        initdb.args(["-U", "rowlock", "-E", "UTF8", "--locale=C", "--no-instructions"]);
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"]).arg(&password);
        if self.durability == Durability::Fast {
            initdb.arg("--no-sync");
        }
        let answer = initdb.arg("-D").arg(&partial).stdin(Stdio::null()).output();
        let answer = answer.context("initdb can't be run")?;
        if !answer.status.success() {
            bail!("initdb failed:\n{}", String::from_utf8_lossy(&answer.stderr).trim());
        }
        self.create_database(&partial)?;
        fs::rename(&partial, &data)?;
        Ok(())
    }

    /// Makes the database `rowlock`. The pinned programs have no client, so the server itself is told.
    fn create_database(&self, data: &Path) -> Result<()> {
        let mut command = self.account.command(&self.programs.join("postgres"));
        command.args(["--single", "-j", "-D"]).arg(data).arg("postgres");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("postgres can't be run")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(b"create database rowlock;\n\n")?;
        }
        let answer = child.wait_with_output()?;
        if !answer.status.success() {
            bail!(
                "the database can't be made:\n{}",
                String::from_utf8_lossy(&answer.stderr).trim()
            );
        }
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let mut settings = vec![
            format!("unix_socket_directories={}", self.folder.display()),
            format!("max_connections={CONNECTIONS_MAX}"),
            "shared_buffers=128MB".to_owned(),
            "log_min_messages=warning".to_owned(),
        ];
        match self.listen {
            Listen::Socket => settings.push("listen_addresses=".to_owned()),
            Listen::Loopback(port) => {
                // A checkout's path may be longer than a socket's may be; the port is enough.
                settings.push("unix_socket_directories=".to_owned());
                settings.push("listen_addresses=127.0.0.1".to_owned());
                settings.push(format!("port={port}"));
            }
        }
        if self.durability == Durability::Fast {
            let fast = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
            settings.extend(fast.map(str::to_owned));
        }
        settings.extend(self.settings.iter().map(|(key, value)| format!("{key}={value}")));
        settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
    }

    /// Starts it as a child of this process and waits until it takes connections.
    pub(crate) fn start(&self) -> Result<Running> {
        let mut command = self.account.command(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).args(self.arguments());
        // SIGINT is PostgreSQL's fast shutdown: it does not wait for its clients.
        let log = self.log();
        let mut running = Running::start("postgres", command, &log, Signal::Interrupt)?;
        let pid = running.pid();
        running.wait_ready(START_PATIENCE, || {
            self.status().is_some_and(|status| status.ready && status.pid == pid)
        })?;
        Ok(running)
    }

    /// Starts it with no parent; whoever starts it this way has to see to its end.
    pub(crate) fn start_detached(&self) -> Result<u32> {
        // pg_ctl opens the log as the server's account.
        let log = self.folder.join("postgres.log");
        let arguments = self.arguments().into_iter().map(|argument| format!("'{argument}'"));
        let mut command = self.account.command(&self.programs.join("pg_ctl"));
        command.args(["start", "-w", "-s", "-t", "60", "-D"]).arg(self.data());
        command.arg("-l").arg(&log).arg("-o").arg(arguments.collect::<Vec<_>>().join(" "));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().context("pg_ctl can't be run")?.success() {
            bail!("PostgreSQL did not start:\n{}", tail(&log));
        }
        self.running_pid().context("PostgreSQL ended as soon as it had started")
    }

    /// The postmaster's id if this very cluster is running.
    pub(crate) fn running_pid(&self) -> Option<u32> {
        let pid = self.status()?.pid;
        is_at_home(pid, &self.data()).then_some(pid)
    }

    fn status(&self) -> Option<Status> {
        parse_status(&fs::read_to_string(self.data().join("postmaster.pid")).ok()?)
    }

    /// The superuser's URL.
    pub(crate) fn url(&self, database: &str) -> Result<String> {
        Ok(match self.listen {
            Listen::Socket => {
                format!("postgres://rowlock@{}/{database}", url::socket_host(&self.folder))
            }
            Listen::Loopback(port) => {
                let password = fs::read_to_string(self.password_file())?;
                format!("postgres://rowlock:{password}@127.0.0.1:{port}/{database}")
            }
        })
    }
}

/// Whether the process is the server of `folder`, and not another that was given an old id.
///
/// Both servers change into their own folder, which the kernel shows.
pub(crate) fn is_at_home(pid: u32, folder: &Path) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    match (fs::read_link(process.join("cwd")), fs::canonicalize(folder)) {
        (Ok(cwd), Ok(folder)) => cwd == folder,
        // Without /proc (macOS) the pid file is all there is.
        _ => !Path::new("/proc/self").exists(),
    }
}

/// Whether somebody listens on a loopback port.
pub(crate) fn port_is_taken(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Status {
    pid: u32,
    ready: bool,
}

/// The first line of `postmaster.pid` is the id, the eighth the state: what `pg_ctl -w` waits for.
fn parse_status(text: &str) -> Option<Status> {
    let pid = text.lines().next()?.trim().parse().ok()?;
    Some(Status { pid, ready: text.lines().nth(7).is_some_and(|state| state.trim() == "ready") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_tells_when_connections_are_taken() {
        let starting = "42\n/data\n1700000000\n5432\n/s\n127.0.0.1\n  1 2\nstarting\n";
        assert_eq!(parse_status(starting), Some(Status { pid: 42, ready: false }));
        let ready = starting.replace("starting", "ready   ");
        assert_eq!(parse_status(&ready), Some(Status { pid: 42, ready: true }));
        assert_eq!(parse_status("42\n/data\n"), Some(Status { pid: 42, ready: false }));
    }

    #[test]
    fn another_process_with_an_old_id_is_not_the_server() {
        let here = std::env::current_dir().unwrap();
        assert!(is_at_home(std::process::id(), &here));
        assert!(!is_at_home(std::process::id(), Path::new("/usr")));
    }
}
