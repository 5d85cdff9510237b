//! How often somebody may ask, in the memory of one worker: GCRA, one number per caller.
//!
//! The table is bounded. When it is full of callers that are all over their rate, a caller that is
//! new is let through: the limits of the venue and of the server's pools stand behind this one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::ids::{DeviceId, UserId, VenueId};
use kernel::problem::Problem;

/// Callers that are remembered at most.
const CALLERS_MAX: usize = 20_000;

/// So many in a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In a second, on average; 0 is no limit.
    pub per_sec: u32,
    /// At once.
    pub burst: u32,
}

impl Rate {
    /// No limit.
    pub const FREE: Self = Self { per_sec: 0, burst: 0 };

    /// So many in a second, and `secs` seconds' worth at once.
    #[must_use]
    pub fn new(per_sec: u32, secs: u32) -> Self {
        Self { per_sec, burst: per_sec.saturating_mul(secs) }
    }
}

/// The rates of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Of one user or device.
    pub user: Rate,
    /// Of one address, or for IPv6 of one /64.
    pub address: Rate,
    /// Of all who ask for one venue.
    pub venue: Rate,
}

impl Rates {
    /// No limits.
    pub const FREE: Self = Self { user: Rate::FREE, address: Rate::FREE, venue: Rate::FREE };
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    User(UserId),
    Address(IpAddr),
    Venue(VenueId),
    /// Attempts of a user that were denied and are to be written down.
    Denied(UserId),
    /// Attempts of a device that is not trusted and are to be written down.
    Refused(DeviceId),
}

/// Who has asked when. Clones share it: one per worker.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    /// When each caller's past requests would have been evenly served.
    served: Arc<Mutex<HashMap<Caller, Instant>>>,
}

impl Limiter {
    /// Takes one request of `caller`; on refusal, how long until the next one is free.
    pub(crate) fn take(&self, caller: Caller, rate: Rate, now: Instant) -> Result<(), Duration> {
        if rate.per_sec == 0 {
            return Ok(());
        }
        let step = Duration::from_secs(1) / rate.per_sec;
        let room = step.saturating_mul(rate.burst.max(1));
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = served.get(&caller).map_or(now, |at| (*at).max(now));
        let next = begun + step;
        let ahead = next.saturating_duration_since(now);
        if ahead > room {
            return Err(ahead.saturating_sub(room));
        }
        if served.len() >= CALLERS_MAX && !served.contains_key(&caller) {
            // Whoever has been served by now is as good as unknown.
            served.retain(|_, at| *at > now);
            if served.len() >= CALLERS_MAX {
                return Ok(());
            }
        }
        served.insert(caller, next);
        Ok(())
    }
}

/// The problem of somebody who asks too often.
pub(crate) fn too_many(wait: Duration) -> Problem {
    let secs = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    metrics::counter!("http_rate_limited_total").increment(1);
    Problem::new(
        429,
        "too_many_requests",
        "Too many requests",
        format!(
            "Nothing was changed. Wait {secs} s and send the same request again; GET \
             /api/v1/limits tells the rates."
        ),
    )
    .retry_after(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_sec: 10, burst: 3 };

    fn user(id: u128) -> Caller {
        Caller::User(UserId(uuid::Uuid::from_u128(id)))
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(limiter.take(user(1), RATE, start), Ok(()));
        }
        assert_eq!(limiter.take(user(1), RATE, start), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take(user(2), RATE, start), Ok(()), "another user is free");
        let later = start + Duration::from_millis(100);
        assert_eq!(limiter.take(user(1), RATE, later), Ok(()));
        assert!(limiter.take(user(1), RATE, later).is_err());
    }

    #[test]
    fn no_rate_is_no_limit() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        assert!((0..1000).all(|_| limiter.take(user(1), Rate::FREE, now).is_ok()));
    }

    #[test]
    fn the_table_is_bounded() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let many = u128::try_from(CALLERS_MAX).unwrap() + 500;
        for id in 0..many {
            assert_eq!(limiter.take(user(id), RATE, now), Ok(()));
        }
        assert!(limiter.served.lock().unwrap().len() <= CALLERS_MAX);
        let later = now + Duration::from_secs(1);
        assert_eq!(limiter.take(user(many), RATE, later), Ok(()));
        assert_eq!(limiter.served.lock().unwrap().len(), 1, "who was served is forgotten");
    }

    #[test]
    fn the_answer_says_when_to_come_back() {
        assert_eq!(too_many(Duration::from_millis(100)).retry_after_secs, Some(1));
    }
}
