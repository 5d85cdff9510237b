//! How every step of a visit is carried out: lock it, apply the rule to it in memory, save and tell.

use kernel::ids::{OrderId, UserId};
use kernel::role::Permission;
use pg::Tx;
use uuid::Uuid;

use crate::error::Kind;
use crate::model::Order;
use crate::store::orders::{self, Lock};
use crate::visit::{Hand, Visit};
use crate::{SpaError, event};

/// What is told of a step: the event and its finer verb.
pub(crate) type Told = (&'static str, &'static str);

/// Whose hands act. Known behind the first statement, when the standing was read again.
pub(crate) fn hand(tx: &Tx, user: UserId) -> Hand {
    Hand { id: holder(tx, user), supervises: tx.standing().may(Permission::SuperviseOrders) }
}

/// A device holds for itself: two tills of one manager are two cashiers.
pub(crate) fn holder(tx: &Tx, user: UserId) -> Uuid {
    tx.scope().device.map_or(user.0, |device| device.0)
}

/// The visit, locked.
pub(crate) async fn lock(tx: &mut Tx, id: OrderId) -> Result<Visit, SpaError> {
    orders::lock_visit(tx, id, None, Lock::Wait).await?.ok_or(SpaError::Absent(Kind::Order))
}

/// Locks, applies, saves, tells.
pub(crate) async fn carry_out(
    tx: &mut Tx,
    id: OrderId,
    user: UserId,
    told: Told,
    rule: impl FnOnce(&mut Visit, Hand) -> Result<(), SpaError>,
) -> Result<Order, SpaError> {
    let mut visit = lock(tx, id).await?;
    let hand = hand(tx, user);
    rule(&mut visit, hand)?;
    save(tx, visit, told, Some(hand.id))
}

/// Saves and tells what a step did.
pub(crate) fn save(
    tx: &mut Tx,
    mut visit: Visit,
    (kind, action): Told,
    by: Option<Uuid>,
) -> Result<Order, SpaError> {
    visit.order.version += 1;
    orders::save(tx, &visit, by)?;
    event::tell(tx, kind, action, &visit.public())?;
    Ok(visit.told())
}
