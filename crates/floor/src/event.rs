//! What this slice tells its listeners. `data` is the JSON that REST gives.

use kernel::event::{Event, Topic};
use kernel::ids::VenueId;

use crate::floor::{Fate, Told};
use crate::model::{Guest, Level, Section, Table};
use crate::plan::AppliedLayout;
use crate::quote::Waitlist;
use crate::reservation::Reservation;
use crate::settings::FloorSettings;

/// The types of this slice's events with their topic, for the document of events.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    ("level_created", Topic::Floor, "A level was made."),
    ("level_updated", Topic::Floor, "A level was changed."),
    ("level_deleted", Topic::Floor, "A level is gone."),
    ("section_created", Topic::Floor, "A section was made."),
    ("section_updated", Topic::Floor, "A section was changed."),
    ("section_deleted", Topic::Floor, "A section is gone."),
    ("table_created", Topic::Floor, "A table was made."),
    ("table_updated", Topic::Floor, "A table was moved, changed, taken or freed."),
    ("table_deleted", Topic::Floor, "A table is gone."),
    ("layout_updated", Topic::Floor, "A layout was applied: data has all of the floor."),
    ("floor_settings_updated", Topic::Floor, "The floor works by other rules."),
    ("guest_created", Topic::Guests, "A party came."),
    ("guest_updated", Topic::Guests, "A party was changed or moved."),
    ("guest_deleted", Topic::Guests, "A party is gone."),
    ("reservation_created", Topic::Guests, "A table was reserved."),
    ("reservation_updated", Topic::Guests, "A reservation was changed."),
    ("waitlist_quoted", Topic::Guests, "Waits have changed: data.items has those that did."),
    (
        "atomic_transaction_complete",
        Topic::Floor,
        "A batch is complete: its events have the numbers data.from to data.to.",
    ),
];

type Made = Result<Event, serde_json::Error>;

pub(crate) fn level(told: &Told, level: &Level) -> Made {
    let kind = match told.fate {
        Fate::Created => "level_created",
        Fate::Updated => "level_updated",
        Fate::Deleted => "level_deleted",
    };
    Event::new(Topic::Floor, kind, ("level", level.id.0, level.version), told.action, level)
}

pub(crate) fn section(told: &Told, section: &Section) -> Made {
    let kind = match told.fate {
        Fate::Created => "section_created",
        Fate::Updated => "section_updated",
        Fate::Deleted => "section_deleted",
    };
    let about = ("section", section.id.0, section.version);
    Event::new(Topic::Floor, kind, about, told.action, section)
}

pub(crate) fn table(told: &Told, table: &Table) -> Made {
    let kind = match told.fate {
        Fate::Created => "table_created",
        Fate::Updated => "table_updated",
        Fate::Deleted => "table_deleted",
    };
    Event::new(Topic::Floor, kind, ("table", table.id.0, table.version), told.action, table)
}

pub(crate) fn guest(told: &Told, guest: &Guest) -> Made {
    let kind = match told.fate {
        Fate::Created => "guest_created",
        Fate::Updated => "guest_updated",
        Fate::Deleted => "guest_deleted",
    };
    Event::new(Topic::Guests, kind, ("guest", guest.id.0, guest.version), told.action, guest)
}

pub(crate) fn reservation(told: &Told, found: &Reservation) -> Made {
    let kind = match told.fate {
        Fate::Created => "reservation_created",
        Fate::Updated | Fate::Deleted => "reservation_updated",
    };
    let about = ("reservation", found.id.0, found.version);
    Event::new(Topic::Guests, kind, about, told.action, found)
}

/// A layout replaced the floor: one event with all of it.
pub(crate) fn layout(venue: VenueId, applied: &AppliedLayout) -> Made {
    Event::new(Topic::Floor, "layout_updated", ("layout", venue.0, 0), "applied", applied)
}

/// The rules of the floor were changed.
pub(crate) fn settings(venue: VenueId, settings: &FloorSettings) -> Made {
    let about = ("floor_settings", venue.0, settings.version);
    Event::new(Topic::Floor, "floor_settings_updated", about, "changed", settings)
}

/// Waits in the line are not what they were.
pub(crate) fn quoted(venue: VenueId, changed: &Waitlist) -> Made {
    Event::new(Topic::Guests, "waitlist_quoted", ("waitlist", venue.0, 0), "quoted", changed)
}

/// The end of a batch. The log writes the numbers of its events into `data`: `{from, to}`.
pub(crate) fn complete(venue: VenueId) -> Made {
    let kind = kernel::event::TRANSACTION_COMPLETE;
    let none = serde_json::Map::new();
    Event::new(Topic::Floor, kind, ("floor", venue.0, 0), "completed", &none)
}
