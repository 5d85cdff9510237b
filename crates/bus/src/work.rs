//! Work that any worker may do: a stream of Redis with one group of takers.
//!
//! What is done is found elsewhere: a piece names it, and whoever put it here can put it again. So
//! Redis may lose the stream, and a piece may be taken twice.

use std::sync::Arc;
use std::time::Duration;

use redis::streams::{StreamAutoClaimReply, StreamId, StreamInfoConsumersReply, StreamReadReply};
use redis::{RedisResult, from_redis_value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::channel::Names;
use crate::link::{Desk, Target};
use crate::publisher::RESPONSE_DEADLINE;
use crate::state::Links;

/// Pieces that may wait, and be in somebody's hands. The stream is never cut: what is cut is lost.
pub const WORK_PIECES_MAX: u64 = 10_000;
/// How long a piece may be in the hands of one worker before another takes it.
pub const WORK_IDLE_MAX: Duration = Duration::from_secs(5);
/// How long a taker waits for a piece before it looks whether it is still wanted.
const BLOCK: Duration = Duration::from_secs(1);
/// How often a taker looks for pieces that their worker has dropped.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// A taker that was not heard of for so long, and has nothing in its hands, is forgotten.
const TAKER_IDLE_MAX: Duration = Duration::from_hours(1);
const GROUP: &str = "workers";
const FIELD: &str = "piece";

/// Redis is not there, or did not answer in time: the piece may be in the stream or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Redis does not take work")]
pub struct WorkAway;

/// The queue. Clones share it; without Redis it is always away.
#[derive(Clone)]
pub struct Work {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    target: Target,
    key: String,
    /// The name of this process among the takers.
    taker: String,
    links: Links,
    desk: Mutex<Option<Desk>>,
}

/// A piece of work in the hands of this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its place in the stream; `done` takes it.
    pub id: String,
    /// What was put there.
    pub text: String,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

impl Work {
    pub(crate) fn away() -> Self {
        Self { shared: None }
    }

    pub(crate) fn new(target: Target, names: &Names, origin: u64, links: Links) -> Self {
        let (key, taker) = (names.work(), format!("{origin:016x}"));
        let shared = Shared { target, key, taker, links, desk: Mutex::default() };
        Self { shared: Some(Arc::new(shared)) }
    }

    /// How many pieces wait or are in somebody's hands.
    ///
    /// # Errors
    /// `WorkAway`.
    pub async fn waiting(&self) -> Result<u64, WorkAway> {
        let shared = self.shared()?;
        let waiting: u64 = shared.ask(redis::cmd("XLEN").arg(&shared.key)).await?;
        let shown = u32::try_from(waiting).unwrap_or(u32::MAX);
        metrics::gauge!("rowlock_work_waiting").set(f64::from(shown));
        Ok(waiting)
    }

    /// Whether there is no room for another piece, give or take those that come at this moment.
    ///
    /// # Errors
    /// `WorkAway`.
    pub async fn is_full(&self) -> Result<bool, WorkAway> {
        Ok(self.waiting().await? >= WORK_PIECES_MAX)
    }

    /// Adds a piece: a few words that say where to find what is to be done, no secrets.
    ///
    /// # Errors
    /// `WorkAway`; it may have been added.
    pub async fn add(&self, text: &str) -> Result<(), WorkAway> {
        let shared = self.shared()?;
        let mut add = redis::cmd("XADD");
        add.arg(&shared.key).arg("*").arg(FIELD).arg(text);
        shared.ask::<String>(&add).await.map(drop)
    }

    /// A piece is done, whoever has taken it meanwhile. If Redis does not hear it, the piece comes
    /// again.
    pub async fn done(&self, id: &str) {
        let Ok(shared) = self.shared() else { return };
        let mut done = redis::pipe();
        // Both or none: what is acknowledged and stays would count as waiting for ever.
        done.atomic().cmd("XACK").arg(&shared.key).arg(GROUP).arg(id).ignore();
        done.cmd("XDEL").arg(&shared.key).arg(id).ignore();
        let Ok(mut desk) = shared.desk().await else { return };
        if let Err(error) = desk.run(&done).await {
            tracing::debug!(%error, "work that is done was not taken off the stream");
            shared.hang_up().await;
        }
    }

    /// What takes pieces, one per worker; none without Redis.
    #[must_use]
    pub fn taker(&self) -> Option<Taker> {
        let shared = Arc::clone(self.shared.as_ref()?);
        Some(Taker { shared, desk: None, backoff: Backoff::new(), claimed_at: None })
    }

    /// At once: whoever asks has another way to do it.
    fn shared(&self) -> Result<&Arc<Shared>, WorkAway> {
        self.shared.as_ref().filter(|shared| shared.links.publisher_is_up()).ok_or(WorkAway)
    }
}

impl Shared {
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, WorkAway> {
        let mut desk = self.desk().await?;
        match desk.ask(command).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                tracing::debug!(%error, "Redis does not take work");
                self.hang_up().await;
                Err(WorkAway)
            }
        }
    }

    /// The connection that all share; its clones are one.
    async fn desk(&self) -> Result<Desk, WorkAway> {
        let mut desk = self.desk.lock().await;
        if let Some(desk) = &*desk {
            return Ok(desk.clone());
        }
        let fresh = self.target.desk(RESPONSE_DEADLINE).await.map_err(|_| WorkAway)?;
        Ok(desk.insert(fresh).clone())
    }

    async fn hang_up(&self) {
        *self.desk.lock().await = None;
    }
}

