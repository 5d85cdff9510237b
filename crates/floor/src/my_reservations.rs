//! A customer's own reservations, in all venues. `cancelReservation` gives one up.

use actix_web::{get, web};
use edge::page::{Items, Page};
use edge::{Actor, App, ReadRefusals, Rejection, can};
use kernel::ids::VenueId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::reservation::Reservation;
use crate::store::reservations;

/// One's own reservation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyReservation {
    /// Where.
    pub venue_id: VenueId,
    /// What.
    pub reservation: Reservation,
}

/// List my reservations
///
/// One's own, in all venues, oldest first. `POST …/reservations/{reservation}/cancel` gives one up.
#[utoipa::path(
    operation_id = "listMyReservations", tag = "floor", params(Page),
    security(("bearer" = [])),
    responses((status = 200, body = Items<MyReservation>), ReadRefusals)
)]
#[get("/api/v1/me/reservations")]
pub(crate) async fn list_my_reservations(
    actor: Actor<can::ActForSelf>,
    page: web::Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<MyReservation>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let user = actor.user()?;
    let read = async |q: &mut pg::Reader| {
        reservations::list_reservations_of_user(q, user, (after, limit)).await
    };
    let found: Vec<MyReservation> = app.read(&actor, read).await?;
    Ok(web::Json(Items::of(found, limit, |it| it.reservation.id.0)))
}
