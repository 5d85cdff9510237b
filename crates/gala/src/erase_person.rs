//! Erase a person: what they eat and need goes; the chair stays with the ticket, whose name is
//! erased by the tickets themselves. And what is kept of them.

use kernel::ids::{ShowId, TicketId};
use pg::{Reader, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::GalaError;
use crate::model::Preferences;
use crate::store::people;

/// What is kept of somebody as a guest.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaKept {
    /// The show.
    pub show_id: ShowId,
    /// Their ticket.
    pub ticket_id: TicketId,
    /// Their table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub table: Option<String>,
    /// What they would like.
    pub preferences: Preferences,
}

/// Takes this slice's part of a person away and gives the ids of what told of them. Runs in a job's
/// transaction, because a person is in many venues, and before their tickets are erased: it finds
/// them by the address on these.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(tx: &mut Tx, email: &str) -> Result<Vec<Uuid>, GalaError> {
    let email = email.to_lowercase();
    let tickets = tickets::holders::ids_of_person(tx, &email).await?;
    Ok(people::erase(tx, &tickets, &email).await?)
}

/// What is kept of whoever has this address on a ticket. In a job's scope, because a person is in
/// many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_person(q: &mut Reader, email: &str) -> Result<Vec<GalaKept>, GalaError> {
    let tickets = tickets::holders::list_of_person(q, &email.to_lowercase()).await?;
    Ok(people::list_of_person(q, &tickets).await?)
}
