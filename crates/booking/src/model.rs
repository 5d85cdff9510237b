//! Shows, seats, holds and bookings: states and rules. Pure.

use std::collections::HashSet;

use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::SEATS_PER_HOLD_MAX;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{BookingId, HoldId, LayoutId, ShowId};
use kernel::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::BookingError;
use crate::choice::Closeness;
use crate::plan::Plan;

kernel::names! {
    /// Where a show stands.
    ShowStatus {
        /// Only staff see it.
        Draft = "draft",
        /// Seats can be held and booked.
        OnSale = "on_sale",
        /// Announced, not sold.
        Closed = "closed",
        /// It does not take place.
        Cancelled = "cancelled",
    }
    /// Whether bookings of a show are paid.
    ShowPayment {
        /// A booking is confirmed at once.
        None = "none",
        /// A booking is pending until it is paid.
        Required = "required",
    }
    /// What became of a hold.
    HoldStatus {
        /// The seats are claimed until it expires.
        Live = "live",
        /// Given back.
        Released = "released",
        /// Its time was over.
        Expired = "expired",
        /// It became a booking.
        Booked = "booked",
    }
    /// Where a booking stands.
    BookingStatus {
        /// Waits for its payment, and has its seats until then.
        Pending = "pending",
        /// The seats are given.
        Confirmed = "confirmed",
        /// The seats are free again.
        Cancelled = "cancelled",
        /// It was not paid in time.
        Expired = "expired",
    }
}

/// What a seat is to the public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeatStatus {
    /// Can be held.
    Free,
    /// Somebody has it for a short time.
    Held,
    /// Somebody has booked it.
    Sold,
    /// The house keeps it.
    Withheld,
}

/// A dated occasion with admission.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// What people read.
    #[schema(example = "Winter Gala")]
    pub name: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// When it begins.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// Where it stands.
    pub status: ShowStatus,
    /// How long a hold lasts, in seconds; an extension gives as much again.
    pub hold_secs: i32,
    /// The currency of its prices, ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// How many seats it has.
    pub seat_count: i32,
    /// Whether bookings come with tickets.
    pub tickets: bool,
    /// Whether bookings are to be paid before they are confirmed.
    pub payment: ShowPayment,
    /// How long a booking waits for its payment, in seconds.
    pub pay_secs: i32,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Show {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Show {
    /// Whether seats can be held now.
    pub(crate) fn check_on_sale(&self, now: Timestamp) -> Result<(), BookingError> {
        match self.status {
            ShowStatus::OnSale if now < self.starts_at => Ok(()),
            ShowStatus::OnSale => Err(BookingError::Begun),
            status => Err(BookingError::NotOnSale(status)),
        }
    }

    /// How long the seats are claimed by a hold that is made or extended now.
    pub(crate) fn hold_time(&self) -> SignedDuration {
        SignedDuration::from_secs(self.hold_secs.into())
    }
}

/// A saved layout.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Its id.
    pub id: LayoutId,
    /// Unique in the venue.
    #[schema(example = "Gala, 25 tables of 10")]
    pub name: String,
    /// Categories and blocks.
    pub plan: Plan,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Layout {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A seat as its row says, locked.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    /// Its place in the layout, and in the order of the locks.
    pub(crate) number: i32,
    pub(crate) label: String,
    pub(crate) block: String,
    pub(crate) category: String,
    pub(crate) price: i64,
    pub(crate) withheld: bool,
    /// When the house gives it free, if it has said so.
    pub(crate) withheld_until: Option<Timestamp>,
    /// The share that it belongs to, which not everybody may sell.
    pub(crate) allocation: Option<String>,
    /// How many seats its block has, where the block is sold as one.
    pub(crate) whole: Option<i32>,
}

impl Seat {
    /// A seat past its release time is not withheld, whether or not somebody has swept.
    pub(crate) fn is_withheld(&self, now: Timestamp) -> bool {
        self.withheld && self.withheld_until.is_none_or(|until| until > now)
    }

    /// What it is to the public while nobody has it.
    pub(crate) fn unclaimed_status(&self, now: Timestamp) -> SeatStatus {
        let kept = self.allocation.is_some() || self.is_withheld(now);
        if kept { SeatStatus::Withheld } else { SeatStatus::Free }
    }
}

/// Who has a seat, as the claim says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) seat: i32,
    pub(crate) hold: Option<HoldId>,
    pub(crate) booking: Option<BookingId>,
    /// Nothing for a booking that is confirmed.
    pub(crate) expires_at: Option<Timestamp>,
}

