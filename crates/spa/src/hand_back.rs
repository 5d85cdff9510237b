//! Keep a claim, or give it back.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{OrderId, UserId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::carry_out::{hand, lock, save};
use crate::model::{Order, OrderStatus};
use crate::reads::OrderPath;
use crate::store::orders;

/// Why it is given back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandBack {
    /// In words, for colleagues.
    #[schema(nullable = false, max_length = 200)]
    pub reason: Option<String>,
}

impl Input for HandBack {
    fn check(&self, errors: &mut Errors) {
        if let Some(reason) = &self.reason {
            errors.text(reason, "/reason", (1, 200));
        }
    }
}

/// Hand an order back
///
/// To the line that it was taken from, in its old place: a customer before the treatment, or one who
/// was about to pay.
#[utoipa::path(
    operation_id = "handBackOrder", tag = "spa", params(OrderPath), request_body = HandBack,
    security(("bearer" = [])), responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/hand-back")]
pub(crate) async fn post_hand_back(
    actor: Actor<can::HandleOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<HandBack>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        hand_back(tx, order, user, &cmd).await.map(Done)
    })
    .await
}

async fn hand_back(
    tx: &mut Tx,
    id: OrderId,
    user: UserId,
    cmd: &HandBack,
) -> Result<Order, SpaError> {
    let mut visit = lock(tx, id).await?;
    let (hand, paying) = (hand(tx, user), visit.order.status == OrderStatus::AwaitingPayment);
    visit.hand_back(hand, cmd.reason.as_deref())?;
    save(tx, visit, (given_back(paying), "handed_back"), Some(hand.id))
}

/// The event of an order that is given back.
pub(crate) fn given_back(paying: bool) -> &'static str {
    if paying { "payment_handed_back" } else { "order_handed_back" }
}

/// Keep an order
///
/// The heartbeat of a claim: send one at least every third of the lease. `leaseUntil` in the answer
/// is when the order is given back otherwise; it has an end that no heartbeat moves.
#[utoipa::path(
    operation_id = "keepOrder", tag = "spa", params(OrderPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/heartbeat")]
pub(crate) async fn post_heartbeat(
    actor: Actor<can::HandleOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| keep_order(tx, order, user).await.map(Done))
        .await
}

/// Nobody else is told: nothing has changed but a time that is this caller's own.
async fn keep_order(tx: &mut Tx, id: OrderId, user: UserId) -> Result<Order, SpaError> {
    let mut visit = lock(tx, id).await?;
    let (hand, unattended) = (hand(tx, user), visit.order.unattended);
    visit.heartbeat(hand)?;
    if unattended {
        return save(tx, visit, ("order_started", "attended"), Some(hand.id));
    }
    orders::save(tx, &visit, Some(hand.id))?;
    Ok(visit.told())
}
