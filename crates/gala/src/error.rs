//! What can be wrong with guests and tables, and how the API says it.

use kernel::problem::{FieldError, Problem};
use pg::DbError;
use pg::write::Refusal;
use serde::Serialize;

use crate::model::{GalaGuest, GalaTable};

/// Guests or rows that one refusal names.
const NAMED_MAX: usize = 50;

/// Why a pair of number and name does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No ticket has this number.
    Unknown,
    /// The ticket is somebody else's.
    NameDiffers,
    /// The ticket has no name to compare with.
    Unnamed,
    /// The ticket was revoked.
    Revoked,
    /// The guest sits there already.
    AlreadySeated(String),
}

impl Fault {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NameDiffers => "name_differs",
            Self::Unnamed => "unnamed",
            Self::Revoked => "revoked",
            Self::AlreadySeated(_) => "already_seated",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Unknown => "No ticket of this show has this number.".to_owned(),
            Self::NameDiffers => "The ticket was issued to another name.".to_owned(),
            Self::Unnamed => "The ticket has no name yet: ask the box office for it.".to_owned(),
            Self::Revoked => "The ticket counts no more: ask the box office.".to_owned(),
            Self::AlreadySeated(place) => format!(
                "This guest is seated at {place} already. Send resume: true to go on as their \
                 party."
            ),
        }
    }
}

/// A pair that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFault {
    /// Which of the pairs, from 0.
    pub at: usize,
    /// Why.
    pub fault: Fault,
}

/// A table that is too small for what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lack {
    /// The table.
    pub table: String,
    /// Its chairs that could be given.
    pub free: usize,
    /// The guests who were to come.
    pub guests: usize,
}

/// What has changed since a proposal was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Guests who are seated meanwhile.
    pub guests: Vec<GalaGuest>,
    /// Tables that have another number of free chairs now.
    pub tables: Vec<GalaTable>,
}

/// A row of a list that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = BadSeatingRow)]
pub struct BadRow {
    /// Its line in the file; the heading is 1.
    pub row: usize,
    /// Why, for programs.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// Why, for people.
    pub detail: String,
}

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum GalaError {
    /// No such show in this venue, or it does not seat its guests.
    #[error("there is no such gala")]
    NoGala,
    /// No such tables in this show.
    #[error("there are no such tables")]
    NoSuchTables(Vec<String>),
    /// No such tickets in this show.
    #[error("there are no such guests")]
    NoSuchGuests(Vec<String>),
    /// The guest token is unknown or its time is over.
    #[error("there is no such session")]
    NoSession,
    /// The captain's token is unknown.
    #[error("there is no such captain")]
    NoCaptain,
    /// The invitation is unknown, used up, withdrawn or for another table.
    #[error("the invitation does not count")]
    NoInvitation,
    /// Pairs that do not count.
    #[error("tickets were refused")]
    Pairs(Vec<PairFault>),
    /// The tickets belong to different parties that are seated.
    #[error("the guests are of several parties")]
    SeveralParties,
    /// Too many wrong pairs.
    #[error("too many attempts")]
    TooManyAttempts(u32),
    /// Guests cannot choose now.
    #[error("the gala is closed")]
    Closed(&'static str),
    /// The party does not fit at the table.
    #[error("the table is full")]
    Full {
        /// The guests.
        guests: usize,
        /// The table.
        table: Box<GalaTable>,
        /// The nearest tables that fit.
        nearest: Vec<GalaTable>,
    },
    /// The house keeps the table.
    #[error("the table is withheld")]
    Withheld(String),
    /// The table's captain has to invite.
    #[error("the table is kept for its captain")]
    Kept(String),
    /// Guests who sit where their booking says.
    #[error("guests are seated by their bookings")]
    SeatedByBooking(Vec<String>),
    /// Tickets that count no more.
    #[error("tickets are revoked")]
    Revoked(Vec<String>),
    /// Too few chairs for what was asked, after all of it.
    #[error("tables are too small")]
    TooSmall(Vec<Lack>),
    /// Something has changed since the proposal was made.
    #[error("the proposal is stale")]
    Stale(Box<Changed>),
    /// The party sits nowhere.
    #[error("the party is not seated")]
    NotSeated,
    /// The guest sits at another table.
    #[error("the guest sits at another table")]
    NotAtThisTable,
    /// No party has this code.
    #[error("there is no such party")]
    NoSuchParty,
    /// What was typed is not what had to be.
    #[error("the confirmation was not typed")]
    Unconfirmed(String),
    /// The settings were changed meanwhile.
    #[error("the gala was changed meanwhile")]
    StaleGala(Box<crate::model::Gala>),
    /// The file cannot be read as a list.
    #[error("the file cannot be read")]
    BadFile(String),
    /// Rows of the file that cannot be taken.
    #[error("rows were refused")]
    BadRows(Vec<BadRow>),
    /// Guests came to the table again and again while it was to be emptied.
    #[error("the tables are too busy")]
    TooBusy,
    /// The random generator failed, or a picture could not be drawn.
    #[error("no random bytes")]
    NoRandom,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for GalaError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            // The walls behind the locks: they never speak as long as those are taken.
            Some("claim_pkey" | "claim_guest_once" | "guest_chair_key") => Self::TooBusy,
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for GalaError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for GalaError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::NoRandom
    }
}

