//! How fast one socket may send.

use std::time::Instant;

use crate::limits::{FRAMES_BURST, FRAMES_PER_SEC};

/// A bucket of frames that fills at 20 a second.
#[derive(Debug)]
pub(crate) struct Rate {
    left: f32,
    at: Instant,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: float(FRAMES_BURST), at: now }
    }

    /// One frame. False: too many.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let gained = now.duration_since(self.at).as_secs_f32() * float(FRAMES_PER_SEC);
        self.left = (self.left + gained).min(float(FRAMES_BURST)) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}

fn float(frames: u32) -> f32 {
    f32::from(u16::try_from(frames).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_taken_and_a_flood_is_not() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert_eq!((0..100).filter(|_| rate.take(start)).count(), 60);
    }

    #[test]
    fn twenty_a_second_go_on_for_ever() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let steady = (1..=6_000).all(|n| rate.take(start + Duration::from_millis(50) * n));
        assert!(steady);
        let start = start + Duration::from_mins(10);
        let mut rate = Rate::new(start);
        let fast = (1..=600).all(|n| rate.take(start + Duration::from_millis(25) * n));
        assert!(!fast);
    }
}
