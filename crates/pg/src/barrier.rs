//! The barrier: in a rush a write gives its locks back before it waits for the disk.
//!
//! The head of a venue's log is locked until the commit that took it is done. Where that waits for
//! the disk, one venue does no more writes than the disk does flushes. A write in a rush commits
//! without waiting (`synchronous_commit = off`), which lets the next one in; behind the commit, in
//! the same packet, stands a transaction of its own that does wait. The write-ahead log is one
//! line, so the flush of the second is the flush of the first; PostgreSQL shares one flush among
//! all that wait. Only then is the write answered and told. It is as durable as any other.
//!
//! Both must be on one connection: a connection does not survive a crash, so the second is proof
//! of the first. On another it could be a flush of the database that has lost the first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::ids::VenueId;
use kernel::scope::Reach;

use crate::control::Control;

/// Commits and waits for the disk, though it changes nothing: an empty message in the log. Without
/// one PostgreSQL would not wait.
pub(crate) const FLUSH: &str = "select pg_logical_emit_message(true, 'rowlock', '') is not null";
/// Whether all that can be seen is on the disk, and nobody waits for a standby.
pub(crate) const DURABLE: &str = "select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() \
     and current_setting('synchronous_standby_names') = '' as durable";
/// So many writes at once on one venue, in one thread of a worker, are a rush.
const RUSH_WRITES: u32 = 2;

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
    running: Arc<Mutex<HashMap<VenueId, u32>>>,
    usable: bool,
}

/// One of them; it leaves when it is dropped.
pub(crate) struct Entered {
    crowd: Crowd,
    venue: Option<VenueId>,
    others: u32,
}

impl Crowd {
    pub(crate) fn new(usable: bool) -> Self {
        Self { running: Arc::default(), usable: usable && !Control::Rush.is_out() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<VenueId, u32>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, reach: Reach) -> Entered {
        let Reach::Venue(venue) = reach else {
            return Entered { crowd: self.clone(), venue: None, others: 0 };
        };
        let mut running = self.lock();
        let count = running.entry(venue).or_default();
        *count += 1;
        let others = *count - 1;
        Entered { crowd: self.clone(), venue: Some(venue), others }
    }
}

impl Entered {
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
        let mut running = self.crowd.lock();
        if let Some(count) = running.get_mut(&venue) {
            *count -= 1;
            if *count == 0 {
                running.remove(&venue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_venue_is_a_rush_and_the_last_leaves_nothing() {
        let crowd = Crowd::new(true);
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
        let pooled = Crowd::new(false);
        let all = [pooled.enter(reach(1)), pooled.enter(reach(1))];
        assert!(all.iter().all(|one| one.flush() == Flush::WithCommitOrAfter));
    }
}
