//! Issue a voucher.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use jiff::Timestamp;
use kernel::ids::{UserId, VoucherId};
use kernel::money::Money;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::PaymentError;
use crate::model::Voucher;
use crate::paths::VenuePath;
use crate::store::{house, vouchers};
use crate::voucher_code::{code_hash, fresh, hint};

/// What a voucher is worth, and why it is issued.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueVoucher {
    /// In the venue's currency.
    pub worth: Money,
    /// Why.
    #[schema(min_length = 3, max_length = 300, example = "Sold at the counter")]
    pub reason: String,
    /// Until when it can be redeemed; for ever unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub expires_at: Option<Timestamp>,
}

impl Input for IssueVoucher {
    fn check(&self, errors: &mut Errors) {
        errors.require(self.worth.amount > 0, "/worth", "range", "Give more than nothing.");
        errors.text(&self.reason, "/reason", (3, 300));
    }
}

/// Issue a voucher
///
/// The answer's `code` is shown once. It is redeemed as a payment, in parts or whole.
#[utoipa::path(
    operation_id = "issueVoucher", tag = "payments",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = IssueVoucher, security(("bearer" = [])),
    responses((status = 201, body = Voucher), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/vouchers")]
pub(crate) async fn post_voucher(
    actor: Actor<can::IssueVouchers>,
    once: Once,
    _: Path<VenuePath>,
    cmd: Body<IssueVoucher>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| {
        issue_voucher(tx, user, &cmd).await.map(Created)
    })
    .await
}

async fn issue_voucher(
    tx: &mut Tx,
    user: UserId,
    cmd: &IssueVoucher,
) -> Result<Voucher, PaymentError> {
    let house = house::find_house(tx).await?;
    if cmd.worth.currency != house.currency {
        return Err(PaymentError::OtherCurrency(cmd.worth.currency, house.currency));
    }
    if cmd.expires_at.is_some_and(|at| at <= tx.now()) {
        return Err(PaymentError::VoucherExpired);
    }
    let code = fresh()?;
    let mut voucher = Voucher {
        id: VoucherId::fresh(tx.now()),
        code: None,
        hint: hint(&code),
        worth: cmd.worth,
        balance: cmd.worth,
        expires_at: cmd.expires_at,
        reason: cmd.reason.trim().to_owned(),
        issued_at: tx.now(),
        version: 1,
    };
    vouchers::insert_voucher(tx, &voucher, code_hash(&code), user)?;
    tx.audit("voucher_issued", ("voucher", voucher.id.0), &voucher)?;
    voucher.code = Some(code);
    Ok(voucher)
}
