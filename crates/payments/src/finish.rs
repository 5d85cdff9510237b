//! How a payment ends: with a receipt and what it was for, or with nothing.

use pg::Tx;

use crate::bill::Bill;
use crate::give_back::give_all_back_with;
use crate::model::{BillStatus, Method, PaymentStatus};
use crate::receipt::{Moved, ReceiptKind, receipt};
use crate::store::bills;
use crate::store::house::{self, House};
use crate::store::payments::{self, Taken};
use crate::store::receipts::{self, For};
use crate::subject::Fulfilment;
use crate::take_payment::boxed;
use crate::till::Till;
use crate::{PaymentError, event};

/// What came of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It pays the bill, or a part of it.
    Counts,
    /// What it was for is gone.
    TooLate,
}

/// The money of `taken` is there. The bill is locked; both become what they are after it.
pub(crate) async fn succeed(
    tx: &mut Tx,
    till: &Till,
    house: &House,
    (bill, taken): (&mut Bill, &mut Taken),
) -> Result<Finished, PaymentError> {
    if taken.method == Method::Card {
        bill.pending -= taken.amount;
    }
    bill.paid += taken.amount;
    let finished = settle(tx, till, bill).await?;
    if finished == Finished::TooLate && taken.method != Method::Card {
        return Ok(finished);
    }
    taken.outcome = Some(true);
    write_down(tx, house, (bill, taken)).await?;
    let topic = till.settlers().topic(&bill.subject.kind);
    tx.emit(event::payment(topic, "payment_succeeded", taken.method.as_str(), &taken.view())?);
    if finished == Finished::TooLate {
        bill.status = BillStatus::Closed;
        let reason = "It came too late";
        give_all_back_with(tx, house, bill, Some(taken), reason).await?;
    }
    bills::update_bill(tx, bill)?;
    Ok(finished)
}

/// The same for money that is not what was asked for: it counts for nothing and goes back.
pub(crate) async fn refuse(
    tx: &mut Tx,
    till: &Till,
    house: &House,
    (bill, taken): (&mut Bill, &mut Taken),
    (reason, held): (&str, i64),
) -> Result<(), PaymentError> {
    bill.pending -= taken.amount;
    bill.paid += taken.amount;
    taken.outcome = Some(true);
    write_down(tx, house, (bill, taken)).await?;
    let topic = till.settlers().topic(&bill.subject.kind);
    tx.emit(event::payment(topic, "payment_succeeded", "refused", &taken.view())?);
    crate::give_back::give_one_back(tx, house, (bill, taken), (reason, Some(held))).await?;
    bills::update_bill(tx, bill)?;
    Ok(())
}

/// No money will come of `taken`: what was kept free for it is free again.
pub(crate) fn fail(
    tx: &mut Tx,
    till: &Till,
    house: &House,
    (bill, taken): (&mut Bill, &mut Taken),
    reason: &str,
) -> Result<(), PaymentError> {
    bill.pending -= taken.amount;
    taken.outcome = Some(false);
    taken.reason = Some(reason.to_owned());
    payments::insert_outcome(tx, taken, house.day(tx.now()))?;
    bills::update_bill(tx, bill)?;
    let topic = till.settlers().topic(&bill.subject.kind);
    let action = PaymentStatus::Failed.as_str();
    tx.emit(event::payment(topic, "payment_failed", action, &taken.view())?);
    Ok(())
}

async fn settle(tx: &mut Tx, till: &Till, bill: &mut Bill) -> Result<Finished, PaymentError> {
    if bill.status == BillStatus::Closed {
        return Ok(Finished::TooLate);
    }
    settle_if_paid(tx, till, bill).await
}

/// Tells who opened the bill when nothing is left to be paid.
pub(crate) async fn settle_if_paid(
    tx: &mut Tx,
    till: &Till,
    bill: &mut Bill,
) -> Result<Finished, PaymentError> {
    if !bill.is_paid() || bill.status != BillStatus::Open {
        return Ok(Finished::Counts);
    }
    bill.status = BillStatus::Settled;
    let settler = till.settler(&bill.subject.kind)?;
    match settler.settled(tx, bill.subject.id).await.map_err(boxed)? {
        Fulfilment::Given => Ok(Finished::Counts),
        Fulfilment::TooLate => Ok(Finished::TooLate),
    }
}

/// The outcome and its receipt. The counter is locked here, behind all other locks.
async fn write_down(
    tx: &mut Tx,
    house: &House,
    (bill, taken): (&Bill, &mut Taken),
) -> Result<(), PaymentError> {
    let number = house::next_receipts(tx, 1).await?;
    let at = tx.now();
    taken.receipt = Some(number);
    payments::insert_outcome(tx, taken, house.day(at))?;
    let moved = Moved {
        kind: ReceiptKind::Payment,
        method: taken.method,
        amount: taken.amount,
        tip: taken.tip,
        tendered: taken.tendered,
        change: taken.change,
        reason: None,
    };
    let receipt = receipt(house, bill, moved, number, at);
    receipts::insert_receipt(tx, For::Payment(taken.id), &receipt)?;
    Ok(())
}
