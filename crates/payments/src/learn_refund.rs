//! What became of money that goes back by card, from whoever says so: the provider's notice or our own
//! look. A refund ends once; until the provider says that the customer has it, it is pending. A bank
//! may send it back after that, once, too.

use edge::App;
use kernel::ids::{PaymentId, RefundId, VenueId};
use kernel::scope::Scope;
use pg::{ToSql, Tx};

use crate::PaymentError;
use crate::bill::locked_bill;
use crate::give_back::{bounce, end, give_up};
use crate::model::RefundStatus;
use crate::provider::{ReturnNotice, ReturnStatus, Returned};
use crate::refund_payment::reopen_if_void;
use crate::store::refunds::RefundEnd;
use crate::store::{bills, errands, house, payments, refunds};
use crate::till::Till;

/// Takes in what our own look has found.
pub(crate) async fn learn_return(
    app: &App,
    till: &Till,
    (venue, refund): (VenueId, RefundId),
    returned: &Returned,
) -> Result<(), PaymentError> {
    app.job("learn_return", Scope::venue(venue, None), async |tx| {
        apply(tx, till, refund, returned).await.map(drop)
    })
    .await
}

/// Takes in a provider's notice, once.
pub(crate) async fn heed_return(
    app: &App,
    till: &Till,
    provider: &'static str,
    notice: &ReturnNotice,
) -> Result<(), PaymentError> {
    app.job("heed_return", Scope::venue(notice.venue, None), async |tx| {
        let payment = apply(tx, till, notice.refund, &notice.returned).await?;
        let told = (notice.id.as_str(), notice.kind.as_str(), payment);
        errands::insert_notice(tx, provider, told).await?;
        Ok(())
    })
    .await
}

async fn apply(
    tx: &mut Tx,
    till: &Till,
    id: RefundId,
    returned: &Returned,
) -> Result<PaymentId, PaymentError> {
    let venue = tx.venue()?;
    let params: [&(dyn ToSql + Sync); 2] = [&venue, &id];
    let [bill, refund, houses] = tx
        .pipeline([
            bills::lock_of_refund(&params),
            refunds::find_query(&params),
            house::house_query(&[&venue]),
        ])
        .await?;
    let refund = refund.first().ok_or(PaymentError::NoSuchRefund)?;
    let (mut bill, mut refund) = (locked_bill(&bill)?, refunds::refund(refund)?);
    let (payment, reference) = (refund.payment_id, returned.reference.clone());
    let house = house::house(&houses)?;
    let topic = till.settlers().topic(&bill.subject.kind);
    match (refund.status, &returned.status) {
        (RefundStatus::Pending, ReturnStatus::UnderWay) => {
            errands::name_refund(tx, id.0, reference)?;
            return Ok(payment);
        }
        (RefundStatus::Pending, ReturnStatus::Done) => {
            let taken = payments::one(tx, payment).await?.ok_or(PaymentError::NoSuchPayment)?;
            reopen_if_void(tx, till, (&mut bill, &taken, &refund)).await?;
            let done = RefundEnd { reference: Some(reference), ..RefundEnd::default() };
            end(tx, &house, (&mut bill, &taken, &mut refund), (done, topic)).await?;
        }
        (RefundStatus::Pending, ReturnStatus::Failed(why)) => {
            give_up(tx, &house, (&mut bill, &mut refund), (why.clone(), topic))?;
        }
        // A provider that said that the customer has it, and had it sent back by the bank.
        (RefundStatus::Succeeded, ReturnStatus::Failed(why)) => {
            metrics::counter!("payments_refunds_bounced_total").increment(1);
            tracing::error!(refund = %id, "payments.refund came back after it was done");
            let told = (reference, why.clone(), topic);
            bounce(tx, &house, (&mut bill, &mut refund), told).await?;
        }
        // Told before.
        _ => {
            errands::delete_errand(tx, id.0)?;
            return Ok(payment);
        }
    }
    errands::delete_errand(tx, id.0)?;
    bills::update_bill(tx, &mut bill)?;
    Ok(payment)
}
