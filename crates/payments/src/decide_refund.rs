//! A second person approves or denies a refund; a cashier hands out cash that waits.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{RefundId, UserId};
use pg::{ToSql, Tx};

use crate::PaymentError;
use crate::give_back::{Back, end};
use crate::model::{Method, PaymentStatus, Refund, RefundKind, RefundStatus};
use crate::paths::RefundPath;
use crate::refund_payment::{
    Found, WhichDrawer, carry_out, check_left, check_voidable, find, reopen_if_void,
};
use crate::run_errands::wake;
use crate::store::bills;
use crate::store::refunds::{self, RefundEnd};
use crate::till::Till;

/// Approve a refund
///
/// The second pair of eyes: whoever asked for it cannot. The money moves now.
#[utoipa::path(
    operation_id = "approveRefund", tag = "payments", params(RefundPath),
    security(("bearer" = [])), responses((status = 200, body = Refund), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/refunds/{refund}/approve")]
pub(crate) async fn post_approve(
    actor: Actor<can::ApproveRefunds>,
    once: OnceIfGiven,
    at: Path<RefundPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let (refund, user) = (at.refund, actor.user()?);
    let answer = app
        .write(&actor, once.of(&cmd), async move |tx| {
            approve(tx, &till, refund, user).await.map(Done)
        })
        .await?;
    wake();
    Ok(answer)
}

/// Deny a refund
///
/// Nothing moves. Whoever asked for it cannot decide.
#[utoipa::path(
    operation_id = "denyRefund", tag = "payments", params(RefundPath),
    security(("bearer" = [])), responses((status = 200, body = Refund), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/refunds/{refund}/deny")]
pub(crate) async fn post_deny(
    actor: Actor<can::ApproveRefunds>,
    once: OnceIfGiven,
    at: Path<RefundPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (refund, user) = (at.refund, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| deny(tx, refund, user).await.map(Done)).await
}

/// Hand out cash
///
/// A refund in cash that the server began by itself (what was paid for is gone) waits until somebody
/// gives it to the customer, out of their open drawer.
#[utoipa::path(
    operation_id = "handOutRefund", tag = "payments", params(RefundPath),
    security(("bearer" = [])), responses((status = 200, body = Refund), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/refunds/{refund}/hand-out")]
pub(crate) async fn post_hand_out(
    actor: Actor<can::RefundPayments>,
    once: OnceIfGiven,
    at: Path<RefundPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let (refund, user) = (at.refund, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        hand_out(tx, &till, refund, user).await.map(Done)
    })
    .await
}

/// The refund under the lock of its bill.
pub(crate) async fn locked(tx: &mut Tx, id: RefundId) -> Result<Refund, PaymentError> {
    let venue = tx.venue()?;
    let params: [&(dyn ToSql + Sync); 2] = [&venue, &id];
    let [_bill, rows] =
        tx.pipeline([bills::lock_of_refund(&params), refunds::find_query(&params)]).await?;
    let row = rows.first().ok_or(PaymentError::NoSuchRefund)?;
    Ok(refunds::refund(row)?)
}

async fn approve(
    tx: &mut Tx,
    till: &Till,
    id: RefundId,
    user: UserId,
) -> Result<Refund, PaymentError> {
    let request = locked(tx, id).await?;
    if request.status != RefundStatus::Waiting {
        return Err(PaymentError::Decided);
    }
    if request.made_by == Some(user) {
        return Err(PaymentError::SamePerson);
    }
    let asker = request.made_by.unwrap_or(user);
    let which = match request.kind {
        RefundKind::Void => WhichDrawer::OfPayment,
        // The cash comes out of the drawer of whoever stands before the customer.
        RefundKind::Refund => WhichDrawer::Of(asker),
    };
    let found = find(tx, request.payment_id, which).await?;
    check_again(&found, &request)?;
    refunds::insert_decision(tx, &request, user, true)?;
    let back = Back {
        id,
        kind: request.kind,
        amount: request.amount.amount,
        tip: request.tip.amount,
        reason: request.reason,
        made_by: request.made_by,
        decided_by: Some(user),
        held: None,
    };
    let refund = carry_out(tx, till, found, back).await?;
    tx.audit("refund_approved", ("refund", id.0), &refund)?;
    Ok(refund)
}

/// Time has passed since it was asked for.
fn check_again(found: &Found, request: &Refund) -> Result<(), PaymentError> {
    let status = found.taken.status();
    if status != PaymentStatus::Succeeded {
        return Err(PaymentError::WrongStatus(status));
    }
    match request.kind {
        RefundKind::Void => check_voidable(found),
        RefundKind::Refund => {
            check_left(found, (request.amount.amount, request.tip.amount)).map(drop)
        }
    }
}

async fn deny(tx: &mut Tx, id: RefundId, user: UserId) -> Result<Refund, PaymentError> {
    let mut request = locked(tx, id).await?;
    if request.status != RefundStatus::Waiting {
        return Err(PaymentError::Decided);
    }
    if request.made_by == Some(user) {
        return Err(PaymentError::SamePerson);
    }
    request.status = RefundStatus::Denied;
    request.decided_by = Some(user);
    refunds::insert_decision(tx, &request, user, false)?;
    let told = crate::event::refund(kernel::event::Topic::Staff, "refund_denied", &request)?;
    tx.emit(told);
    tx.audit("refund_denied", ("refund", id.0), &request)?;
    Ok(request)
}

async fn hand_out(
    tx: &mut Tx,
    till: &Till,
    id: RefundId,
    user: UserId,
) -> Result<Refund, PaymentError> {
    let mut refund = locked(tx, id).await?;
    if refund.status != RefundStatus::Pending || refund.method != Method::Cash {
        return Err(PaymentError::Decided);
    }
    let mut found = find(tx, refund.payment_id, WhichDrawer::Of(user)).await?;
    let drawer = found.drawer.as_ref().map(|drawer| drawer.id);
    if found.house.settings.drawer_required && drawer.is_none() {
        return Err(PaymentError::NoOpenDrawer);
    }
    reopen_if_void(tx, till, (&mut found.bill, &found.taken, &refund)).await?;
    let topic = till.settlers().topic(&found.bill.subject.kind);
    let done = RefundEnd { drawer, given_by: Some(user), ..RefundEnd::default() };
    let moving = (&mut found.bill, &found.taken, &mut refund);
    end(tx, &found.house, moving, (done, topic)).await?;
    bills::update_bill(tx, &mut found.bill)?;
    tx.audit("refund_handed_out", ("refund", id.0), &refund)?;
    Ok(refund)
}
