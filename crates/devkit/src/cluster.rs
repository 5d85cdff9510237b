//! Servers of one's own, to be stopped, killed and paused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::postgres::{Durability, Listen, Postgres};
use crate::redis::Redis;
use crate::{Account, Running, Signal, free_port, obtain, os, place, secret};

const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Which servers a private cluster has.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    postgres: bool,
    redis: bool,
    durable: bool,
    settings: Vec<(String, String)>,
}

impl ClusterOptions {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a PostgreSQL.
    #[must_use]
    pub fn postgres(mut self) -> Self {
        self.postgres = true;
        self
    }

    /// With a Redis.
    #[must_use]
    pub fn redis(mut self) -> Self {
        self.redis = true;
        self
    }

    /// A commit is on the disk: `fsync` on, and a folder that is on a disk.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// One more setting of PostgreSQL, as `-c key=value`.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// A private PostgreSQL and/or Redis on loopback ports; dropped, they and their folder are gone.
#[derive(Debug)]
pub struct Cluster {
    postgres: Option<Node>,
    redis: Option<Node>,
    folder: Folder,
}

impl Cluster {
    /// Starts the servers that `options` asks for.
    pub fn private(options: &ClusterOptions) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::make(options.durable, &account)?;
        let durability = if options.durable { Durability::Durable } else { Durability::Fast };
        let postgres = || -> Result<Node> {
            let server = Postgres {
                programs: obtain::postgres(&account)?,
                folder: folder.0.join("pg"),
                account,
                listen: Listen::Loopback(free_port()?),
                durability,
                settings: options.settings.clone(),
            };
            server.create()?;
            Node::start_new(Server::Postgres(server))
        };
        let redis = || -> Result<Node> {
            Node::start_new(Server::Redis(Redis {
                program: obtain::redis(&account)?,
                folder: folder.0.join("redis"),
                account,
                port: free_port()?,
                password: secret::password()?,
                durability,
                cluster_port: None,
            }))
        };
        Ok(Self {
            postgres: options.postgres.then(postgres).transpose()?,
            redis: options.redis.then(redis).transpose()?,
            folder,
        })
    }

    /// The PostgreSQL, if it was asked for.
    pub fn postgres(&self) -> Result<&Node> {
        self.postgres.as_ref().context("this cluster was made without PostgreSQL")
    }

    /// The Redis, if it was asked for.
    pub fn redis(&self) -> Result<&Node> {
        self.redis.as_ref().context("this cluster was made without Redis")
    }

    /// Where its files and logs are.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }
}

#[derive(Debug)]
pub(crate) enum Server {
    Postgres(Postgres),
    Redis(Redis),
}

/// One server of a private cluster. It keeps its port and its files through stops and starts.
#[derive(Debug)]
pub struct Node {
    server: Server,
    running: Mutex<Option<Running>>,
}

impl Node {
    pub(crate) fn start_new(server: Server) -> Result<Self> {
        let node = Self { server, running: Mutex::new(None) };
        node.start()?;
        Ok(node)
    }

    /// The superuser's URL of PostgreSQL's database `postgres`, or Redis' URL; both over loopback.
    pub fn url(&self) -> Result<String> {
        match &self.server {
            Server::Postgres(postgres) => postgres.url("postgres"),
            Server::Redis(redis) => Ok(redis.url()),
        }
    }

    /// Asks a Redis one thing, past all wires; an error is an error here, too.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        match &self.server {
            Server::Redis(redis) => redis.ask(words),
            Server::Postgres(_) => bail!("this is PostgreSQL"),
        }
    }

    /// Its port on 127.0.0.1: where a proxy that cuts wires connects to.
    pub fn port(&self) -> u16 {
        match &self.server {
            Server::Postgres(Postgres { listen: Listen::Loopback(port), .. }) => *port,
            Server::Postgres(_) => 0,
            Server::Redis(redis) => redis.port,
        }
    }

    /// Where a node of a Redis Cluster talks to the others.
    pub(crate) fn cluster_port(&self) -> Result<u16> {
        match &self.server {
            Server::Redis(redis) => redis.cluster_port.context("it is alone"),
            Server::Postgres(_) => bail!("this is PostgreSQL"),
        }
    }

    /// Its process id, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(Running::pid)
    }

    /// Starts it again and waits until it serves.
    pub fn start(&self) -> Result<()> {
        let mut running = self.lock();
        if running.is_some() {
            bail!("it is running already");
        }
        *running = Some(match &self.server {
            Server::Postgres(postgres) => postgres.start()?,
            Server::Redis(redis) => redis.start()?,
        });
        Ok(())
    }

    /// Stops it in order: PostgreSQL ends its clients' transactions and writes a checkpoint.
    pub fn stop(&self) -> Result<()> {
        self.end(match self.server {
            Server::Postgres(_) => Signal::Interrupt,
            Server::Redis(_) => Signal::Terminate,
        })
    }

    /// Stops it at once, as after a crash: PostgreSQL recovers from its log at the next start.
    pub fn stop_immediate(&self) -> Result<()> {
        match self.server {
            Server::Postgres(_) => self.end(Signal::Quit),
            Server::Redis(_) => self.kill(),
        }
    }

    /// SIGKILL to it and to its own children.
    pub fn kill(&self) -> Result<()> {
        let mut guard = self.lock();
        let mut running = guard.take().context("it is not running")?;
        let children = children_of(running.pid());
        running.signal(Signal::Kill)?;
        for child in children {
            // PostgreSQL's own processes end by themselves when their parent is gone: a race that is fine to lose.
            let _ = os::send(child, Signal::Kill);
        }
        running.wait(STOP_PATIENCE)?;
        Ok(())
    }

    /// Freezes it: connections stay open and nobody answers.
    pub fn pause(&self) -> Result<()> {
        self.tell_all(Signal::Pause)
    }

    /// Lets a frozen one go on.
    pub fn resume(&self) -> Result<()> {
        self.tell_all(Signal::Resume)
    }

    fn tell_all(&self, signal: Signal) -> Result<()> {
        let mut guard = self.lock();
        let running = guard.as_mut().context("it is not running")?;
        // The parent first: frozen, it starts no new children.
        running.signal(signal)?;
        for child in children_of(running.pid()) {
            // One that has ended in between needs no signal.
            let _ = os::send(child, signal);
        }
        Ok(())
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let running = self.lock().take();
        running.context("it is not running")?.stop(signal, STOP_PATIENCE)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A frozen one can't hear. PostgreSQL, killed, would leave its shared memory behind, so it is
        // asked first; its children would keep writing into the folder that is about to be removed.
        let _ = self.resume();
        let _ = self.stop_immediate();
    }
}

/// The direct children of a process, from the kernel's list.
fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    parse_parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in brackets may hold anything, so fields are counted from the last bracket.
fn parse_parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// A temporary folder, removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn make(durable: bool, account: &Account) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let parent = if durable { place::for_durable() } else { place::for_throw_away() };
        sweep(parent);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{number}", prefix(), std::process::id());
        let folder = parent.join(name);
        place::make_private(&folder)?;
        account.admit(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What can't be removed now is swept by the next cluster.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn prefix() -> String {
    format!("rowlock-private-{}-", os::effective_uid())
}

/// Removes what killed processes have left.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(&prefix())?.split('-').next());
        let alive = |pid: &str| Path::new("/proc").join(pid).exists();
        if owner.is_some_and(|pid| Path::new("/proc/self").exists() && !alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_hide_the_parent() {
        assert_eq!(parse_parent("7 (a) (b) c) S 42 7 7 0"), Some(42));
        assert_eq!(parse_parent("nonsense"), None);
    }
}
