//! Forget a party and its personal data.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::GuestId;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::model::GuestStatus;
use crate::reads::GuestPath;

/// Delete a party
///
/// A party that sits somewhere stays: complete or unseat it first.
#[utoipa::path(
    operation_id = "deleteGuest", tag = "floor", params(GuestPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/guests/{guest}")]
pub(crate) async fn delete_guest(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<GuestPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.alone(), async move |tx| {
        let touched = Touched::guest(guest);
        carry_out(tx, &touched, |floor| remove_guest(floor, guest, seen.0)).await.map(|()| Gone)
    })
    .await
}

/// The rule.
pub(crate) fn remove_guest(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
) -> Result<(), FloorError> {
    let guest = floor.guest(id)?.guest.clone();
    floor.check_seen(Key::Guest(id), seen)?;
    if guest.status == GuestStatus::Seated {
        return Err(FloorError::NoWay(Box::new(guest)));
    }
    floor.tell(Key::Guest(id), Fate::Deleted, "deleted");
    Ok(())
}
