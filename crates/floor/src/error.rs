//! Every way in which this slice says no.

use kernel::problem::{FieldError, Problem};
use pg::DbError;
use pg::write::Refusal;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::{Guest, Table};
use crate::reservation::{Alternatives, NoRoom, Reservation};

/// What is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A floor of the house.
    Level,
    /// A table.
    Table,
    /// A section.
    Section,
    /// A party.
    Guest,
    /// A saved layout.
    Layout,
    /// A reservation.
    Reservation,
}

/// Why nobody knows what the floor was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is too long ago.
    Forgotten,
    /// It is still to come.
    ToCome,
}

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// No such thing in this venue.
    #[error("there is no such {0:?}")]
    Absent(Kind),
    /// The version that the client has seen is not the present one.
    #[error("it was changed meanwhile")]
    Stale(Option<Box<RawValue>>),
    /// Some of many tables were changed meanwhile.
    #[error("tables were changed meanwhile")]
    StaleTables(Vec<Table>),
    /// Another party has one of the tables, or nobody can sit there now.
    #[error("tables are taken")]
    TablesTaken(Vec<Table>),
    /// No tables, one twice, or too many.
    #[error("these are no tables for a party")]
    BadTables,
    /// The tables have too few seats.
    #[error("the party does not fit")]
    OverCapacity {
        /// How many they are.
        party: i32,
        /// How many can sit there.
        seats: i32,
    },
    /// The tables cannot be pushed together.
    #[error("the tables cannot be combined")]
    NotCombinable,
    /// A reservation needs the table before the party is gone.
    #[error("the table is promised")]
    Promised,
    /// No free table is large enough.
    #[error("there is no free table")]
    NoTable,
    /// The party cannot take that step now.
    #[error("the party cannot do that now")]
    NoWay(Box<Guest>),
    /// The two are the same party.
    #[error("it is the same party")]
    SameGuest,
    /// There is no step to undo, or it is too long ago.
    #[error("nothing can be undone")]
    NothingToUndo(Box<Guest>),
    /// The table is in use, so it cannot go.
    #[error("the table is in use")]
    TableInUse(Box<Table>),
    /// Only seating makes a table occupied.
    #[error("only seating occupies a table")]
    OnlyBySeating,
    /// A name stands twice in the venue.
    #[error("the name is taken")]
    NameTaken,
    /// The reservation finds no room.
    #[error("there is no room at that time")]
    NoRoom(NoRoom, Box<Alternatives>),
    /// The reservation cannot take that step now.
    #[error("the reservation cannot do that now")]
    ReservationOver(Box<Reservation>),
    /// The time lies in the past.
    #[error("the time is past")]
    Past,
    /// Nobody knows any more, or not yet, what the floor was like then.
    #[error("there is no record of that time")]
    NoRecord(Unknown),
    /// The secret does not fit.
    #[error("the secret is wrong")]
    WrongToken,
    /// The operation of that number was refused.
    #[error("an operation of the batch was refused")]
    InBatch(usize, Box<FloorError>),
    /// The random generator failed.
    #[error("no random bytes")]
    NoRandom,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

/// The refusal of a version that is not the one of `current`.
pub(crate) fn stale(current: &impl Serialize) -> FloorError {
    FloorError::Stale(serde_json::value::to_raw_value(current).ok())
}

impl From<DbError> for FloorError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            // The walls behind the locks: they never speak as long as the locks are taken.
            Some("seating_pkey") => Self::TablesTaken(Vec::new()),
            Some("promise_no_overlap") => Self::NoRoom(NoRoom::NoTable, Box::default()),
            Some(
                "level_name_key" | "table_name_key" | "section_name_key" | "floor_layout_name_key",
            ) => Self::NameTaken,
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for FloorError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for FloorError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::NoRandom
    }
}

impl Refusal for FloorError {
    fn problem(&self) -> Problem {
        match self {
            Self::Absent(kind) => absent(*kind),
            Self::Stale(_) | Self::StaleTables(_) => self.about_versions(),
            Self::TablesTaken(_)
            | Self::BadTables
            | Self::OverCapacity { .. }
            | Self::NotCombinable
            | Self::Promised
            | Self::NoTable
            | Self::TableInUse(_)
            | Self::OnlyBySeating => self.about_tables(),
            Self::NoWay(_) | Self::SameGuest | Self::NothingToUndo(_) | Self::NameTaken => {
                self.about_guests()
            }
            Self::NoRoom(..) | Self::ReservationOver(_) | Self::Past | Self::WrongToken => {
                self.about_reservations()
            }
            Self::NoRecord(why) => no_record(*why),
            Self::InBatch(number, inner) => in_batch(*number, inner.problem()),
            Self::NoRandom => DbError::Replay.problem(),
            Self::Db(error) => error.problem(),
        }
    }
}

fn no_record(why: Unknown) -> Problem {
    let (status, detail) = match why {
        Unknown::Forgotten => (410, "The log does not go back so far. Ask for a later time."),
        Unknown::ToCome => (422, "Ask for a time that is past."),
    };
    Problem::new(status, "floor.no_record", "There is no record of that time", detail)
}