/// Takes pieces, on a connection of its own: it waits there.
pub struct Taker {
    shared: Arc<Shared>,
    desk: Option<Desk>,
    backoff: Backoff,
    claimed_at: Option<Instant>,
}

impl Taker {
    /// Up to `most` pieces: first those that another worker has had for too long, then new ones.
    /// Nothing after about a second in which there were none, or while Redis is away. What was
    /// taken and is not `done` comes again, here or elsewhere.
    pub async fn take(&mut self, most: usize) -> Vec<Piece> {
        match self.attempt(most).await {
            Ok(pieces) => {
                let count = u64::try_from(pieces.len()).unwrap_or(0);
                metrics::counter!("rowlock_work_taken_total").increment(count);
                pieces
            }
            Err(error) => {
                self.desk = None;
                tracing::debug!(%error, "no work is taken from Redis");
                sleep(self.backoff.wait()).await;
                Vec::new()
            }
        }
    }

    async fn attempt(&mut self, most: usize) -> RedisResult<Vec<Piece>> {
        let (key, me) = (self.shared.key.clone(), self.shared.taker.clone());
        let mut desk = match self.desk.take() {
            Some(desk) => desk,
            None => self.connect().await?,
        };
        if self.claimed_at.is_none_or(|at| at.elapsed() >= CLAIM_EVERY) {
            let mut claim = redis::cmd("XAUTOCLAIM");
            claim.arg(&key).arg(GROUP).arg(&me).arg(millis(WORK_IDLE_MAX)).arg("0-0");
            let dropped: StreamAutoClaimReply = desk.ask(claim.arg("COUNT").arg(most)).await?;
            if !dropped.claimed.is_empty() {
                self.desk = Some(desk);
                metrics::counter!("rowlock_work_claimed_total").increment(1);
                return Ok(pieces(dropped.claimed));
            }
            self.claimed_at = Some(Instant::now());
        }
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&me).arg("COUNT").arg(most);
        read.arg("BLOCK").arg(millis(BLOCK)).arg("STREAMS").arg(&key).arg(">");
        // Nil where nothing came.
        let read: Option<StreamReadReply> = desk.ask(&read).await?;
        self.desk = Some(desk);
        let ids = read.into_iter().flat_map(|read| read.keys).flat_map(|key| key.ids);
        Ok(pieces(ids.collect()))
    }

    async fn connect(&mut self) -> RedisResult<Desk> {
        let mut desk = self.shared.target.desk(BLOCK + RESPONSE_DEADLINE).await?;
        let key = &self.shared.key;
        let mut group = redis::cmd("XGROUP");
        // From the beginning: a Redis that lost the group may have got pieces since.
        group.arg("CREATE").arg(key).arg(GROUP).arg("0").arg("MKSTREAM");
        match desk.ask::<redis::Value>(&group).await {
            Err(error) if error.code() != Some("BUSYGROUP") => return Err(error),
            _ => {}
        }
        let mut who = redis::cmd("XINFO");
        let takers: StreamInfoConsumersReply =
            desk.ask(who.arg("CONSUMERS").arg(key).arg(GROUP)).await?;
        for taker in takers.consumers {
            let idle = u64::try_from(taker.idle).unwrap_or(0);
            if taker.pending == 0 && u128::from(idle) > TAKER_IDLE_MAX.as_millis() {
                let mut forget = redis::cmd("XGROUP");
                forget.arg("DELCONSUMER").arg(key).arg(GROUP).arg(&taker.name);
                desk.ask::<redis::Value>(&forget).await?;
            }
        }
        self.backoff.reset();
        Ok(desk)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn pieces(ids: Vec<StreamId>) -> Vec<Piece> {
    let piece = |mut id: StreamId| {
        let text = id.map.remove(FIELD).and_then(|value| from_redis_value(value).ok());
        // One without words is nothing to do: whoever takes it finds that out.
        Piece { id: id.id, text: text.unwrap_or_default() }
    };
    ids.into_iter().map(piece).collect()
}
