//! Erase a person: their orders stay without a name and a note, and whom they served is told without
//! theirs. And what is kept of them.

use jiff::{SignedDuration, Timestamp};
use kernel::ids::{UserId, VenueId};
use pg::{Reader, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::SpaError;
use crate::model::Order;
use crate::store::kept;

/// Orders that are read at a time.
const PAGE: i64 = 200;
/// For how long, at most, a log tells of an order whose treatment began then.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What told of a person.
#[derive(Clone, Debug)]
pub struct Erased {
    /// Their own orders: what was paid for these is theirs, too.
    pub orders: Vec<Uuid>,
    /// Orders of others whose events named them as the therapist.
    pub served: Vec<Uuid>,
}

/// What is kept of somebody as a therapist.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TherapistKept {
    /// Where.
    pub venue_id: VenueId,
    /// What customers read.
    pub name: String,
    /// What they have learnt.
    pub skills: Vec<String>,
    /// Since when they are on shift.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub on_shift_since: Option<Timestamp>,
    /// Turns of the shift.
    pub turns: i32,
}

/// Takes this slice's part of a person away and gives the ids of what told of them. Runs in a job's
/// transaction, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn erase_person(tx: &mut Tx, user: UserId) -> Result<Erased, SpaError> {
    let told_since = tx.now() - TOLD_FOR;
    Ok(kept::erase(tx, user, told_since).await?)
}

/// All orders of `user`. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_orders(q: &mut Reader, user: UserId) -> Result<Vec<Order>, SpaError> {
    let mut all: Vec<Order> = Vec::new();
    loop {
        let after = all.last().map_or(Uuid::nil(), |order| order.id.0);
        let page = kept::list_orders(q, user, (after, PAGE)).await?;
        let more = !page.is_empty();
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}

/// What `user` is as a therapist. In a job's scope, because a person is in many venues.
///
/// # Errors
/// The database's failures.
pub async fn export_profiles(q: &mut Reader, user: UserId) -> Result<Vec<TherapistKept>, SpaError> {
    Ok(kept::list_profiles(q, user).await?)
}
