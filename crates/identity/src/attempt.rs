//! How often signing in may be tried: growing delays per account, a limit per address.
//!
//! An attempt is counted before the password is looked at and forgiven when it was right, so that a
//! hundred guesses at once are a hundred guesses. A stranger cannot lock anybody out: an address
//! where the account has signed in before is counted apart.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::ClientAddress;
use edge::token::sha256;
use jiff::{SignedDuration, Timestamp};
use pg::Tx;

use crate::IdentityError;
use crate::model::Email;
use crate::store::attempts;

/// Failures of an account that cost nothing.
const FREE_FAILURES: i32 = 5;
/// The longest delay after a failure, in seconds.
const DELAY_MAX_SECS: i64 = 900;
/// Failures this long ago are forgotten.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// What the limit per address counts in.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Links for a new password that an account is mailed within an hour.
const RESETS_MAX: i32 = 3;
/// What they are counted in.
const RESET_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// What was tried under a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Failures in a row; for an address, attempts in its window.
    pub(crate) failures: i32,
    /// From when on the next is free; for an address, when its window ends.
    pub(crate) free_at: Timestamp,
    /// When it was tried last.
    pub(crate) updated_at: Timestamp,
}

/// What attempts are counted under. The account's address is hashed: failures outlive accounts.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    account: String,
    known: String,
    address: String,
    reset: String,
}

impl Subjects {
    pub(crate) fn new(email: &Email, from: ClientAddress) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(sha256(email.as_str().as_bytes()));
        let household = from.household();
        Self {
            account: format!("account:{hash}"),
            known: format!("known:{hash}@{household}"),
            address: format!("address:{household}"),
            reset: format!("reset:{hash}"),
        }
    }
}

/// Counts one attempt to sign in.
///
/// # Errors
/// `TooManyAttempts`, and then nothing is counted.
pub(crate) async fn admit_sign_in(
    tx: &mut Tx,
    subjects: &Subjects,
    per_minute: i32,
) -> Result<(), IdentityError> {
    let (sure, all) = (
        [subjects.account.as_str(), subjects.address.as_str()],
        [subjects.account.as_str(), subjects.address.as_str(), subjects.known.as_str()],
    );
    let rows = attempts::lock_attempts(tx, &sure, &all).await?;
    let find = |subject: &str| rows.iter().find(|(name, _)| name == subject).map(|(_, row)| *row);
    let now = tx.now();
    let address = count_address(find(&subjects.address), now, per_minute)?;
    let (subject, row) = match find(&subjects.known) {
        Some(row) => (&subjects.known, Some(row)),
        None => (&subjects.account, find(&subjects.account)),
    };
    let account = count_account(row, now)?;
    attempts::update_attempts(tx, &subjects.address, address);
    attempts::update_attempts(tx, subject, account);
    Ok(())
}

/// Counts one attempt to register.
///
/// # Errors
/// `TooManyAttempts`, and then nothing is counted.
pub(crate) async fn admit_registration(
    tx: &mut Tx,
    subjects: &Subjects,
    per_minute: i32,
) -> Result<(), IdentityError> {
    let sure = [subjects.address.as_str()];
    let rows = attempts::lock_attempts(tx, &sure, &sure).await?;
    let row = rows.first().map(|(_, row)| *row);
    let counted = count_address(row, tx.now(), per_minute)?;
    attempts::update_attempts(tx, &subjects.address, counted);
    Ok(())
}

/// Counts one wish for a new password. The same work and the same answer for an address that has
/// no account; true if a link may be mailed.
///
/// # Errors
/// `TooManyAttempts` of the client's address, and then nothing is counted.
pub(crate) async fn admit_reset(
    tx: &mut Tx,
    subjects: &Subjects,
    per_minute: i32,
) -> Result<bool, IdentityError> {
    let sure = [subjects.address.as_str(), subjects.reset.as_str()];
    let rows = attempts::lock_attempts(tx, &sure, &sure).await?;
    let find = |subject: &str| rows.iter().find(|(name, _)| name == subject).map(|(_, row)| *row);
    let now = tx.now();
    let address = count_address(find(&subjects.address), now, per_minute)?;
    let (admitted, reset) = count_reset(find(&subjects.reset), now);
    attempts::update_attempts(tx, &subjects.address, address);
    attempts::update_attempts(tx, &subjects.reset, reset);
    Ok(admitted)
}

/// The account's delays are over: its person has shown who they are.
pub(crate) fn forgive_delays(tx: &mut Tx, subjects: &Subjects) {
    let at = tx.now();
    attempts::forgive_account(tx, &subjects.account, at);
}