impl From<booking::BookingError> for GalaError {
    fn from(error: booking::BookingError) -> Self {
        match error {
            booking::BookingError::Db(error) => Self::from(error),
            _ => Self::NoGala,
        }
    }
}

impl Refusal for GalaError {
    fn problem(&self) -> Problem {
        match self {
            Self::NoGala | Self::NoSuchTables(_) | Self::NoSuchGuests(_) | Self::NoSuchParty => {
                self.absent()
            }
            Self::NoSession | Self::NoCaptain | Self::NoInvitation => self.about_a_secret(),
            Self::Pairs(_) | Self::SeveralParties | Self::TooManyAttempts(_) => {
                self.about_tickets()
            }
            Self::Full { .. }
            | Self::Withheld(_)
            | Self::Kept(_)
            | Self::TooSmall(_)
            | Self::TooBusy
            | Self::Stale(_) => self.about_tables(),
            Self::Closed(_)
            | Self::SeatedByBooking(_)
            | Self::Revoked(_)
            | Self::NotAtThisTable
            | Self::NotSeated
            | Self::StaleGala(_) => self.about_a_state(),
            Self::Unconfirmed(_) | Self::BadFile(_) | Self::BadRows(_) => self.about_input(),
            Self::NoRandom => DbError::Replay.problem(),
            Self::Db(error) => error.problem(),
        }
    }
}

fn listed(names: &[String]) -> String {
    let more = if names.len() > NAMED_MAX { " and more" } else { "" };
    let first: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
    format!("{}{more}", first.join(", "))
}

impl GalaError {
    fn absent(&self) -> Problem {
        let (code, title, detail) = match self {
            Self::NoSuchTables(names) => (
                "gala.no_such_table",
                "There is no such table",
                format!("The show has no table {}. GET …/gala/tables has all.", listed(names)),
            ),
            Self::NoSuchGuests(ids) => (
                "gala.no_such_guest",
                "There is no such guest",
                format!("The show has no ticket {}. GET …/gala/assignments has all.", listed(ids)),
            ),
            Self::NoSuchParty => (
                "gala.no_such_party",
                "There is no such party",
                "No party of this show has this code: it stands on their confirmation.".to_owned(),
            ),
            _ => (
                "gala.no_gala",
                "This show does not seat guests",
                "There is no such show, or it has no gala: staff set it up with PUT …/gala."
                    .to_owned(),
            ),
        };
        Problem::new(404, code, title, detail)
    }

    fn about_a_secret(&self) -> Problem {
        match self {
            Self::NoSession => Problem::new(
                403,
                "gala.session_over",
                "The guest session is over",
                "Its token is not of this show, or its time is over. Open a new one with POST \
                 …/gala/session; with resume: true if the party is seated.",
            ),
            Self::NoCaptain => Problem::new(
                403,
                "gala.no_captain",
                "The captain's link does not count",
                "It was made anew or taken back. Ask the house for another one.",
            ),
            _ => Problem::new(
                403,
                "gala.no_invitation",
                "The invitation does not count",
                "It is not for this table, it was taken back, or it has fewer places left than \
                 your party needs. Ask the table's captain.",
            ),
        }
    }

    fn about_tickets(&self) -> Problem {
        match self {
            Self::Pairs(faults) => refused_pairs(faults),
            Self::TooManyAttempts(secs) => Problem::new(
                429,
                "gala.too_many_attempts",
                "Too many wrong tickets",
                format!("Nothing was looked at. Wait {secs} s and read number and name again."),
            )
            .retry_after(*secs),
            _ => Problem::new(
                409,
                "gala.several_parties",
                "The guests are of several parties",
                "They were seated by different sessions. Resume each party by itself.",
            ),
        }
    }