/// The problem of one operation, with its place in the batch.
fn in_batch(number: usize, mut problem: Problem) -> Problem {
    problem.detail = format!(
        "Operation {number} was refused, so nothing of the batch was done. {}",
        problem.detail
    );
    let (code, detail) = (problem.code, problem.title.to_owned());
    let pointer = format!("/operations/{number}");
    problem.errors.insert(0, FieldError { pointer, code, detail });
    problem
}

fn absent(kind: Kind) -> Problem {
    let (code, title, list) = match kind {
        Kind::Level => ("floor.no_such_level", "There is no such level", "levels"),
        Kind::Table => ("floor.no_such_table", "There is no such table", "tables"),
        Kind::Section => ("floor.no_such_section", "There is no such section", "sections"),
        Kind::Guest => ("floor.no_such_guest", "There is no such party", "guests"),
        Kind::Layout => ("floor.no_such_layout", "There is no such layout", "floor/layouts"),
        Kind::Reservation => {
            ("floor.no_such_reservation", "There is no such reservation", "reservations")
        }
    };
    Problem::new(404, code, title, format!("GET …/{list} lists those of this venue."))
}

impl FloorError {
    fn about_versions(&self) -> Problem {
        let title = "It was changed meanwhile";
        match self {
            Self::StaleTables(tables) => {
                let detail = "Nothing was saved. `current` has the tables that were changed by \
                              somebody else: look at them, decide anew and send their versions.";
                let current = serde_json::json!({ "tables": tables });
                Problem::new(412, "floor.stale_tables", title, detail).with_current(&current)
            }
            Self::Stale(current) => {
                let detail = "Look at `current`, decide anew and send its version.";
                let mut problem = Problem::new(412, "floor.stale", title, detail);
                problem.current.clone_from(current);
                problem
            }
            _ => Problem::new(412, "floor.stale", title, "Look at it again and decide anew."),
        }
    }

    fn about_tables(&self) -> Problem {
        let problem = |code, title, detail: &str| Problem::new(409, code, title, detail);
        match self {
            Self::TablesTaken(tables) => problem(
                "floor.tables_taken",
                "A table cannot be had",
                "Another party has it, or nobody can sit there now. Nothing was changed: \
                 `current` shows the tables as they are.",
            )
            .with_current(&serde_json::json!({ "tables": tables })),
            Self::OverCapacity { party, seats } => problem(
                "floor.over_capacity",
                "The party does not fit",
                &format!("{party} guests, {seats} seats. Take another table, or send anyway."),
            ),
            Self::NotCombinable => problem(
                "floor.not_combinable",
                "The tables cannot be pushed together",
                "Their combinableWith does not lead from one to the other. Send anyway to do it.",
            ),
            Self::Promised => problem(
                "floor.promised",
                "The table is reserved soon",
                "A reservation needs it before this party is gone. Send anyway to do it.",
            ),
            Self::NoTable => problem(
                "floor.no_table",
                "No table is free",
                "No free table, alone or pushed together, is large enough for the party now.",
            ),
            Self::TableInUse(table) => problem(
                "floor.table_in_use",
                "The table is in use",
                "A party sits there, or a reservation needs it. Move them first.",
            )
            .with_current(table),
            Self::OnlyBySeating => problem(
                "floor.only_by_seating",
                "Parties make a table occupied",
                "A table is occupied as long as a party sits there: seat or complete the party.",
            ),
            _ => Problem::new(
                422,
                "floor.bad_tables",
                "These are no tables for a party",
                "Name 1 to 10 tables, each once.",
            ),
        }
    }

    fn about_guests(&self) -> Problem {
        match self {
            Self::NoWay(guest) => Problem::new(
                409,
                "floor.no_way",
                "The party cannot do that now",
                "`current` shows where it stands. Perhaps another host was faster.",
            )
            .with_current(guest),
            Self::NothingToUndo(guest) => Problem::new(
                409,
                "floor.nothing_to_undo",
                "Nothing can be undone",
                "Only the last step of a party is undone, and only within five minutes.",
            )
            .with_current(guest),
            Self::NameTaken => Problem::new(
                409,
                "floor.name_taken",
                "The name is taken",
                "This venue has one of that name already. Choose another name.",
            ),
            _ => Problem::new(422, "floor.same_guest", "It is the same party", "Name two parties."),
        }
    }

    fn about_reservations(&self) -> Problem {
        match self {
            Self::NoRoom(why, instead) => {
                let (code, title) = match why {
                    NoRoom::Closed => ("floor.closed", "The house takes no parties at that time"),
                    NoRoom::PacingFull => ("floor.pacing_full", "Too many parties begin then"),
                    NoRoom::NoTable => ("floor.no_room", "No table is free at that time"),
                };
                let detail = "Nothing was reserved. `current.alternatives` has other times and \
                              tables, as of this moment.";
                Problem::new(409, code, title, detail)
                    .with_current(&serde_json::json!({ "alternatives": instead }))
            }
            Self::ReservationOver(found) => Problem::new(
                409,
                "floor.reservation_over",
                "The reservation cannot do that now",
                "`current` shows where it stands.",
            )
            .with_current(found),
            Self::WrongToken => Problem::new(
                403,
                "floor.wrong_token",
                "The secret is wrong",
                "Send the token that came with it.",
            ),
            _ => Problem::new(422, "floor.past", "The time is past", "Choose a time to come."),
        }
    }
}
