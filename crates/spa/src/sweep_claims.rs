//! The job that gives customers back whom nobody looks after any more. Any worker does it; what one
//! has locked the others leave to it.

use std::time::Duration;

use edge::App;
use kernel::ids::OrderId;
use kernel::scope::Scope;
use pg::Tx;
use pg::control::Control;

use crate::SpaError;
use crate::carry_out::{lock, save};
use crate::hand_back::given_back;
use crate::model::OrderStatus;
use crate::store::orders::{self, Lock};

/// How often each worker looks. A customer is given back within a second of the lease's end.
pub const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// How often each worker looks for those who were left in the line.
pub const SEND_HOME_EVERY: Duration = Duration::from_mins(1);
/// Orders of one sweep.
const ORDERS_MAX: i64 = 200;
/// Nobody waits for a therapist for longer: the house was closed since. In seconds.
const WAIT_MAX_SECS: i64 = 18 * 60 * 60;

/// One sweep over all venues.
///
/// # Errors
/// When PostgreSQL is away or busy: the next sweep does it.
pub async fn sweep_claims(app: &App) -> Result<(), SpaError> {
    // The control of the test that shows what becomes of customers without leases.
    if Control::Leases.is_out() {
        return Ok(());
    }
    let offset = app.clock().offset_micros();
    let due = app
        .db()
        .read(Scope::job(), async |q| orders::due_orders(q, offset, ORDERS_MAX).await)
        .await?;
    for (venue, order) in due {
        let scope = Scope::venue(venue, None);
        app.job("sweep_claims", scope, async |tx| lapse(tx, order).await).await?;
    }
    Ok(())
}

/// Whoever still stands in the line of a house that was closed since is sent home.
///
/// # Errors
/// When PostgreSQL is away or busy: the next round does it.
pub async fn send_home(app: &App) -> Result<(), SpaError> {
    let offset = app.clock().offset_micros();
    let left = app
        .db()
        .read(Scope::job(), async |q| {
            orders::left_orders(q, offset, ORDERS_MAX, WAIT_MAX_SECS).await
        })
        .await?;
    for (venue, order) in left {
        let scope = Scope::venue(venue, None);
        app.job("send_home", scope, async |tx| leave(tx, order).await).await?;
    }
    Ok(())
}

/// The lease is over. Looked at again under the lock: a heartbeat may have come.
async fn lapse(tx: &mut Tx, id: OrderId) -> Result<(), SpaError> {
    let Some(mut visit) = orders::lock_visit(tx, id, None, Lock::IfDue).await? else {
        return Ok(());
    };
    let kind = match visit.order.status {
        OrderStatus::InService => "order_unattended",
        status => given_back(status == OrderStatus::AwaitingPayment),
    };
    visit.lapse();
    save(tx, visit, (kind, "lapsed"), None).map(drop)
}

async fn leave(tx: &mut Tx, id: OrderId) -> Result<(), SpaError> {
    let mut visit = lock(tx, id).await?;
    if visit.order.status != OrderStatus::PendingTherapist {
        return Ok(());
    }
    visit.cancel(None, "nobody came for too long")?;
    save(tx, visit, ("order_cancelled", "left"), None).map(drop)
}
