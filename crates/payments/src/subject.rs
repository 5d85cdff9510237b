//! What is paid for, as far as this slice knows it: a kind and an id. And whoever knows more.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use kernel::event::Topic;
use kernel::ids::UserId;
use kernel::problem::Problem;
use kernel::role::Permission;
use pg::Tx;
use uuid::Uuid;

/// What a bill is for: an order, a booking. Kinds are words of the slices that open bills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `order`, `booking`.
    pub kind: Cow<'static, str>,
    /// Which one.
    pub id: Uuid,
}

impl Subject {
    /// The subject `id` of that kind.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, id: Uuid) -> Self {
        Self { kind: kind.into(), id }
    }
}

/// Who wants to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
    /// A member or device takes the money.
    Staff(UserId),
    /// The customer pays for themselves, by the bill's secret.
    Customer,
}

/// Whether what was paid for can still be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fulfilment {
    /// It is theirs now.
    Given,
    /// It is gone: everything that was paid for it goes back.
    TooLate,
}

/// The slice that opened a bill, where it has to act on money.
///
/// Every function runs inside the transaction that moves the money, with the bill locked. It locks
/// rows of its own slice only, and those after the bill: see "Lock order" in the README.
pub trait Settle: Send + Sync {
    /// The kind of its subjects.
    fn kind(&self) -> &'static str;

    /// Whose screens hear of its payments.
    fn topic(&self) -> Topic {
        Topic::CashierQueue
    }

    /// What a member needs to take money for it.
    fn permission(&self) -> Permission {
        Permission::TakePayments
    }

    /// Before money is taken: a refusal here takes none. The slice's last chance to say that it is
    /// too late, or that somebody else serves this customer.
    fn admit<'a>(
        &'a self,
        tx: &'a mut Tx,
        id: Uuid,
        by: Payer,
    ) -> LocalBoxFuture<'a, Result<(), Problem>> {
        let _ = (tx, id, by);
        Box::pin(async { Ok(()) })
    }

    /// The bill is paid: the subject becomes what it becomes then, in the same transaction.
    fn settled<'a>(
        &'a self,
        tx: &'a mut Tx,
        id: Uuid,
    ) -> LocalBoxFuture<'a, Result<Fulfilment, Problem>>;

    /// A payment was voided: the bill is open again. A refusal keeps the payment.
    fn reopened<'a>(&'a self, tx: &'a mut Tx, id: Uuid) -> LocalBoxFuture<'a, Result<(), Problem>>;
}

/// Every slice that opens bills. The binary makes the list.
#[derive(Clone)]
pub struct Settlers(Arc<[Box<dyn Settle>]>);

impl Settlers {
    /// These, one of each kind.
    #[must_use]
    pub fn new(settlers: Vec<Box<dyn Settle>>) -> Self {
        Self(settlers.into())
    }

    /// Whoever knows subjects of that kind.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<&dyn Settle> {
        self.0.iter().find(|settler| settler.kind() == kind).map(AsRef::as_ref)
    }

    /// Whose screens hear of payments for that kind.
    #[must_use]
    pub fn topic(&self, kind: &str) -> Topic {
        self.of(kind).map_or(Topic::CashierQueue, Settle::topic)
    }
}
