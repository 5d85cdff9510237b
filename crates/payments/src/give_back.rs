//! Money goes back the way it came: at once, through the provider, or when a cashier hands it out.

use kernel::event::Topic;
use kernel::ids::{PaymentId, RefundId, UserId};
use pg::Tx;

use crate::bill::Bill;
use crate::model::{Method, Refund, RefundKind, RefundStatus};
use crate::receipt::{Moved, ReceiptKind, receipt};
use crate::store::house::{self, House};
use crate::store::payments::{self, Taken};
use crate::store::receipts::{self, For};
use crate::store::refunds::{self, RefundEnd};
use crate::store::{errands, vouchers};
use crate::{PaymentError, event};

/// What is to go back of a payment, and who says so.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    pub(crate) id: RefundId,
    pub(crate) kind: RefundKind,
    pub(crate) amount: i64,
    pub(crate) tip: i64,
    pub(crate) reason: String,
    pub(crate) made_by: Option<UserId>,
    pub(crate) decided_by: Option<UserId>,
    /// What the provider holds, where that is not what the payment says.
    pub(crate) held: Option<i64>,
}

/// Everything that was paid for a locked bill and has not gone back yet.
pub(crate) async fn give_all_back(
    tx: &mut Tx,
    bill: &mut Bill,
    reason: &str,
) -> Result<Vec<PaymentId>, PaymentError> {
    let house = house::find_house(tx).await?;
    give_all_back_with(tx, &house, bill, None, reason).await
}

/// The same, and `present`, which has succeeded in this transaction and is not to be seen yet.
pub(crate) async fn give_all_back_with(
    tx: &mut Tx,
    house: &House,
    bill: &mut Bill,
    present: Option<&Taken>,
    reason: &str,
) -> Result<Vec<PaymentId>, PaymentError> {
    let all = payments::list_of_bill(tx, &bill.subject).await?;
    let earlier = all.into_iter().filter(|taken| {
        taken.outcome == Some(true) && present.is_none_or(|present| present.id != taken.id)
    });
    let mut given = Vec::new();
    for taken in earlier.chain(present.cloned()) {
        if taken.left_amount() + taken.left_tip() > 0 {
            give_one_back(tx, house, (bill, &taken), (reason, None)).await?;
            given.push(taken.id);
        }
    }
    Ok(given)
}

/// What is left of one payment, by the server itself. Cash waits until somebody hands it out.
pub(crate) async fn give_one_back(
    tx: &mut Tx,
    house: &House,
    (bill, taken): (&mut Bill, &Taken),
    (reason, held): (&str, Option<i64>),
) -> Result<(), PaymentError> {
    let back = Back {
        id: RefundId::fresh(tx.now()),
        // What its bill counts no more is not given back of what was paid for that.
        kind: if taken.voided { RefundKind::Void } else { RefundKind::Refund },
        amount: taken.left_amount(),
        tip: taken.left_tip(),
        reason: reason.to_owned(),
        made_by: None,
        decided_by: None,
        held,
    };
    let mut refund = start(tx, house, (bill, taken), back)?;
    if taken.method == Method::Voucher {
        let to = (RefundEnd::default(), Topic::CashierQueue);
        end(tx, house, (bill, taken, &mut refund), to).await?;
    } else {
        tx.emit(event::refund(Topic::CashierQueue, "refund_started", &refund)?);
    }
    Ok(())
}

/// Writes the refund down, pending; a card provider is to be asked.
pub(crate) fn start(
    tx: &mut Tx,
    house: &House,
    (bill, taken): (&mut Bill, &Taken),
    back: Back,
) -> Result<Refund, PaymentError> {
    let refund = Refund {
        id: back.id,
        payment_id: taken.id,
        kind: back.kind,
        status: RefundStatus::Pending,
        method: taken.method,
        amount: taken.money(back.amount),
        tip: taken.money(back.tip),
        reason: back.reason,
        failure: None,
        receipt: None,
        made_by: back.made_by,
        decided_by: back.decided_by,
        made_at: tx.now(),
    };
    if refund.kind == RefundKind::Refund {
        bill.refunded += back.amount;
    }
    bill.owed -= bill.owed.min(back.amount);
    refunds::insert_refund(tx, &refund, house.day(tx.now()))?;
    if taken.method == Method::Card {
        let sum = back.held.unwrap_or(back.amount + back.tip);
        errands::insert_refund(tx, taken, (&refund, sum))?;
    }
    Ok(refund)
}

