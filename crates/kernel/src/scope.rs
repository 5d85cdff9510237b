//! Whose data a transaction may touch, and who acts.

use std::net::IpAddr;

use uuid::Uuid;

use crate::ids::{DeviceId, UserId, VenueId};

/// What row-level security lets a transaction see. Made by `edge` from the route and the token,
/// never from a body or a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One venue and nothing else.
    Venue(VenueId),
    /// What belongs to no venue: users and their sessions, and the user's own memberships.
    Person,
    /// Every venue, for jobs (expiry, head checks). Never for a request.
    Job,
}

/// The scope of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What may be seen.
    pub reach: Reach,
    /// The user who acts, when somebody is signed in.
    pub user: Option<UserId>,
    /// The device that acts for the user, when it is one.
    pub device: Option<DeviceId>,
}

/// Where a write came from, for the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, as far as trusted proxies told it.
    pub address: Option<IpAddr>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl Scope {
    /// One venue, for `user`.
    #[must_use]
    pub fn venue(venue: VenueId, user: Option<UserId>) -> Self {
        Self { reach: Reach::Venue(venue), user, device: None }
    }

    /// What belongs to no venue.
    #[must_use]
    pub fn person(user: Option<UserId>) -> Self {
        Self { reach: Reach::Person, user, device: None }
    }

    /// Every venue, for jobs.
    #[must_use]
    pub fn job() -> Self {
        Self { reach: Reach::Job, user: None, device: None }
    }

    /// The same scope, for a device that acts for the user.
    #[must_use]
    pub fn on(self, device: Option<DeviceId>) -> Self {
        Self { device, ..self }
    }

    /// Who keys and events are kept under: the user, or nobody (all zeros).
    #[must_use]
    pub fn actor(&self) -> Uuid {
        self.user.map_or(Uuid::nil(), |user| user.0)
    }

    /// The venue that keys and events are kept under: all zeros where there is none.
    #[must_use]
    pub fn venue_or_nil(&self) -> Uuid {
        match self.reach {
            Reach::Venue(venue) => venue.0,
            Reach::Person | Reach::Job => Uuid::nil(),
        }
    }
}
