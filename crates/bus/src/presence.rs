//! Who of the staff is on which screen, as one worker knows it.

use kernel::ids::{UserId, VenueId};
use serde::{Deserialize, Serialize};

/// Somebody on a screen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Present {
    /// Who.
    pub user: UserId,
    /// On which screen of the client's.
    pub screen: String,
}

/// Everybody that one worker's sockets have told of: each message replaces the one before. It is
/// no event, nobody repairs it: it is said again, and forgotten when it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Where.
    pub venue: VenueId,
    /// All of them.
    pub people: Vec<Present>,
}
