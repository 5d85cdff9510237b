//! What the API says of each refusal: status, code, title, and what to do.

use edge::limits::WHOLE_SEATS_PER_HOLD_MAX;
use kernel::problem::{FieldError, Problem};

use super::BookingError;
use crate::model::{BookingStatus, HoldStatus};

impl BookingError {
    pub(super) fn absent(&self) -> Problem {
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
            Self::NoSuchBundle => (
                "booking.no_such_bundle",
                "There is no such bundle of holds",
                "Use the id that came with it, in the venue that it was made in.".to_owned(),
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

    pub(super) fn about_seats(&self) -> Problem {
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
            Self::TakenInShows(shows) => {
                let all: Vec<_> = shows
                    .iter()
                    .map(|(show, seats)| serde_json::json!({ "showId": show, "seats": seats }))
                    .collect();
                Problem::new(
                    409,
                    "booking.seats_taken",
                    "Seats are taken",
                    "Somebody else has some of the seats. Nothing was given to you, in no show: \
                     choose other seats; `current` shows the state of those that are taken.",
                )
                .with_current(&serde_json::json!({ "shows": all }))
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
                "One customer has at most 2 live holds and unpaid bookings in a venue. Book, pay \
                 or release one of them, or wait until it expires.",
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

    pub(super) fn about_the_choice(&self) -> Problem {
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

    pub(super) fn about_a_hold(&self) -> Problem {
        match self {
            Self::WrongToken => Problem::new(
                403,
                "booking.wrong_token",
                "The hold's token is wrong",
                "Only who made the hold can use it: send the token that came with it.",
            ),
            Self::InBundle(bundle) => Problem::new(
                409,
                "booking.in_bundle",
                "The hold is a part of a bundle",
                format!(
                    "It is booked, extended and released with the others: use …/bundles/{bundle}."
                ),
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

    pub(super) fn about_the_rest(&self) -> Problem {
        match self {
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
            Self::StaleBooking(booking) => Problem::new(
                412,
                "booking.stale",
                "The booking was changed meanwhile",
                "Look at `current`, decide anew and send its version.",
            )
            .with_current(booking),
            Self::OtherCount(count) => Problem::new(
                422,
                "booking.other_count",
                "The booking has another number of seats",
                format!("It has {count} seats: name as many. To change their number, book anew."),
            ),
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

    pub(super) fn about_paying(&self) -> Problem {
        match self {
            Self::BookingOver(booking) => Problem::new(
                409,
                "booking.booking_over",
                "The booking is over",
                match booking.status {
                    BookingStatus::Cancelled => "It was cancelled before.",
                    _ => "It was not paid in time. Book again if its seats are still free.",
                },
            )
            .with_current(booking),
            Self::PaidAndBegun => Problem::new(
                409,
                "booking.begun",
                "The show has begun",
                "What was paid is given back before the show begins. Ask the box office.",
            ),
            Self::NotHouseCurrency(code) => Problem::new(
                422,
                "booking.not_house_currency",
                "The prices are not in the venue's currency",
                format!("Payments are taken in {code}. Make a show with prices in it."),
            ),
            _ => self.about_the_rest(),
        }
    }
}