impl Claim {
    /// A claim past its time counts no more, whether or not somebody has swept it away.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }

    /// What has no end is a booking's, or a guest's who sits there. A booking that is not paid yet
    /// only holds its seats.
    pub(crate) fn status(&self) -> SeatStatus {
        if self.expires_at.is_none() { SeatStatus::Sold } else { SeatStatus::Held }
    }
}

/// A seat and what it is to the public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatState {
    /// Block and number.
    #[schema(example = "A-1")]
    pub id: String,
    /// What it is to the public.
    pub status: SeatStatus,
}

/// A seat of a hold or a booking with its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricedSeat {
    /// Block and number.
    #[schema(example = "A-1")]
    pub id: String,
    /// Its category.
    #[schema(example = "standard")]
    pub category: String,
    /// Its price.
    pub price: Money,
}

/// A claim on seats for a short time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// The show.
    pub show_id: ShowId,
    /// The secret that books, extends or releases the hold. Shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token: Option<String>,
    /// The seats with their prices.
    pub seats: Vec<PricedSeat>,
    /// How close the seats come to what was asked for, where the best available were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub best: Option<Closeness>,
    /// The sum of the prices.
    pub price: Money,
    /// When the seats are free again.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// No extension goes beyond this.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
}

impl Versioned for Hold {}

/// Seats given to somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// Its id.
    pub id: BookingId,
    /// The show.
    pub show_id: ShowId,
    /// Eight letters to read to somebody; no proof of anything.
    #[schema(example = "K7MPX2QH")]
    pub code: String,
    /// Where it stands.
    pub status: BookingStatus,
    /// The seats.
    #[schema(example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
    /// The sum of the prices.
    pub price: Money,
    /// Whose it is.
    pub customer: Customer,
    /// Until when a pending booking has its seats: pay by then.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub pay_by: Option<Timestamp>,
    /// The secret by which the customer pays (`Bill-Token`) and follows a pending booking. Shown
    /// only to whoever makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bill_token: Option<String>,
    /// When it was made.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Booking {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// Whose a booking is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Customer {
    /// The name that the door asks for.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub name: String,
    /// Where the confirmation goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 254, example = "ana@example.org")]
    pub email: Option<String>,
}

impl Customer {
    pub(crate) fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/customer/name", (1, 120));
        if let Some(email) = &self.email {
            errors.email(email, "/customer/email");
        }
    }
}

/// The rules of a list of seats: 1 to 10, none twice.
pub(crate) fn check_labels(labels: &[String], errors: &mut Errors) {
    errors.require(
        (1..=SEATS_PER_HOLD_MAX).contains(&labels.len()),
        "/seats",
        "seat_count",
        format!("Name 1 to {SEATS_PER_HOLD_MAX} seats; these are {}.", labels.len()),
    );
    let mut seen = HashSet::new();
    for (n, label) in labels.iter().enumerate() {
        errors.require(
            seen.insert(label),
            format!("/seats/{n}"),
            "twice",
            format!("The seat {label} stands twice."),
        );
    }
}

/// What was asked for and what was found under the locks: all seats, and nobody has any of them.
pub(crate) fn check_free(
    labels: &[String],
    seats: &[Seat],
    claims: &[Claim],
    now: Timestamp,
) -> Result<(), BookingError> {
    let unknown: Vec<_> =
        labels.iter().filter(|label| !seats.iter().any(|s| s.label == **label)).cloned().collect();
    if !unknown.is_empty() {
        return Err(BookingError::NoSuchSeats(unknown));
    }
    check_unclaimed(seats, claims, now)
}

