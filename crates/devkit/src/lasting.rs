//! The servers of `cargo xtask up`: a folder that lasts, ports that are kept, `fsync` on.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::postgres::{Durability, Listen, Postgres, port_is_taken};
use crate::redis::Redis;
use crate::{Account, Running, Signal, free_port, obtain, os, place, secret};

const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// What `fresh` removes: nothing else in the folder is ours to judge.
const OURS: [&str; 9] = [
    "pg",
    "pg.log",
    "pg.password",
    "redis",
    "redis.conf",
    "redis.log",
    "run",
    "ports.json",
    "up.json",
];

/// The folder of one checkout's `up`, locked by the process that runs it.
#[derive(Debug)]
pub struct Lasting {
    folder: PathBuf,
    account: Account,
    /// Held alone while `up` runs; it contains the holder's process id.
    _lock: File,
}

/// The servers that `up` runs on. A given one has no process.
#[derive(Debug)]
pub struct LastingServices {
    /// The superuser's URL of PostgreSQL.
    pub database_url: String,
    /// Redis' URL.
    pub redis_url: String,
    /// PostgreSQL, if it was started here.
    pub postgres: Option<Running>,
    /// Redis, if it was started here.
    pub redis: Option<Running>,
}

/// Kept from one `up` to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ports {
    postgres: u16,
    redis: u16,
    redis_password: String,
}

impl Lasting {
    /// The folder for `workspace`, locked; an error if another `up` holds it.
    pub fn open(workspace: &Path) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = place::for_lasting(workspace, &account)?;
        account.admit(&folder)?;
        let mut lock = open_lock(&folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid)?;
                bail!(
                    "it is running already (process {}, facts in {}): stop it with Ctrl-C there, \
                     or with `cargo xtask down`",
                    pid.trim(),
                    folder.join("up.json").display(),
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).context("can't lock the folder"),
        }
        lock.set_len(0)?;
        lock.rewind()?;
        write!(lock, "{}", std::process::id())?;
        let lasting = Self { folder, account, _lock: lock };
        lasting.stop_leftovers()?;
        Ok(lasting)
    }

    /// The process that runs `up` for `workspace` now, if one does.
    pub fn holder(workspace: &Path) -> Result<Option<u32>> {
        let folder = place::for_lasting(workspace, &Account::for_servers()?)?;
        let mut lock = open_lock(&folder)?;
        match lock.try_lock() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                lock.read_to_string(&mut pid)?;
                Ok(Some(pid.trim().parse().context("the lock file names no process")?))
            }
            Err(TryLockError::Error(error)) => Err(error).context("can't lock the folder"),
        }
    }

    /// Asks the process that runs `up` for `workspace` to stop.
    pub fn ask_to_stop(pid: u32) -> Result<()> {
        os::send(pid, Signal::Terminate).with_context(|| format!("process {pid} can't be told"))
    }

    /// Where everything lives.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The account that servers and workers run as.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// A folder below this one in which the servers' account can read what it is given.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        self.account.admit(&folder)?;
        Ok(folder)
    }

    /// A folder below this one that the servers' account owns, and in which we only read.
    pub fn account_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        self.account.own(&folder)?;
        Ok(folder)
    }

    /// Removes all data of earlier runs.
    pub fn wipe(&self) -> Result<()> {
        for name in OURS {
            let path = self.folder.join(name);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error).with_context(|| format!("can't remove {}", path.display()));
            }
        }
        Ok(())
    }

    /// Starts PostgreSQL and Redis, or takes those that `DATABASE_URL` and `REDIS_URL` name.
    pub fn start(&self) -> Result<LastingServices> {
        let given = |name| std::env::var(name).ok().filter(|url: &String| !url.is_empty());
        let mut ports = self.ports()?;
        let (database_url, postgres) = if let Some(url) = given("DATABASE_URL") {
            (url, None)
        } else {
            free_again(&mut ports.postgres)?;
            let server = self.postgres(ports.postgres, obtain::postgres(&self.account)?);
            server.create()?;
            let running = server.start()?;
            (server.url("rowlock")?, Some(running))
        };
        let (redis_url, redis) = if let Some(url) = given("REDIS_URL") {
            (url, None)
        } else {
            free_again(&mut ports.redis)?;
            let server = self.redis(&ports, obtain::redis(&self.account)?);
            let running = server.start()?;
            (server.url(), Some(running))
        };
        fs::write(self.folder.join("ports.json"), serde_json::to_vec(&ports)?)?;
        Ok(LastingServices { database_url, redis_url, postgres, redis })
    }

    fn postgres(&self, port: u16, programs: PathBuf) -> Postgres {
        Postgres {
            programs,
            folder: self.folder.join("pg"),
            account: self.account,
            listen: Listen::Loopback(port),
            durability: Durability::Durable,
            settings: Vec::new(),
        }
    }

    fn redis(&self, ports: &Ports, program: PathBuf) -> Redis {
        Redis {
            program,
            folder: self.folder.join("redis"),
            account: self.account,
            port: ports.redis,
            password: ports.redis_password.clone(),
            durability: Durability::Durable,
            cluster_port: None,
        }
    }

    fn ports(&self) -> Result<Ports> {
        let kept = fs::read_to_string(self.folder.join("ports.json")).unwrap_or_default();
        if let Ok(ports) = serde_json::from_str(&kept) {
            return Ok(ports);
        }
        let redis_password = secret::password()?;
        Ok(Ports { postgres: free_port()?, redis: free_port()?, redis_password })
    }

    /// Stops servers of an `up` that was killed where the kernel could not end them with it.
    fn stop_leftovers(&self) -> Result<()> {
        let ports = self.ports()?;
        let postgres = self.postgres(ports.postgres, PathBuf::new());
        let redis = self.redis(&ports, PathBuf::new());
        for _ in 0..STOP_PATIENCE.as_millis() / 100 {
            let (postgres, redis) = (postgres.running_pid(), redis.running_pid());
            if postgres.is_none() && redis.is_none() {
                return Ok(());
            }
            for (pid, signal) in [(postgres, Signal::Interrupt), (redis, Signal::Terminate)] {
                // One that has just ended needs no signal.
                let _ = pid.map(|pid| os::send(pid, signal));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("servers of an earlier run in {} do not stop", self.folder.display())
    }
}

impl LastingServices {
    /// Stops what was started here: PostgreSQL first, since its clients are gone by now.
    pub fn stop(&mut self) -> Result<()> {
        let postgres = self.postgres.take().map(|mut it| it.stop(Signal::Interrupt, STOP_PATIENCE));
        let redis = self.redis.take().map(|mut it| it.stop(Signal::Terminate, STOP_PATIENCE));
        postgres.transpose()?;
        redis.transpose()?;
        Ok(())
    }
}

fn open_lock(folder: &Path) -> Result<File> {
    let path = folder.join("up.lock");
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    file.with_context(|| format!("can't open {}", path.display()))
}

/// Keeps a port unless somebody else has taken it meanwhile.
fn free_again(port: &mut u16) -> Result<()> {
    if port_is_taken(*port) {
        *port = free_port()?;
    }
    Ok(())
}
