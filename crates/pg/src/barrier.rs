//! The barrier: in a rush a write gives its locks back before it waits for the disk.
//!
//! The head of a venue's log is locked until the commit that took it is done. Where that waits for
//! the disk, one venue does no more writes than the disk does flushes. A write in a rush commits
//! without waiting (`synchronous_commit = off`), which lets the next one in; behind the commit, in
//! the same packet, stands a transaction of its own that does wait. The write-ahead log is one
//! line, so the flush of the second is the flush of the first; PostgreSQL shares one flush among
//! all that wait. Only then is the write answered and told. It is as durable as any other.
//!
//! The head is then handed from one write to the next as fast as they come, and each hand-over wakes
//! a process that waits for a core. So few of a venue's rush are let to PostgreSQL at once; the others
//! wait here, in the order in which they came, where waiting costs nothing and takes no connection
//! from other venues.
//!
//! Both must be on one connection: a connection does not survive a crash, so the second is proof
//! of the first. On another it could be a flush of the database that has lost the first.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::ids::VenueId;
use kernel::scope::Reach;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::DbError;
use crate::control::Control;
use crate::db::REFUSED;

/// Commits and waits for the disk, though it changes nothing: an empty message in the log. Without
/// one PostgreSQL would not wait.
pub(crate) const FLUSH: &str = "select pg_logical_emit_message(true, 'rowlock', '') is not null";
/// Whether all that can be seen is on the disk, and nobody waits for a standby.
pub(crate) const DURABLE: &str = "select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() \
     and current_setting('synchronous_standby_names') = '' as durable";
/// So many writes at once on one venue, in one thread of a worker, are a rush.
const RUSH_WRITES: u32 = 2;
/// Of a thread's connections, the writes of one venue's rush take one in so many.
const RUSH_SHARE: usize = 4;
/// How long a write of a rush waits for its turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(1);

/// When a write waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// In its commit.
    WithCommit,
    /// In its commit; if it has nothing to commit, after it: it may have seen what others have
    /// committed and are not yet sure of, and is about to say that it is so.
    WithCommitOrAfter,
    /// After its commit, without its locks.
    AfterCommit,
}

/// The writes of this thread that come in crowds, by venue.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    running: Arc<Mutex<HashMap<VenueId, Running>>>,
    usable: bool,
    at_once: usize,
}

/// The writes of one venue.
#[derive(Debug)]
struct Running {
    count: u32,
    turns: Arc<Semaphore>,
}

/// One of them; it leaves when it is dropped.
pub(crate) struct Entered {
    crowd: Crowd,
    venue: Option<VenueId>,
    others: u32,
    turns: Option<Arc<Semaphore>>,
}

impl Crowd {
    /// Of a thread with so many connections.
    pub(crate) fn new(usable: bool, pool_size: usize) -> Self {
        let at_once = (pool_size / RUSH_SHARE).max(2);
        Self { running: Arc::default(), usable: usable && !Control::Rush.is_out(), at_once }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VenueId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, reach: Reach) -> Entered {
        let Reach::Venue(venue) = reach else {
            return Entered { crowd: self.clone(), venue: None, others: 0, turns: None };
        };
        let mut all = self.lock();
        let running = all
            .entry(venue)
            .or_insert_with(|| Running { count: 0, turns: Arc::new(Semaphore::new(self.at_once)) });
        running.count += 1;
        Entered {
            crowd: self.clone(),
            venue: Some(venue),
            others: running.count - 1,
            turns: self.usable.then(|| Arc::clone(&running.turns)),
        }
    }
}

impl Entered {
    /// Waits for its turn, which lasts until the permit is dropped.
    ///
    /// # Errors
    /// `Busy` when it does not come in time.
    pub(crate) async fn turn(&self) -> Result<Option<OwnedSemaphorePermit>, DbError> {
        let Some(turns) = &self.turns else { return Ok(None) };
        let turn = timeout(TURN_WAIT_MAX, Arc::clone(turns).acquire_owned()).await;
        turn.map_or_else(
            |_| {
                metrics::counter!("pg_turns_refused_total").increment(1);
                REFUSED.fetch_add(1, Ordering::Relaxed);
                Err(DbError::Busy)
            },
            // It is never closed.
            |permit| Ok(permit.ok()),
        )
    }

    pub(crate) fn flush(&self) -> Flush {
        if self.crowd.usable && self.others + 1 >= RUSH_WRITES {
            Flush::AfterCommit
        } else {
            Flush::WithCommitOrAfter
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(venue) = self.venue else { return };
        let mut all = self.crowd.lock();
        if let Some(running) = all.get_mut(&venue) {
            running.count -= 1;
            if running.count == 0 {
                all.remove(&venue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_venue_is_a_rush_and_the_last_leaves_nothing() {
        let crowd = Crowd::new(true, 8);
        let reach = |n| Reach::Venue(VenueId(uuid::Uuid::from_u128(n)));
        let first = crowd.enter(reach(1));
        let other = crowd.enter(reach(2));
        let second = crowd.enter(reach(1));
        assert_eq!(first.flush(), Flush::WithCommitOrAfter);
        assert_eq!(other.flush(), Flush::WithCommitOrAfter);
        assert_eq!(second.flush(), Flush::AfterCommit);
        assert_eq!(crowd.enter(Reach::Job).flush(), Flush::WithCommitOrAfter);
        drop((first, second, other));
        assert!(crowd.lock().is_empty());
        let pooled = Crowd::new(false, 8);
        let all = [pooled.enter(reach(1)), pooled.enter(reach(1))];
        assert!(all.iter().all(|one| one.flush() == Flush::WithCommitOrAfter));
    }
    #[tokio::test]
    async fn a_rush_takes_turns_and_leaves_other_venues_alone() {
        let crowd = Crowd::new(true, 8);
        let reach = |n| Reach::Venue(VenueId(uuid::Uuid::from_u128(n)));
        let all = [crowd.enter(reach(1)), crowd.enter(reach(1)), crowd.enter(reach(1))];
        let (first, _second) = (all[0].turn().await.unwrap(), all[1].turn().await.unwrap());
        assert!(matches!(all[2].turn().await, Err(DbError::Busy)), "two of eight connections");
        assert!(crowd.enter(reach(2)).turn().await.unwrap().is_some());
        assert!(crowd.enter(Reach::Job).turn().await.unwrap().is_none());
        drop(first);
        assert!(all[2].turn().await.unwrap().is_some());
        let pooled = Crowd::new(false, 8);
        assert!(pooled.enter(reach(1)).turn().await.unwrap().is_none());
    }
}
