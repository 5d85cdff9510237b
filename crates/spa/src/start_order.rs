//! Begin a treatment, or say that it did not begin after all.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};

use kernel::ids::{OrderId, UserId};
use pg::Tx;

use crate::SpaError;
use crate::carry_out::carry_out;
use crate::model::Order;
use crate::reads::OrderPath;
use crate::visit::Visit;

/// Start a treatment
///
/// From now on the claim lasts until the treatment is expected to end, and some time beyond.
#[utoipa::path(
    operation_id = "startOrder", tag = "spa", params(OrderPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/start")]
pub(crate) async fn post_start(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| start_order(tx, order, user).await.map(Done))
        .await
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn start_order(tx: &mut Tx, id: OrderId, user: UserId) -> Result<Order, SpaError> {
    carry_out(tx, id, user, ("order_started", "started"), Visit::start).await
}

/// Undo a start
///
/// Within the time that the spa allows for it.
#[utoipa::path(
    operation_id = "undoOrderStart", tag = "spa", params(OrderPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/undo-start")]
pub(crate) async fn post_undo_start(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        let told = ("order_start_undone", "start_undone");
        carry_out(tx, order, user, told, Visit::undo_start).await.map(Done)
    })
    .await
}
