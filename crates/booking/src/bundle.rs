//! Holds of several shows that stand and fall together.

use edge::answer::Versioned;
use jiff::Timestamp;
use kernel::ids::{BundleId, VenueId};
use kernel::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::BookingError;
use crate::extend_hold::check_token;
use crate::hold_seats::price;
use crate::model::{Booking, Hold};
use crate::store::holds::LockedHold;

/// `/venues/{venue}/bundles/{bundle}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct BundlePath {
    /// The venue.
    pub venue: VenueId,
    /// The bundle.
    pub bundle: BundleId,
}

/// A claim on seats of several shows for a short time: all of them or none.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// Its id.
    pub id: BundleId,
    /// The secret that books, extends or releases it. Shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token: Option<String>,
    /// One hold a show. They are used through the bundle alone.
    pub holds: Vec<Hold>,
    /// The sum of the prices, one entry a currency.
    pub prices: Vec<Money>,
    /// When the seats are free again, of all shows at once.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// No extension goes beyond this.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
}

impl Versioned for Bundle {}

/// The bookings that a bundle became.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BundleBookings {
    /// One a show.
    pub bookings: Vec<Booking>,
}

impl Versioned for BundleBookings {}

impl Bundle {
    /// Of holds that expire together.
    pub(crate) fn of(
        id: BundleId,
        token: Option<String>,
        holds: Vec<Hold>,
    ) -> Result<Self, BookingError> {
        let mut prices: Vec<Money> = Vec::new();
        for hold in &holds {
            match prices.iter_mut().find(|sum| sum.currency == hold.price.currency) {
                Some(sum) => sum.amount += hold.price.amount,
                None => prices.push(hold.price),
            }
        }
        let first = holds.first().ok_or(BookingError::NoSuchBundle)?;
        let (expires_at, ends_at) = (first.expires_at, first.ends_at);
        Ok(Self { id, token, holds, prices, expires_at, ends_at })
    }
}

/// The hold as the API tells it, without its token.
pub(crate) fn told(part: &LockedHold, expires_at: Timestamp) -> Result<Hold, BookingError> {
    let (seats, Money { currency, .. }) = price(&part.show, &part.seats)?;
    Ok(Hold {
        id: part.hold.id,
        show_id: part.hold.show,
        token: None,
        seats,
        best: None,
        price: Money { amount: part.hold.total, currency },
        expires_at,
        ends_at: part.hold.ends_at,
    })
}

/// Whether the token is that of all parts, of which there is one at least.
pub(crate) fn check_bundle(parts: &[LockedHold], token: &str) -> Result<(), BookingError> {
    if parts.is_empty() {
        return Err(BookingError::NoSuchBundle);
    }
    parts.iter().try_for_each(|part| check_token(&part.hold, token))
}
