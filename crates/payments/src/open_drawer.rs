//! Open a drawer with a float; put cash in and take cash out of it.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use jiff::Timestamp;
use kernel::ids::{DrawerId, UserId};
use kernel::money::Money;
use kernel::role::{Role, Standing};
use pg::{ToSql, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{Drawer, DrawerStatus, MoveKind};
use crate::paths::{DrawerPath, VenuePath};
use crate::store::{drawers, house};
use crate::{PaymentError, event};

/// What is in a drawer before the first customer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenDrawer {
    /// What people call it.
    #[schema(min_length = 1, max_length = 60, example = "Front desk")]
    pub name: String,
    /// What was counted into it.
    pub float: Money,
}

impl Input for OpenDrawer {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 60));
        errors.require(self.float.amount >= 0, "/float", "range", "Give 0 or more.");
    }
}

/// Cash that comes or goes for another reason than a payment.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MoveCash {
    /// Put in or taken out.
    pub kind: MoveKind,
    /// How much.
    pub amount: Money,
    /// Why.
    #[schema(min_length = 3, max_length = 300, example = "Change from the bank")]
    pub reason: String,
}

impl Input for MoveCash {
    fn check(&self, errors: &mut Errors) {
        errors.require(self.amount.amount > 0, "/amount", "range", "Give more than nothing.");
        errors.text(&self.reason, "/reason", (3, 300));
    }
}

/// Cash that came or went.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CashMove {
    /// Its id.
    pub id: Uuid,
    /// The drawer.
    pub drawer_id: DrawerId,
    /// Put in or taken out.
    pub kind: MoveKind,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
}

impl Versioned for CashMove {}

/// Open a drawer
///
/// One's own, one at a time. Cash that one takes from now on goes into it.
#[utoipa::path(
    operation_id = "openDrawer", tag = "payments",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = OpenDrawer, security(("bearer" = [])),
    responses((status = 201, body = Drawer), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/drawers")]
pub(crate) async fn post_drawer(
    actor: Actor<can::UseDrawers>,
    once: Once,
    _: Path<VenuePath>,
    cmd: Body<OpenDrawer>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| open_drawer(tx, user, &cmd).await.map(Created))
        .await
}

/// Put cash in or take it out
///
/// Change from the bank, a courier paid, the day's takings brought to the safe.
#[utoipa::path(
    operation_id = "moveCash", tag = "payments",
    params(DrawerPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = MoveCash, security(("bearer" = [])),
    responses((status = 201, body = CashMove), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/drawers/{drawer}/moves")]
pub(crate) async fn post_move(
    actor: Actor<can::UseDrawers>,
    once: Once,
    at: Path<DrawerPath>,
    cmd: Body<MoveCash>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (drawer, user) = (at.drawer, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        move_cash(tx, drawer, user, &cmd).await.map(Created)
    })
    .await
}

/// The rule.
///
/// # Errors
/// Each refusal of `PaymentError` that its name fits.
pub async fn open_drawer(
    tx: &mut Tx,
    user: UserId,
    cmd: &OpenDrawer,
) -> Result<Drawer, PaymentError> {
    let venue = tx.venue()?;
    let own: [&(dyn ToSql + Sync); 2] = [&venue, &user];
    let [open, houses] =
        tx.pipeline([drawers::lock_of_cashier(&own), house::house_query(&[&venue])]).await?;
    if !open.is_empty() {
        return Err(PaymentError::DrawerOpen);
    }
    let house = house::house(&houses)?;
    if cmd.float.currency != house.currency {
        return Err(PaymentError::OtherCurrency(cmd.float.currency, house.currency));
    }
    let drawer = Drawer {
        id: DrawerId::fresh(tx.now()),
        name: cmd.name.trim().to_owned(),
        status: DrawerStatus::Open,
        opened_by: user,
        float: cmd.float,
        opened_at: tx.now(),
        day: house.day(tx.now()),
    };
    drawers::insert_drawer(tx, &drawer)?;
    tx.audit("drawer_opened", ("drawer", drawer.id.0), &drawer)?;
    tx.emit(event::drawer("drawer_opened", &drawer)?);
    Ok(drawer)
}

async fn move_cash(
    tx: &mut Tx,
    id: DrawerId,
    user: UserId,
    cmd: &MoveCash,
) -> Result<CashMove, PaymentError> {
    let venue = tx.venue()?;
    let [rows] = tx.pipeline([drawers::lock_query(&[&venue, &id])]).await?;
    let drawer = rows.first().map(drawers::drawer).transpose()?;
    let drawer = drawer.ok_or(PaymentError::NoSuchDrawer)?;
    check_own(&drawer, user, tx.standing())?;
    if cmd.amount.currency != drawer.float.currency {
        return Err(PaymentError::OtherCurrency(cmd.amount.currency, drawer.float.currency));
    }
    let moved = CashMove {
        id: kernel::ids::fresh(tx.now()),
        drawer_id: id,
        kind: cmd.kind,
        amount: cmd.amount,
        reason: cmd.reason.trim().to_owned(),
        made_at: tx.now(),
    };
    let row = drawers::NewMove {
        id: moved.id,
        drawer: id,
        kind: moved.kind,
        amount: moved.amount.amount,
        reason: moved.reason.clone(),
        by: user,
        at: moved.made_at,
    };
    drawers::insert_move(tx, row)?;
    tx.audit("drawer_moved", ("drawer", id.0), &moved)?;
    Ok(moved)
}

/// Open, and one's own, or a manager's business.
pub(crate) fn check_own(
    drawer: &Drawer,
    user: UserId,
    standing: Standing,
) -> Result<(), PaymentError> {
    let manager = matches!(standing, Standing::Member(Role::Owner | Role::Manager));
    if drawer.opened_by != user && !manager {
        return Err(PaymentError::OthersDrawer);
    }
    if drawer.status == DrawerStatus::Closed {
        return Err(PaymentError::DrawerClosed);
    }
    Ok(())
}
