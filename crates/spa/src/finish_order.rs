//! The treatment is over: the room is made again, and the bill goes to the cashiers.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{OrderId, UserId};
use kernel::money::Money;
use payments::{Line, NewBill, Subject};
use pg::Tx;

use crate::SpaError;
use crate::carry_out::{hand, lock, save};
use crate::event;
use crate::model::{Order, OrderStatus};
use crate::reads::OrderPath;
use crate::settle::KIND;
use crate::store::outlook::outlook_now;
use crate::visit::Visit;

/// Finish a treatment
///
/// The therapist is free, the room is when it was made again, and the customer waits for a cashier.
/// An order that costs nothing is paid at once.
#[utoipa::path(
    operation_id = "finishOrder", tag = "spa", params(OrderPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/finish")]
pub(crate) async fn post_finish(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<OrderPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| finish_order(tx, order, user).await.map(Done))
        .await
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn finish_order(tx: &mut Tx, id: OrderId, user: UserId) -> Result<Order, SpaError> {
    let mut visit = lock(tx, id).await?;
    let hand = hand(tx, user);
    visit.finish(hand)?;
    let paid = visit.order.status == OrderStatus::Paid;
    if !paid {
        let outlook = outlook_now(tx, visit.rules.clone()).await?;
        let wait = outlook.payment_wait(visit.now);
        visit.order.payment_promised_at = Some(visit.now + wait + visit.rules.payment_lease());
        payments::open_bill(tx, &bill(&visit))?;
    }
    let order = save(tx, visit, ("order_finished", "finished"), Some(hand.id))?;
    if paid {
        let public = Order { name: None, note: None, ..order.clone() };
        event::tell(tx, "order_paid", "nothing_to_pay", &public)?;
    }
    Ok(order)
}

/// What is to be paid, as the customer was told it.
fn bill(visit: &Visit) -> NewBill {
    let currency = visit.order.currency;
    let lines = visit.items.iter().map(|item| Line {
        text: format!("{}, {}", item.service_name, item.variant_name),
        quantity: 1,
        amount: Money { amount: item.price, currency },
    });
    NewBill {
        subject: Subject::new(KIND, visit.order.id.0),
        title: format!("Order {}", visit.order.code),
        lines: lines.collect(),
        currency,
        secret_hash: Some(visit.order.token_hash.clone()),
    }
}
