//! The parameters of the paths.

use kernel::ids::{DrawerId, PaymentId, RefundId, VenueId};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}

paths! {
    /// `/venues/{venue}`.
    VenuePath {
        /// The venue.
        venue: VenueId,
    }
    /// `/venues/{venue}/orders/{order}`.
    OrderPath {
        /// The venue.
        venue: VenueId,
        /// The order.
        order: Uuid,
    }
    /// `/venues/{venue}/bookings/{booking}`.
    BookingPath {
        /// The venue.
        venue: VenueId,
        /// The booking.
        booking: Uuid,
    }
    /// `/venues/{venue}/bills/{kind}/{id}`.
    BillPath {
        /// The venue.
        venue: VenueId,
        /// What the bill is for: `order`, `booking`.
        kind: String,
        /// Which one.
        id: Uuid,
    }
    /// `/venues/{venue}/payments/{payment}`.
    PaymentPath {
        /// The venue.
        venue: VenueId,
        /// The payment.
        payment: PaymentId,
    }
    /// `/venues/{venue}/refunds/{refund}`.
    RefundPath {
        /// The venue.
        venue: VenueId,
        /// The refund.
        refund: RefundId,
    }
    /// `/venues/{venue}/drawers/{drawer}`.
    DrawerPath {
        /// The venue.
        venue: VenueId,
        /// The drawer.
        drawer: DrawerId,
    }
    /// `/payments/webhooks/{provider}`.
    ProviderPath {
        /// The provider.
        provider: String,
    }
}
