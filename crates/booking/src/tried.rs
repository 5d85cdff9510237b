//! Which seats the holds of this worker try at this moment, so that in a rush each tries others
//! first. Without it all that look at the same moment meet at the same best seats, and all but one
//! of them have looked and locked for nothing.
//!
//! A hint: the lock on the seat decides, and where only tried seats are left they are tried again.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::ids::ShowId;

use crate::choice::Pick;

/// The seats of all shows.
pub(crate) struct Tried(Mutex<Option<HashSet<(ShowId, i32)>>>);

/// Dropped, its seats are tried no more.
pub(crate) struct Trying {
    tried: &'static Tried,
    show: ShowId,
    seats: Vec<i32>,
}

impl Tried {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashSet<(ShowId, i32)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places in `picks` of those that nobody tries, in their order; all places where there
    /// are none.
    pub(crate) fn others(&self, show: ShowId, picks: &[Pick]) -> Vec<usize> {
        let guard = self.lock();
        let is_tried = |seat: &i32| guard.as_ref().is_some_and(|all| all.contains(&(show, *seat)));
        let free = |pick: &Pick| !pick.seats.iter().any(is_tried);
        let places = picks.iter().enumerate().filter(|(_, pick)| free(pick)).map(|(at, _)| at);
        let others: Vec<usize> = places.collect();
        if others.is_empty() { (0..picks.len()).collect() } else { others }
    }

    /// From now on these are tried.
    pub(crate) fn begin(&'static self, show: ShowId, pick: &Pick) -> Trying {
        let mut guard = self.lock();
        let all = guard.get_or_insert_default();
        // Those that another tries are taken out by that one.
        let new = pick.seats.iter().copied().filter(|seat| all.insert((show, *seat)));
        Trying { tried: self, show, seats: new.collect() }
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        if let Some(all) = self.tried.lock().as_mut() {
            for seat in &self.seats {
                all.remove(&(self.show, *seat));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Closeness;

    static TRIED: Tried = Tried::new();

    fn pick(seats: &[i32]) -> Pick {
        let closeness = Closeness { adjacent: true, rows: 1, groups: 1, singles: 0 };
        Pick { seats: seats.to_vec(), closeness }
    }

    #[test]
    fn whoever_comes_second_tries_other_seats_until_the_first_is_done() {
        let (show, other) = (ShowId(uuid::Uuid::from_u128(1)), ShowId(uuid::Uuid::from_u128(2)));
        let picks = [pick(&[1, 2]), pick(&[3, 4]), pick(&[5, 6])];
        assert_eq!(TRIED.others(show, &picks), [0, 1, 2]);
        let first = TRIED.begin(show, &picks[0]);
        assert_eq!(TRIED.others(show, &picks), [1, 2]);
        assert_eq!(TRIED.others(other, &picks), [0, 1, 2]);
        let overlapping = TRIED.begin(show, &pick(&[2, 3]));
        assert_eq!(TRIED.others(show, &picks), [2]);
        assert_eq!(TRIED.others(show, &picks[..2]), [0, 1], "nothing else is left");
        drop(overlapping);
        assert_eq!(TRIED.others(show, &picks), [1, 2], "the first still tries the second seat");
        drop(first);
        assert_eq!(TRIED.others(show, &picks), [0, 1, 2]);
    }
}
