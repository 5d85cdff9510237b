//! Sections, tables and parties: what they are. Pure.

use edge::answer::Versioned;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{GuestId, LevelId, ReservationId, SectionId, TableId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long the last step of a party can be undone.
pub const UNDO_MAX: SignedDuration = SignedDuration::from_secs(edge::limits::STEP_UNDO_SECS);
/// Tables that one party has at most.
pub const TABLES_PER_PARTY_MAX: usize = edge::limits::TABLES_PER_PARTY_MAX;

kernel::names! {
    /// What a table is right now.
    TableStatus {
        /// A party can sit down.
        Available = "available",
        /// Kept for a party that is on its way.
        Reserved = "reserved",
        /// A party sits there.
        Occupied = "occupied",
        /// The party has left, the table is not yet made.
        Dirty = "dirty",
        /// Nobody sits there today.
        OutOfService = "out_of_service",
    }
    /// How a table is drawn.
    TableShape {
        /// Square or longer.
        Rectangle = "rectangle",
        /// Round.
        Circle = "circle",
        /// With benches.
        Booth = "booth",
        /// Seats in a row.
        Bar = "bar",
    }
    /// Where a party stands.
    GuestStatus {
        /// In the line.
        Waiting = "waiting",
        /// Told that its table is ready.
        Notified = "notified",
        /// At its table.
        Seated = "seated",
        /// Has left.
        Completed = "completed",
        /// Went away before it was seated.
        Cancelled = "cancelled",
        /// Was called and did not come.
        NoShow = "no_show",
    }
}

/// A floor of the house: ground floor, gallery, roof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// Its id.
    pub id: LevelId,
    /// Unique in the venue.
    #[schema(example = "Gallery")]
    pub name: String,
    /// 0 is the ground floor, 1 the one above.
    pub storey: i32,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Level {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A part of the floor with its server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// Its id.
    pub id: SectionId,
    /// Unique in the venue.
    #[schema(example = "Terrace")]
    pub name: String,
    /// Who serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Sam")]
    pub server: Option<String>,
    /// The level that it is on, and its tables with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub level_id: Option<LevelId>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Section {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A table of the floor plan. Nothing here names a person.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its id.
    pub id: TableId,
    /// Unique in the venue.
    #[schema(example = "12")]
    pub name: String,
    /// Its section.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub section_id: Option<SectionId>,
    /// Its place on the plan, from the left.
    pub x: f64,
    /// Its place on the plan, from the top.
    pub y: f64,
    /// How wide it is drawn.
    pub width: f64,
    /// How high it is drawn.
    pub height: f64,
    /// How far it is turned, in degrees.
    pub rotation: f64,
    /// How it is drawn.
    pub shape: TableShape,
    /// The smallest party that it is given to.
    pub min_seats: i32,
    /// How many can sit there.
    pub max_seats: i32,
    /// Tables that it can be pushed together with.
    pub combinable_with: Vec<TableId>,
    /// Never reserved.
    pub walk_in_only: bool,
    /// What it is right now.
    pub status: TableStatus,
    /// The party that sits there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub guest_id: Option<GuestId>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Table {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guest {
    /// Its id.
    pub id: GuestId,
    /// The name that is called.
    #[schema(example = "John Doe")]
    pub guest_name: String,
    /// How many they are.
    #[schema(example = 4)]
    pub party_size: i32,
    /// Where they can be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phone: Option<String>,
    /// Where it is written to when its table is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    /// What the host should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub notes: Option<String>,
    /// What the kitchen must know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub allergies: Option<String>,
    /// Short marks: `vip`, `birthday`, `high_chair`.
    pub flags: Vec<String>,
    /// Where the party stands.
    pub status: GuestStatus,
    /// Where it sits: the first of `tableIds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub table_id: Option<TableId>,
    /// Where it sits, or sat before it left.
    pub table_ids: Vec<TableId>,
    /// The section of its tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub section_id: Option<SectionId>,
    /// It was seated where it does not fit, on somebody's word.
    pub over_capacity: bool,
    /// The reservation that it came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reservation_id: Option<ReservationId>,
    /// The least wait that it was told, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quoted_from_minutes: Option<i32>,
    /// The longest wait that it was told, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quoted_to_minutes: Option<i32>,
    /// How long it really waited, in minutes, once it is seated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub waited_minutes: Option<i64>,
    /// When it came.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was told that its table is ready.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub notified_at: Option<Timestamp>,
    /// When it was back at the stand, ready to sit down.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub arrived_at: Option<Timestamp>,
    /// When it sat down.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub seated_at: Option<Timestamp>,
    /// When it left, or was given up.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub ended_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Guest {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A party as its row says: with what the API does not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Party {
    #[serde(flatten)]
    pub(crate) guest: Guest,
    /// The secret link, hashed.
    pub(crate) link_hash: Option<String>,
    /// What the party was before its last step; nothing when there is none to undo.
    pub(crate) previous_status: Option<GuestStatus>,
    pub(crate) previous_tables: Vec<TableId>,
    #[serde(with = "kernel::time::instant_opt")]
    pub(crate) stepped_at: Option<Timestamp>,
}

impl Guest {
    /// Whether the party waits to be seated.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.status, GuestStatus::Waiting | GuestStatus::Notified)
    }
}

