//! What a gala knows of its show, its tables and its guests. Pure.

use edge::answer::Versioned;
use edge::limits::GUESTS_PER_PARTY_MAX;
use jiff::Timestamp;
use kernel::ids::{PartyId, ShowId, TicketId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::GalaError;

/// Tags of what a guest does not eat, or only eats.
pub(crate) const DIETARY_MAX: usize = 10;
/// Letters of one.
pub(crate) const DIETARY_CHARS_MAX: usize = 40;
/// Children that come with one guest and need no chair of their own.
pub(crate) const CHILDREN_MAX: i32 = 10;
/// Letters of a note.
pub(crate) const NOTE_CHARS_MAX: usize = 500;
/// Letters of a table's name, as booking has it.
pub(crate) const TABLE_CHARS_MAX: usize = 30;

/// How a show seats its guests.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gala {
    /// The show.
    pub show_id: ShowId,
    /// Whether guests can choose now or later; closed, only staff seat.
    pub open: bool,
    /// Whether guests see who sits where.
    pub names_shown: bool,
    /// Guests cannot choose before.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub opens_at: Option<Timestamp>,
    /// Guests cannot choose or change from then on; when the show begins unless set.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub closes_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Gala {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Gala {
    /// Whether guests may choose now. The show's beginning ends it in any case.
    pub(crate) fn check_open(
        &self,
        show: &booking::model::Show,
        now: Timestamp,
    ) -> Result<(), GalaError> {
        use booking::model::ShowStatus::{Cancelled, Closed, Draft, OnSale};
        match show.status {
            Draft => return Err(GalaError::NoGala),
            Cancelled => return Err(GalaError::Closed("The show does not take place.")),
            OnSale | Closed => {}
        }
        if !self.open {
            return Err(GalaError::Closed("The house seats its guests itself now: ask there."));
        }
        if self.opens_at.is_some_and(|at| now < at) {
            return Err(GalaError::Closed("Tables can be chosen later: see opensAt of the gala."));
        }
        let ends_at = self.closes_at.map_or(show.starts_at, |at| at.min(show.starts_at));
        if now >= ends_at {
            return Err(GalaError::Closed("The time to choose is over: ask the house."));
        }
        Ok(())
    }
}

/// A guest as the row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GuestRow {
    pub(crate) ticket: TicketId,
    pub(crate) party: Option<PartyId>,
    /// The party's code.
    pub(crate) code: Option<String>,
    /// The code of the party that it wants to sit with.
    pub(crate) with: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) chair: Option<i32>,
    pub(crate) preferences: Preferences,
}

/// What a guest would like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preferences {
    /// What they do not eat, or only eat, in a word each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10, example = json!(["vegan", "no nuts"]))]
    pub dietary: Vec<String>,
    /// Whether they need a chair that a wheelchair reaches.
    #[serde(default)]
    pub accessible: bool,
    /// Children who come along and need no chair of their own.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10)]
    pub children: i32,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 500)]
    pub note: Option<String>,
}

impl Preferences {
    /// Its rules; `at` is where it stands in the body.
    pub(crate) fn check(&self, at: &str, errors: &mut edge::body::Errors) {
        let few = self.dietary.len() <= DIETARY_MAX;
        errors.require(few, format!("{at}/dietary"), "length", "Give at most 10 words.");
        for (n, word) in self.dietary.iter().enumerate() {
            errors.text(word, &format!("{at}/dietary/{n}"), (1, DIETARY_CHARS_MAX));
            let plain = !word.contains(';');
            errors.require(plain, format!("{at}/dietary/{n}"), "semicolon", "One word each.");
        }
        let children = (0..=CHILDREN_MAX).contains(&self.children);
        errors.require(children, format!("{at}/children"), "range", "Give 0 to 10 children.");
        if let Some(note) = &self.note {
            errors.text(note, &format!("{at}/note"), (0, NOTE_CHARS_MAX));
        }
    }

    /// The same without what is only spaces.
    pub(crate) fn trimmed(mut self) -> Self {
        self.dietary = self.dietary.iter().map(|word| word.trim().to_owned()).collect();
        let note = self.note.map(|note| note.trim().to_owned());
        self.note = note.filter(|note| !note.is_empty());
        self
    }
}

/// What the house has said of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableNote {
    pub(crate) name: String,
    pub(crate) withheld: bool,
    pub(crate) reason: Option<String>,
    pub(crate) kept: bool,
    pub(crate) captain_name: Option<String>,
}

/// A party as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartyRow {
    pub(crate) id: PartyId,
    pub(crate) code: String,
    /// The code of the party that it wants to sit with.
    pub(crate) with: Option<String>,
}

/// Who changed a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Guest,
    Captain,
    Staff,
    Proposal,
    Import,
    Reset,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Captain => "captain",
            Self::Staff => "staff",
            Self::Proposal => "proposal",
            Self::Import => "import",
            Self::Reset => "reset",
        }
    }
}

/// A table as anybody may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaTable {
    /// Its name.
    #[schema(example = "T5")]
    pub name: String,
    /// All its chairs.
    pub chairs: usize,
    /// Chairs that nobody has.
    pub free: usize,
    /// Free chairs that a wheelchair reaches.
    pub free_accessible: usize,
    /// The house keeps it for now.
    pub withheld: bool,
    /// It has a captain: only whom they invite may sit there.
    pub kept: bool,
    /// Whether the party that asks can choose it; only where a party asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fits: Option<bool>,
    /// Who sits there; only where the show tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub names: Option<Vec<String>>,
}

/// Somebody at a table, or somebody who should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GalaGuest {
    /// Their ticket.
    pub id: TicketId,
    /// What stands on it.
    pub number: String,
    /// Their name, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Their table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "T5")]
    pub table: Option<String>,
    /// Their chair.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "T5-3")]
    pub chair: Option<String>,
    /// The code of their party.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "K7MPX2QH")]
    pub party: Option<String>,
    /// The code of the party that they want to sit with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub with: Option<String>,
    /// The chair came with their booking: it is changed there.
    pub by_booking: bool,
    /// Their ticket counts no more.
    pub revoked: bool,
    /// What they would like.
    pub preferences: Preferences,
}

/// One pair that a guest shows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TicketPair {
    /// What stands on the ticket.
    #[schema(min_length = 1, max_length = 60, example = "G-0042")]
    pub number: String,
    /// The name that it was issued to.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub name: String,
}

/// The rules of a list of pairs.
pub(crate) fn check_pairs(pairs: &[TicketPair], errors: &mut edge::body::Errors) {
    let count = (1..=GUESTS_PER_PARTY_MAX).contains(&pairs.len());
    errors.require(count, "/tickets", "length", "Give 1 to 20 tickets.");
    let mut seen = std::collections::HashSet::new();
    for (n, pair) in pairs.iter().enumerate() {
        errors.text(&pair.number, &format!("/tickets/{n}/number"), (1, 60));
        errors.text(&pair.name, &format!("/tickets/{n}/name"), (1, 120));
        errors.require(
            seen.insert(tickets::holders::plain_number(&pair.number)),
            format!("/tickets/{n}/number"),
            "twice",
            "The ticket stands twice.",
        );
    }
}
