//! Cancel an order: the customer until the treatment, staff until it is paid.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{OrderId, UserId};
use kernel::role::Permission;
use payments::{Afterwards, Bill, PaymentError, Subject};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::carry_out::{hand, lock, save};
use crate::error::Kind;
use crate::model::{Order, OrderStatus};
use crate::reads::{OrderPath, OrderToken};
use crate::settle::KIND;

/// How often the bill is looked for: an order may be finished while it is being cancelled.
const TRIES_MAX: usize = 3;

/// Why it is cancelled.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelOrder {
    /// In words.
    #[schema(nullable = false, max_length = 200)]
    pub reason: Option<String>,
}

impl Input for CancelOrder {
    fn check(&self, errors: &mut Errors) {
        if let Some(reason) = &self.reason {
            errors.text(reason, "/reason", (1, 200));
        }
    }
}

/// Cancel an order
///
/// By its customer, with the header `Order-Token`, as long as nobody treats them; by the therapist
/// who has them; by a manager as long as it is not paid: what was paid in part goes back.
#[utoipa::path(
    operation_id = "cancelOrder", tag = "spa", params(OrderPath, OrderToken),
    request_body = CancelOrder,
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/cancel")]
pub(crate) async fn post_cancel(
    actor: Actor<can::OrderServices>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    token: OrderToken,
    cmd: Body<CancelOrder>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.scope.user);
    app.write(&actor, once.of(&cmd), async move |tx| {
        cancel_order(tx, order, (user, &token), &cmd).await.map(Done)
    })
    .await
}

async fn cancel_order(
    tx: &mut Tx,
    id: OrderId,
    (user, token): (Option<UserId>, &OrderToken),
    cmd: &CancelOrder,
) -> Result<Order, SpaError> {
    let subject = Subject::new(KIND, id.0);
    let mut tries = 0;
    // The bill is locked before the order: whoever takes money does so, too.
    let (mut visit, bill) = loop {
        tries += 1;
        let bill = find_bill(tx, &subject).await?;
        let visit = lock(tx, id).await?;
        let billed =
            matches!(visit.order.status, OrderStatus::Finished | OrderStatus::AwaitingPayment);
        if !billed || bill.is_some() || tries == TRIES_MAX {
            break (visit, bill.filter(|_| billed));
        }
        tx.start_over().await?;
    };
    let staff = user.filter(|_| tx.standing().may(Permission::ServeOrders));
    let hand = staff.map(|user| hand(tx, user));
    if hand.is_none() && !token.opens(&visit.order) {
        return Err(SpaError::Absent(Kind::Order));
    }
    let reason = cmd.reason.as_deref().unwrap_or("cancelled");
    let late = visit.order.status;
    visit.cancel(hand, reason)?;
    if let Some(mut bill) = bill {
        let back = payments::close_bill(tx, &mut bill, Afterwards::GiveBack, reason).await?;
        let detail = serde_json::json!({ "code": visit.order.code, "reason": reason,
            "status": late, "paymentsBack": back.len() });
        tx.audit("order_cancelled", ("order", id.0), &detail)?;
    }
    save(tx, visit, ("order_cancelled", "cancelled"), hand.map(|hand| hand.id))
}

async fn find_bill(tx: &mut Tx, subject: &Subject) -> Result<Option<Bill>, SpaError> {
    match payments::lock_bill(tx, subject).await {
        Ok(bill) => Ok(Some(bill)),
        Err(PaymentError::NoSuchBill) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
