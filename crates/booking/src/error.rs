//! What can be wrong with shows, seats, holds and bookings, and how the API says it.

mod rush;
mod words;

use jiff::Timestamp;
use kernel::ids::{BundleId, ShowId};
use kernel::problem::Problem;
use pg::DbError;
use pg::write::Refusal;

use crate::model::{Booking, HoldStatus, SeatState, Show, ShowStatus};

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
    /// The show has begun, and the booking was paid.
    #[error("a paid booking of a show that has begun")]
    PaidAndBegun,
    /// Payments are in the venue's currency, the show's prices are not.
    #[error("the prices are not in the venue's currency")]
    NotHouseCurrency(String),
    /// The booking cannot be cancelled any more.
    #[error("the booking is over")]
    BookingOver(Box<Booking>),
    /// The show cannot go from one status to the other.
    #[error("the show cannot become that")]
    NoWay(ShowStatus, ShowStatus),
    /// The version that the client has seen is not the present one.
    #[error("the show was changed meanwhile")]
    StaleShow(Box<Show>),
    /// The version that the client has seen is not the present one.
    #[error("the booking was changed meanwhile")]
    StaleBooking(Box<Booking>),
    /// A booking moves to as many seats as it has.
    #[error("the booking has another number of seats")]
    OtherCount(usize),
    /// Somebody has at least one of the seats of a bundle.
    #[error("seats of several shows are taken")]
    TakenInShows(Vec<(ShowId, Vec<SeatState>)>),
    /// The hold stands and falls with others.
    #[error("the hold is a part of a bundle")]
    InBundle(BundleId),
    /// No such bundle of holds in this venue.
    #[error("there is no such bundle of holds")]
    NoSuchBundle,
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
    /// The show has a line, and the customer no pass.
    #[error("a pass is needed")]
    PassNeeded,
    /// The show has no line.
    #[error("there is no line")]
    NoLine,
    /// As many stand in the line as can.
    #[error("the line is full")]
    LineFull,
    /// The customer never stood in the line of the show.
    #[error("there is no place in a line")]
    NoPlace,
    /// No such request in this venue, or somebody else's.
    #[error("there is no such request")]
    NoSuchRequest,
    /// The random generator failed.
    #[error("no random bytes")]
    NoRandom,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
    /// Its tickets say no.
    #[error(transparent)]
    Tickets(#[from] tickets::TicketsError),
    /// Its bill says no.
    #[error(transparent)]
    Payments(#[from] payments::PaymentError),
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
            | Self::NoSuchBundle
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
            | Self::TakenInShows(_)
            | Self::NotOnSale(_)
            | Self::Begun
            | Self::TooManyHolds
            | Self::SeatsInUse(_) => self.about_seats(),
            Self::WrongToken
            | Self::InBundle(_)
            | Self::OtherShow
            | Self::HoldExpired(_)
            | Self::HoldOver(_)
            | Self::HoldAtLimit(_) => self.about_a_hold(),
            Self::BookingOver(_) | Self::NotHouseCurrency(_) | Self::PaidAndBegun => {
                self.about_paying()
            }
            Self::NoWay(..)
            | Self::StaleShow(_)
            | Self::StaleBooking(_)
            | Self::OtherCount(_)
            | Self::OtherCurrency(_)
            | Self::UntilPast
            | Self::WaitsAlready
            | Self::NoOffer
            | Self::LayoutNameTaken => self.about_the_rest(),
            Self::PassNeeded
            | Self::NoLine
            | Self::LineFull
            | Self::NoPlace
            | Self::NoSuchRequest => self.about_the_rush(),
            Self::NoRandom => DbError::Replay.problem(),
            Self::Db(error) => error.problem(),
            Self::Tickets(error) => error.problem(),
            Self::Payments(error) => error.problem(),
        }
    }
}