/// Nobody has any of the seats, and the house keeps none of them.
pub(crate) fn check_unclaimed(
    seats: &[Seat],
    claims: &[Claim],
    now: Timestamp,
) -> Result<(), BookingError> {
    let taken: Vec<_> = seats
        .iter()
        .filter_map(|seat| {
            let claim = claims.iter().find(|claim| claim.seat == seat.number && claim.is_live(now));
            let status = match claim {
                Some(claim) => claim.status(),
                None if seat.is_withheld(now) => SeatStatus::Withheld,
                None => return None,
            };
            Some(SeatState { id: seat.label.clone(), status })
        })
        .collect();
    if taken.is_empty() { Ok(()) } else { Err(BookingError::SeatsTaken(taken)) }
}

/// Blocks that are sold as one are asked for as one.
pub(crate) fn check_whole(seats: &[Seat]) -> Result<(), BookingError> {
    for seat in seats {
        let Some(whole) = seat.whole else { continue };
        let asked = seats.iter().filter(|other| other.block == seat.block).count();
        if i32::try_from(asked) != Ok(whole) {
            return Err(BookingError::WholeOnly(seat.block.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(number: i32) -> Seat {
        Seat {
            number,
            label: format!("A-{number}"),
            block: "A".into(),
            category: "standard".into(),
            price: 100,
            withheld: false,
            withheld_until: None,
            allocation: None,
            whole: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_live_claim_takes_the_seat_and_an_expired_one_does_not() {
        let claim = Claim {
            seat: 1,
            hold: Some(HoldId::fresh(at("2026-01-01T00:00:00Z"))),
            booking: None,
            expires_at: Some(at("2026-01-01T00:02:00Z")),
        };
        let (labels, seats) = (vec!["A-1".to_owned()], vec![seat(1)]);
        let taken = check_free(&labels, &seats, &[claim], at("2026-01-01T00:01:59Z"));
        let state = SeatState { id: "A-1".into(), status: SeatStatus::Held };
        assert!(matches!(taken, Err(BookingError::SeatsTaken(found)) if found == [state]));
        // The end itself is past: a hold of two minutes lasts two minutes, not a moment more.
        assert!(check_free(&labels, &seats, &[claim], at("2026-01-01T00:02:00Z")).is_ok());
    }

    #[test]
    fn a_booking_never_runs_out() {
        let booking = Some(BookingId::fresh(at("2026-01-01T00:00:00Z")));
        let claim = Claim { seat: 1, hold: None, booking, expires_at: None };
        let found =
            check_free(&["A-1".to_owned()], &[seat(1)], &[claim], at("2036-01-01T00:00:00Z"));
        assert!(
            matches!(found, Err(BookingError::SeatsTaken(s)) if s[0].status == SeatStatus::Sold)
        );
    }

    #[test]
    fn a_table_that_is_sold_as_one_is_asked_for_as_one() {
        let whole = |number| Seat { whole: Some(2), ..seat(number) };
        assert!(check_whole(&[whole(1), whole(2)]).is_ok());
        assert!(
            matches!(check_whole(&[whole(1)]), Err(BookingError::WholeOnly(block)) if block == "A")
        );
        assert!(check_whole(&[seat(1)]).is_ok());
    }

    #[test]
    fn an_unknown_seat_is_named() {
        let labels = vec!["A-1".to_owned(), "Z-9".to_owned()];
        let found = check_free(&labels, &[seat(1)], &[], at("2026-01-01T00:00:00Z"));
        assert!(matches!(found, Err(BookingError::NoSuchSeats(names)) if names == ["Z-9"]));
    }

    #[test]
    fn ten_seats_are_the_most_and_none_twice() {
        let labels: Vec<_> = (1..=11).map(|n| format!("A-{n}")).collect();
        let mut errors = Errors::default();
        check_labels(&labels, &mut errors);
        assert_eq!(errors.iter().next().unwrap().code, "seat_count");
        let mut errors = Errors::default();
        check_labels(&["A-1".to_owned(), "A-1".to_owned()], &mut errors);
        assert_eq!(errors.iter().next().unwrap().pointer, "/seats/1");
    }
}
