//! How long to wait after a failure.

use jiff::{SignedDuration, Timestamp};

/// Seconds after the first failure, the second, and so on. Whoever waits for a link looks again
/// within a minute; a server that is down for the night has until the morning.
const PAUSES_SECS: [i64; 9] = [5, 15, 60, 240, 600, 1_800, 3_600, 10_800, 14_400];

/// When a mail that has failed `tries` times is tried again; never, when it was tried often enough.
pub(crate) fn next_try(tries: i32, now: Timestamp) -> Option<Timestamp> {
    let at = usize::try_from(tries).ok()?.checked_sub(1)?;
    PAUSES_SECS.get(at).map(|secs| now + SignedDuration::from_secs(*secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_longer_and_there_is_an_end() {
        let now = Timestamp::UNIX_EPOCH;
        let all: Vec<_> = (1..).map_while(|tries| next_try(tries, now)).collect();
        assert_eq!(all.len(), 9);
        assert!(all.is_sorted());
        assert_eq!(next_try(10, now), None);
    }
}
