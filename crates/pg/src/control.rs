//! Takes one guarantee out, for the tests that prove that it is needed.
//!
//! A green race test means nothing unless the same test goes red without the lock. Built only with
//! the feature `controls`, which no release has; `ROWLOCK_CONTROLS` then names what is left out.

use std::borrow::Cow;

use kernel::event::Batch;

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `for update`, and `for share`, disappear from every statement.
    RowLocks,
    /// Commits do not wait for the disk.
    DurableCommits,
    /// Events are published before they are committed.
    PublishAfterCommit,
    /// Workers never compare their position with the log's head.
    HeadCheck,
    /// Nobody gives customers of the spa back whose therapist or cashier is not heard of.
    Leases,
    /// A worker's copies of seat maps are never compared with the log.
    FreshMaps,
    /// A write ends where its client goes away, and its connection is used again as it is.
    DropGuard,
    /// A write in a rush is answered and told before it is on the disk.
    Barrier,
    /// No write gives its locks back before it is on the disk, and none goes together with others: for
    /// comparison, not for safety.
    Rush,
    /// Holds lock their show before their seats: for comparison, not for safety.
    SeatLocks,
    /// Lines give passes at one pace, however busy the server is.
    Pace,
}

impl Control {
    #[cfg(feature = "controls")]
    fn name(self) -> &'static str {
        match self {
            Self::RowLocks => "row_locks",
            Self::DurableCommits => "durable_commits",
            Self::PublishAfterCommit => "publish_after_commit",
            Self::HeadCheck => "head_check",
            Self::Leases => "leases",
            Self::FreshMaps => "fresh_maps",
            Self::DropGuard => "drop_guard",
            Self::Barrier => "barrier",
            Self::Rush => "rush",
            Self::SeatLocks => "seat_locks",
            Self::Pace => "pace",
        }
    }

    /// Whether this guarantee is taken out of this process.
    #[must_use]
    #[cfg(feature = "controls")]
    #[expect(clippy::disallowed_methods, reason = "only test builds have controls at all")]
    pub fn is_out(self) -> bool {
        use std::sync::OnceLock;
        static OUT: OnceLock<String> = OnceLock::new();
        OUT.get_or_init(|| std::env::var("ROWLOCK_CONTROLS").unwrap_or_default())
            .split(',')
            .any(|name| name == self.name())
    }

    /// Whether this guarantee is taken out of this process: never, in a build without controls.
    #[must_use]
    #[cfg(not(feature = "controls"))]
    pub fn is_out(self) -> bool {
        false
    }
}

/// Whether writes in one round trip go the usual way, because what is left out of this process has no
/// place in them: their locks are in PostgreSQL, and nothing is between their events and the commit.
pub(crate) fn is_one_trip_out() -> bool {
    [Control::RowLocks, Control::PublishAfterCommit, Control::DropGuard]
        .into_iter()
        .any(Control::is_out)
}

/// Who is told of events before they are committed, where `PublishAfterCommit` is out.
#[cfg(feature = "controls")]
static EARLY: std::sync::OnceLock<Box<dyn Fn(Batch) + Send + Sync>> = std::sync::OnceLock::new();
/// Between telling and committing: what a crash in between shows.
#[cfg(feature = "controls")]
const EARLY_BY: std::time::Duration = std::time::Duration::from_millis(30);

/// Names who publishes, once per process. A build without controls forgets it at once.
pub fn publish_early(tell: impl Fn(Batch) + Send + Sync + 'static) {
    #[cfg(feature = "controls")]
    let _ = EARLY.set(Box::new(tell));
    #[cfg(not(feature = "controls"))]
    drop(tell);
}

pub(crate) async fn tell_early(batch: Batch) {
    #[cfg(feature = "controls")]
    if let Some(tell) = EARLY.get() {
        tell(batch);
        tokio::time::sleep(EARLY_BY).await;
    }
    #[cfg(not(feature = "controls"))]
    drop(batch);
}

/// The statement as it is sent.
pub(crate) fn text(sql: &'static str) -> Cow<'static, str> {
    if Control::RowLocks.is_out() { Cow::Owned(without_locks(sql)) } else { Cow::Borrowed(sql) }
}

fn without_locks(sql: &str) -> String {
    let locks = ["for update", "for no key update", "for share"];
    let lock = locks.into_iter().find(|lock| sql.contains(lock));
    let Some((before, after)) = lock.and_then(|lock| sql.split_once(lock)) else {
        return sql.to_owned();
    };
    let rest = after
        .trim_start()
        .strip_prefix("of ")
        .map_or(after, |named| named.split_once(char::is_whitespace).map_or("", |(_, rest)| rest));
    format!("{before}{rest}").replace("skip locked", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_cut_and_the_rest_stays() {
        assert_eq!(
            without_locks("select 1 from a order by id for update"),
            "select 1 from a order by id "
        );
        assert_eq!(without_locks("select 1 from a for update of a"), "select 1 from a ");
        assert_eq!(without_locks("select 1 from a for no key update"), "select 1 from a ");
        assert_eq!(without_locks("select 1 from a for share"), "select 1 from a ");
        assert_eq!(
            without_locks("select 1 from a for update skip locked").trim(),
            "select 1 from a"
        );
        assert_eq!(without_locks("insert into a values (1)"), "insert into a values (1)");
    }
}
