//! What can be wrong with tickets and doors, and how the API says it. A scan that can be judged is
//! never wrong: its verdict is an answer.

use kernel::problem::{FieldError, Problem};
use pg::DbError;
use pg::write::Refusal;

/// The code of a nonce that was used before.
pub(crate) const NONCE_REUSED: &str = "tickets.nonce_reused";

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum TicketsError {
    /// No such show in this venue, or its doors were never set up.
    #[error("there is no such show")]
    NoSuchShow,
    /// No such ticket in this venue.
    #[error("there is no such ticket")]
    NoSuchTicket,
    /// No such list at this show.
    #[error("there is no such list")]
    NoSuchList,
    /// No such thing at this show: a type, a zone, a question.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// A show has no more of them.
    #[error("there are too many {0}")]
    TooMany(&'static str),
    /// The show has no types of tickets.
    #[error("the show has no ticket types")]
    NoTypes,
    /// The ticket was revoked.
    #[error("the ticket was revoked")]
    Revoked,
    /// Nobody knows where to send it.
    #[error("the ticket has no address")]
    NoAddress,
    /// Tickets, lists or people still need it.
    #[error("it is in use")]
    InUse,
    /// A workbook where only CSV is read.
    #[error("the table is not CSV")]
    NotCsv,
    /// No such scan by this device.
    #[error("there is no such scan")]
    NoSuchScan,
    /// A ticket of that number is there.
    #[error("the number is taken")]
    NumberTaken,
    /// A type, list or zone of that name is there.
    #[error("the name is taken")]
    NameTaken,
    /// The doors would close before they open.
    #[error("the times contradict one another")]
    BadTimes,
    /// The version that the client has seen is not the present one.
    #[error("it was changed meanwhile")]
    Stale(Box<serde_json::value::RawValue>),
    /// The scan is too old to be undone, or something has happened since.
    #[error("the scan cannot be undone")]
    CannotUndo(&'static str),
    /// Nothing about the scan has to be looked at.
    #[error("the scan is in no conflict")]
    NoConflict,
    /// The nonce was used by this scanner for another scan.
    #[error("the nonce belongs to another scan")]
    NonceReused,
    /// Rows of a list are wrong.
    #[error("rows are wrong")]
    BadRows(Vec<FieldError>),
    /// Scans of other devices are for those who supervise.
    #[error("scans of other devices are for supervisors")]
    NotYourDevice,
    /// Random bytes or a key failed.
    #[error("a key cannot be used")]
    Crypto,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for TicketsError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            // Two scans with one nonce at the same moment.
            Some("scan_pkey") => Self::NonceReused,
            Some("ticket_number_key") => Self::NumberTaken,
            Some("type_name_key" | "zone_name_key" | "list_name_key") => Self::NameTaken,
            Some("show_venue_id_show_id_fkey") => Self::NoSuchShow,
            Some("ticket_venue_id_show_id_class_fkey") => Self::NoSuch("type"),
            Some("list_venue_id_zone_id_fkey") => Self::InUse,
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for TicketsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for TicketsError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Crypto
    }
}

/// What a handler refuses before it writes.
impl From<TicketsError> for edge::Rejection {
    fn from(error: TicketsError) -> Self {
        error.problem().into()
    }
}

impl Refusal for TicketsError {
    fn problem(&self) -> Problem {
        match self {
            Self::Db(error) => error.problem(),
            Self::Crypto => DbError::Replay.problem(),
            Self::Stale(current) => Problem::new(
                412,
                "tickets.stale",
                "It was changed meanwhile",
                "Look at `current`, decide anew and send its version.",
            )
            .with_current(current),
            Self::BadRows(rows) => Problem::new(
                422,
                "tickets.bad_rows",
                "Rows are wrong",
                format!("Nothing was issued. {} rows are wrong; `errors` names each.", rows.len()),
            )
            .with_errors(rows.clone()),
            other => {
                let (status, code, title, detail) = other.words();
                Problem::new(status, code, title, detail)
            }
        }
    }
}

impl TicketsError {
    fn words(&self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::NoSuchShow => (
                404,
                "tickets.no_such_show",
                "There is no such show",
                "It does not exist, or its doors were not set up: PUT …/shows/{show}/doors.",
            ),
            Self::NoSuchTicket => (
                404,
                "tickets.no_such_ticket",
                "There is no such ticket",
                "GET …/tickets lists those of a show.",
            ),
            Self::NoSuchList => (
                404,
                "tickets.no_such_list",
                "There is no such list",
                "GET …/shows/{show}/lists lists those of this show.",
            ),
            Self::NoSuch(_) => (
                404,
                "tickets.not_found",
                "There is no such thing",
                "It does not exist at this show. GET …/shows/{show}/doors/rules shows all.",
            ),
            Self::TooMany(_) => (
                409,
                "tickets.too_many",
                "There are too many",
                "A show has at most 200 types, 200 lists, 100 zones and 50 questions.",
            ),
            Self::NoSuchScan => (
                404,
                "tickets.no_such_scan",
                "There is no such scan",
                "Use the nonce of the scan, at the device that scanned.",
            ),
            Self::NoTypes => (
                409,
                "tickets.no_types",
                "There are no tickets to give",
                "Set up the doors and a type first: PUT …/doors, POST …/ticket-types.",
            ),
            Self::Revoked => (
                409,
                "tickets.revoked",
                "The ticket was revoked",
                "It counts no more. POST …/tickets/{ticket}/reissue makes it count again.",
            ),
            Self::NoAddress => (
                422,
                "tickets.no_address",
                "Nobody knows where to send it",
                "The ticket has no e-mail address. Send one as `email`.",
            ),
            Self::InUse => (
                409,
                "tickets.in_use",
                "It is in use",
                "Tickets have this type, a list leads to this zone, or people are in it.",
            ),
            Self::NotCsv => (
                415,
                "tickets.not_csv",
                "The table is not CSV",
                "Save the workbook as CSV (UTF-8) and send it as text/csv.",
            ),
            other => other.words_of_conflicts(),
        }
    }

    fn words_of_conflicts(&self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::NumberTaken => (
                409,
                "tickets.number_taken",
                "The number is taken",
                "This show has a ticket of that number. Choose another, or leave it away.",
            ),
            Self::NameTaken => (
                409,
                "tickets.name_taken",
                "The name is taken",
                "This show has one of that name. Choose another.",
            ),
            Self::BadTimes => (
                422,
                "tickets.bad_times",
                "The times contradict one another",
                "What opens must open before it closes.",
            ),
            Self::CannotUndo(why) => {
                (409, "tickets.cannot_undo", "The scan cannot be taken back", why)
            }
            Self::NoConflict => (
                409,
                "tickets.no_conflict",
                "Nothing has to be looked at",
                "The scan contradicts no other. GET …/scans?inConflict=true lists those that do.",
            ),
            Self::NonceReused => (
                422,
                NONCE_REUSED,
                "The nonce belongs to another scan",
                "This scanner used the nonce before for another ticket. Make a new UUID per scan.",
            ),
            _ => (
                403,
                "tickets.not_your_device",
                "These are scans of another device",
                "A device hands in its own scans; a manager may hand in those of others.",
            ),
        }
    }
}
