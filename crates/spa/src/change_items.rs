//! Services that come onto the bill and go from it during the visit.

use actix_web::{delete, post, web};
use edge::{
    Actor, Answer, App, Body, Done, Input, Once, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{ItemId, OrderId, UserId, VariantId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::carry_out::{carry_out, hand, lock, save};
use crate::create_order::item;
use crate::error::Kind;
use crate::model::Order;
use crate::reads::{ItemPath, OrderPath};
use crate::store::catalogue;

/// A service to be added.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddItem {
    /// What is added, for the price of this moment.
    pub variant: VariantId,
}

impl Input for AddItem {}

/// Add a service
///
/// To a customer whom you have. It must be one that you have learnt, and that the room offers. The
/// bill and the expected end are new, and the customer sees it.
#[utoipa::path(
    operation_id = "addItem", tag = "spa",
    params(OrderPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = AddItem, security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/items")]
pub(crate) async fn post_item(
    actor: Actor<can::ServeOrders>,
    once: Once,
    at: Path<OrderPath>,
    cmd: Body<AddItem>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, user) = (at.order, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        add_item(tx, order, user, cmd.variant).await.map(Done)
    })
    .await
}

async fn add_item(
    tx: &mut Tx,
    id: OrderId,
    user: UserId,
    variant: VariantId,
) -> Result<Order, SpaError> {
    let mut visit = lock(tx, id).await?;
    let (venue, variants) = (tx.venue()?, vec![variant.0]);
    let [rows] = tx.pipeline([catalogue::sold_query(&[&venue, &variants])]).await?;
    let sold = rows.first().ok_or(SpaError::Absent(Kind::Variant))?;
    let new = item(ItemId::fresh(visit.now), &catalogue::sold(sold)?);
    let hand = hand(tx, user);
    visit.add_item(hand, new)?;
    save(tx, visit, ("item_added", "added"), Some(hand.id))
}

/// Remove a service
///
/// From the bill of a customer whom you have; it stays in the record with who took it off. The last
/// one stays: cancel the order instead.
#[utoipa::path(
    operation_id = "removeItem", tag = "spa", params(ItemPath), security(("bearer" = [])),
    responses((status = 200, body = Order), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/orders/{order}/items/{item}")]
pub(crate) async fn delete_item(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<ItemPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (order, item, user) = (at.order, at.item, actor.user()?);
    app.write(&actor, once.alone(), async move |tx| {
        let told = ("item_removed", "removed");
        carry_out(tx, order, user, told, |visit, hand| visit.remove_item(hand, item))
            .await
            .map(Done)
    })
    .await
}
