//! What this slice tells its listeners. `data` is the JSON that REST gives.

use kernel::event::{Event, Topic};

use crate::bill::Bill;
use crate::model::{BillView, Drawer, Payment, Refund};

/// The types of this slice's events with their topic, for the document of events. Payments of
/// bookings are told to those who hear of bookings, on `bookings`.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    ("bill_changed", Topic::CashierQueue, "What is to be paid for something has changed."),
    ("payment_started", Topic::CashierQueue, "A card payment is on its way."),
    ("payment_succeeded", Topic::CashierQueue, "Money was taken."),
    ("payment_failed", Topic::CashierQueue, "A card payment came to nothing."),
    ("refund_requested", Topic::Staff, "A refund waits for a second person."),
    ("refund_started", Topic::CashierQueue, "Money is on its way back."),
    ("refund_denied", Topic::Staff, "A second person did not approve a refund."),
    ("refund_failed", Topic::CashierQueue, "The provider refused: the venue still has the money."),
    (
        "refund_bounced",
        Topic::CashierQueue,
        "The bank sent back what had gone back: the venue has the money and owes it.",
    ),
    ("payment_refunded", Topic::CashierQueue, "Money went back."),
    ("drawer_opened", Topic::CashierQueue, "A drawer was opened."),
    ("drawer_closed", Topic::CashierQueue, "A drawer was counted."),
];

/// A bill was changed.
pub(crate) fn bill(topic: Topic, bill: &Bill) -> Result<Event, serde_json::Error> {
    let entity = ("bill", bill.subject.id, bill.version);
    Event::new(topic, "bill_changed", entity, "changed", &BillView::from(bill))
}

/// A payment has come to something.
pub(crate) fn payment(
    topic: Topic,
    kind: &'static str,
    action: &'static str,
    payment: &Payment,
) -> Result<Event, serde_json::Error> {
    Event::new(topic, kind, ("payment", payment.id.0, 0), action, payment)
}

/// Money goes back.
pub(crate) fn refund(
    topic: Topic,
    kind: &'static str,
    refund: &Refund,
) -> Result<Event, serde_json::Error> {
    Event::new(topic, kind, ("refund", refund.id.0, 0), refund.kind.as_str(), refund)
}

/// A drawer was opened or counted.
pub(crate) fn drawer(kind: &'static str, drawer: &Drawer) -> Result<Event, serde_json::Error> {
    let action = drawer.status.as_str();
    Event::new(Topic::CashierQueue, kind, ("drawer", drawer.id.0, 0), action, drawer)
}
