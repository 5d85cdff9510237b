//! Where the time comes from.
//!
//! PostgreSQL's clock is the authority for every rule (holds, tokens): workers with a wrong clock
//! must not disagree. A `Clock` only adds an offset to it, zero in production, so that a test can
//! move the time of one worker without touching the machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A shared clock. Clones move together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_micros: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that agrees with the machine, moved by `offset`.
    #[must_use]
    pub fn with_offset(offset: SignedDuration) -> Self {
        let clock = Self::default();
        clock.advance(offset);
        clock
    }

    /// This process's time: for ids, logs and token checks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        self.shift(Timestamp::now())
    }

    /// The authority's time `at`, moved by this clock's offset.
    #[must_use]
    pub fn shift(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.offset()).unwrap_or(at)
    }

    /// How far this clock is from the authority's.
    #[must_use]
    pub fn offset(&self) -> SignedDuration {
        SignedDuration::from_micros(self.offset_micros())
    }

    /// The same in microseconds.
    #[must_use]
    pub fn offset_micros(&self) -> i64 {
        self.offset_micros.load(Ordering::Relaxed)
    }

    /// Moves the clock and all its clones.
    pub fn advance(&self, by: SignedDuration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.offset_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together() {
        let clock = Clock::default();
        let twin = clock.clone();
        let before = twin.now();
        clock.advance(SignedDuration::from_mins(10));
        assert!(twin.now().duration_since(before) >= SignedDuration::from_mins(10));
    }
}
