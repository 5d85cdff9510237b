//! What workers tell each other besides events.

use kernel::ids::{SessionId, UserId, VenueId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Somebody's rights changed: open sockets must follow within a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    /// All sessions of a user are over.
    UserRevoked {
        /// Whose.
        user: UserId,
    },
    /// One session is over.
    SessionRevoked {
        /// Which.
        session: SessionId,
    },
    /// A device may no longer be used.
    DeviceRevoked {
        /// Which.
        device: Uuid,
    },
    /// A user's role in a venue was given, changed or taken.
    MembershipChanged {
        /// Whose.
        user: UserId,
        /// Where.
        venue: VenueId,
    },
    /// What events of a venue said of a person was erased: nobody may tell it any more.
    EventsForgotten {
        /// Whose log.
        venue: VenueId,
        /// The last event that may have been erased.
        until: i64,
    },
}
