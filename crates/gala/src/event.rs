//! What this slice tells its listeners. Whoever is a stranger hears of tables, never of guests.

use kernel::event::{Event, Topic};
use kernel::ids::ShowId;
use serde::Serialize;

use crate::model::{Gala, GalaGuest, GalaTable};

/// The types of this slice's events with their topic, for the document of events.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    (
        "gala_tables_updated",
        Topic::Seats,
        "Tables of a gala have other guests or rules: data.tables has their new states.",
    ),
    (
        "gala_guest_updated",
        Topic::Bookings,
        "A guest of a gala was seated, moved or unseated: data has where they are now.",
    ),
    ("gala_updated", Topic::Shows, "How a show seats its guests was changed."),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tables<'a> {
    show_id: ShowId,
    tables: &'a [GalaTable],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Guest<'a> {
    show_id: ShowId,
    #[serde(flatten)]
    guest: &'a GalaGuest,
}

/// Tables as they are now, without names.
pub(crate) fn tables(
    show: ShowId,
    action: &'static str,
    tables: &[GalaTable],
) -> Result<Event, serde_json::Error> {
    let data = Tables { show_id: show, tables };
    Event::new(Topic::Seats, "gala_tables_updated", ("show", show.0, 0), action, &data)
}

/// A guest and where they are now. One event each, so that a person can be forgotten by themself.
pub(crate) fn guest(
    action: &'static str,
    show: ShowId,
    guest: &GalaGuest,
) -> Result<Event, serde_json::Error> {
    let data = Guest { show_id: show, guest };
    let entity = ("gala_guest", guest.id.0, 0);
    Event::new(Topic::Bookings, "gala_guest_updated", entity, action, &data)
}

/// The settings.
pub(crate) fn gala(gala: &Gala) -> Result<Event, serde_json::Error> {
    let entity = ("show", gala.show_id.0, gala.version);
    Event::new(Topic::Shows, "gala_updated", entity, "set_up", gala)
}
