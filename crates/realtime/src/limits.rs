//! The bounds of the real-time layer, in one place.

use std::time::Duration;

pub(crate) use edge::limits::{
    FOLLOWS_PER_VENUE_MAX as FOLLOWS_PER_VENUE, FRAME_IN_MAX_BYTES,
    FRAMES_IN_PER_SEC_MAX as FRAMES_PER_SEC, QUEUE_OUT_MAX_BYTES as QUEUE_MAX_BYTES,
    SOCKETS_PER_USER_MAX, SOCKETS_PER_WORKER_MAX, VENUES_PER_SOCKET_MAX as VENUES_PER_SOCKET,
};

/// Sizes that an operator may change; the rest are constants.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sockets of this worker.
    pub sockets: u64,
    /// Sockets of one user on this worker.
    pub sockets_per_user: usize,
    /// Sockets of one address on this worker that have not said who they are.
    pub greetings_per_address: usize,
    /// Sockets of one address on this worker that stay anonymous.
    pub anonymous_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: SOCKETS_PER_WORKER_MAX,
            sockets_per_user: SOCKETS_PER_USER_MAX,
            greetings_per_address: 20,
            anonymous_per_address: 200,
        }
    }
}

/// Payload of an inbound frame before the socket has said who it is.
pub(crate) const GREETING_IN_MAX_BYTES: usize = 4 * 1024;
/// Inbound frames at once: enough to subscribe to every venue that a socket may have.
pub(crate) const FRAMES_BURST: u32 = 60;
/// Bytes that the kernel may keep of a socket before it sends them. It would take 4 MB of each client
/// that reads nothing, and nobody would notice until they are full.
pub(crate) const UNSENT_MAX_BYTES: u32 = 32 * 1024;
/// Chunks handed to the kernel at once.
pub(crate) const CHUNKS_AT_ONCE: usize = 16;

/// How long a socket may take to say who it is.
pub(crate) const GREETING_DEADLINE: Duration = Duration::from_secs(5);
/// How long an expired token may still be renewed.
pub(crate) const TOKEN_GRACE: Duration = Duration::from_secs(30);
/// How long a socket may say nothing, not even a pong.
pub(crate) const SILENCE_MAX: Duration = Duration::from_mins(1);
/// How long a socket may take nothing of what waits for it. It is looked at each second, so it is
/// closed within 10 s.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(9);
/// How often a socket is pinged and told its position.
pub(crate) const HEARTBEAT_SECS: u64 = 25;

/// How often a standing is looked up again while Redis tells nobody of changes.
pub(crate) const RECHECK_SECS: u64 = 5;

/// How often a worker tells the others who is where.
pub(crate) const PRESENCE_AGAIN: Duration = Duration::from_secs(10);
/// How long that counts: a worker that died is forgotten after it.
pub(crate) const PRESENCE_LASTS: Duration = Duration::from_secs(25);
/// People in one answer.
pub(crate) const PRESENT_MAX: usize = 200;
/// Letters of a screen's name.
pub(crate) const SCREEN_MAX_CHARS: usize = 40;

/// Events that a worker keeps of an active venue.
pub(crate) const RING_EVENTS: usize = 512;
/// Bytes of events that a worker keeps of an active venue.
pub(crate) const RING_BYTES: usize = 256 * 1024;
/// Batches that may wait for the one before them.
pub(crate) const STASH_BATCHES: usize = 256;
/// Events in one read of the log, and in one replay.
pub(crate) const REPLAY_MAX: u16 = 1_000;
/// A worker further behind than this tells its sockets to reload.
pub(crate) const REPAIR_MAX: i64 = 10_000;
/// How long a hole may be open before the log is read: the batch is mostly only late.
pub(crate) const HOLE_WAIT: Duration = Duration::from_millis(20);
/// How long frames of a busy venue are gathered into one write.
pub(crate) const GATHER: Duration = Duration::from_millis(5);
/// Events a second from which a venue counts as busy.
pub(crate) const BUSY_PER_SEC: u32 = 50;

/// How often the heads are compared while Redis carries events.
pub(crate) const HEADS_EVERY: Duration = Duration::from_secs(1);
/// How often the heads are compared while it does not.
pub(crate) const HEADS_EVERY_ALONE: Duration = Duration::from_millis(100);
/// How long the hub waits for one answer of the log.
pub(crate) const READ_DEADLINE: Duration = Duration::from_secs(4);
/// Reads of the log at once.
pub(crate) const READS_AT_ONCE: usize = 4;
/// How long Redis may take to confirm a venue's channel.
pub(crate) const SUBSCRIBE_DEADLINE: Duration = Duration::from_secs(2);
/// How long a read that failed waits for the next attempt.
pub(crate) const READ_AGAIN: Duration = Duration::from_millis(200);
/// How long a subscription waits for the log before it is refused.
pub(crate) const ATTACH_DEADLINE: Duration = Duration::from_secs(5);
/// How long a known hole may stay open before the venue's sockets are sent elsewhere.
pub(crate) const HOLE_MAX: Duration = Duration::from_secs(5);
/// How long no head may be read before all sockets are sent elsewhere.
pub(crate) const DATABASE_AWAY_MAX: Duration = Duration::from_secs(15);
/// How long a venue stays active after its last socket.
pub(crate) const VENUE_IDLE_MAX: Duration = Duration::from_mins(1);
