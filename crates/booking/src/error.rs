//! What can be wrong with shows, seats, holds and bookings, and how the API says it.

use jiff::Timestamp;
use kernel::problem::{FieldError, Problem};
use pg::DbError;
use pg::write::Refusal;

use crate::hold_seats::WHOLE_SEATS_PER_HOLD_MAX;
use crate::model::{Booking, BookingStatus, HoldStatus, SeatState, Show, ShowStatus};

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum BookingError {
    /// No such show in this venue, or it is a draft and the caller is not staff.
    #[error("there is no such show")]
    NoSuchShow,
    /// No such seats in this show.
    #[error("there are no such seats")]
    NoSuchSeats(Vec<String>),
    /// No such hold in this venue.
    #[error("there is no such hold")]
    NoSuchHold,
    /// No such booking in this venue, or it is somebody else's.
    #[error("there is no such booking")]
    NoSuchBooking,
    /// No such layout in this venue.
    #[error("there is no such layout")]
    NoSuchLayout,
    /// Somebody has at least one of the seats.
    #[error("seats are taken")]
    SeatsTaken(Vec<SeatState>),
    /// No such blocks in this show.
    #[error("there are no such blocks")]
    NoSuchBlocks(Vec<String>),
    /// Fewer seats that fit are free than were asked for.
    #[error("not enough seats are free")]
    NotEnough,
    /// The seats belong to a share that the caller may not sell.
    #[error("seats are reserved")]
    Reserved(Vec<String>),
    /// The block is sold as one.
    #[error("the block is sold as one")]
    WholeOnly(String),
    /// The block is not sold as one.
    #[error("the block is sold by the seat")]
    NotWhole(String),
    /// More seats than one hold may have.
    #[error("too many seats")]
    TooManySeats(usize),
    /// The show is not on sale.
    #[error("the show is not on sale")]
    NotOnSale(ShowStatus),
    /// The show has begun.
    #[error("the show has begun")]
    Begun,
    /// The customer has as many live holds as one may have.
    #[error("too many live holds")]
    TooManyHolds,
    /// The token is not this hold's.
    #[error("the hold's token is wrong")]
    WrongToken,
    /// The hold belongs to another show.
    #[error("the hold belongs to another show")]
    OtherShow,
    /// The hold's time was over.
    #[error("the hold has expired")]
    HoldExpired(Timestamp),
    /// The hold was released or booked.
    #[error("the hold is over")]
    HoldOver(HoldStatus),
    /// The hold cannot last any longer.
    #[error("the hold is at its limit")]
    HoldAtLimit(Timestamp),
    /// The booking cannot be cancelled any more.
    #[error("the booking is over")]
    BookingOver(Box<Booking>),
    /// The show cannot go from one status to the other.
    #[error("the show cannot become that")]
    NoWay(ShowStatus, ShowStatus),
    /// The version that the client has seen is not the present one.
    #[error("the show was changed meanwhile")]
    StaleShow(Box<Show>),
    /// The layout leaves out seats that are held or sold.
    #[error("seats are in use")]
    SeatsInUse(Vec<SeatState>),
    /// No such share of seats in this show.
    #[error("there is no such allocation")]
    NoSuchAllocation,
    /// No such place in a waiting list of this venue, or it is somebody else's.
    #[error("there is no such place in a waiting list")]
    NoSuchWaiting,
    /// The user stands in the show's waiting list already.
    #[error("the party waits already")]
    WaitsAlready,
    /// Nothing is offered to the party now.
    #[error("nothing is offered")]
    NoOffer,
    /// Seats cannot be withheld until a time that is over.
    #[error("the release time is over")]
    UntilPast,
    /// A category's price is not in the show's currency.
    #[error("a price is in another currency")]
    OtherCurrency(String),
    /// A layout of that name exists.
    #[error("the layout's name is taken")]
    LayoutNameTaken,
    /// The random generator failed.
    #[error("no random bytes")]
    NoRandom,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for BookingError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            // The wall behind the locks: it never speaks as long as they are taken.
            Some("claim_pkey") => Self::SeatsTaken(Vec::new()),
            Some("layout_name_key") => Self::LayoutNameTaken,
            Some("waiting_once") => Self::WaitsAlready,
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for BookingError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for BookingError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::NoRandom
    }
}

