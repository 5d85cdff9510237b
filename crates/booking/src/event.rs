//! What this slice tells its listeners. `data` is the JSON that REST gives.

use jiff::Timestamp;
use kernel::event::{Event, Topic};
use kernel::ids::ShowId;
use serde::Serialize;

use crate::model::{Booking, Seat, SeatState, SeatStatus, Show};
use crate::waiting::Waiting;

/// The types of this slice's events with their topic, for the document of events.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    ("seats_updated", Topic::Seats, "Seats changed hands: data.seats has their new states."),
    ("seat_map_replaced", Topic::Seats, "A show was laid out anew: load its seat map again."),
    ("show_created", Topic::Shows, "A show was made."),
    ("show_updated", Topic::Shows, "A show was changed."),
    ("booking_created", Topic::Bookings, "Seats were booked."),
    ("booking_updated", Topic::Bookings, "A booking was changed."),
    ("waitlist_joined", Topic::Bookings, "A party waits for seats."),
    ("waitlist_offered", Topic::Bookings, "Seats are held for a party that waited."),
    ("waitlist_left", Topic::Bookings, "A party waits no more."),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatsChanged<'a> {
    show_id: ShowId,
    seats: &'a [SeatState],
}

/// The seats `seats` of `show` are `status` now. No personal data: anyone may hear it.
pub(crate) fn seats_updated<'a>(
    show: ShowId,
    action: &'static str,
    status: SeatStatus,
    labels: impl IntoIterator<Item = &'a String>,
) -> Result<Event, serde_json::Error> {
    let seats: Vec<_> =
        labels.into_iter().map(|label| SeatState { id: label.clone(), status }).collect();
    let data = SeatsChanged { show_id: show, seats: &seats };
    Event::new(Topic::Seats, "seats_updated", ("show", show.0, 0), action, &data)
}

/// Some seats of `show` are free again; those that the house keeps are withheld.
pub(crate) fn seats_freed(
    show: ShowId,
    action: &'static str,
    seats: &[Seat],
    now: Timestamp,
) -> Result<Event, serde_json::Error> {
    let state =
        |seat: &Seat| SeatState { id: seat.label.clone(), status: seat.unclaimed_status(now) };
    let seats: Vec<_> = seats.iter().map(state).collect();
    let data = SeatsChanged { show_id: show, seats: &seats };
    Event::new(Topic::Seats, "seats_updated", ("show", show.0, 0), action, &data)
}

/// All seats of `show` were replaced.
pub(crate) fn seat_map_replaced(show: &Show) -> Result<Event, serde_json::Error> {
    let data = serde_json::json!({ "showId": show.id });
    let entity = ("show", show.id.0, show.version);
    Event::new(Topic::Seats, "seat_map_replaced", entity, "laid_out", &data)
}

/// A show was made or changed.
pub(crate) fn show(
    kind: &'static str,
    action: &'static str,
    show: &Show,
) -> Result<Event, serde_json::Error> {
    Event::new(Topic::Shows, kind, ("show", show.id.0, show.version), action, show)
}

/// A booking was made or changed.
pub(crate) fn booking(
    kind: &'static str,
    action: &'static str,
    booking: &Booking,
) -> Result<Event, serde_json::Error> {
    let entity = ("booking", booking.id.0, booking.version);
    Event::new(Topic::Bookings, kind, entity, action, booking)
}

/// A party of a waiting list came, got an offer or left. It has no name.
pub(crate) fn waiting(
    kind: &'static str,
    action: &'static str,
    waiting: &Waiting,
) -> Result<Event, serde_json::Error> {
    let entity = ("waiting", waiting.id.0, waiting.version);
    Event::new(Topic::Bookings, kind, entity, action, waiting)
}
