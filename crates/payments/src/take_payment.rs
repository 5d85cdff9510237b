//! Take money for a bill: cash and vouchers at once, a card as a promise.

use actix_web::{HttpRequest, post, web};
use edge::token::sha256;
use edge::{Actor, Answer, App, Body, Created, Once, Path, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::ids::{PaymentId, UserId};
use kernel::role::Needs;
use pg::{ToSql, Tx};
use uuid::Uuid;

use crate::PaymentError;
use crate::bill::{Bill, locked_bill};
use crate::cards::with_card_step;
use crate::event;
use crate::finish::{Finished, succeed};
use crate::model::{BillView, Drawer, Method, TakenPayment, Voucher};
use crate::paths::{BillPath, BookingPath, OrderPath};
use crate::plan::{TakePayment, parts};
use crate::reads::{check_token, given_token, no_token};
use crate::store::house::House;
use crate::store::payments::Taken;
use crate::store::{bills, drawers, errands, house, payments, vouchers};
use crate::subject::{Payer, Subject};
use crate::till::Till;
use crate::voucher_code::code_hash;

/// How long the handler itself has to make the charge before a job looks after it.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(15);

/// Take money for an order
///
/// Cash with what was handed over answers the change; a voucher pays what it can; a card answers
/// what the provider's form needs, and the payment is `pending` until the provider says that the
/// money is there. Without `amount` it pays all that is left; several payments make a split. When
/// nothing is left the order is paid, in the same moment.
#[utoipa::path(
    operation_id = "payForOrder", tag = "payments",
    params(OrderPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = TakePayment, security(("bearer" = [])),
    responses((status = 201, body = TakenPayment), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/{order}/payments")]
pub(crate) async fn post_order_payment(
    actor: Actor<can::TakePayments>,
    once: Once,
    at: Path<OrderPath>,
    cmd: Body<TakePayment>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let payer = Payer::Staff(actor.user()?);
    run(&app, &till, (&actor, once), (Subject::new("order", at.order), payer, None), cmd).await
}

/// Take money for a booking
///
/// As for an order.
#[utoipa::path(
    operation_id = "payForBooking", tag = "payments",
    params(BookingPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = TakePayment, security(("bearer" = [])),
    responses((status = 201, body = TakenPayment), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bookings/{booking}/payments")]
pub(crate) async fn post_booking_payment(
    actor: Actor<can::TakeBookingPayments>,
    once: Once,
    at: Path<BookingPath>,
    cmd: Body<TakePayment>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let payer = Payer::Staff(actor.user()?);
    run(&app, &till, (&actor, once), (Subject::new("booking", at.booking), payer, None), cmd).await
}

/// Pay a bill
///
/// Of any kind. For customers, by card or voucher: the secret that came with the order or booking,
/// as the header `Bill-Token`, is the right to it. Without it for members who take money for such
/// things.
#[utoipa::path(
    operation_id = "payBill", tag = "payments", params(
        BillPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt"),
        ("Bill-Token" = Option<String>, Header, description = "The secret, for customers"),
    ),
    request_body = TakePayment,
    responses((status = 201, body = TakenPayment), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bills/{kind}/{id}/payments")]
pub(crate) async fn post_bill_payment(
    actor: Actor<can::PayOwnBill>,
    once: Once,
    at: Path<BillPath>,
    cmd: Body<TakePayment>,
    request: HttpRequest,
    parts: Parts,
) -> Result<Answer, Rejection> {
    let (app, till) = parts;
    let subject = Subject::new(at.kind.clone(), at.id);
    let whose = match (given_token(&request), actor.scope.user) {
        (Some(_), _) if cmd.method == Method::Cash => {
            return Err(Rejection::of(&PaymentError::CashAtTheDesk));
        }
        (Some(token), _) => (subject, Payer::Customer, Some(sha256(token.as_bytes()).to_vec())),
        (None, Some(user)) => (subject, Payer::Staff(user), None),
        (None, None) => return Err(no_token()),
    };
    run(&app, &till, (&actor, once), whose, cmd).await
}

/// What every handler needs, as one extractor.
type Parts = (web::Data<App>, web::Data<Till>);

/// What is paid for, who pays, and the hash of the secret that makes it theirs.
type Whose = (Subject, Payer, Option<Vec<u8>>);

async fn run<G: Needs>(
    app: &App,
    till: &web::Data<Till>,
    (actor, once): (&Actor<G>, Once),
    (subject, payer, token): Whose,
    cmd: Body<TakePayment>,
) -> Result<Answer, Rejection> {
    let card = cmd.method == Method::Card;
    let (key, desk) = (once.of(&cmd), till.clone());
    let answer = app
        .write(actor, key, async move |tx| {
            take_payment(tx, &desk, &subject, &cmd, (payer, token.as_deref())).await.map(Created)
        })
        .await?;
    // The transaction is over: now the provider may be asked, as long as that takes.
    if card { with_card_step(app, till, actor.scope, answer).await } else { Ok(answer) }
}

struct Found {
    bill: Bill,
    house: House,
    voucher: Option<Voucher>,
    drawer: Option<Drawer>,
}

/// The rule.
///
/// # Errors
/// Each refusal of `PaymentError` that its name fits.
pub async fn take_payment(
    tx: &mut Tx,
    till: &Till,
    subject: &Subject,
    cmd: &TakePayment,
    (payer, secret): (Payer, Option<&[u8]>),
) -> Result<TakenPayment, PaymentError> {
    let Found { mut bill, house, voucher, drawer } = find(tx, subject, cmd, payer).await?;
    let settler = till.settler(&bill.subject.kind)?;
    match payer {
        Payer::Customer => check_token(&bill, secret)?,
        Payer::Staff(_) if tx.standing().may(settler.permission()) => {}
        Payer::Staff(_) => return Err(PaymentError::WrongToken),
    }
    let provider = (cmd.method == Method::Card).then(|| till.cards()).transpose()?;
    if cmd.method == Method::Cash && house.settings.drawer_required && drawer.is_none() {
        return Err(PaymentError::NoOpenDrawer);
    }
    let voucher = check_voucher(tx, cmd, &bill, voucher)?;
    let parts = parts(&bill, cmd, voucher.as_ref().map(|voucher| voucher.balance.amount))?;
    settler.admit(tx, bill.subject.id, payer).await.map_err(boxed)?;
    let mut taken = Taken {
        id: PaymentId::fresh(tx.now()),
        subject: bill.subject.clone(),
        method: cmd.method,
        amount: parts.amount,
        tip: parts.tip,
        tendered: parts.tendered,
        change: parts.change,
        currency: bill.currency,
        drawer: drawer.map(|drawer| drawer.id),
        voucher: voucher.map(|voucher| voucher.id),
        provider: provider.map(|provider| provider.name().to_owned()),
        taken_by: staff(payer),
        taken_at: tx.now(),
        day: house.day(tx.now()),
        outcome: None,
        receipt: None,
        reference: None,
        reason: None,
        back_amount: 0,
        back_tip: 0,
        under_way: 0,
        voided: false,
    };
    payments::insert_payment(tx, &taken)?;
    if let Some(voucher) = taken.voucher {
        vouchers::move_balance(tx, voucher, -(taken.amount + taken.tip))?;
    }
    if taken.method == Method::Card {
        bill.pending += taken.amount;
        bills::update_bill(tx, &mut bill)?;
        let look_at = tx.now().saturating_add(FIRST_LOOK).unwrap_or(tx.now());
        errands::insert_charge(tx, &taken, look_at)?;
        let topic = settler.topic();
        tx.emit(event::payment(topic, "payment_started", "card", &taken.view())?);
    } else if succeed(tx, till, &house, (&mut bill, &mut taken)).await? == Finished::TooLate {
        // Nothing was committed: the customer keeps their money.
        return Err(PaymentError::BillOver(crate::model::BillStatus::Closed));
    }
    Ok(TakenPayment { payment: taken.view(), bill: BillView::from(&bill), card: None })
}

/// Everything that the rule needs, locked in the order of the locks: bill, voucher, drawer.
async fn find(
    tx: &mut Tx,
    subject: &Subject,
    cmd: &TakePayment,
    payer: Payer,
) -> Result<Found, PaymentError> {
    let (venue, kind) = (tx.venue()?, subject.kind.as_ref());
    let bill: [&(dyn ToSql + Sync); 3] = [&venue, &kind, &subject.id];
    let code = cmd.voucher.as_deref().map(code_hash).unwrap_or_default();
    let voucher: [&(dyn ToSql + Sync); 2] = [&venue, &code];
    let cashier = staff(payer).filter(|_| cmd.method == Method::Cash);
    let cashier = cashier.map_or(Uuid::nil(), |user| user.0);
    let drawer: [&(dyn ToSql + Sync); 2] = [&venue, &cashier];
    let [bills, vouchers, drawers, houses] = tx
        .pipeline([
            bills::lock_query(&bill),
            vouchers::lock_query(&voucher),
            drawers::lock_of_cashier(&drawer),
            house::house_query(&[&venue]),
        ])
        .await?;
    Ok(Found {
        bill: locked_bill(&bills)?,
        house: house::house(&houses)?,
        voucher: vouchers.first().map(vouchers::voucher).transpose()?,
        drawer: drawers.first().map(drawers::drawer).transpose()?,
    })
}

fn check_voucher(
    tx: &Tx,
    cmd: &TakePayment,
    bill: &Bill,
    voucher: Option<Voucher>,
) -> Result<Option<Voucher>, PaymentError> {
    if cmd.method != Method::Voucher {
        return Ok(None);
    }
    let voucher = voucher.ok_or(PaymentError::NoSuchVoucher)?;
    if voucher.balance.currency != bill.currency {
        return Err(PaymentError::OtherCurrency(voucher.balance.currency, bill.currency));
    }
    if voucher.expires_at.is_some_and(|at| at <= tx.now()) {
        return Err(PaymentError::VoucherExpired);
    }
    Ok(Some(voucher))
}

fn staff(payer: Payer) -> Option<UserId> {
    match payer {
        Payer::Staff(user) => Some(user),
        Payer::Customer => None,
    }
}

/// What another slice says, as a refusal of this one.
pub(crate) fn boxed(problem: kernel::problem::Problem) -> PaymentError {
    PaymentError::Subject(Box::new(problem))
}
