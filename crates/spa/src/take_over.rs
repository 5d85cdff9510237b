//! A manager takes an order over, for themselves or for somebody else: from a phone that died, from
//! somebody who fell ill.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{OrderId, UserId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::carry_out::{hand, save};
use crate::error::Kind;
use crate::model::{Order, OrderStatus};
use crate::reads::OrderPath;
use crate::store::orders::{self, Lock};

/// Who goes on with it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TakeOver {
    /// The therapist; you, unless given. Of an order that is being paid you are the cashier.
    #[schema(nullable = false)]
    pub therapist: Option<UserId>,
}

impl Input for TakeOver {}

/// Take an order over
///
/// Whoever had it has it no more; the room stays, and a treatment goes on.
#[utoipa::path(
    operation_id = "takeOverOrder", tag = "spa", params(OrderPath), request_body = TakeOver,
    security(("bearer" = [])), responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/take-over")]
pub(crate) async fn post_take_over(
    actor: Actor<can::SuperviseOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<TakeOver>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        take_over(tx, order, user, cmd.therapist).await.map(Done)
    })
    .await
}

async fn take_over(
    tx: &mut Tx,
    id: OrderId,
    user: UserId,
    therapist: Option<UserId>,
) -> Result<Order, SpaError> {
    let to = therapist.unwrap_or(user);
    let found = orders::lock_visit(tx, id, Some(to), Lock::Wait).await?;
    let mut visit = found.ok_or(SpaError::Absent(Kind::Order))?;
    let hand = hand(tx, user);
    let from = serde_json::json!({ "code": visit.order.code, "status": visit.order.status,
        "therapist": visit.order.therapist.as_ref().map(|it| it.id), "cashier": visit.order.cashier });
    let kind = if visit.order.status == OrderStatus::AwaitingPayment {
        visit.take_payment_over(hand.id)?;
        "payment_claimed"
    } else {
        let successor = visit.successor.take();
        visit.take_over(successor.ok_or(SpaError::Absent(Kind::Therapist))?)?;
        "order_taken_over"
    };
    tx.audit("order_taken_over", ("order", id.0), &from)?;
    save(tx, visit, (kind, "taken_over"), Some(hand.id))
}
