//! Export a person: all that this slice keeps of them, for themselves.

use jiff::Timestamp;
use kernel::ids::{SessionId, UserId};
use pg::Reader;
use serde::Serialize;
use utoipa::ToSchema;

use crate::IdentityError;
use crate::model::{Membership, User};
use crate::store::{people, users};

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

/// What is kept of a person as a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonKept {
    user: User,
    memberships: Vec<Membership>,
    sessions: Vec<SessionKept>,
}

/// All that this slice keeps of `user`. The scope has to be the user's own.
///
/// # Errors
/// `UserGone`, or the database's failures.
pub async fn export_person(q: &mut Reader, user: UserId) -> Result<PersonKept, IdentityError> {
    let found = users::find_user(q, user).await?.ok_or(pg::DbError::UserGone)?;
    let memberships = users::list_memberships(q, user).await?;
    let sessions = people::list_sessions(q, user).await?;
    Ok(PersonKept { user: found, memberships, sessions })
}
