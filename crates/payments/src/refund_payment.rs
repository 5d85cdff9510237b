//! Give money back, or take a payment back as if it had not been. Above a limit by two people.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use kernel::event::Topic;
use kernel::ids::{PaymentId, RefundId, UserId};
use kernel::money::Money;
use pg::{Columns, ToSql, Tx};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::bill::{Bill, locked_bill};
use crate::give_back::{Back, end, start};
use crate::model::{
    BillStatus, Drawer, DrawerStatus, Method, PaymentStatus, Refund, RefundKind, RefundStatus,
};
use crate::paths::PaymentPath;
use crate::run_errands::wake;
use crate::store::house::{self, House};
use crate::store::payments::{self, Taken};
use crate::store::refunds::{self, RefundEnd};
use crate::store::{bills, drawers};
use crate::take_payment::boxed;
use crate::till::Till;
use crate::{PaymentError, event};

/// What to give back, and why.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefundPayment {
    /// Of what was paid for the bill; all that is left of it unless amount or tip is given.
    #[schema(nullable = false)]
    pub amount: Option<Money>,
    /// Of the tip.
    #[schema(nullable = false)]
    pub tip: Option<Money>,
    /// Why: it stands on the receipt and in the audit log.
    #[schema(min_length = 3, max_length = 300, example = "The sauna was cold")]
    pub reason: String,
}

impl Input for RefundPayment {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.reason, "/reason", (3, 300));
        for (pointer, money) in [("/amount", self.amount), ("/tip", self.tip)] {
            let range = money.is_none_or(|money| money.amount >= 0);
            errors.require(range, pointer, "range", "Give 0 or more.");
        }
        let given = [self.amount, self.tip].into_iter().flatten().map(|money| money.amount);
        let some = self.amount.is_none() && self.tip.is_none() || given.sum::<i64>() > 0;
        errors.require(some, "/amount", "range", "Give more than nothing back.");
    }
}

/// Why a payment is taken back.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoidPayment {
    /// Why: it stands on the receipt and in the audit log.
    #[schema(min_length = 3, max_length = 300, example = "Rung up on the wrong order")]
    pub reason: String,
}

impl Input for VoidPayment {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.reason, "/reason", (3, 300));
    }
}

