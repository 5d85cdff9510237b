//! Receipts: as they were handed out, under numbers without gaps.

use jiff::civil::Date;
use kernel::ids::{PaymentId, RefundId};
use pg::{Columns, DbError, Json, Reader, Tx, params};

use crate::receipt::Receipt;

pg::statements! {
    INSERT_RECEIPT = "insert into payments.receipt
            (venue_id, number, payment_id, refund_id, bounce_id, day, issued_at, body)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    FIND_OF_PAYMENT = "select body from payments.receipt where venue_id = $1 and payment_id = $2";
    // The last word: of one that a bank has sent back, that.
    FIND_OF_REFUND = "select body from payments.receipt
        where venue_id = $1 and (refund_id = $2 or bounce_id = $2) order by number desc limit 1";
}

/// What a receipt is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For {
    Payment(PaymentId),
    Refund(RefundId),
    /// The refund that a bank has sent back.
    Bounce(RefundId),
}

pub(crate) fn insert_receipt(tx: &mut Tx, what: For, receipt: &Receipt) -> Result<(), DbError> {
    let (payment, refund, bounce) = match what {
        For::Payment(id) => (Some(id), None, None),
        For::Refund(id) => (None, Some(id), None),
        For::Bounce(id) => (None, None, Some(id)),
    };
    let day: Date = receipt.day;
    let (number, at) = (receipt.number, receipt.issued_at);
    let row = params![tx.venue()?, number, payment, refund, bounce, day, at, Json(receipt.clone())];
    tx.change(INSERT_RECEIPT, row);
    Ok(())
}

pub(crate) async fn find_of(q: &mut Reader, what: For) -> Result<Option<Receipt>, DbError> {
    let venue = q.venue()?;
    let rows = match what {
        For::Payment(id) => q.query(FIND_OF_PAYMENT, &[&venue, &id]).await?,
        For::Refund(id) | For::Bounce(id) => q.query(FIND_OF_REFUND, &[&venue, &id]).await?,
    };
    let body: Option<Json<Receipt>> = rows.first().map(|row| row.col("body")).transpose()?;
    Ok(body.map(|body| body.0))
}
