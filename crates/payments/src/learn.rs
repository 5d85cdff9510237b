//! What became of a card payment, from whoever says so: the provider's notice or our own look.
//! Whatever comes twice, late or in another order has one effect: a payment ends once.

use edge::App;
use kernel::scope::Scope;
use pg::{ToSql, Tx};

use crate::PaymentError;
use crate::bill::locked_bill;
use crate::finish::{fail, refuse, succeed};
use crate::provider::{IntentStatus, Notice};
use crate::store::errands::{self, Errand};
use crate::store::house;
use crate::store::{bills, payments};
use crate::till::Till;

/// What is known of a charge.
#[derive(Clone, Debug)]
pub(crate) struct Learnt {
    /// Where it stands at the provider.
    pub(crate) status: IntentStatus,
    /// Why it came to nothing, if it did.
    pub(crate) reason: Option<String>,
}

/// Takes in what our own look has found.
pub(crate) async fn learn(
    app: &App,
    till: &Till,
    errand: &Errand,
    learnt: Learnt,
) -> Result<(), PaymentError> {
    if matches!(learnt.status, IntentStatus::Open(_)) {
        return Ok(());
    }
    let (payment, reference) = (errand.payment, errand.reference.clone());
    app.job("learn_charge", Scope::venue(errand.venue, None), async |tx| {
        apply(tx, till, (payment, reference.clone()), &learnt).await
    })
    .await
}

/// Takes in a provider's notice, once.
pub(crate) async fn heed(
    app: &App,
    till: &Till,
    provider: &'static str,
    notice: &Notice,
) -> Result<(), PaymentError> {
    let learnt = Learnt { status: notice.status.clone(), reason: None };
    app.job("heed_notice", Scope::venue(notice.venue, None), async |tx| {
        apply(tx, till, (notice.payment, Some(notice.reference.clone())), &learnt).await?;
        let told = (notice.id.as_str(), notice.kind.as_str(), notice.payment);
        errands::insert_notice(tx, provider, told).await?;
        Ok(())
    })
    .await
}

type Which = (kernel::ids::PaymentId, Option<String>);

async fn apply(
    tx: &mut Tx,
    till: &Till,
    (payment, reference): Which,
    learnt: &Learnt,
) -> Result<(), PaymentError> {
    let venue = tx.venue()?;
    let id: [&(dyn ToSql + Sync); 2] = [&venue, &payment];
    let [bill, taken, houses] = tx
        .pipeline([
            bills::lock_of_payment(&id),
            payments::find_query(&id),
            house::house_query(&[&venue]),
        ])
        .await?;
    let taken = taken.first().ok_or(PaymentError::NoSuchPayment)?;
    let (mut bill, mut taken) = (locked_bill(&bill)?, payments::taken(taken)?);
    let house = house::house(&houses)?;
    if let Some(succeeded) = taken.outcome {
        if !succeeded && matches!(learnt.status, IntentStatus::Paid(_)) {
            // A provider that said that nobody can pay it any more, and took money for it.
            metrics::counter!("payments_paid_after_failure_total").increment(1);
            tracing::error!(payment = %payment, "payments.paid after it had failed");
        }
        return Ok(());
    }
    taken.reference = reference;
    match &learnt.status {
        IntentStatus::Open(_) => return Ok(()),
        IntentStatus::Paid(sum) if *sum == taken.amount + taken.tip => {
            succeed(tx, till, &house, (&mut bill, &mut taken)).await?;
        }
        IntentStatus::Paid(sum) => {
            tracing::error!(payment = %payment, sum, "payments.another sum was paid");
            let reason = "Another sum was paid than was asked for";
            refuse(tx, till, &house, (&mut bill, &mut taken), (reason, *sum)).await?;
        }
        IntentStatus::Over => {
            let reason = learnt.reason.as_deref().unwrap_or("It was cancelled");
            fail(tx, till, &house, (&mut bill, &mut taken), reason)?;
        }
    }
    errands::delete_errand(tx, payment.0)?;
    Ok(())
}
