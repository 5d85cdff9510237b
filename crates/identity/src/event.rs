//! What this slice tells its listeners. `data` is the JSON that REST gives.

use kernel::event::{Event, Topic};

use crate::model::{Member, Venue};

/// The types of this slice's events with their topic, for the document of events.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    ("venue_updated", Topic::Staff, "The venue's settings were changed."),
    ("member_created", Topic::Staff, "Somebody was given a role in the venue."),
    ("member_updated", Topic::Staff, "A member's role was changed."),
    ("device_created", Topic::Staff, "A device was paired and waits for approval."),
    ("device_updated", Topic::Staff, "A device was approved, renamed or revoked."),
    ("device_status", Topic::Staff, "A device told how it is, or was not heard of any more."),
    ("member_removed", Topic::Staff, "A member's role was taken away."),
];

/// The venue's settings were changed.
pub(crate) fn venue_updated(venue: &Venue) -> Result<Event, serde_json::Error> {
    let entity = ("venue", venue.id.0, venue.version);
    Event::new(Topic::Staff, "venue_updated", entity, "changed", venue)
}

/// A role was given, changed or taken away.
pub(crate) fn member(
    kind: &'static str,
    action: &'static str,
    member: &Member,
) -> Result<Event, serde_json::Error> {
    let entity = ("member", member.id.0, member.version);
    Event::new(Topic::Staff, kind, entity, action, member)
}
