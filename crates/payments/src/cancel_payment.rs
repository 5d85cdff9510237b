//! Cancel a card payment that is on its way.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::PaymentId;
use kernel::scope::Scope;
use pg::{ToSql, Tx};

use crate::PaymentError;
use crate::model::{BillView, PaymentStatus, TakenPayment};
use crate::paths::PaymentPath;
use crate::run_errands::{run, wake};
use crate::store::{bills, errands, payments};
use crate::till::Till;

/// Cancel a card payment
///
/// The provider is asked that nobody can pay it any more. If somebody has paid meanwhile, the
/// payment stands; otherwise it fails and the rest of the bill is free again. The answer is the
/// payment before that: `payment_failed` or `payment_succeeded` follows within seconds.
#[utoipa::path(
    operation_id = "cancelPayment", tag = "payments", params(PaymentPath),
    security(("bearer" = [])), responses((status = 200, body = TakenPayment), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/payments/{payment}/cancel")]
pub(crate) async fn post_cancel_payment(
    actor: Actor<can::TakeBookingPayments>,
    once: OnceIfGiven,
    at: Path<PaymentPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let (venue, payment) = (at.venue, at.payment);
    let answer = app
        .write(&actor, once.of(&cmd), async move |tx| cancel_payment(tx, payment).await.map(Done))
        .await?;
    // At once, as far as the provider answers; the job does what is left.
    let scope = Scope::venue(venue, None);
    let found = app.db().read(scope, async |q| errands::find_errand(q, payment.0).await).await;
    match found {
        Ok(Some(errand)) => {
            if let Err(error) = run(&app, &till, &errand).await {
                tracing::warn!(payment = %payment, %error, "payments.cancel left to the job");
                wake();
            }
        }
        _ => wake(),
    }
    Ok(answer)
}

async fn cancel_payment(tx: &mut Tx, payment: PaymentId) -> Result<TakenPayment, PaymentError> {
    let venue = tx.venue()?;
    let id: [&(dyn ToSql + Sync); 2] = [&venue, &payment];
    let [bill, taken] =
        tx.pipeline([bills::lock_of_payment(&id), payments::find_query(&id)]).await?;
    let taken = payments::taken(taken.first().ok_or(PaymentError::NoSuchPayment)?)?;
    if taken.status() != PaymentStatus::Pending {
        return Err(PaymentError::WrongStatus(taken.status()));
    }
    errands::ask_to_cancel(tx, payment.0)?;
    let bill = crate::bill::locked_bill(&bill)?;
    Ok(TakenPayment { payment: taken.view(), bill: BillView::from(&bill), card: None })
}
