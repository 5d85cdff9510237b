//! Take something off a bill.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Done, Input, Once, Path, Rejection, WriteRefusals, can};
use kernel::ids::UserId;
use kernel::money::Money;
use kernel::role::{Role, Standing};
use pg::{ToSql, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::bill::{Bill, locked_bill};
use crate::finish::{Finished, settle_if_paid};
use crate::model::{BillStatus, BillView};
use crate::money::{WHOLE_BASIS_POINTS, share};
use crate::paths::BillPath;
use crate::store::bills::{self, Discount};
use crate::store::house;
use crate::subject::Subject;
use crate::till::Till;
use crate::{PaymentError, event};

/// How much to take off, and why: `amount` or `basisPoints`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DiscountBill {
    /// So much.
    #[schema(nullable = false)]
    pub amount: Option<Money>,
    /// Such a share of the sum of the lines, in hundredths of a percent: 1250 is 12.5 %.
    #[schema(nullable = false, minimum = 1, maximum = 10_000, example = 1000)]
    pub basis_points: Option<u32>,
    /// Why: it stands in the audit log.
    #[schema(min_length = 3, max_length = 300, example = "Regular guest")]
    pub reason: String,
}

impl Input for DiscountBill {
    fn check(&self, errors: &mut Errors) {
        let one = self.amount.is_some() != self.basis_points.is_some();
        errors.require(one, "", "either", "Give amount or basisPoints, not both.");
        let amount = self.amount.is_none_or(|money| money.amount > 0);
        errors.require(amount, "/amount", "range", "Give more than nothing.");
        let points = self.basis_points.is_none_or(|it| (1..=WHOLE_BASIS_POINTS).contains(&it));
        errors.require(points, "/basisPoints", "range", "Give 1 to 10,000.");
        errors.text(&self.reason, "/reason", (3, 300));
    }
}

/// Give a discount
///
/// Takes something off an open bill. Cashiers and the box office up to the venue's limit in all,
/// managers any; a bill of which nothing is left is paid.
#[utoipa::path(
    operation_id = "discountBill", tag = "payments",
    params(BillPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = DiscountBill, security(("bearer" = [])),
    responses((status = 200, body = BillView), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bills/{kind}/{id}/discounts")]
pub(crate) async fn post_discount(
    actor: Actor<can::DiscountBills>,
    once: Once,
    at: Path<BillPath>,
    cmd: Body<DiscountBill>,
    app: web::Data<App>,
    till: web::Data<Till>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    let subject = Subject::new(at.kind.clone(), at.id);
    let key = once.of(&cmd);
    app.write(&actor, key, async move |tx| {
        discount_bill(tx, &till, &subject, (user, &cmd)).await.map(Done)
    })
    .await
}

async fn discount_bill(
    tx: &mut Tx,
    till: &Till,
    subject: &Subject,
    (user, cmd): (UserId, &DiscountBill),
) -> Result<BillView, PaymentError> {
    let (venue, kind) = (tx.venue()?, subject.kind.as_ref());
    let id: [&(dyn ToSql + Sync); 3] = [&venue, &kind, &subject.id];
    let [bills, houses] =
        tx.pipeline([bills::lock_query(&id), house::house_query(&[&venue])]).await?;
    let (mut bill, house) = (locked_bill(&bills)?, house::house(&houses)?);
    let amount = amount(&bill, cmd)?;
    let most = house.settings.discount_max_percent;
    if !is_manager(tx.standing()) && bill.discount + amount > within(&bill, most)? {
        return Err(PaymentError::DiscountTooLarge(most));
    }
    bill.discount += amount;
    let discount = Discount {
        id: kernel::ids::fresh(tx.now()),
        amount,
        basis_points: cmd.basis_points.and_then(|it| i32::try_from(it).ok()),
        reason: cmd.reason.trim().to_owned(),
        given_by: user.0,
    };
    let detail = serde_json::json!({
        "kind": kind, "amount": bill.money(amount), "reason": discount.reason,
    });
    tx.audit("bill_discounted", ("bill", subject.id), &detail)?;
    bills::insert_discount(tx, subject, discount)?;
    if settle_if_paid(tx, till, &mut bill).await? == Finished::TooLate {
        return Err(PaymentError::BillOver(BillStatus::Closed));
    }
    bills::update_bill(tx, &mut bill)?;
    tx.emit(event::bill(till.settlers().topic(kind), &bill)?);
    Ok(BillView::from(&bill))
}

/// How much it is: no more than is left to be paid.
fn amount(bill: &Bill, cmd: &DiscountBill) -> Result<i64, PaymentError> {
    if bill.status != BillStatus::Open {
        return Err(PaymentError::BillOver(bill.status));
    }
    let amount = match (cmd.amount, cmd.basis_points) {
        (Some(money), _) if money.currency != bill.currency => {
            return Err(PaymentError::OtherCurrency(money.currency, bill.currency));
        }
        (Some(money), _) => money.amount,
        (None, points) => share(bill.due, points.unwrap_or(0)).ok_or(PaymentError::TooMuch)?,
    };
    if amount > bill.rest() || amount == 0 {
        return Err(PaymentError::MoreThanRest(bill.money(bill.rest())));
    }
    Ok(amount)
}

fn within(bill: &Bill, percent: u32) -> Result<i64, PaymentError> {
    share(bill.due, percent.saturating_mul(100)).ok_or(PaymentError::TooMuch)
}

fn is_manager(standing: Standing) -> bool {
    matches!(standing, Standing::Member(Role::Owner | Role::Manager))
}
