//! Keep a share of seats for those who have a code or a role.

use std::collections::HashSet;

use actix_web::{delete, get, put, web};
use edge::body::Errors;
use edge::page::Items;
use edge::{
    Actor, Answer, App, Body, Done, Gone, Input, OnceIfGiven, Path, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{ShowId, VenueId};
use kernel::role::Role;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::model::Show;
use crate::reads::ShowPath;
use crate::store::{allocations, shows};
use crate::{BookingError, event, secret};

/// Seats of one share.
const SEATS_MAX: usize = 2_000;

/// `/venues/{venue}/shows/{show}/allocations/{name}`.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AllocationPath {
    /// The venue.
    pub venue: VenueId,
    /// The show.
    pub show: ShowId,
    /// The share's name.
    pub name: String,
}

/// What a share is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllocateSeats {
    /// Ids of its seats: exactly these, 1 to 2,000.
    #[schema(min_items = 1, max_items = 2000, example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
    /// Whoever sends this code may hold them.
    #[schema(nullable = false, min_length = 6, max_length = 60)]
    pub code: Option<String>,
    /// Members with these roles may hold them.
    #[serde(default)]
    pub roles: Vec<Role>,
}

impl Input for AllocateSeats {
    fn check(&self, errors: &mut Errors) {
        errors.require(
            (1..=SEATS_MAX).contains(&self.seats.len()),
            "/seats",
            "seat_count",
            format!("A share has 1 to {SEATS_MAX} seats; these are {}.", self.seats.len()),
        );
        if let Some(code) = &self.code {
            errors.text(code, "/code", (6, 60));
        }
        let opens = self.code.is_some() || !self.roles.is_empty();
        errors.require(opens, "/code", "missing", "Give a code, roles, or both: what opens it.");
    }
}

/// A share of seats. Its code is never shown again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// Its name.
    #[schema(example = "sponsors")]
    pub name: String,
    /// The roles that open it.
    pub roles: Vec<Role>,
    /// Whether a code opens it.
    pub has_code: bool,
    /// Its seats.
    pub seats: Vec<String>,
}

impl edge::answer::Versioned for Allocation {}

/// Allocate seats
///
/// Makes a share of seats or changes it. Its seats are withheld for everybody else; seats that
/// somebody has stay theirs, and belong to the share when they come free.
#[utoipa::path(
    operation_id = "allocateSeats", tag = "booking", params(AllocationPath),
    request_body = AllocateSeats, security(("bearer" = [])),
    responses((status = 200, body = Allocation), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/shows/{show}/allocations/{name}")]
pub(crate) async fn put_allocation(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    at: Path<AllocationPath>,
    cmd: Body<AllocateSeats>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, name) = (at.show, at.name.trim().to_owned());
    app.write(&actor, once.of(&cmd), async move |tx| {
        allocate_seats(tx, show, &name, &cmd).await.map(Done)
    })
    .await
}

/// Delete an allocation
///
/// Its seats are for everybody again.
#[utoipa::path(
    operation_id = "deleteAllocation", tag = "booking", params(AllocationPath),
    security(("bearer" = [])),
    responses((status = 204, description = "The seats are for everybody"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/shows/{show}/allocations/{name}")]
pub(crate) async fn delete_allocation(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    at: Path<AllocationPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, name) = (at.show, at.name.clone());
    app.write(&actor, once.alone(), async move |tx| give_back(tx, show, &name).await.map(|()| Gone))
        .await
}

/// List allocations
///
/// The shares of a show, for staff.
#[utoipa::path(
    operation_id = "listAllocations", tag = "booking", params(ShowPath),
    security(("bearer" = [])), responses((status = 200, body = Items<Allocation>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/allocations")]
pub(crate) async fn list_allocations(
    actor: Actor<can::WithholdSeats>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Allocation>>, Rejection> {
    let items = app
        .read(&actor, async |q| {
            shows::find_show(q, at.show).await?.ok_or(BookingError::NoSuchShow)?;
            Ok::<_, BookingError>(allocations::list(q, at.show).await?)
        })
        .await?;
    Ok(web::Json(Items { items, next_cursor: None }))
}

async fn allocate_seats(
    tx: &mut Tx,
    show: ShowId,
    name: &str,
    cmd: &AllocateSeats,
) -> Result<Allocation, BookingError> {
    if !(1..=60).contains(&name.chars().count()) {
        return Err(BookingError::NoSuchAllocation);
    }
    let show = lock_show(tx, show).await?;
    let (found, _) = allocations::lock_share(tx, show.id, name, &cmd.seats).await?;
    let known: HashSet<_> = found.iter().map(|seat| seat.label.as_str()).collect();
    let strangers = cmd.seats.iter().filter(|label| !known.contains(label.as_str()));
    let unknown: Vec<_> = strangers.cloned().collect();
    if !unknown.is_empty() {
        return Err(BookingError::NoSuchSeats(unknown));
    }
    let share = Allocation {
        name: name.to_owned(),
        roles: cmd.roles.clone(),
        has_code: cmd.code.is_some(),
        seats: cmd.seats.clone(),
    };
    let code = cmd.code.as_deref().map(|code| secret::hash(code.trim()));
    allocations::save(tx, show.id, &share, code, tx.now())?;
    let detail = serde_json::json!({ "name": name, "seats": cmd.seats.len() });
    tx.audit("seats_allocated", ("show", show.id.0), &detail)?;
    tx.emit(event::seat_map_replaced(&show)?);
    Ok(share)
}

async fn give_back(tx: &mut Tx, show: ShowId, name: &str) -> Result<(), BookingError> {
    let show = lock_show(tx, show).await?;
    let (found, _) = allocations::lock_share(tx, show.id, name, &[]).await?;
    if found.is_empty() {
        return Err(BookingError::NoSuchAllocation);
    }
    allocations::delete(tx, show.id, name)?;
    tx.audit("allocation_deleted", ("show", show.id.0), &serde_json::json!({ "name": name }))?;
    tx.emit(event::seat_map_replaced(&show)?);
    Ok(())
}

/// Shares of one show change one after the other, and so do its layouts.
async fn lock_show(tx: &mut Tx, show: ShowId) -> Result<Show, BookingError> {
    shows::lock_show(tx, show).await?.ok_or(BookingError::NoSuchShow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_says_what_opens_it() {
        let codes = |json: &str| {
            let mut errors = Errors::default();
            serde_json::from_str::<AllocateSeats>(json).unwrap().check(&mut errors);
            errors.iter().map(|error| error.code).collect::<Vec<_>>()
        };
        assert!(codes(r#"{"seats": ["A-1"], "code": "SPONSOR"}"#).is_empty());
        assert!(codes(r#"{"seats": ["A-1"], "roles": ["box_office"]}"#).is_empty());
        assert_eq!(codes(r#"{"seats": ["A-1"]}"#), ["missing"]);
        assert_eq!(codes(r#"{"seats": [], "code": "SPONSOR"}"#), ["seat_count"]);
    }
}
