//! Chance from a seed: the same faults in the same order in every run with it.

use std::time::Duration;

/// Splitmix.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 to `sides`, without it.
    pub(super) fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or(0) % sides.max(1)
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len())).copied()
    }

    pub(super) fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let span = usize::try_from(most_ms.saturating_sub(least_ms)).unwrap_or(0);
        Duration::from_millis(least_ms + u64::try_from(self.below(span)).unwrap_or(0))
    }
}
