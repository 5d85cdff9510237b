//! Refresh tokens: what they look like, and what a presented one leads to.

use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge::token::sha256;
use jiff::{SignedDuration, Timestamp};

use edge::seal::SealKey;

/// Says what it is to whoever finds it where it should not be.
const PREFIX: &str = "rlr_";
/// What a successor is sealed for.
const PURPOSE: &[u8] = b"refresh token's successor";
/// A repeat this soon after the first use gets the same successor.
const GRACE: SignedDuration = SignedDuration::from_secs(30);
/// A session that nobody refreshes for this long is over.
const IDLE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A session is over after this long, however often it was refreshed.
const SESSION_MAX: SignedDuration = SignedDuration::from_hours(180 * 24);

/// A fresh token of 256 random bits.
pub(crate) fn fresh() -> Result<String, Unspecified> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is kept of a token.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    sha256(token.as_bytes()).to_vec()
}

/// `successor` so that only whoever has `token` can read it: the database cannot.
pub(crate) fn seal_successor(token: &str, successor: &str) -> Result<Vec<u8>, Unspecified> {
    SealKey::derived(token.as_bytes(), PURPOSE)?.seal(successor.as_bytes(), &hash(token))
}

/// The successor that was sealed under `token`.
pub(crate) fn open_successor(token: &str, sealed: &[u8]) -> Result<String, Unspecified> {
    let plain = SealKey::derived(token.as_bytes(), PURPOSE)?.open(sealed, &hash(token))?;
    String::from_utf8(plain).map_err(|_| Unspecified)
}

/// When a session that was begun at `begun` ends, unless it is refreshed after `now`.
pub(crate) fn session_end(begun: Timestamp, now: Timestamp) -> Timestamp {
    (now + IDLE_MAX).min(begun + SESSION_MAX)
}

/// What the database knows of a presented token and its session, read under the session's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presented {
    /// When the session ends by itself.
    pub(crate) session_ends_at: Timestamp,
    /// Whether the session was ended.
    pub(crate) session_ended: bool,
    /// When the token was used first.
    pub(crate) used_at: Option<Timestamp>,
    /// Whether another successor took its place before it was used.
    pub(crate) revoked: bool,
    /// Whether its own successor was used.
    pub(crate) successor_used: bool,
}

/// What a presented token leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// It is fresh: it is used up and gets a successor.
    Rotate,
    /// Two tabs, or an answer that was lost a moment ago: the same successor again.
    Repeat,
    /// The answer was lost and nobody has used the successor: another one takes its place.
    Replace,
    /// Two hold the same token, and one of them is a thief: the session ends for both.
    Theft,
    /// The session is over.
    Over,
}

/// The rule.
pub(crate) fn lead(presented: Presented, now: Timestamp) -> Lead {
    if presented.session_ended || presented.session_ends_at <= now {
        return Lead::Over;
    }
    if presented.revoked {
        // Its predecessor was presented again after it had been given out: somebody else has it.
        return Lead::Theft;
    }
    match presented.used_at {
        None => Lead::Rotate,
        Some(used_at) if now.duration_since(used_at) <= GRACE => Lead::Repeat,
        Some(_) if presented.successor_used => Lead::Theft,
        Some(_) => Lead::Replace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    const FRESH: Presented = Presented {
        session_ends_at: Timestamp::MAX,
        session_ended: false,
        used_at: None,
        revoked: false,
        successor_used: false,
    };

    #[test]
    fn every_presented_token_leads_somewhere() {
        let used = |successor_used| Presented { used_at: Some(at(0)), successor_used, ..FRESH };
        let revoked = Presented { revoked: true, ..FRESH };
        let cases = [
            (FRESH, at(0), Lead::Rotate),
            (used(false), at(0), Lead::Repeat),
            (used(false), at(30), Lead::Repeat),
            (used(true), at(30), Lead::Repeat),
            (used(false), at(31), Lead::Replace),
            (used(true), at(31), Lead::Theft),
            (revoked, at(0), Lead::Theft),
            (Presented { revoked: true, ..used(false) }, at(1), Lead::Theft),
        ];
        for (presented, now, expected) in cases {
            assert_eq!(lead(presented, now), expected, "{presented:?}");
            let ended = Presented { session_ended: true, ..presented };
            assert_eq!(lead(ended, now), Lead::Over, "{ended:?}");
            let idle = Presented { session_ends_at: now, ..presented };
            assert_eq!(lead(idle, now), Lead::Over, "{idle:?}");
        }
    }

    #[test]
    fn a_thief_and_the_owner_cannot_both_go_on() {
        // The thief copied the token T; the owner used it and holds its successor S, unused.
        let stolen = Presented { used_at: Some(at(0)), ..FRESH };
        assert_eq!(lead(stolen, at(300)), Lead::Replace, "looks like a lost answer");
        // That revoked S. When the owner presents S, the session ends for both.
        let owners = Presented { revoked: true, ..FRESH };
        assert_eq!(lead(owners, at(600)), Lead::Theft);
        // Had the owner used S before, the thief's T would have ended it at once.
        assert_eq!(lead(Presented { successor_used: true, ..stolen }, at(600)), Lead::Theft);
    }

    #[test]
    fn only_the_token_opens_its_successor() {
        let (token, successor) = (fresh().unwrap(), fresh().unwrap());
        assert_eq!(token.len(), PREFIX.len() + 43);
        let sealed = seal_successor(&token, &successor).unwrap();
        assert_eq!(open_successor(&token, &sealed).unwrap(), successor);
        assert!(open_successor(&successor, &sealed).is_err());
    }

    #[test]
    fn a_session_ends_without_use_and_at_its_age() {
        let day = SignedDuration::from_hours(24);
        assert_eq!(session_end(at(0), at(0)), at(0) + day * 30);
        assert_eq!(session_end(at(0), at(0) + day * 179), at(0) + day * 180);
    }
}
