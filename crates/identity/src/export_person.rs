//! Export a person: all that this slice keeps of them, for themselves.

use jiff::Timestamp;
use kernel::ids::{InvitationId, SessionId, UserId};
use pg::Reader;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::IdentityError;
use crate::model::{Membership, User};
use crate::store::{oidc, people, users};

/// A sign-in that is still kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionKept {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was refreshed last.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// Whether it is over.
    pub ended: bool,
    /// What the client called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent: Option<String>,
}

/// An invitation that was mailed to the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationKept {
    /// Its id.
    pub id: InvitationId,
    /// Where to.
    pub venue_name: String,
    /// As what.
    pub role: String,
    /// `open`, `accepted` or `withdrawn`.
    pub state: String,
    /// When it was mailed.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Who the person is at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginKept {
    /// Its id here.
    pub id: Uuid,
    /// The provider.
    pub issuer: String,
    /// What it calls the person.
    pub subject: String,
    /// The address that it named when the login was linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// Since when it opens the account.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub linked_at: Timestamp,
}

/// Logins of one person that are read.
pub(crate) const LOGINS_MAX: i64 = 200;

/// What is kept of a person as a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonKept {
    user: User,
    memberships: Vec<Membership>,
    sessions: Vec<SessionKept>,
    logins: Vec<LoginKept>,
    invitations: Vec<InvitationKept>,
}

impl PersonKept {
    /// The address, by which other slices find what they keep.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.user.email
    }
}

/// All that this slice keeps of `user`. In a job's scope, because a person is in
/// many venues.
///
/// # Errors
/// `UserGone`, or the database's failures.
pub async fn export_person(q: &mut Reader, user: UserId) -> Result<PersonKept, IdentityError> {
    let found = users::find_user(q, user).await?.ok_or(pg::DbError::UserGone)?;
    let memberships = users::list_memberships(q, user).await?;
    let sessions = people::list_sessions(q, user).await?;
    let logins = oidc::list_logins(q, user, LOGINS_MAX).await?;
    let invitations = people::list_invitations(q, &found.email).await?;
    Ok(PersonKept { user: found, memberships, sessions, logins, invitations })
}
