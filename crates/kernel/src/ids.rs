//! Typed ids, in alphabetical order. All are UUIDv7: they sort by the time they were made.
//!
//! An id names a thing; it never proves a right. Secrets are random bytes, not ids.

use jiff::Timestamp;
use uuid::Uuid;

/// A fresh UUIDv7 that carries the time `at`.
#[must_use]
pub fn fresh(at: Timestamp) -> Uuid {
    let seconds = u64::try_from(at.as_second()).unwrap_or(0);
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
            postgres_types::ToSql, postgres_types::FromSql, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[postgres(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id, made at `at`.
            #[must_use]
            pub fn fresh(at: Timestamp) -> Self {
                Self(fresh(at))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// Something that the house should know of.
    AlertId;
    /// Seats given to somebody.
    BookingId;
    /// Holds of several shows that stand and fall together.
    BundleId;
    /// A kind of services in a catalogue.
    CategoryId;
    /// A scanner, kiosk, screen or till of a venue.
    DeviceId;
    /// A till between two counts.
    DrawerId;
    /// A party in the restaurant.
    GuestId;
    /// A claim on seats for a short time.
    HoldId;
    /// A mailed wish that somebody takes a role in a venue.
    InvitationId;
    /// A service on an order's bill.
    ItemId;
    /// A saved arrangement of blocks and seats.
    LayoutId;
    /// A floor of a house.
    LevelId;
    /// What a scanner scans with.
    ListId;
    /// A user's place in a venue.
    MemberId;
    /// One customer's visit to a spa.
    OrderId;
    /// Guests who came together to a show with tables.
    PartyId;
    /// Money taken for a bill.
    PaymentId;
    /// What a door has to ask.
    QuestionId;
    /// Money that goes back.
    RefundId;
    /// Something that was asked for and is done later.
    RequestId;
    /// A table promised to a party for a time.
    ReservationId;
    /// A treatment room.
    RoomId;
    /// A part of the floor with its server.
    SectionId;
    /// What a catalogue sells, in variants.
    ServiceId;
    /// One sign-in on one device; the family of its refresh tokens.
    SessionId;
    /// A dated occasion with admission.
    ShowId;
    /// A table of the restaurant.
    TableId;
    /// A right of entry.
    TicketId;
    /// A kind of ticket.
    TicketTypeId;
    /// A person with a password.
    UserId;
    /// A service with a price and a duration.
    VariantId;
    /// The tenant.
    VenueId;
    /// Money that was paid in before.
    VoucherId;
    /// A party's place in the waiting list of a show.
    WaitingId;
    /// A part of the house with a count of the people inside.
    ZoneId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = ShowId::fresh("2026-01-01T00:00:00Z".parse().unwrap());
        let late = ShowId::fresh("2026-01-01T00:00:01Z".parse().unwrap());
        assert!(early < late);
    }
}