impl Party {
    /// Goes to `status`, remembering the step for an undo.
    pub(crate) fn step(&mut self, status: GuestStatus, now: Timestamp) {
        self.previous_status = Some(self.guest.status);
        self.previous_tables = self.guest.table_ids.clone();
        self.stepped_at = Some(now);
        self.guest.status = status;
        match status {
            GuestStatus::Notified => self.guest.notified_at = Some(now),
            GuestStatus::Completed | GuestStatus::Cancelled | GuestStatus::NoShow => {
                self.guest.ended_at = Some(now);
            }
            GuestStatus::Waiting | GuestStatus::Seated => {}
        }
    }

    /// What an undo now leads back to, if it is not too late.
    pub(crate) fn undoable(&self, now: Timestamp) -> Option<GuestStatus> {
        let at = self.stepped_at.filter(|at| now.duration_since(*at) <= UNDO_MAX)?;
        self.previous_status.filter(|_| at <= now)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A party of so many that waits since 19:00.
    pub(crate) fn party(number: u128, size: i32) -> Party {
        Party {
            guest: Guest {
                id: GuestId(uuid::Uuid::from_u128(number)),
                guest_name: format!("Party {number}"),
                party_size: size,
                phone: None,
                email: None,
                notes: None,
                allergies: None,
                flags: Vec::new(),
                status: GuestStatus::Waiting,
                table_id: None,
                table_ids: Vec::new(),
                section_id: None,
                over_capacity: false,
                reservation_id: None,
                quoted_from_minutes: None,
                quoted_to_minutes: None,
                waited_minutes: None,
                created_at: at("2026-01-01T19:00:00Z"),
                notified_at: None,
                arrived_at: None,
                seated_at: None,
                ended_at: None,
                version: 1,
            },
            link_hash: None,
            previous_status: None,
            previous_tables: Vec::new(),
            stepped_at: None,
        }
    }

    /// A free table for up to so many.
    pub(crate) fn table(number: u128, seats: i32) -> Table {
        Table {
            id: TableId(uuid::Uuid::from_u128(number)),
            name: number.to_string(),
            section_id: None,
            x: 0.0,
            y: 0.0,
            width: 80.0,
            height: 80.0,
            rotation: 0.0,
            shape: TableShape::Rectangle,
            min_seats: 1,
            max_seats: seats,
            combinable_with: Vec::new(),
            walk_in_only: false,
            status: TableStatus::Available,
            guest_id: None,
            version: 1,
        }
    }

    #[test]
    fn a_step_is_undone_for_five_minutes() {
        let (now, mut party) = (at("2026-01-01T20:00:00Z"), party(1, 2));
        assert_eq!(party.undoable(now), None, "there is nothing to undo");
        party.step(GuestStatus::NoShow, now);
        assert_eq!(party.undoable(at("2026-01-01T20:05:00Z")), Some(GuestStatus::Waiting));
        assert_eq!(party.undoable(at("2026-01-01T20:05:01Z")), None);
    }
}
