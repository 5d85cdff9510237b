//! What is pushed to people's devices, as a slice queues it.

use pg::{DbError, Tx};
use serde_json::Value;

use crate::store::pushes;

/// Something that a person is told on a device, through the operator's own service.
#[derive(Clone, PartialEq, Eq)]
pub struct Push {
    /// What it is about: `table_ready`.
    pub kind: &'static str,
    /// What the service needs to reach the person and to say it.
    pub body: Value,
}

// Whom it is for belongs in no log.
impl std::fmt::Debug for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Push").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Queues `push` in the transaction that is its reason: it is sent if and only if that commits.
///
/// # Errors
/// None today; a slice need not care when there are some.
pub fn queue_push(tx: &mut Tx, push: Push) -> Result<(), DbError> {
    let (now, venue) = (tx.now(), tx.scope().venue_or_nil());
    pushes::insert_push(tx, (venue, kernel::ids::fresh(now)), push, now);
    Ok(())
}