impl Refusal for BookingError {
    fn problem(&self) -> Problem {
        match self {
            Self::NoSuchShow
            | Self::NoSuchHold
            | Self::NoSuchBooking
            | Self::NoSuchLayout
            | Self::NoSuchAllocation
            | Self::NoSuchWaiting
            | Self::NoSuchBlocks(_)
            | Self::NoSuchSeats(_) => self.absent(),
            Self::NotEnough
            | Self::Reserved(_)
            | Self::WholeOnly(_)
            | Self::NotWhole(_)
            | Self::TooManySeats(_) => self.about_the_choice(),
            Self::SeatsTaken(_)
            | Self::NotOnSale(_)
            | Self::Begun
            | Self::TooManyHolds
            | Self::SeatsInUse(_) => self.about_seats(),
            Self::WrongToken
            | Self::OtherShow
            | Self::HoldExpired(_)
            | Self::HoldOver(_)
            | Self::HoldAtLimit(_) => self.about_a_hold(),
            Self::BookingOver(_)
            | Self::NoWay(..)
            | Self::StaleShow(_)
            | Self::OtherCurrency(_)
            | Self::UntilPast
            | Self::WaitsAlready
            | Self::NoOffer
            | Self::LayoutNameTaken => self.about_the_rest(),
            Self::NoRandom => DbError::Replay.problem(),
            Self::Db(error) => error.problem(),
        }
    }
}

impl BookingError {
    fn absent(&self) -> Problem {
        let (code, title, detail) = match self {
            Self::NoSuchHold => (
                "booking.no_such_hold",
                "There is no such hold",
                "Take the id from the answer that made the hold.".to_owned(),
            ),
            Self::NoSuchBooking => (
                "booking.no_such_booking",
                "There is no such booking",
                "It does not exist, or it is not yours.".to_owned(),
            ),
            Self::NoSuchLayout => (
                "booking.no_such_layout",
                "There is no such layout",
                "GET …/layouts lists those of this venue.".to_owned(),
            ),
            Self::NoSuchWaiting => (
                "booking.no_such_waiting",
                "There is no such place in a waiting list",
                "It does not exist, or it is not yours: GET /me/waitlist.".to_owned(),
            ),
            Self::NoSuchAllocation => (
                "booking.no_such_allocation",
                "There is no such allocation",
                "GET …/allocations lists those of this show.".to_owned(),
            ),
            Self::NoSuchBlocks(names) => (
                "booking.no_such_block",
                "There is no such block",
                format!(
                    "This show has no block {}. GET …/seats lists those that it has.",
                    names.join(", ")
                ),
            ),
            Self::NoSuchSeats(names) => {
                let detail = format!(
                    "This show has no seat {}. GET …/seats lists those that it has.",
                    names.join(", ")
                );
                let errors = names.iter().map(|name| FieldError {
                    pointer: "/seats".to_owned(),
                    code: "no_such_seat",
                    detail: format!("This show has no seat {name}."),
                });
                return Problem::new(
                    404,
                    "booking.no_such_seats",
                    "There are no such seats",
                    detail,
                )
                .with_errors(errors.collect());
            }
            _ => (
                "booking.no_such_show",
                "There is no such show",
                "GET …/shows lists those of this venue.".to_owned(),
            ),
        };
        Problem::new(404, code, title, detail)
    }

    fn about_seats(&self) -> Problem {
        match self {
            Self::SeatsTaken(seats) => {
                let names: Vec<_> = seats.iter().map(|seat| seat.id.as_str()).collect();
                let names = if names.is_empty() { "a seat".to_owned() } else { names.join(", ") };
                let detail = format!(
                    "Somebody else has {names}. Nothing was given to you: choose other seats; \
                     `current` shows the state of those that are taken."
                );
                Problem::new(409, "booking.seats_taken", "Seats are taken", detail)
                    .with_current(&serde_json::json!({ "seats": seats }))
            }
            Self::NotOnSale(status) => Problem::new(
                409,
                "booking.not_on_sale",
                "The show is not on sale",
                "Its seats cannot be held or booked now.",
            )
            .with_current(&serde_json::json!({ "status": status })),
            Self::TooManyHolds => Problem::new(
                409,
                "booking.too_many_holds",
                "You hold too much already",
                "One customer has at most 2 live holds in a venue. Book or release one of them, \
                 or wait until it expires.",
            ),
            Self::SeatsInUse(seats) => {
                let names: Vec<_> = seats.iter().take(20).map(|seat| seat.id.as_str()).collect();
                let detail = format!(
                    "{} seats that are held or sold are not in this layout: {}. Keep them in it, \
                     or cancel their bookings first.",
                    seats.len(),
                    names.join(", ")
                );
                Problem::new(409, "booking.seats_in_use", "Seats are held or sold", detail)
                    .with_current(&serde_json::json!({ "seats": seats }))
            }
            _ => Problem::new(
                409,
                "booking.begun",
                "The show has begun",
                "Its seats cannot be held or booked any more.",
            ),
        }
    }