    fn about_tables(&self) -> Problem {
        match self {
            Self::Full { guests, table, nearest } => {
                let others: Vec<&str> = nearest.iter().map(|table| table.name.as_str()).collect();
                let instead = if others.is_empty() {
                    "No table has so many: split the party, or ask the house.".to_owned()
                } else {
                    format!("The nearest that do: {}.", others.join(", "))
                };
                Problem::new(
                    409,
                    "gala.table_full",
                    "The party does not fit at the table",
                    format!(
                        "{} has {} free chairs for {guests} guests. Nobody was seated. {instead}",
                        table.name, table.free
                    ),
                )
                .with_current(&serde_json::json!({ "table": table, "alternatives": nearest }))
            }
            Self::Withheld(table) => Problem::new(
                409,
                "gala.table_withheld",
                "The house keeps the table",
                format!("{table} cannot be chosen now. Choose another one."),
            ),
            Self::Kept(table) => Problem::new(
                409,
                "gala.table_kept",
                "The table has a captain",
                format!("Only whom its captain invites sits at {table}: send the invitation."),
            ),
            Self::Stale(changed) => Problem::new(
                409,
                "gala.proposal_stale",
                "Something has changed since the proposal",
                "Nobody was seated. `current` has what changed: ask for a new proposal.",
            )
            .with_current(changed),
            Self::TooBusy => Problem::new(
                503,
                "gala.busy",
                "The tables are too busy",
                "Nothing was changed. Send the same request again in a moment.",
            )
            .retry_after(1),
            Self::TooSmall(lacks) => {
                let each = lacks.iter().map(|lack| {
                    format!("{} has {} free chairs for {}", lack.table, lack.free, lack.guests)
                });
                let detail = format!("Nobody was moved: {}.", each.collect::<Vec<_>>().join("; "));
                Problem::new(409, "gala.tables_too_small", "Guests do not fit", detail)
                    .with_current(&serde_json::json!({ "tables": lacks }))
            }
            _ => self.absent(),
        }
    }

    fn about_a_state(&self) -> Problem {
        match self {
            Self::Closed(why) => {
                Problem::new(409, "gala.closed", "Tables cannot be chosen now", *why)
            }
            Self::SeatedByBooking(numbers) => Problem::new(
                409,
                "gala.seated_by_booking",
                "The chair came with a booking",
                format!("{} sit where their booking says: change it there.", listed(numbers)),
            ),
            Self::Revoked(numbers) => Problem::new(
                409,
                "gala.ticket_revoked",
                "Tickets count no more",
                format!("{} were revoked: nobody can be seated with them.", listed(numbers)),
            ),
            Self::StaleGala(gala) => Problem::new(
                412,
                "gala.stale",
                "The gala was changed meanwhile",
                "`current` is what it is now. Look at it and send the change again.",
            )
            .with_current(gala),
            Self::NotAtThisTable => Problem::new(
                409,
                "gala.not_at_this_table",
                "The guest sits elsewhere",
                "A captain's link works at its own table only.",
            ),
            _ => Problem::new(
                409,
                "gala.not_seated",
                "The party sits nowhere yet",
                "Choose a table with POST …/gala/assignments first.",
            ),
        }
    }

    fn about_input(&self) -> Problem {
        match self {
            Self::Unconfirmed(expected) => {
                let detail = format!("Nothing was changed. Type {expected} into confirm.");
                let error = FieldError {
                    pointer: "/confirm".to_owned(),
                    code: "unconfirmed",
                    detail: detail.clone(),
                };
                Problem::new(422, "gala.unconfirmed", "It was not confirmed", detail)
                    .with_errors(vec![error])
            }
            Self::BadRows(rows) => {
                let errors = rows.iter().map(|bad| FieldError {
                    pointer: format!("/rows/{}", bad.row),
                    code: bad.code,
                    detail: bad.detail.clone(),
                });
                let detail = format!(
                    "Nothing was imported: {} rows cannot be taken. Correct them, or send them \
                     with skipBad=true to leave them out.",
                    rows.len()
                );
                Problem::new(422, "gala.bad_rows", "Rows cannot be imported", detail)
                    .with_errors(errors.collect())
            }
            Self::BadFile(why) => {
                Problem::new(422, "gala.bad_file", "The file cannot be read", why.clone())
            }
            _ => self.absent(),
        }
    }
}

/// Whoever is merely seated already is a conflict; anything else is a mistake of the request.
fn refused_pairs(faults: &[PairFault]) -> Problem {
    let seated = faults.iter().all(|one| matches!(one.fault, Fault::AlreadySeated(_)));
    let (status, code, title) = if seated {
        (409, "gala.already_seated", "Guests are seated already")
    } else {
        (422, "gala.tickets_refused", "Tickets do not count")
    };
    let errors = faults.iter().map(|one| FieldError {
        pointer: format!("/tickets/{}", one.at),
        code: one.fault.code(),
        detail: one.fault.detail(),
    });
    let detail = format!(
        "{} of the tickets cannot be taken; `errors` says which and why. No session was opened.",
        faults.len()
    );
    let places: Vec<_> = faults
        .iter()
        .filter_map(|one| match &one.fault {
            Fault::AlreadySeated(place) => {
                Some(serde_json::json!({ "ticket": one.at, "place": place }))
            }
            _ => None,
        })
        .collect();
    let problem = Problem::new(status, code, title, detail).with_errors(errors.collect());
    if places.is_empty() {
        problem
    } else {
        problem.with_current(&serde_json::json!({ "seated": places }))
    }
}
