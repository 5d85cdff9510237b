//! What can break, how it is broken and how it is healed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::dice::Dice;
use super::field::Field;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    WorkerKilled,
    WorkerFrozen,
    RedisKilled,
    RedisEmptied,
    RedisFrozen,
    RedisUnsubscribed,
    PostgresCrashed,
    PostgresFrozen,
    BackendTerminated,
    BackendKilled,
    SocketsCut,
    WireDelayed,
    WireDropped,
    WireCut,
}

/// Both servers are reached over wires of each worker's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Postgres,
    Redis,
}

/// One thing that breaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    worker: usize,
    server: Server,
    /// How long it lasts.
    pub(super) lasts: Duration,
    amount: usize,
}

impl Kind {
    /// Those that take a process away come more often than their share: they are the point.
    pub(super) const ALL: [Self; 17] = [
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerFrozen,
        Self::RedisKilled,
        Self::RedisEmptied,
        Self::RedisFrozen,
        Self::RedisUnsubscribed,
        Self::PostgresCrashed,
        Self::PostgresCrashed,
        Self::PostgresFrozen,
        Self::BackendTerminated,
        Self::BackendKilled,
        Self::SocketsCut,
        Self::WireDelayed,
        Self::WireDropped,
        Self::WireCut,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WorkerKilled => "worker kill -9",
            Self::WorkerFrozen => "worker -STOP",
            Self::RedisKilled => "redis kill -9",
            Self::RedisEmptied => "redis flushall",
            Self::RedisFrozen => "redis -STOP",
            Self::RedisUnsubscribed => "redis client kill",
            Self::PostgresCrashed => "postgres -m immediate",
            Self::PostgresFrozen => "postgres -STOP",
            Self::BackendTerminated => "backend terminated",
            Self::BackendKilled => "backend kill -9",
            Self::SocketsCut => "sockets cut",
            Self::WireDelayed => "wire delay",
            Self::WireDropped => "wire drop",
            Self::WireCut => "wire cut",
        }
    }
}

impl Fault {
    pub(super) fn of(kind: Kind, workers: usize, dice: &mut Dice) -> Self {
        let server = dice.one_of(&[Server::Postgres, Server::Redis]).unwrap_or(Server::Redis);
        let lasts = match kind {
            Kind::PostgresCrashed => dice.between(50, 800),
            Kind::WorkerFrozen | Kind::PostgresFrozen | Kind::WireDropped => {
                dice.between(300, 5_000)
            }
            Kind::RedisEmptied
            | Kind::RedisUnsubscribed
            | Kind::BackendTerminated
            | Kind::BackendKilled
            | Kind::SocketsCut
            | Kind::WireCut => dice.between(50, 200),
            _ => dice.between(200, 2_500),
        };
        Self { kind, worker: dice.below(workers), server, lasts, amount: dice.below(200) }
    }

    /// Whether both can be broken at once.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        let touches = |fault: &Self| match fault.kind {
            Kind::WorkerKilled | Kind::WorkerFrozen => 0,
            Kind::PostgresCrashed
            | Kind::PostgresFrozen
            | Kind::BackendTerminated
            | Kind::BackendKilled => 1,
            Kind::SocketsCut => 2,
            Kind::WireDelayed | Kind::WireDropped | Kind::WireCut => 3,
            _ => 4,
        };
        touches(self) != touches(other)
    }

    pub(super) fn strike(&self, field: &mut Field) -> Result<()> {
        let wire = || field.wire(self.worker, self.server);
        match self.kind {
            Kind::WorkerKilled => field.kill_worker(self.worker),
            Kind::WorkerFrozen => field.worker(self.worker)?.signal(devkit::Signal::Pause),
            Kind::RedisKilled => field.cluster.redis()?.kill(),
            Kind::RedisEmptied => redis(field, "FLUSHALL"),
            Kind::RedisUnsubscribed => redis(field, "CLIENT KILL TYPE pubsub"),
            Kind::RedisFrozen => field.cluster.redis()?.pause(),
            Kind::PostgresCrashed => field.cluster.postgres()?.stop_immediate(),
            Kind::PostgresFrozen => field.cluster.postgres()?.pause(),
            Kind::BackendTerminated => field.sql(TERMINATE).map(drop),
            Kind::BackendKilled => kill_backend(field),
            Kind::SocketsCut => field.tell(&format!("cut {}", 20 + self.amount % 80)),
            Kind::WireDelayed => {
                let millis = u64::try_from(self.amount).unwrap_or(0);
                wire()?.delay(Duration::from_millis(5 + millis));
                Ok(())
            }
            Kind::WireDropped => {
                wire()?.drop_all();
                Ok(())
            }
            Kind::WireCut => {
                wire()?.cut();
                Ok(())
            }
        }
    }

    /// Processes that were killed are started by the field, servers before workers.
    pub(super) fn heal(&self, field: &mut Field) -> Result<()> {
        match self.kind {
            Kind::WorkerFrozen => field.worker(self.worker)?.signal(devkit::Signal::Resume),
            Kind::RedisKilled => field.cluster.redis()?.start(),
            Kind::RedisFrozen => field.cluster.redis()?.resume(),
            Kind::PostgresCrashed => field.cluster.postgres()?.start(),
            Kind::PostgresFrozen => field.cluster.postgres()?.resume(),
            Kind::WireDelayed | Kind::WireDropped => {
                field.wire(self.worker, self.server)?.heal();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A worker's connection, whatever it is doing.
const TERMINATE: &str = "select pg_terminate_backend(pid) from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1";
const SOME_BACKEND: &str = "select pid from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1";

/// PostgreSQL cannot know what the dead one has done to the memory that all share: it ends all of
/// them and recovers from its log.
fn kill_backend(field: &Field) -> Result<()> {
    let pid = field.sql(SOME_BACKEND)?;
    // Nobody is connected: nothing to kill.
    let Ok(pid) = pid.trim().parse::<u32>() else { return Ok(()) };
    // One that has ended in between needs no signal.
    let _ =
        Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status()?;
    Ok(())
}

/// One command, past the wires.
fn redis(field: &Field, command: &str) -> Result<()> {
    let url = field.cluster.redis()?.url()?;
    let password = url.strip_prefix("redis://:").and_then(|rest| rest.split_once('@'));
    let (password, _) = password.context("Redis' URL has no password")?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, field.cluster.redis()?.port()))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "AUTH {password}\r\n{command}\r\nQUIT\r\n")?;
    // Its answers do not matter: an emptied Redis is what it is.
    let _ = stream.read_to_end(&mut Vec::new());
    Ok(())
}