/// The password was right: its attempt is forgiven, and the address is known from now on.
pub(crate) fn forgive(tx: &mut Tx, subjects: &Subjects) {
    let at = tx.now();
    attempts::forgive_account(tx, &subjects.account, at);
    attempts::know_address(tx, &subjects.known, at);
}

fn count_address(
    row: Option<Attempts>,
    now: Timestamp,
    per_minute: i32,
) -> Result<Attempts, IdentityError> {
    match row.filter(|row| now < row.free_at) {
        Some(row) if row.failures >= per_minute => Err(wait(now, row.free_at)),
        Some(row) => Ok(Attempts { failures: row.failures + 1, updated_at: now, ..row }),
        None => Ok(Attempts { failures: 1, free_at: now + WINDOW, updated_at: now }),
    }
}

fn count_reset(row: Option<Attempts>, now: Timestamp) -> (bool, Attempts) {
    match row.filter(|row| now < row.free_at) {
        Some(row) => {
            let failures = row.failures.saturating_add(1);
            (failures <= RESETS_MAX, Attempts { failures, updated_at: now, ..row })
        }
        None => (true, Attempts { failures: 1, free_at: now + RESET_WINDOW, updated_at: now }),
    }
}

fn count_account(row: Option<Attempts>, now: Timestamp) -> Result<Attempts, IdentityError> {
    let failures = match row {
        Some(row) if now < row.free_at => return Err(wait(now, row.free_at)),
        Some(row) if now.duration_since(row.updated_at) < FORGET_AFTER => row.failures,
        _ => 0,
    };
    let failures = failures.saturating_add(1);
    Ok(Attempts { failures, free_at: now + delay_after(failures), updated_at: now })
}

/// None for the first five failures, then 1, 2, 4 … 900 seconds.
fn delay_after(failures: i32) -> SignedDuration {
    let beyond = failures - FREE_FAILURES;
    if beyond < 0 {
        return SignedDuration::ZERO;
    }
    let doubled = u32::try_from(beyond).ok().and_then(|n| 1_i64.checked_shl(n));
    let secs = doubled.filter(|secs| (1..DELAY_MAX_SECS).contains(secs)).unwrap_or(DELAY_MAX_SECS);
    SignedDuration::from_secs(secs)
}

fn wait(now: Timestamp, free_at: Timestamp) -> IdentityError {
    // Up to the next whole second: who waits as long as told gets through.
    let secs = free_at.duration_since(now).as_secs().saturating_add(1);
    IdentityError::TooManyAttempts(u32::try_from(secs).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(secs: i64) -> Timestamp {
        START + SignedDuration::from_secs(secs)
    }

    #[test]
    fn the_delay_doubles_after_five_free_failures() {
        let secs: Vec<_> = (1..=17).map(|n| delay_after(n).as_secs()).collect();
        assert_eq!(secs, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(delay_after(i32::MAX).as_secs(), DELAY_MAX_SECS);
    }

    #[test]
    fn a_guesser_gets_few_guesses_a_day() {
        let (mut now, mut row, mut guesses) = (START, None, 0);
        while now < at(24 * 3600) {
            match count_account(row, now) {
                Ok(counted) => {
                    row = Some(counted);
                    guesses += 1;
                }
                Err(IdentityError::TooManyAttempts(secs)) => {
                    now += SignedDuration::from_secs(i64::from(secs));
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!((100..120).contains(&guesses), "{guesses}");
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let row = Attempts { failures: 30, free_at: at(900), updated_at: at(0) };
        assert!(count_account(Some(row), at(899)).is_err());
        assert_eq!(count_account(Some(row), at(901)).unwrap().failures, 31);
        assert_eq!(count_account(Some(row), at(24 * 3600)).unwrap().failures, 1);
    }

    #[test]
    fn an_address_has_a_limit_per_minute() {
        let mut row = None;
        for _ in 0..20 {
            row = Some(count_address(row, at(10), 20).unwrap());
        }
        let refused = count_address(row, at(30), 20);
        assert!(matches!(refused, Err(IdentityError::TooManyAttempts(41))), "{refused:?}");
        assert_eq!(count_address(row, at(71), 20).unwrap().failures, 1);
    }

    #[test]
    fn subjects_hold_no_address_of_a_person() {
        let from = ClientAddress("203.0.113.7".parse().unwrap());
        let subjects = Subjects::new(&Email::of("ana@example.org"), from);
        assert!(!format!("{subjects:?}").contains("ana"));
        assert_eq!(subjects.address, "address:203.0.113.7");
    }
}