/// The customer has it: receipt, voucher, event. The counter is locked here, behind all else.
pub(crate) async fn end(
    tx: &mut Tx,
    house: &House,
    (bill, taken, refund): (&mut Bill, &Taken, &mut Refund),
    (end, topic): (RefundEnd, Topic),
) -> Result<(), PaymentError> {
    let number = house::next_receipts(tx, 1).await?;
    let at = tx.now();
    refund.status = RefundStatus::Succeeded;
    refund.receipt = Some(number);
    if let Some(voucher) = taken.voucher {
        vouchers::move_balance(tx, voucher, refund.amount.amount + refund.tip.amount)?;
    }
    refunds::insert_refund_outcome(tx, refund, end, house.day(at))?;
    let kind = match refund.kind {
        RefundKind::Refund => ReceiptKind::Refund,
        RefundKind::Void => ReceiptKind::Void,
    };
    let moved = Moved {
        kind,
        method: taken.method,
        amount: refund.amount.amount,
        tip: refund.tip.amount,
        tendered: None,
        change: None,
        reason: Some(refund.reason.clone()),
    };
    let receipt = receipt(house, bill, moved, number, at);
    receipts::insert_receipt(tx, For::Refund(refund.id), &receipt)?;
    tx.emit(event::refund(topic, "payment_refunded", refund)?);
    Ok(())
}

/// The provider refused for good: the venue still has the money.
pub(crate) fn give_up(
    tx: &mut Tx,
    house: &House,
    (bill, refund): (&mut Bill, &mut Refund),
    (reason, topic): (String, Topic),
) -> Result<(), PaymentError> {
    refund.status = RefundStatus::Failed;
    if refund.kind == RefundKind::Refund {
        bill.refunded -= refund.amount.amount;
    }
    bill.owed += refund.amount.amount;
    refund.failure = Some(reason.clone());
    let end = RefundEnd { reason: Some(reason), ..RefundEnd::default() };
    refunds::insert_refund_outcome(tx, refund, end, house.day(tx.now()))?;
    tx.emit(event::refund(topic, "refund_failed", refund)?);
    Ok(())
}

/// The customer's bank sent it back after the provider had said that they have it: the venue has the
/// money again, under a receipt of its own, and owes it.
pub(crate) async fn bounce(
    tx: &mut Tx,
    house: &House,
    (bill, refund): (&mut Bill, &mut Refund),
    (reference, reason, topic): (String, String, Topic),
) -> Result<(), PaymentError> {
    let number = house::next_receipts(tx, 1).await?;
    let at = tx.now();
    refund.status = RefundStatus::Failed;
    refund.receipt = Some(number);
    refund.failure = Some(reason.clone());
    if refund.kind == RefundKind::Refund {
        bill.refunded -= refund.amount.amount;
    }
    bill.owed += refund.amount.amount;
    refunds::insert_bounce(tx, refund, reference, house.day(at))?;
    let moved = Moved {
        kind: ReceiptKind::Bounce,
        method: refund.method,
        amount: refund.amount.amount,
        tip: refund.tip.amount,
        tendered: None,
        change: None,
        reason: Some(reason),
    };
    let receipt = receipt(house, bill, moved, number, at);
    receipts::insert_receipt(tx, For::Bounce(refund.id), &receipt)?;
    tx.emit(event::refund(topic, "refund_bounced", refund)?);
    tx.audit("refund_bounced", ("refund", refund.id.0), &refund)?;
    Ok(())
}
