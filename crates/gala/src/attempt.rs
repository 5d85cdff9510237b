//! How often numbers and names may be tried: growing delays per address, less patience while a show
//! is guessed at from many of them.
//!
//! A pair is counted before it is looked at and forgiven when it was right, so that a hundred
//! guesses at once are a hundred guesses. What is counted for the show makes addresses that fail
//! wait sooner; it never stops other addresses, so a stranger cannot lock guests out.

use edge::ClientAddress;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::ShowId;
use pg::Tx;

use crate::GalaError;
use crate::store::attempts;

/// Wrong pairs of an address that cost nothing: a family that mistypes.
const FREE_FAILURES: i32 = 10;
/// And while the show is guessed at.
const FREE_FAILURES_UNDER_ATTACK: i32 = 2;
/// Wrong pairs of all addresses within the window from which on a show is guessed at.
const SHOW_FAILURES_MAX: i32 = 300;
/// What they are counted in.
const SHOW_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// The longest delay after a failure, in seconds.
const DELAY_MAX_SECS: i64 = 900;
/// Failures this long ago are forgotten.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What was tried under a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    pub(crate) failures: i32,
    /// From when on the next is free; for a show, when its window ends.
    pub(crate) free_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What attempts are counted under.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    address: String,
    show: String,
}

impl Subjects {
    pub(crate) fn new(from: ClientAddress, show: ShowId) -> Self {
        let household = from.household();
        Self { address: format!("address:{household}@{show}"), show: format!("show:{show}") }
    }
}

/// Counts `pairs` that an address is about to try, in a transaction of its own: it stands whatever
/// comes of them.
///
/// # Errors
/// `TooManyAttempts`, and then nothing is counted.
pub(crate) async fn admit(tx: &mut Tx, subjects: &Subjects, pairs: i32) -> Result<(), GalaError> {
    let (address, show) = attempts::lock_attempts(tx, &subjects.address, &subjects.show).await?;
    let counted = count(address, is_guessed_at(show, tx.now()), tx.now(), pairs)?;
    attempts::update_attempts(tx, &subjects.address, counted)?;
    Ok(())
}

/// The pairs were right: they are forgiven.
pub(crate) fn forgive(tx: &mut Tx, subjects: &Subjects, pairs: i32) -> Result<(), GalaError> {
    Ok(attempts::forgive(tx, &subjects.address, pairs)?)
}

/// Some pairs were wrong: the show remembers.
pub(crate) fn note_failures(tx: &mut Tx, subjects: &Subjects, pairs: i32) -> Result<(), GalaError> {
    let ends_at = tx.now() + SHOW_WINDOW;
    Ok(attempts::count_show(tx, &subjects.show, pairs, ends_at)?)
}

fn is_guessed_at(show: Option<Attempts>, now: Timestamp) -> bool {
    show.is_some_and(|row| now < row.free_at && row.failures >= SHOW_FAILURES_MAX)
}

fn count(
    row: Option<Attempts>,
    guessed_at: bool,
    now: Timestamp,
    pairs: i32,
) -> Result<Attempts, GalaError> {
    let free = if guessed_at { FREE_FAILURES_UNDER_ATTACK } else { FREE_FAILURES };
    let failures = match row {
        Some(row) if now < row.free_at => {
            let secs = row.free_at.duration_since(now).as_secs().saturating_add(1);
            return Err(GalaError::TooManyAttempts(u32::try_from(secs).unwrap_or(1)));
        }
        Some(row) if now.duration_since(row.updated_at) < FORGET_AFTER => row.failures,
        _ => 0,
    };
    let failures = failures.saturating_add(pairs);
    // A party that is tried for the first time is let through whole, whatever its size.
    let beyond = if failures == pairs && !guessed_at { 0 } else { failures - free };
    Ok(Attempts { failures, free_at: now + delay(beyond), updated_at: now })
}

/// None up to 0, then 1, 2, 4 … 900 seconds.
fn delay(beyond: i32) -> SignedDuration {
    if beyond <= 0 {
        return SignedDuration::ZERO;
    }
    let doubled = u32::try_from(beyond - 1).ok().and_then(|n| 1_i64.checked_shl(n));
    let secs = doubled.filter(|secs| (1..DELAY_MAX_SECS).contains(secs)).unwrap_or(DELAY_MAX_SECS);
    SignedDuration::from_secs(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs)
    }

    #[test]
    fn the_delay_doubles_after_ten_wrong_pairs() {
        let mut row = None;
        for n in 1..=10 {
            let counted = count(row, false, at(n), 1).unwrap();
            assert_eq!(counted.free_at, at(n), "{n}");
            row = Some(counted);
        }
        let counted = count(row, false, at(11), 1).unwrap();
        assert_eq!(counted.free_at, at(12));
        let refused = count(Some(counted), false, at(11), 1);
        assert!(matches!(refused, Err(GalaError::TooManyAttempts(2))), "{refused:?}");
        assert_eq!(delay(5).as_secs(), 16);
        assert_eq!(delay(i32::MAX).as_secs(), DELAY_MAX_SECS);
    }

    #[test]
    fn many_pairs_at_once_are_many_attempts() {
        let first = count(None, false, at(0), 20).unwrap();
        assert_eq!(first.free_at, at(0), "a large party is no attack");
        let second = count(Some(first), false, at(1), 1).unwrap();
        assert!(second.free_at >= at(900), "but twenty wrong pairs were twenty");
    }

    #[test]
    fn while_a_show_is_guessed_at_patience_is_short() {
        let attack = Attempts { failures: 300, free_at: at(600), updated_at: at(0) };
        assert!(is_guessed_at(Some(attack), at(599)) && !is_guessed_at(Some(attack), at(600)));
        let failed = Attempts { failures: 2, free_at: at(0), updated_at: at(0) };
        assert_eq!(count(Some(failed), true, at(1), 1).unwrap().free_at, at(2));
        assert_eq!(count(None, true, at(1), 2).unwrap().free_at, at(1), "nobody is locked out");
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let row = Attempts { failures: 30, free_at: at(900), updated_at: at(0) };
        assert_eq!(count(Some(row), false, at(24 * 3600), 1).unwrap().failures, 1);
    }
}
