//! Erase a customer who has no account: by the order, which stays without a name, a note and a reason.
//! What told of it elsewhere, in logs and at the till, a job of the binary takes away.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Gone, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::civil::Date;
use kernel::ids::OrderId;
use pg::{DbError, Tx};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::SpaError;
use crate::error::Kind;
use crate::reads::VenuePath;
use crate::store::kept;

/// Orders whose traces are taken away at a time.
const ORDERS_PER_ROUND_MAX: i64 = 20;

/// Whose words go: the order by its id, or by what the customer has in hand.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EraseCustomer {
    /// The order's id.
    #[schema(nullable = false)]
    pub order: Option<OrderId>,
    /// Or its code, as it was called out.
    #[schema(nullable = false, max_length = 8, example = "A-042")]
    pub code: Option<String>,
    /// And the day that the code is of, by the venue's clock.
    #[schema(value_type = String, format = Date, nullable = false, required = false,
        example = "2027-02-01")]
    pub day: Option<Date>,
}

impl Input for EraseCustomer {
    fn check(&self, errors: &mut Errors) {
        let by_code = self.code.is_some() && self.day.is_some();
        let one = match self.order {
            Some(_) => self.code.is_none() && self.day.is_none(),
            None => by_code,
        };
        let how = "Give either the order's id, or its code and its day.";
        errors.require(one, "/order", "which", how);
    }
}

/// Erase a customer
///
/// For those who have no account and ask at the desk. How the customer wanted to be called, what they
/// told their therapist, and why the visit ended goes at once from the order; within seconds also what
/// staff wrote about its discounts and refunds, and what the logs told of it. Sums, times and receipts
/// stay, without these words. There is no way back.
#[utoipa::path(
    operation_id = "eraseCustomer", tag = "spa", params(VenuePath), request_body = EraseCustomer,
    security(("bearer" = [])), responses((status = 204), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/orders/erase")]
pub(crate) async fn post_erase(
    actor: Actor<can::SuperviseOrders>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<EraseCustomer>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| erase_customer(tx, &cmd).await.map(|()| Gone))
        .await
}

async fn erase_customer(tx: &mut Tx, cmd: &EraseCustomer) -> Result<(), SpaError> {
    let order = match (cmd.order, cmd.day) {
        (Some(order), _) => Some(order),
        (None, Some(day)) => {
            let code = cmd.code.as_deref().unwrap_or_default().trim().to_uppercase();
            kept::find_of_day(tx, day, &code).await?
        }
        (None, None) => None,
    };
    let order = order.ok_or(SpaError::Absent(Kind::Order))?;
    if !kept::erase_order(tx, order).await? {
        return Err(SpaError::Absent(Kind::Order));
    }
    tx.audit("customer_erased", ("order", order.0), &serde_json::json!({}))?;
    Ok(())
}

/// Orders of all venues that were erased and whose traces elsewhere are taken away in this
/// transaction: if it fails, the next one finds them again. In a job's scope.
///
/// # Errors
/// The database's failures.
pub async fn claim_erased(tx: &mut Tx) -> Result<Vec<Uuid>, DbError> {
    kept::claim_erased(tx, ORDERS_PER_ROUND_MAX).await
}