/// Refund a payment
///
/// In part or whole, the way it came: cash out of one's open drawer, a card through its provider
/// (`pending` until that has done it), a voucher back onto it. What it was for stays as it is. Above
/// the venue's limit it is `waiting` until another manager approves it.
#[utoipa::path(
    operation_id = "refundPayment", tag = "payments",
    params(PaymentPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = RefundPayment, security(("bearer" = [])),
    responses((status = 201, body = Refund), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/payments/{payment}/refund")]
pub(crate) async fn post_refund(
    actor: Actor<can::RefundPayments>,
    once: Once,
    at: Path<PaymentPath>,
    cmd: Body<RefundPayment>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let (payment, user) = (at.payment, actor.user()?);
    let key = once.of(&cmd);
    let answer = app
        .write(&actor, key, async move |tx| {
            let wish = Wish::Refund(cmd.amount, cmd.tip);
            ask_back(tx, &till, payment, (user, wish, &cmd.reason)).await.map(Created)
        })
        .await?;
    wake();
    Ok(answer)
}

/// Void a payment
///
/// For a mistake: all of it goes back the way it came, and the bill is open again. Cash must still
/// lie in the open drawer that it went into. Above the venue's limit it takes two people.
#[utoipa::path(
    operation_id = "voidPayment", tag = "payments",
    params(PaymentPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = VoidPayment, security(("bearer" = [])),
    responses((status = 201, body = Refund), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/payments/{payment}/void")]
pub(crate) async fn post_void(
    actor: Actor<can::RefundPayments>,
    once: Once,
    at: Path<PaymentPath>,
    cmd: Body<VoidPayment>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let (payment, user) = (at.payment, actor.user()?);
    let key = once.of(&cmd);
    let answer = app
        .write(&actor, key, async move |tx| {
            ask_back(tx, &till, payment, (user, Wish::Void, &cmd.reason)).await.map(Created)
        })
        .await?;
    wake();
    Ok(answer)
}

/// What somebody wants back.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Refund(Option<Money>, Option<Money>),
    Void,
}

/// A payment with all that decides about it, locked in the order of the locks.
pub(crate) struct Found {
    pub(crate) bill: Bill,
    pub(crate) taken: Taken,
    pub(crate) house: House,
    pub(crate) drawer: Option<Drawer>,
    waiting: i64,
}

/// Whose drawer is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WhichDrawer {
    /// The one that the payment went into.
    OfPayment,
    /// The open one of that cashier.
    Of(UserId),
}

pub(crate) async fn find(
    tx: &mut Tx,
    payment: PaymentId,
    which: WhichDrawer,
) -> Result<Found, PaymentError> {
    let venue = tx.venue()?;
    let (of_payment, of_cashier) = match which {
        WhichDrawer::OfPayment => (payment.0, Uuid::nil()),
        WhichDrawer::Of(user) => (Uuid::nil(), user.0),
    };
    let id: [&(dyn ToSql + Sync); 2] = [&venue, &payment];
    let [bill, drawer, own, taken, waiting, houses] = tx
        .pipeline([
            bills::lock_of_payment(&id),
            drawers::lock_of_payment(&[&venue, &of_payment]),
            drawers::lock_of_cashier(&[&venue, &of_cashier]),
            payments::find_query(&id),
            refunds::waiting_query(&id),
            house::house_query(&[&venue]),
        ])
        .await?;
    let taken = taken.first().ok_or(PaymentError::NoSuchPayment)?;
    let waiting = waiting.first().map_or(Ok(0), |row| row.col("waiting"))?;
    Ok(Found {
        bill: locked_bill(&bill)?,
        taken: payments::taken(taken)?,
        house: house::house(&houses)?,
        drawer: drawer.first().or(own.first()).map(drawers::drawer).transpose()?,
        waiting,
    })
}

async fn ask_back(
    tx: &mut Tx,
    till: &Till,
    payment: PaymentId,
    (user, wish, reason): (UserId, Wish, &str),
) -> Result<Refund, PaymentError> {
    let which = match wish {
        Wish::Void => WhichDrawer::OfPayment,
        Wish::Refund(..) => WhichDrawer::Of(user),
    };
    let found = find(tx, payment, which).await?;
    let (amount, tip) = check(&found, wish)?;
    let back = Back {
        id: RefundId::fresh(tx.now()),
        kind: if matches!(wish, Wish::Void) { RefundKind::Void } else { RefundKind::Refund },
        amount,
        tip,
        reason: reason.trim().to_owned(),
        made_by: Some(user),
        decided_by: None,
        held: None,
    };
    if amount + tip > found.house.settings.refund_alone_max {
        return wait_for_second(tx, &found, back);
    }
    let refund = carry_out(tx, till, found, back).await?;
    tx.audit("payment_refunded", ("refund", refund.id.0), &refund)?;
    Ok(refund)
}

/// How much it is, and that it may be.
fn check(found: &Found, wish: Wish) -> Result<(i64, i64), PaymentError> {
    let taken = &found.taken;
    if taken.status() != PaymentStatus::Succeeded {
        return Err(PaymentError::WrongStatus(taken.status()));
    }
    if found.waiting > 0 {
        return Err(PaymentError::RefundUnderWay);
    }
    let Wish::Refund(amount, tip) = wish else {
        check_voidable(found)?;
        return Ok((taken.amount, taken.tip));
    };
    if taken.voided {
        return Err(PaymentError::Voided);
    }
    for money in [amount, tip].into_iter().flatten() {
        if money.currency != taken.currency {
            return Err(PaymentError::OtherCurrency(money.currency, taken.currency));
        }
    }
    let (left, left_tip) = (taken.left_amount(), taken.left_tip());
    let (amount, tip) = match (amount, tip) {
        (None, None) => (left, left_tip),
        (amount, tip) => (amount.map_or(0, |m| m.amount), tip.map_or(0, |m| m.amount)),
    };
    check_left(found, (amount, tip))
}

/// No more than is left of the payment.
pub(crate) fn check_left(
    found: &Found,
    (amount, tip): (i64, i64),
) -> Result<(i64, i64), PaymentError> {
    let taken = &found.taken;
    if amount > taken.left_amount() {
        return Err(PaymentError::MoreThanPaid(taken.money(taken.left_amount())));
    }
    if tip > taken.left_tip() {
        return Err(PaymentError::MoreThanPaid(taken.money(taken.left_tip())));
    }
    Ok((amount, tip))
}

/// All of it is there, in the open drawer that it went into, and the bill is not closed. What was
/// voided and came back from a bank is no business of the bill's any more.
pub(crate) fn check_voidable(found: &Found) -> Result<(), PaymentError> {
    let taken = &found.taken;
    let whole = taken.back_amount == 0 && taken.back_tip == 0 && taken.under_way == 0;
    let drawer_open = taken.drawer.is_none()
        || found.drawer.as_ref().is_some_and(|it| it.status == DrawerStatus::Open);
    let open = taken.voided || found.bill.status != BillStatus::Closed;
    if whole && drawer_open && open { Ok(()) } else { Err(PaymentError::NotVoidable) }
}

fn wait_for_second(tx: &mut Tx, found: &Found, back: Back) -> Result<Refund, PaymentError> {
    let taken = &found.taken;
    let refund = Refund {
        id: back.id,
        payment_id: taken.id,
        kind: back.kind,
        status: RefundStatus::Waiting,
        method: taken.method,
        amount: taken.money(back.amount),
        tip: taken.money(back.tip),
        reason: back.reason,
        failure: None,
        receipt: None,
        made_by: back.made_by,
        decided_by: None,
        made_at: tx.now(),
    };
    refunds::insert_request(tx, &refund)?;
    tx.emit(event::refund(Topic::Staff, "refund_requested", &refund)?);
    tx.audit("refund_requested", ("refund", refund.id.0), &refund)?;
    Ok(refund)
}

/// The money moves: cash and vouchers now, a card when its provider has done it.
pub(crate) async fn carry_out(
    tx: &mut Tx,
    till: &Till,
    found: Found,
    back: Back,
) -> Result<Refund, PaymentError> {
    let Found { mut bill, taken, house, drawer, .. } = found;
    let given_by = back.decided_by.or(back.made_by);
    let mut refund = start(tx, &house, (&mut bill, &taken), back)?;
    let topic = till.settlers().topic(&bill.subject.kind);
    if taken.method == Method::Card {
        tx.emit(event::refund(topic, "refund_started", &refund)?);
    } else {
        reopen_if_void(tx, till, (&mut bill, &taken, &refund)).await?;
        let drawer = drawer.filter(|_| taken.method == Method::Cash).map(|drawer| drawer.id);
        if taken.method == Method::Cash && house.settings.drawer_required && drawer.is_none() {
            return Err(PaymentError::NoOpenDrawer);
        }
        let done = RefundEnd { drawer, given_by, ..RefundEnd::default() };
        end(tx, &house, (&mut bill, &taken, &mut refund), (done, topic)).await?;
    }
    bills::update_bill(tx, &mut bill)?;
    Ok(refund)
}

/// A void takes the payment out of the bill, once, which is to be paid again.
pub(crate) async fn reopen_if_void(
    tx: &mut Tx,
    till: &Till,
    (bill, taken, refund): (&mut Bill, &Taken, &Refund),
) -> Result<(), PaymentError> {
    if refund.kind != RefundKind::Void || taken.voided {
        return Ok(());
    }
    bill.paid -= refund.amount.amount;
    if bill.status == BillStatus::Settled {
        bill.status = BillStatus::Open;
        let settler = till.settler(&bill.subject.kind)?;
        settler.reopened(tx, bill.subject.id).await.map_err(boxed)?;
    }
    Ok(())
}
