//! Parties that wait for seats: what they are, and the lists of them.

use actix_web::{get, web};
use edge::page::{Items, Page};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::{HoldId, ShowId, VenueId, WaitingId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::BookingError;
use crate::reads::ShowPath;
use crate::store::{shows, waiting};

kernel::names! {
    /// Where a party of a waiting list stands.
    WaitingStatus {
        /// No seats yet.
        Waiting = "waiting",
        /// Seats are held for it.
        Offered = "offered",
        /// It booked them.
        Taken = "taken",
        /// It let the offer pass.
        Passed = "passed",
        /// It left the list.
        Left = "left",
    }
}

/// Seats that are held for a party that waited.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// The hold; `accept` gives its token.
    pub hold: HoldId,
    /// The seats; empty in one's own list.
    pub seats: Vec<String>,
    /// When the offer goes to the next party.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// A party that waits for seats.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Its id.
    pub id: WaitingId,
    /// The show.
    pub show_id: ShowId,
    /// How many seats it needs.
    pub quantity: i32,
    /// The only category that it wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category: Option<String>,
    /// Where it stands.
    pub status: WaitingStatus,
    /// The seats that are held for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub offer: Option<Offer>,
    /// When it came.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Rises with every change.
    pub version: i64,
}

impl edge::answer::Versioned for Waiting {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// `/venues/{venue}/waitlist/{entry}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct WaitingPath {
    /// The venue.
    pub venue: VenueId,
    /// The party's place in the list.
    pub entry: WaitingId,
}

/// List a waiting list
///
/// The parties that wait for a show or have an offer, first come first. For staff.
#[utoipa::path(
    operation_id = "listWaitlist", tag = "booking", params(ShowPath, Page),
    security(("bearer" = [])), responses((status = 200, body = Items<Waiting>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/waitlist")]
pub(crate) async fn list_waitlist(
    actor: Actor<can::ListBookings>,
    at: Path<ShowPath>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Waiting>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let found = app
        .read(&actor, async |q| {
            shows::find_show(q, at.show).await?.ok_or(BookingError::NoSuchShow)?;
            Ok::<_, BookingError>(waiting::list(q, at.show, (after, limit)).await?)
        })
        .await?;
    Ok(web::Json(Items::of(found, limit, |waiting| waiting.id.0)))
}

/// List my waiting lists
///
/// One's own places, in all venues, oldest first, with what is offered.
#[utoipa::path(
    operation_id = "listMyWaitlist", tag = "booking", params(Page), security(("bearer" = [])),
    responses((status = 200, body = Items<Waiting>), ReadRefusals)
)]
#[get("/api/v1/me/waitlist")]
pub(crate) async fn list_my_waitlist(
    actor: Actor<can::ActForSelf>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Waiting>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let user = actor.user()?;
    let found =
        app.read(&actor, async |q| waiting::list_of_user(q, user, (after, limit)).await).await?;
    Ok(web::Json(Items::of(found, limit, |waiting| waiting.id.0)))
}