    fn about_the_choice(&self) -> Problem {
        match self {
            Self::WholeOnly(block) => Problem::new(
                409,
                "booking.whole_only",
                "The table is sold as one",
                format!("{block} is sold as a whole: name all its seats, or none of them."),
            ),
            Self::NotWhole(block) => Problem::new(
                409,
                "booking.not_whole",
                "The block is sold by the seat",
                format!("{block} is not sold as one: ask for its seats, or for any of them."),
            ),
            Self::TooManySeats(count) => Problem::new(
                409,
                "booking.too_many_seats",
                "These are too many seats",
                format!(
                    "The tables have {count} seats together; one hold has at most \
                     {WHOLE_SEATS_PER_HOLD_MAX}."
                ),
            ),
            Self::Reserved(seats) => Problem::new(
                409,
                "booking.reserved",
                "Seats are reserved",
                format!(
                    "{} belong to a share that only a code or a role opens. Send its `code`, or \
                     choose other seats.",
                    seats.join(", ")
                ),
            ),
            _ => Problem::new(
                409,
                "booking.not_enough_seats",
                "Not enough seats are free",
                "Fewer seats that fit are free than you asked for. Ask for fewer, or for another \
                 category or block.",
            ),
        }
    }

    fn about_a_hold(&self) -> Problem {
        match self {
            Self::WrongToken => Problem::new(
                403,
                "booking.wrong_token",
                "The hold's token is wrong",
                "Only who made the hold can use it: send the token that came with it.",
            ),
            Self::OtherShow => Problem::new(
                409,
                "booking.other_show",
                "The hold belongs to another show",
                "Book it under the show that it was made for.",
            ),
            Self::HoldExpired(at) => Problem::new(
                410,
                "booking.hold_expired",
                "The hold has expired",
                format!(
                    "It ended at {}. Hold the seats again if they are still free.",
                    kernel::time::text(*at)
                ),
            ),
            Self::HoldOver(status) => Problem::new(
                410,
                "booking.hold_over",
                "The hold is over",
                match status {
                    HoldStatus::Booked => "It has become a booking already.",
                    _ => "It was given back. Hold the seats again if they are still free.",
                },
            )
            .with_current(&serde_json::json!({ "status": status })),
            _ => Problem::new(
                409,
                "booking.hold_at_limit",
                "The hold cannot last any longer",
                "A hold lasts 15 minutes in all. Book it now.",
            ),
        }
    }

    fn about_the_rest(&self) -> Problem {
        match self {
            Self::BookingOver(booking) => Problem::new(
                409,
                "booking.booking_over",
                "The booking is over",
                match booking.status {
                    BookingStatus::Cancelled => "It was cancelled before.",
                    _ => "It has expired.",
                },
            )
            .with_current(booking),
            Self::NoWay(from, to) => Problem::new(
                409,
                "booking.no_way",
                "The show cannot become that",
                format!("A show that is {} cannot become {}.", from.as_str(), to.as_str()),
            ),
            Self::StaleShow(show) => Problem::new(
                412,
                "booking.stale",
                "The show was changed meanwhile",
                "Look at `current`, decide anew and send its version.",
            )
            .with_current(show),
            Self::WaitsAlready => Problem::new(
                409,
                "booking.waits_already",
                "You wait already",
                "You stand in the waiting list of this show. Leave it first to wait for another \
                 number of seats.",
            ),
            Self::NoOffer => Problem::new(
                409,
                "booking.no_offer",
                "Nothing is offered",
                "No seats are held for you now. GET /me/waitlist shows when there are.",
            ),
            Self::UntilPast => Problem::new(
                422,
                "booking.until_past",
                "The release time is over",
                "Seats are withheld until a time to come, or without one.",
            ),
            Self::OtherCurrency(code) => Problem::new(
                422,
                "booking.other_currency",
                "A price is in another currency",
                format!("All prices of this show are in {code}."),
            ),
            _ => Problem::new(
                409,
                "booking.layout_name_taken",
                "The layout's name is taken",
                "This venue has a layout of that name. Choose another name.",
            ),
        }
    }
}
