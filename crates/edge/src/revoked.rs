//! What was taken back while access tokens that say otherwise still live: ended sessions, and roles
//! that were changed. Kept for as long as such a token may live, in each worker's memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use bus::Control;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{SessionId, UserId, VenueId};

/// Longer than an access token lives, leeway included.
pub const REVOKED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// From so many entries on the old ones are looked for.
const SWEEP_FROM: usize = 1024;

/// The set. Empty, it costs a lock and a look.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    sessions: RwLock<Until<SessionId>>,
    roles: RwLock<Until<(UserId, VenueId)>>,
}

/// Keys that count until a time.
#[derive(Debug)]
struct Until<K> {
    until: HashMap<K, Timestamp>,
    sweep_from: usize,
}

impl<K> Default for Until<K> {
    fn default() -> Self {
        Self { until: HashMap::new(), sweep_from: SWEEP_FROM }
    }
}

impl<K: Eq + Hash> Until<K> {
    fn insert(&mut self, key: K, now: Timestamp) {
        if self.until.len() >= self.sweep_from {
            self.until.retain(|_, until| *until > now);
            // Not again at the next one, when all of them still count.
            self.sweep_from = SWEEP_FROM.max(self.until.len() * 2);
        }
        self.until.insert(key, now + REVOKED_FOR);
    }
}

impl Revoked {
    /// Takes note. A user's end comes as the end of each of their sessions.
    pub(crate) fn heed(&self, control: Control, now: Timestamp) {
        match control {
            Control::SessionRevoked { session } => {
                self.sessions.write().unwrap_or_else(PoisonError::into_inner).insert(session, now);
            }
            // A device's token names the device as its session.
            Control::DeviceRevoked { device } => {
                self.sessions
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(SessionId(device), now);
            }
            Control::MembershipChanged { user, venue } => {
                self.roles
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert((user, venue), now);
            }
            Control::UserRevoked { .. } | Control::EventsForgotten { .. } => {}
        }
    }

    pub(crate) fn has_session(&self, session: SessionId) -> bool {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.until.contains_key(&session)
    }

    pub(crate) fn has_role(&self, user: UserId, venue: VenueId) -> bool {
        let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
        roles.until.contains_key(&(user, venue))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn session(id: u128) -> SessionId {
        SessionId(Uuid::from_u128(id))
    }

    #[test]
    fn what_was_taken_back_is_remembered() {
        let (revoked, now) = (Revoked::default(), Timestamp::UNIX_EPOCH);
        let (user, venue) = (UserId(Uuid::from_u128(1)), VenueId(Uuid::from_u128(2)));
        assert!(!revoked.has_session(session(1)) && !revoked.has_role(user, venue));
        revoked.heed(Control::SessionRevoked { session: session(1) }, now);
        revoked.heed(Control::MembershipChanged { user, venue }, now);
        assert!(revoked.has_session(session(1)) && revoked.has_role(user, venue));
        assert!(!revoked.has_session(session(2)));
        assert!(!revoked.has_role(user, VenueId(Uuid::from_u128(3))));
    }

    #[test]
    fn the_set_forgets_what_no_token_can_say_any_more() {
        let (revoked, now) = (Revoked::default(), Timestamp::UNIX_EPOCH);
        for id in 0..2000 {
            revoked.heed(Control::SessionRevoked { session: session(id) }, now);
        }
        assert!(revoked.has_session(session(0)), "all of them still count");
        let later = now + REVOKED_FOR;
        for id in 2000..4100 {
            revoked.heed(Control::SessionRevoked { session: session(id) }, later);
        }
        assert!(!revoked.has_session(session(0)));
        assert!(revoked.has_session(session(4000)));
    }
}
