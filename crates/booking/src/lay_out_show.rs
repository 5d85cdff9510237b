//! Give a show its blocks and seats.

use std::collections::HashSet;

use actix_web::{put, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{LayoutId, ShowId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::{Claim, Seat, SeatState, Show, ShowStatus};
use crate::offer_seats::wake;
use crate::plan::{Plan, PlannedSeat};
use crate::reads::ShowPath;
use crate::store::{layout, shows};
use crate::{BookingError, event};

/// A layout of one's own, or a saved one.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayOutShow {
    /// Categories and blocks.
    #[schema(nullable = false)]
    pub plan: Option<Plan>,
    /// A saved layout of this venue.
    #[schema(nullable = false)]
    pub layout: Option<LayoutId>,
}

impl Input for LayOutShow {
    fn check(&self, errors: &mut Errors) {
        let one = self.plan.is_some() != self.layout.is_some();
        errors.require(one, "/plan", "either", "Give plan or layout, one of them.");
        if let Some(plan) = &self.plan {
            plan.check("/plan", errors);
        }
    }
}

/// Lay out a show
///
/// Gives the show these seats. Those whose names stay keep whoever has them, at their new place
/// and, for whoever comes after, at their new price; a seat that somebody has cannot be left out:
/// 409 with those seats in `current`.
#[utoipa::path(
    operation_id = "layOutShow", tag = "booking", params(ShowPath), request_body = LayOutShow,
    security(("bearer" = [])), responses((status = 200, body = Show), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/shows/{show}/layout")]
pub(crate) async fn put_layout(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<LayOutShow>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    let answer = app
        .write(&actor, once.of(&cmd), async move |tx| lay_out_show(tx, show, &cmd).await.map(Done))
        .await?;
    wake();
    Ok(answer)
}

/// The rule.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn lay_out_show(tx: &mut Tx, id: ShowId, cmd: &LayOutShow) -> Result<Show, BookingError> {
    let mut show = shows::lock_show(tx, id).await?.ok_or(BookingError::NoSuchShow)?;
    if show.status == ShowStatus::Cancelled {
        return Err(BookingError::NotOnSale(show.status));
    }
    let plan = match (&cmd.plan, cmd.layout) {
        (Some(plan), _) => plan.clone(),
        (None, Some(layout)) => {
            shows::find_layout(tx, layout).await?.ok_or(BookingError::NoSuchLayout)?.plan
        }
        (None, None) => return Err(BookingError::NoSuchLayout),
    };
    let stranger = |c: &&crate::plan::Category| c.price.currency.as_str() != show.currency;
    if plan.categories.iter().find(stranger).is_some() {
        return Err(BookingError::OtherCurrency(show.currency));
    }
    let planned: Vec<_> = plan.seats().collect();
    show.seat_count = i32::try_from(planned.len()).unwrap_or(i32::MAX);
    show.version += 1;
    replace_seats(tx, id, &planned).await?;
    drop(planned);
    shows::update_plan(tx, &show, plan)?;
    tx.emit(event::show("show_updated", "laid_out", &show)?);
    tx.emit(event::seat_map_replaced(&show)?);
    Ok(show)
}

/// Seats that stay keep their number, so that claims and locks go on meaning the same seat.
async fn replace_seats(
    tx: &mut Tx,
    show: ShowId,
    planned: &[PlannedSeat<'_>],
) -> Result<(), BookingError> {
    let (seats, live) = layout::lock_all_seats(tx, show).await?;
    let wanted: HashSet<&str> = planned.iter().map(|seat| seat.label.as_str()).collect();
    let (stay, go): (Vec<&Seat>, Vec<&Seat>) =
        seats.iter().partition(|seat| wanted.contains(seat.label.as_str()));
    check_leaving(&go, &live)?;
    let there: HashSet<&str> = stay.iter().map(|seat| seat.label.as_str()).collect();
    let (old, new): (Vec<_>, Vec<_>) =
        planned.iter().cloned().partition(|seat| there.contains(seat.label.as_str()));
    let last = seats.iter().map(|seat| seat.number).max().unwrap_or(0);
    let numbers: Vec<_> = go.iter().map(|seat| seat.number).collect();
    if !numbers.is_empty() {
        layout::delete_seats(tx, show, &numbers)?;
    }
    if !old.is_empty() {
        layout::update_seats(tx, show, &old)?;
    }
    if !new.is_empty() {
        layout::insert_seats(tx, show, &new, last)?;
    }
    Ok(())
}

/// A seat that somebody has cannot be taken away.
fn check_leaving(seats: &[&Seat], live: &[Claim]) -> Result<(), BookingError> {
    let had: Vec<_> = seats
        .iter()
        .filter_map(|seat| {
            let claim = live.iter().find(|claim| claim.seat == seat.number)?;
            Some(SeatState { id: seat.label.clone(), status: claim.status() })
        })
        .collect();
    if had.is_empty() { Ok(()) } else { Err(BookingError::SeatsInUse(had)) }
}
