//! What becomes of an order when money moves: called by `payments` in the transaction that moves it,
//! with the bill locked.

use futures_util::future::LocalBoxFuture;
use kernel::ids::OrderId;
use kernel::problem::Problem;
use payments::{Fulfilment, Payer, Settle};
use pg::Tx;
use pg::write::Refusal;
use uuid::Uuid;

use crate::SpaError;
use crate::carry_out::{hand, lock, save};

/// The kind of this slice's bills.
pub(crate) const KIND: &str = "order";

/// The orders of the spa, as `payments` knows them.
#[derive(Clone, Copy, Debug)]
pub struct Orders;

impl Settle for Orders {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn admit<'a>(
        &'a self,
        tx: &'a mut Tx,
        id: Uuid,
        by: Payer,
    ) -> LocalBoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move { admit(tx, OrderId(id), by).await.map_err(|error| error.problem()) })
    }

    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        id: Uuid,
    ) -> LocalBoxFuture<'a, Result<Fulfilment, Problem>> {
        Box::pin(async move { settled(tx, OrderId(id)).await.map_err(|error| error.problem()) })
    }

    fn reopened<'a>(&'a self, tx: &'a mut Tx, id: Uuid) -> LocalBoxFuture<'a, Result<(), Problem>> {
        Box::pin(async move { reopened(tx, OrderId(id)).await.map_err(|error| error.problem()) })
    }
}

/// Money is taken by the cashier who has the customer, or sent by the customer.
async fn admit(tx: &mut Tx, id: OrderId, by: Payer) -> Result<(), SpaError> {
    let visit = lock(tx, id).await?;
    match by {
        Payer::Staff(user) => visit.check_payable(Some(hand(tx, user))),
        Payer::Customer => visit.check_payable(None),
    }
}

async fn settled(tx: &mut Tx, id: OrderId) -> Result<Fulfilment, SpaError> {
    let mut visit = lock(tx, id).await?;
    if visit.check_payable(None).is_err() {
        // Cancelled while a card was on its way.
        return Ok(Fulfilment::TooLate);
    }
    visit.settle()?;
    save(tx, visit, ("order_paid", "paid"), None)?;
    Ok(Fulfilment::Given)
}

async fn reopened(tx: &mut Tx, id: OrderId) -> Result<(), SpaError> {
    let mut visit = lock(tx, id).await?;
    visit.reopen()?;
    save(tx, visit, ("payment_handed_back", "voided"), None).map(drop)
}
