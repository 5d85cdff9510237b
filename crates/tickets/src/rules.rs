//! What counts at the doors of a show: its keys, types, lists, zones and questions. Pure.

use edge::answer::Versioned;
use jiff::Timestamp;
use kernel::ids::{ListId, QuestionId, ShowId, TicketTypeId, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Reentry;

/// The doors of a show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Doors {
    /// The show.
    pub show_id: ShowId,
    /// What people read.
    #[schema(example = "Winter Gala")]
    pub name: String,
    /// Nobody is admitted before.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub opens_at: Timestamp,
    /// Nor from then on.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub closes_at: Timestamp,
    /// Whether the holder's name travels in the code, sealed.
    pub seals_names: bool,
    /// How long a scanner may work without a network, in seconds.
    pub lease_secs: i32,
    /// Rises with every change of keys, types, lists, zones and questions.
    pub rules: i64,
    /// Rises with every change of what is above.
    pub version: i64,
}

impl Versioned for Doors {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A kind of ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketType {
    /// Its id.
    pub id: TicketTypeId,
    /// The show.
    pub show_id: ShowId,
    /// Its number in the codes of its show.
    #[schema(example = 1)]
    pub class: i16,
    /// What people read.
    #[schema(example = "Standard")]
    pub name: String,
    /// Not before, where it is narrower than the doors.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub valid_from: Option<Timestamp>,
    /// Nor from then on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub valid_until: Option<Timestamp>,
    /// Nobody who holds one is admitted while this is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub blocked: Option<String>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for TicketType {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A part of the house with an exact count of the people inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// The show.
    pub show_id: ShowId,
    /// What people read.
    #[schema(example = "Hall")]
    pub name: String,
    /// How many fit; as many as come, where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub capacity: Option<i32>,
    /// How many are inside.
    #[serde(default)]
    pub inside: i32,
    /// Rises with every change but that of `inside`.
    pub version: i64,
}

impl Versioned for Zone {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// What a scanner scans with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DoorList)]
pub struct List {
    /// Its id.
    pub id: ListId,
    /// The show.
    pub show_id: ShowId,
    /// What people read.
    #[schema(example = "Main entrance")]
    pub name: String,
    /// The classes that it takes; all, where it is empty.
    pub classes: Vec<i16>,
    /// Where an entry leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone_id: Option<ZoneId>,
    /// Not before, where it is narrower than the doors.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub opens_at: Option<Timestamp>,
    /// Nor from then on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub closes_at: Option<Timestamp>,
    /// Whether a ticket lets in more than once.
    pub reentry: Reentry,
    /// How often a ticket lets in at all, where that is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entries_max: Option<i32>,
    /// Whether tickets that are not paid are taken.
    pub takes_unpaid: bool,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for List {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// What the door has to ask before it admits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Its id.
    pub id: QuestionId,
    /// The show.
    pub show_id: ShowId,
    /// Only of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub class: Option<i16>,
    /// Only on this list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub list_id: Option<ListId>,
    /// What to ask or to do.
    #[schema(example = "Check the ID: the name is on the ticket.")]
    pub text: String,
    /// The answers there are; empty where it only has to be confirmed.
    pub choices: Vec<String>,
    /// At every entry, or once per ticket.
    pub each_entry: bool,
    /// Its place among the others.
    pub position: i32,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Question {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// All that counts at the doors of one show. `doors.rules` is its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The show's doors.
    pub doors: Doors,
    /// Its types.
    pub types: Vec<TicketType>,
    /// Its lists.
    pub lists: Vec<List>,
    /// Its zones.
    pub zones: Vec<Zone>,
    /// Its questions, in their order.
    pub questions: Vec<Question>,
}

impl Rules {
    /// The type of that class.
    #[must_use]
    pub fn of_class(&self, class: i16) -> Option<&TicketType> {
        self.types.iter().find(|kind| kind.class == class)
    }

    /// The list, if it is one of this show's.
    #[must_use]
    pub fn list(&self, id: ListId) -> Option<&List> {
        self.lists.iter().find(|list| list.id == id)
    }

    /// The question, if it is one of this show's.
    #[must_use]
    pub fn question(&self, id: QuestionId) -> Option<&Question> {
        self.questions.iter().find(|question| question.id == id)
    }

    /// The zone, if it is one of this show's.
    #[must_use]
    pub fn zone(&self, id: ZoneId) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.id == id)
    }
}
