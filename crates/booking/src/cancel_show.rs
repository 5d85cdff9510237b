//! Cancel a show, with its holds and bookings.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::ShowId;
use pg::Tx;

use crate::model::{Show, ShowStatus};
use crate::reads::ShowPath;
use crate::store::{bookings, layout, shows};
use crate::{BookingError, event};

/// Cancel a show
///
/// It does not take place: its holds end and its bookings are cancelled with it, its tickets open no
/// door any more, and what was paid goes back within moments, bill by bill. There is no way back.
#[utoipa::path(
    operation_id = "cancelShow", tag = "booking", params(ShowPath), security(("bearer" = [])),
    responses((status = 200, body = Show), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/cancel")]
pub(crate) async fn post_cancel_show(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| cancel_show(tx, show).await.map(Done)).await
}

async fn cancel_show(tx: &mut Tx, id: ShowId) -> Result<Show, BookingError> {
    let mut show = shows::lock_show(tx, id).await?.ok_or(BookingError::NoSuchShow)?;
    if show.status == ShowStatus::Cancelled {
        return Ok(show);
    }
    bookings::lock_all(tx, id).await?;
    // Whoever is holding a seat right now ends first, and whoever comes after sees the status.
    let (_, live) = layout::lock_all_seats(tx, id).await?;
    show.status = ShowStatus::Cancelled;
    show.version += 1;
    shows::update_show(tx, &show)?;
    bookings::cancel_all(tx, id)?;
    tickets::revoke_ticket::revoke_of_show(tx, id)?;
    tx.audit("show_cancelled", ("show", id.0), &serde_json::json!({ "seatsInUse": live.len() }))?;
    tx.emit(event::show("show_updated", "cancelled", &show)?);
    tx.emit(event::seat_map_replaced(&show)?);
    Ok(show)
}
