//! Count a drawer and close it; the report of a drawer, X while it is open and Z once it is closed.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Done, Input, Once, Path, Rejection, WriteRefusals, can};
use jiff::Timestamp;
use kernel::ids::{DrawerId, UserId};
use kernel::money::Money;
use pg::{ToSql, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Drawer, DrawerStatus};
use crate::open_drawer::check_own;
use crate::paths::DrawerPath;
use crate::report::MethodSum;
use crate::store::drawers::{self, Figures};
use crate::store::{house, reports};
use crate::{PaymentError, event};

/// What was found in a drawer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloseDrawer {
    /// All cash in it, the float too.
    pub counted: Money,
    /// What explains a difference.
    #[schema(nullable = false, max_length = 300)]
    pub note: Option<String>,
}

impl Input for CloseDrawer {
    fn check(&self, errors: &mut Errors) {
        errors.require(self.counted.amount >= 0, "/counted", "range", "Give 0 or more.");
        if let Some(note) = &self.note {
            errors.text(note, "/note", (1, 300));
        }
    }
}

/// What a drawer took and gave. Without `count` it is an X report: a look that changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawerReport {
    /// The drawer.
    pub drawer: DrawerHead,
    /// In it at first.
    pub float: Money,
    /// Cash that was taken, with tips.
    pub taken: Money,
    /// In so many payments.
    pub payments: i64,
    /// Cash that went back.
    pub given_back: Money,
    /// Put in for other reasons.
    pub paid_in: Money,
    /// Taken out for other reasons.
    pub paid_out: Money,
    /// What should be in it: float + taken + paid in − given back − paid out.
    pub expected: Money,
    /// What its cashier took meanwhile in every way.
    pub methods: Vec<MethodSum>,
    /// The count that closed it: a Z report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub count: Option<DrawerCount>,
}

impl Versioned for DrawerReport {}

/// Which drawer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawerHead {
    /// Its id.
    pub id: DrawerId,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub opened_by: UserId,
    /// When it was opened.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
}

/// The count that closed a drawer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawerCount {
    /// The number of the Z report: 1, 2, 3 … per venue, without gaps.
    #[schema(example = 17)]
    pub report: i64,
    /// What was found.
    pub counted: Money,
    /// Counted less expected: below zero something is missing.
    pub difference: Money,
    /// What explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    /// Who counted.
    pub closed_by: UserId,
    /// When.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub closed_at: Timestamp,
}

/// Close a drawer
///
/// Counted against expected. The answer is the Z report, which is kept as it is.
#[utoipa::path(
    operation_id = "closeDrawer", tag = "payments",
    params(DrawerPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = CloseDrawer, security(("bearer" = [])),
    responses((status = 200, body = DrawerReport), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/drawers/{drawer}/close")]
pub(crate) async fn post_close(
    actor: Actor<can::UseDrawers>,
    once: Once,
    at: Path<DrawerPath>,
    cmd: Body<CloseDrawer>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (drawer, user) = (at.drawer, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        close_drawer(tx, drawer, user, &cmd).await.map(Done)
    })
    .await
}

async fn close_drawer(
    tx: &mut Tx,
    id: DrawerId,
    user: UserId,
    cmd: &CloseDrawer,
) -> Result<DrawerReport, PaymentError> {
    let venue = tx.venue()?;
    let params: [&(dyn ToSql + Sync); 2] = [&venue, &id];
    // Whoever puts cash into the drawer holds its lock until they commit: the sums are whole.
    let [rows, sums, methods, houses] = tx
        .pipeline([
            drawers::lock_query(&params),
            drawers::figures_query(&params),
            drawers::methods_query(&params),
            house::house_query(&[&venue]),
        ])
        .await?;
    let drawer = rows.first().map(drawers::drawer).transpose()?;
    let mut drawer = drawer.ok_or(PaymentError::NoSuchDrawer)?;
    check_own(&drawer, user, tx.standing())?;
    if cmd.counted.currency != drawer.float.currency {
        return Err(PaymentError::OtherCurrency(cmd.counted.currency, drawer.float.currency));
    }
    let house = house::house(&houses)?;
    let methods = reports::method_sums(&methods, drawer.float.currency)?;
    let mut report = report(&drawer, drawers::figures(&sums)?, methods);
    let difference = cmd.counted.amount - report.expected.amount;
    let count = DrawerCount {
        report: house::next_report(tx).await?,
        counted: cmd.counted,
        difference: Money { amount: difference, ..cmd.counted },
        note: cmd.note.as_ref().map(|note| note.trim().to_owned()),
        closed_by: user,
        closed_at: tx.now(),
    };
    report.count = Some(count.clone());
    drawers::close_drawer(tx, &report, &count, house.day(tx.now()))?;
    drawer.status = DrawerStatus::Closed;
    tx.audit("drawer_closed", ("drawer", id.0), &report)?;
    tx.emit(event::drawer("drawer_closed", &drawer)?);
    Ok(report)
}

/// The report without a count.
pub(crate) fn report(drawer: &Drawer, figures: Figures, methods: Vec<MethodSum>) -> DrawerReport {
    let money = |amount| Money { amount, ..drawer.float };
    let expected = drawer.float.amount + figures.taken + figures.paid_in
        - figures.given_back
        - figures.paid_out;
    DrawerReport {
        drawer: DrawerHead {
            id: drawer.id,
            name: drawer.name.clone(),
            opened_by: drawer.opened_by,
            opened_at: drawer.opened_at,
        },
        float: drawer.float,
        taken: money(figures.taken),
        payments: figures.payments,
        given_back: money(figures.given_back),
        paid_in: money(figures.paid_in),
        paid_out: money(figures.paid_out),
        expected: money(expected),
        methods,
        count: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_be_in_a_drawer_is_what_came_less_what_went() {
        let at = "2026-11-21T08:00:00Z".parse().unwrap();
        let drawer = Drawer {
            id: DrawerId::fresh(at),
            name: "Front desk".into(),
            status: DrawerStatus::Open,
            opened_by: UserId::fresh(at),
            float: Money { amount: 20_000, currency: "EUR".parse().unwrap() },
            opened_at: at,
            day: "2026-11-21".parse().unwrap(),
        };
        let figures = Figures {
            taken: 15_580,
            payments: 2,
            given_back: 580,
            paid_in: 1_000,
            paid_out: 9_000,
        };
        assert_eq!(report(&drawer, figures, Vec::new()).expected.amount, 27_000);
    }
}
