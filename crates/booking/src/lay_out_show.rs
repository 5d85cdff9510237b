//! Give a show its blocks and seats.

use actix_web::{put, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{LayoutId, ShowId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::{Show, ShowStatus};
use crate::plan::Plan;
use crate::reads::ShowPath;
use crate::store::{seats, shows};
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
/// Replaces all its seats. A show whose seats are held or sold keeps them: 409.
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
    app.write(&actor, once.of(&cmd), async move |tx| lay_out_show(tx, show, &cmd).await.map(Done))
        .await
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
    let (_, in_use) = seats::lock_all_seats(tx, id).await?;
    if in_use > 0 {
        return Err(BookingError::SeatsInUse(in_use));
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
    show.seat_count = i32::try_from(plan.seats().count()).unwrap_or(i32::MAX);
    show.version += 1;
    seats::replace_seats(tx, id, &plan)?;
    shows::update_plan(tx, &show, plan)?;
    tx.emit(event::show("show_updated", "laid_out", &show)?);
    tx.emit(event::seat_map_replaced(&show)?);
    Ok(show)
}
