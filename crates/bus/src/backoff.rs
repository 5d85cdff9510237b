//! Waiting between attempts to connect, for ever, never all workers at the same moment.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Doubles from 50 ms to 2 s, each time between half and all of it.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next attempt is soon again.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    pub(crate) fn wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let half = whole / 2;
        // A random UUID is the randomness at hand; 16 bits are plenty to spread workers.
        let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
        half + half.mul_f64(f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_two_seconds_and_start_anew_after_success() {
        let mut backoff = Backoff::new();
        assert!(backoff.wait() <= FIRST);
        for _ in 0..20 {
            let wait = backoff.wait();
            assert!(wait >= FIRST && wait <= LONGEST);
        }
        assert!(backoff.wait() >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
    }
}
