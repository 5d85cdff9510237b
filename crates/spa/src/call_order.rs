//! Call a customer, and what becomes of one who does not come.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};

use crate::carry_out::carry_out;
use crate::model::Order;
use crate::reads::OrderPath;
use crate::visit::Visit;

/// Call a customer
///
/// To the room that is theirs: the wall and whoever follows the order hear it. Renews the claim.
#[utoipa::path(
    operation_id = "callOrder", tag = "spa", params(OrderPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/call")]
pub(crate) async fn post_call(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        let told = ("order_called", "called");
        carry_out(tx, order, user, told, Visit::call).await.map(Done)
    })
    .await
}

/// Mark a no-show
///
/// Was called, had the time to come and did not. The room is free at once, and the turn is given
/// back.
#[utoipa::path(
    operation_id = "markOrderNoShow", tag = "spa", params(OrderPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/no-show")]
pub(crate) async fn post_no_show(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        let told = ("order_no_show", "no_show");
        carry_out(tx, order, user, told, Visit::no_show).await.map(Done)
    })
    .await
}
