//! What this slice tells its listeners. `data` is the JSON that REST gives.

use jiff::Timestamp;
use kernel::event::{Event, Topic};
use kernel::ids::ShowId;
use serde::Serialize;

use crate::line::ShowLine;
use crate::model::{Booking, Seat, SeatState, SeatStatus, Show};
use crate::waiting::Waiting;

/// The types of this slice's events with their topic, for the document of events.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    (
        "seats_updated",
        Topic::Seats,
        "Seats changed hands: data.seats has their new states, data.until when held or withheld ones \
         may be free by themselves.",
    ),
    ("seat_map_replaced", Topic::Seats, "A show was laid out anew: load its seat map again."),
    (
        "line_moved",
        Topic::Seats,
        "The line in front of a show was opened, closed or moved: places up to data.served have \
         their pass.",
    ),
    ("show_created", Topic::Shows, "A show was made."),
    ("show_updated", Topic::Shows, "A show was changed."),
    ("booking_created", Topic::Bookings, "Seats were booked."),
    (
        "booking_updated",
        Topic::Bookings,
        "A booking was changed, paid, cancelled, or its time is over.",
    ),
    ("waitlist_joined", Topic::Bookings, "A party waits for seats."),
    ("waitlist_offered", Topic::Bookings, "Seats are held for a party that waited."),
    ("waitlist_left", Topic::Bookings, "A party waits no more."),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatsChanged<'a> {
    show_id: ShowId,
    seats: &'a [SeatState],
    /// When some of them may be something else by themselves: a hold runs out, a release time
    /// comes. An extended hold lasts longer.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    until: Option<Timestamp>,
}

/// The seats `seats` of `show` are held until then, unless the hold is extended. No personal data:
/// anyone may hear it.
pub(crate) fn seats_held<'a>(
    show: ShowId,
    labels: impl IntoIterator<Item = &'a String>,
    until: Timestamp,
) -> Result<Event, serde_json::Error> {
    let state = |label: &String| SeatState { id: label.clone(), status: SeatStatus::Held };
    let seats: Vec<_> = labels.into_iter().map(state).collect();
    let data = SeatsChanged { show_id: show, seats: &seats, until: Some(until) };
    Event::new(Topic::Seats, "seats_updated", ("show", show.0, 0), "held", &data)
}

/// A booking has these seats now: sold, or held until it is paid.
pub(crate) fn seats_given<'a>(
    booking: &Booking,
    action: &'static str,
    labels: impl IntoIterator<Item = &'a String>,
) -> Result<Event, serde_json::Error> {
    let status = if booking.pay_by.is_some() { SeatStatus::Held } else { SeatStatus::Sold };
    let state = |label: &String| SeatState { id: label.clone(), status };
    let seats: Vec<_> = labels.into_iter().map(state).collect();
    let (show, until) = (booking.show_id, booking.pay_by);
    let data = SeatsChanged { show_id: show, seats: &seats, until };
    Event::new(Topic::Seats, "seats_updated", ("show", show.0, 0), action, &data)
}

/// Seats of `show` changed in several ways at once.
pub(crate) fn seats_changed(
    show: ShowId,
    action: &'static str,
    seats: &[SeatState],
) -> Result<Event, serde_json::Error> {
    let data = SeatsChanged { show_id: show, seats, until: None };
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
    let until = seats.iter().filter(|seat| seat.is_withheld(now));
    let until = until.filter_map(|seat| seat.withheld_until).min();
    let seats: Vec<_> = seats.iter().map(state).collect();
    let data = SeatsChanged { show_id: show, seats: &seats, until };
    Event::new(Topic::Seats, "seats_updated", ("show", show.0, 0), action, &data)
}

/// All seats of `show` were replaced.
pub(crate) fn seat_map_replaced(show: &Show) -> Result<Event, serde_json::Error> {
    let data = serde_json::json!({ "showId": show.id });
    let entity = ("show", show.id.0, show.version);
    Event::new(Topic::Seats, "seat_map_replaced", entity, "laid_out", &data)
}

/// The line of a show was opened or closed, or moved: one event for all who stand there.
pub(crate) fn line_moved(
    action: &'static str,
    line: &ShowLine,
) -> Result<Event, serde_json::Error> {
    Event::new(Topic::Seats, "line_moved", ("line", line.show_id.0, line.version), action, line)
}

/// A show was made or changed.
pub(crate) fn show(
    kind: &'static str,
    action: &'static str,
    show: &Show,
) -> Result<Event, serde_json::Error> {
    Event::new(Topic::Shows, kind, ("show", show.id.0, show.version), action, show)
}

/// A booking was made or changed. Whoever follows it hears it, too: it is their own.
pub(crate) fn booking(
    kind: &'static str,
    action: &'static str,
    booking: &Booking,
) -> Result<Event, serde_json::Error> {
    let entity = ("booking", booking.id.0, booking.version);
    let event = Event::new(Topic::Bookings, kind, entity, action, booking)?;
    Ok(event.and_followers(Topic::Booking))
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
