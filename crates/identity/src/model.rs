//! Users, venues, members: what they are, and who stands above whom.

use std::fmt;

use edge::answer::Versioned;
use jiff::Timestamp;
use kernel::ids::{InvitationId, MemberId, SessionId, UserId, VenueId};
use kernel::money::Currency;
use kernel::role::Role;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An e-mail address as it is compared and stored: trimmed, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    pub(crate) fn of(text: &str) -> Self {
        Self(text.trim().to_lowercase())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// 12 to 128 characters, nothing that is easily guessed.
// Never printed, and wiped when it is dropped.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(from = "String")]
#[schema(value_type = String, format = Password, min_length = 12, max_length = 128)]
pub struct Password(SecretString);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl Password {
    pub(crate) fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A person with a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Its id.
    pub id: UserId,
    /// The address that it signs in with, in lower case.
    #[schema(example = "ana@example.org")]
    pub email: String,
    /// What people read.
    #[schema(example = "Ana Lopes")]
    pub name: String,
    /// When it registered.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A user's role in one venue, as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Membership {
    /// The venue.
    pub venue_id: VenueId,
    /// What people read.
    #[schema(example = "Teatro Aurora")]
    pub venue_name: String,
    /// The place in it.
    pub member_id: MemberId,
    /// What the user is there.
    pub role: Role,
}

/// The signed-in user and where they work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// Who is signed in.
    pub user: User,
    /// The venues where the user has a role.
    pub memberships: Vec<Membership>,
}

/// The tenant: a house with its own shows, members, devices and log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Venue {
    /// Its id.
    pub id: VenueId,
    /// What people read.
    #[schema(example = "Teatro Aurora")]
    pub name: String,
    /// The IANA time zone that its people live in.
    #[schema(example = "Europe/Lisbon")]
    pub time_zone: String,
    /// What it sells in.
    pub currency: Currency,
    /// Rises with every change.
    pub version: i64,
    /// When it was opened.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Versioned for Venue {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A user's place in a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Whose place.
    pub user_id: UserId,
    /// The user's name.
    #[schema(example = "Ana Lopes")]
    pub name: String,
    /// The user's address.
    #[schema(example = "ana@example.org")]
    pub email: String,
    /// What the user is in this venue.
    pub role: Role,
    /// False once the place was taken away.
    pub active: bool,
    /// Rises with every change.
    pub version: i64,
    /// When the place was given first.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Versioned for Member {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A short-lived access token and the refresh token that gets the next one.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tokens {
    /// Send it as `Authorization: Bearer …`. Never in a URL.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// When the access token ends.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// For `POST /api/v1/auth/refresh`; good for one use.
    pub refresh_token: String,
    /// When the session ends unless it is refreshed before.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub refresh_expires_at: Timestamp,
    /// Who is signed in.
    pub user: User,
}

/// Somebody who was invited to the venue and has not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Whom it was mailed to.
    #[schema(example = "ana@example.org")]
    pub email: String,
    /// What the person is to be.
    pub role: Role,
    /// When it was mailed.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Until when its link counts.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// One sign-in on one device, as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionSeen {
    /// Its id.
    pub id: SessionId,
    /// When it was opened.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was refreshed last.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// When it ends unless it is refreshed before.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// What its client called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Mozilla/5.0")]
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub present: bool,
}

/// Managers are above the staff, owners above managers; among the staff nobody is above another.
fn rank(role: Role) -> u8 {
    match role {
        Role::Owner => 2,
        Role::Manager => 1,
        Role::Host
        | Role::BoxOffice
        | Role::Scanner
        | Role::Therapist
        | Role::Cashier
        | Role::Monitor => 0,
    }
}

/// Whether somebody who is `own` may give or take `role`: never above one's own.
pub(crate) fn may_give(own: Role, role: Role) -> bool {
    rank(own) >= rank(role)
}

/// Whether `name` is a time zone of the IANA database. Where the machine has no such database, its
/// shape has to do.
pub(crate) fn is_time_zone(name: &str) -> bool {
    let shape = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
    shape && (jiff::tz::db().is_definitively_empty() || jiff::tz::db().get(name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gives_a_role_above_their_own() {
        for role in Role::ALL {
            assert!(may_give(Role::Owner, *role), "{role:?}");
            assert_eq!(may_give(Role::Manager, *role), *role != Role::Owner, "{role:?}");
            let above = matches!(role, Role::Owner | Role::Manager);
            assert_eq!(may_give(Role::Host, *role), !above, "{role:?}");
        }
    }

    #[test]
    fn addresses_are_compared_in_lower_case() {
        assert_eq!(Email::of(" Ana@Example.ORG "), Email::of("ana@example.org"));
    }

    #[test]
    fn a_password_is_never_printed() {
        let password = Password::from("correct horse".to_owned());
        assert_eq!(format!("{password:?}"), "Password");
    }

    #[test]
    fn time_zones_are_known_ones() {
        assert!(is_time_zone("Europe/Lisbon"));
        for wrong in ["", "Europe/Nowhere", "../../etc/passwd", "Europe/Lisbon\n"] {
            assert!(!is_time_zone(wrong), "{wrong}");
        }
    }
}
