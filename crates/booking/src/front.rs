//! Where the free seats of a show began a moment ago, so that a hold in a show that is nearly sold
//! out does not read all that is taken in front.
//!
//! A hint of this worker: it decides where to look first, never that nothing is there. What comes
//! free in front of it is seen when it is old, after two seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kernel::ids::ShowId;

/// How long a hint counts after the look that began at the first block.
const FRESH: SignedDuration = SignedDuration::from_secs(2);
/// Hints that are kept; when there are more, all are forgotten.
const HINTS_MAX: usize = 1_000;

/// What was looked for: the show, the category, so many together, by which role.
pub(crate) type Key = (ShowId, Option<String>, i32, Option<&'static str>);

#[derive(Clone, Copy)]
struct Hint {
    block_rank: i32,
    looked_at: Timestamp,
}

/// The hints of all shows.
#[derive(Default)]
pub(crate) struct Front(Mutex<Option<HashMap<Key, Hint>>>);

impl Front {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The block to begin at, if a look from the first block is recent.
    pub(crate) fn block(&self, key: &Key, now: Timestamp) -> Option<i32> {
        let hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hint = hints.as_ref()?.get(key)?;
        let age = now.duration_since(hint.looked_at);
        (age < FRESH && !age.is_negative()).then_some(hint.block_rank)
    }

    /// The first fit was in this block; `whole`: the look began at the first block.
    pub(crate) fn found(&self, key: Key, block_rank: i32, whole: bool, now: Timestamp) {
        let mut hints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hints = hints.get_or_insert_default();
        if hints.len() >= HINTS_MAX {
            hints.clear();
        }
        match hints.get_mut(&key) {
            Some(hint) if !whole => hint.block_rank = hint.block_rank.max(block_rank),
            _ if whole => {
                hints.insert(key, Hint { block_rank, looked_at: now });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_moves_on_and_is_soon_forgotten() {
        let (front, start) = (Front::new(), "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
        let key = || (ShowId(uuid::Uuid::nil()), None, 4, None);
        assert_eq!(front.block(&key(), start), None);
        front.found(key(), 3, false, start);
        assert_eq!(front.block(&key(), start), None, "a look from the middle begins no hint");
        front.found(key(), 3, true, start);
        let later = start + SignedDuration::from_secs(1);
        front.found(key(), 5, false, later);
        assert_eq!(front.block(&key(), later), Some(5));
        assert_eq!(front.block(&key(), start + FRESH), None, "its age is that of the whole look");
        front.found(key(), 4, true, later);
        assert_eq!(front.block(&key(), later), Some(4));
    }
}
