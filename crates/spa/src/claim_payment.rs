//! The next customer who pays.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::{Actor, Answer, App, Body, Done, Nothing, Once, Path, Rejection, WriteRefusals, can};
use kernel::ids::UserId;
use pg::Tx;
use serde::Serialize;
use utoipa::ToSchema;

use crate::carry_out::holder;
use crate::model::Order;
use crate::reads::VenuePath;
use crate::store::claims;
use crate::{SpaError, event};

/// The next customer who pays, if there is one.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextPayment {
    /// Whose money you take now: `POST …/orders/{order}/payments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order: Option<Order>,
}

impl Versioned for NextPayment {
    fn version(&self) -> Option<i64> {
        self.order.as_ref().map(|order| order.version)
    }
}

/// Take the next customer who pays
///
/// The one who has waited longest for a cashier. What is taken is leased: send heartbeats until it
/// is paid or handed back. Without anybody, `order` is absent.
#[utoipa::path(
    operation_id = "claimNextPayment", tag = "spa",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    security(("bearer" = [])),
    responses((status = 200, body = NextPayment), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/queue/cashier/next")]
pub(crate) async fn post_next_payment(
    actor: Actor<can::SettleOrders>,
    once: Once,
    _at: Path<VenuePath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| claim_payment(tx, user).await.map(Done)).await
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn claim_payment(tx: &mut Tx, user: UserId) -> Result<NextPayment, SpaError> {
    let cashier = holder(tx, user);
    let (claimed, found) = claims::claim_payment(tx, cashier).await?;
    let order = found.map(|(order, items)| order.told(&items));
    if let (Some(order), false) = (&order, claimed) {
        return Err(SpaError::Busy(Some(Box::new(order.clone()))));
    }
    if let Some(order) = &order {
        let public = Order { name: None, note: None, ..order.clone() };
        event::tell(tx, "payment_claimed", "claimed", &public)?;
    }
    Ok(NextPayment { order })
}
