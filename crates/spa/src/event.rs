//! What this slice tells its listeners. Codes only: nobody's name, nobody's note.

use kernel::event::{Event, Topic};
use pg::Tx;
use serde::Serialize;
use uuid::Uuid;

use crate::SpaError;
use crate::model::{Order, OrderStatus};
use crate::rooms::Room;
use crate::shifts::Therapist;

/// The types of this slice's events with their topic, for the document of events. Those of orders
/// are told on `monitor` as well, in fewer words, and to whoever follows `order.{id}`.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    ("order_created", Topic::TherapistQueue, "A customer waits for a therapist."),
    ("order_claimed", Topic::TherapistQueue, "A therapist and a room are theirs."),
    ("order_called", Topic::TherapistQueue, "The customer is called."),
    ("order_started", Topic::TherapistQueue, "The treatment began."),
    ("order_start_undone", Topic::TherapistQueue, "It did not begin after all."),
    ("item_added", Topic::TherapistQueue, "A service was put on the bill."),
    ("item_removed", Topic::TherapistQueue, "A service was taken off the bill."),
    ("order_handed_back", Topic::TherapistQueue, "The customer waits again, in the old place."),
    ("order_unattended", Topic::TherapistQueue, "In service, and nobody was heard of."),
    ("order_taken_over", Topic::TherapistQueue, "Somebody else goes on with it."),
    ("order_no_show", Topic::TherapistQueue, "Was called and did not come."),
    ("order_cancelled", Topic::TherapistQueue, "The visit was cancelled."),
    ("order_finished", Topic::CashierQueue, "The treatment is over: a customer waits to pay."),
    ("payment_claimed", Topic::CashierQueue, "A cashier has the customer."),
    ("payment_handed_back", Topic::CashierQueue, "The customer waits to pay again."),
    ("order_paid", Topic::CashierQueue, "The order is settled."),
    ("room_updated", Topic::Monitor, "A room was changed."),
    ("catalogue_changed", Topic::TherapistQueue, "What is sold was changed."),
    ("shift_changed", Topic::TherapistQueue, "A therapist came, went, or takes a break."),
];

/// What a wall screen needs of an order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OnTheWall<'a> {
    code: &'a str,
    status: OrderStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    calls: i32,
    version: i64,
}

/// Something happened to an order: told to the therapists or the cashiers, to whoever follows it,
/// and to the wall. Who treats the customer hears of its end as well.
pub(crate) fn tell(
    tx: &mut Tx,
    kind: &'static str,
    action: &'static str,
    order: &Order,
) -> Result<(), SpaError> {
    let entity = ("order", order.id.0, order.version);
    let of_cashiers = EVENTS.iter().any(|it| it.0 == kind && it.1 == Topic::CashierQueue);
    let topic = if of_cashiers { Topic::CashierQueue } else { Topic::TherapistQueue };
    tx.emit(Event::new(topic, kind, entity, action, order)?.and_followers(Topic::Order));
    if kind == "order_finished" {
        tx.emit(Event::new(Topic::TherapistQueue, kind, entity, action, order)?);
    }
    let wall = OnTheWall {
        code: &order.code,
        status: order.status,
        room: order.room.as_ref().map(|room| room.name.as_str()),
        calls: order.calls,
        version: order.version,
    };
    tx.emit(Event::new(Topic::Monitor, kind, entity, action, &wall)?);
    Ok(())
}

/// A room was made, changed or made ready.
pub(crate) fn room(action: &'static str, room: &Room) -> Result<Event, serde_json::Error> {
    let entity = ("room", room.id.0, room.version);
    Event::new(Topic::Monitor, "room_updated", entity, action, room)
}

/// Something in the catalogue was made, changed or deleted.
pub(crate) fn catalogue(
    action: &'static str,
    entity: (&'static str, Uuid, i64),
    data: &impl Serialize,
) -> Result<Event, serde_json::Error> {
    Event::new(Topic::TherapistQueue, "catalogue_changed", entity, action, data)
}

/// A therapist came, went, takes a break or is ready.
pub(crate) fn shift(
    action: &'static str,
    therapist: &Therapist,
) -> Result<Event, serde_json::Error> {
    let entity = ("therapist", therapist.id.0, therapist.version);
    Event::new(Topic::TherapistQueue, "shift_changed", entity, action, therapist)
}
