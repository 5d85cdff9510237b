//! The hub of a process: the handle that sockets and the binary hold.

mod attach;
mod beat;
mod command;
mod presence;
mod roster;
mod task;
mod venue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bus::{Bus, Incoming};
use kernel::clock::Clock;
use kernel::event::{Pos, TopicMask};
use kernel::ids::VenueId;
use pg::Db;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

pub(crate) use command::Wish;
pub(crate) use presence::Seen;

use crate::counts::Counts;
use crate::limits::{GREETING_DEADLINE, Limits};
use crate::log::Log;
use crate::protocol::CloseCode;
use crate::socket::Socket;
use command::Command;

/// Steps in which a drain spreads its closes.
const DRAIN_STEPS: u32 = 30;
/// How long a drain waits for the last socket after its last step.
const DRAIN_TAIL: Duration = Duration::from_secs(2);
/// The shortest and the longest wait that a drained client is asked for, in milliseconds.
const RETRY_MS: (u32, u32) = (100, 1_100);

/// All sockets and venues of this process. Clones share them.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    commands: mpsc::UnboundedSender<Command>,
    started: Instant,
    next_id: AtomicU64,
    open: AtomicU64,
    sockets_max: u64,
    draining: AtomicBool,
    counts: Counts,
    clock: Clock,
    worker: String,
}

impl Hub {
    /// Starts the owner task on the current actix runtime; the handle works on every thread. `db`
    /// must reach the primary.
    #[must_use]
    pub fn start(db: Db, bus: Bus, incoming: Incoming, clock: Clock, limits: Limits) -> Self {
        Self::with_log(Log::of(db), bus, incoming, clock, limits)
    }

    pub(crate) fn with_log(
        log: Log,
        bus: Bus,
        incoming: Incoming,
        clock: Clock,
        limits: Limits,
    ) -> Self {
        // Bounded by the sockets' frame rate and the reads at once; refusing a `Leave` would leak.
        let (commands, inbox) = mpsc::unbounded_channel();
        let started = Instant::now();
        let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
        let shared = Shared {
            commands: commands.clone(),
            started,
            next_id: AtomicU64::new(1),
            open: AtomicU64::new(0),
            sockets_max: limits.sockets,
            draining: AtomicBool::new(false),
            counts: Counts::new(limits),
            clock: clock.clone(),
            worker: format!("w{a:02x}{b:02x}{c:02x}"),
        };
        let task = task::Task::new(log, bus, clock, commands, started);
        actix_web::rt::spawn(task.run(incoming, inbox));
        Self { shared: Arc::new(shared) }
    }

    /// Closes every socket with 1012, spread over `spread`, and returns when they are gone or two
    /// seconds after. From now on no socket is opened.
    pub async fn drain(&self, spread: Duration) {
        self.shared.draining.store(true, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.send(Command::Sockets(tell));
        let sockets = told.await.unwrap_or_default();
        let steps = usize::try_from(DRAIN_STEPS).unwrap_or(1);
        for slice in sockets.chunks(sockets.len().div_ceil(steps).max(1)) {
            for socket in slice {
                socket.close_with(CloseCode::Restart, &format!("retry={}", retry_ms()));
            }
            sleep(spread / DRAIN_STEPS).await;
        }
        let end = Instant::now() + DRAIN_TAIL;
        while self.sockets() > 0 && Instant::now() < end {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether the hub refuses new sockets.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Whether it has as many sockets as it may have.
    pub(crate) fn is_full(&self) -> bool {
        self.sockets() >= self.shared.sockets_max
    }

    /// Open sockets of this process.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// The hub's time in seconds, for what is watched each second.
    pub(crate) fn seconds(&self) -> u32 {
        u32::try_from(self.shared.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The name of a socket in logs and in its welcome.
    pub(crate) fn name(&self, socket: &Socket) -> String {
        format!("{}-{:x}", self.shared.worker, socket.id)
    }

    /// A socket opens: it is watched from now on.
    pub(crate) fn join(&self) -> Arc<Socket> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        let deadline = self.clock().now().as_microsecond() + micros(GREETING_DEADLINE);
        let socket = Arc::new(Socket::new(id, self.seconds(), deadline));
        self.send(Command::Join(Arc::clone(&socket)));
        socket
    }

    /// A socket is gone.
    pub(crate) fn leave(&self, socket: &Socket) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.send(Command::Leave(socket.id));
    }

    /// A socket listens to a venue, with the topics that were granted. The hub answers it.
    pub(crate) fn subscribe(&self, wish: Wish) {
        self.send(Command::Subscribe(wish));
    }

    /// A socket listens no longer. The hub answers it.
    pub(crate) fn unsubscribe(&self, socket: &Socket, id: i64, venue: VenueId) {
        self.send(Command::Unsubscribe { socket: socket.id, id, venue });
    }

    /// A socket says on which screen its user is. The hub answers it.
    pub(crate) fn enter(&self, seen: Seen) {
        self.send(Command::Enter(seen));
    }

    /// A socket's standing was looked up again: these topics remain of what it listens to.
    pub(crate) fn regrant(&self, socket: &Socket, venue: VenueId, open: TopicMask) {
        self.send(Command::Regrant { socket: socket.id, venue, open });
    }

    fn send(&self, command: Command) {
        // The owner task lives as long as the runtime.
        let _ = self.shared.commands.send(command);
    }
}

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Where a client resumes, if it says so.
pub(crate) type Since = Option<Pos>;

fn retry_ms() -> u32 {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    let (least, most) = RETRY_MS;
    least + u32::from(u16::from_be_bytes([a, b])) % (most - least)
}
