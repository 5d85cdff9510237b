//! Events: what happened, in the shape that sockets and pollers receive.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::follow::{Audience, Follow};
use crate::ids::VenueId;
use crate::role::{Role, Standing};

/// An event whose data is larger than this is sent without it, with a `ref` to fetch.
pub const EVENT_DATA_MAX_BYTES: usize = 16 * 1024;

/// The event behind those of a batch. The log writes into its `data` which numbers they have: only
/// the log knows them.
pub const TRANSACTION_COMPLETE: &str = "atomic_transaction_complete";

macro_rules! topics {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        /// What a subscriber listens to. The number is the bit in the mask and in the event log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Topic { $($(#[$doc])* #[serde(rename = $text)] $name = $bit,)* }

        impl Topic {
            /// All topics.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The topic's name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The topic's number in the event log.
            #[must_use]
            pub fn number(self) -> i16 {
                match self { $(Self::$name => $bit,)* }
            }

            /// The topic of that number.
            #[must_use]
            pub fn from_number(number: i16) -> Option<Self> {
                match number { $($bit => Some(Self::$name),)* _ => None }
            }

            /// The topic of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

topics! {
    /// Which seats are free: public, no personal data.
    Seats = 0, "seats";
    /// Shows and layouts.
    Shows = 1, "shows";
    /// Holds and bookings with names.
    Bookings = 2, "bookings";
    /// Tables and sections.
    Floor = 3, "floor";
    /// Parties and reservations with names.
    Guests = 4, "guests";
    /// Tickets and scans.
    Tickets = 5, "tickets";
    /// The therapists' queue.
    TherapistQueue = 6, "queue.therapist";
    /// The cashiers' queue.
    CashierQueue = 7, "queue.cashier";
    /// What a wall screen shows.
    Monitor = 8, "monitor";
    /// Members, devices and who is on which screen.
    Staff = 9, "staff";
    /// Privileged acts.
    Audit = 10, "audit";
    /// One order of the spa, for whoever holds its secret.
    Order = 11, "order.{id}";
    /// One booking, for whoever holds its secret.
    Booking = 12, "booking.{id}";
}

impl Topic {
    /// Who may listen: computed once when a socket subscribes.
    #[must_use]
    pub fn open_to(self, standing: Standing) -> bool {
        if self.is_private() {
            return false;
        }
        let role = match standing {
            Standing::Member(role) => role,
            Standing::Device(profile) => profile.hears_as(),
            Standing::Customer | Standing::Anyone => return self == Self::Seats,
        };
        if matches!(role, Role::Owner | Role::Manager) {
            return true;
        }
        match self {
            Self::Seats | Self::Shows | Self::Floor => true,
            Self::Guests => matches!(role, Role::Host | Role::BoxOffice),
            Self::Bookings => matches!(role, Role::Host | Role::BoxOffice),
            Self::Tickets => matches!(role, Role::Scanner | Role::BoxOffice),
            Self::TherapistQueue => role == Role::Therapist,
            Self::CashierQueue => role == Role::Cashier,
            Self::Monitor => role == Role::Monitor,
            Self::Staff | Self::Audit | Self::Order | Self::Booking => false,
        }
    }

    /// Whether it is followed one entity at a time, by whoever holds the secret: see `kernel::follow`.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self, Self::Order | Self::Booking)
    }

    /// Whoever may hear one of these needs no secret to follow an entity of this private topic.
    #[must_use]
    pub fn covered_by(self) -> TopicMask {
        match self {
            Self::Order => Self::TherapistQueue.mask().with(Self::CashierQueue),
            Self::Booking => Self::Bookings.mask(),
            _ => TopicMask::default(),
        }
    }

    /// The topic as a set of one.
    #[must_use]
    pub fn mask(self) -> TopicMask {
        TopicMask(1 << self.number())
    }
}

/// A set of topics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TopicMask(pub u16);

impl TopicMask {
    /// Whether `topic` is in the set.
    #[must_use]
    pub fn has(self, topic: Topic) -> bool {
        self.0 & topic.mask().0 != 0
    }

    /// The set with `topic` in it.
    #[must_use]
    pub fn with(self, topic: Topic) -> Self {
        Self(self.0 | topic.mask().0)
    }

    /// Its topics, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Topic> {
        Topic::ALL.iter().copied().filter(move |topic| self.has(*topic))
    }
}

/// A place in a venue's log: the number of an event and a fingerprint of it, so that a client's
/// continuity is proved and not assumed. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pos {
    /// The number of the last event seen; 0 before the first.
    pub seq: i64,
    /// When that event was committed, in microseconds: its fingerprint.
    pub at_micros: i64,
}

impl Pos {
    /// The position of the event `seq`, committed at `at`.
    #[must_use]
    pub fn new(seq: i64, at: Timestamp) -> Self {
        Self { seq, at_micros: at.as_microsecond() }
    }

    /// Before the first event of a log that was opened at `at`.
    #[must_use]
    pub fn start(at: Timestamp) -> Self {
        Self::new(0, at)
    }
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

impl fmt::Display for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.at_micros.unsigned_abs();
        let mut digits = Vec::with_capacity(13);
        loop {
            let digit = usize::try_from(rest % 36).unwrap_or(0);
            digits.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        let text: String = digits.iter().rev().collect();
        write!(f, "{}-{text}", self.seq)
    }
}

/// The text is not a position that this API gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position: use the `pos` of an event or a snapshot as it was given")]
pub struct NotAPos;

impl FromStr for Pos {
    type Err = NotAPos;

    fn from_str(text: &str) -> Result<Self, NotAPos> {
        let (seq, at) = text.split_once('-').ok_or(NotAPos)?;
        let plain = |part: &str, max: usize| {
            !part.is_empty() && part.len() <= max && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        if !plain(seq, 19) || !plain(at, 13) {
            return Err(NotAPos);
        }
        let seq = seq.parse().map_err(|_| NotAPos)?;
        let at_micros = i64::from_str_radix(at, 36).map_err(|_| NotAPos)?;
        Ok(Self { seq, at_micros })
    }
}

/// One event of a write, before it has a number. `tx.emit` takes it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who may hear it.
    pub audience: Audience,
    /// What happened, `noun_verbed`: `booking_created`.
    pub kind: &'static str,
    /// What it happened to: `booking`.
    pub entity: &'static str,
    /// Which one.
    pub entity_id: Uuid,
    /// The entity's version after the write; 0 where it has none.
    pub version: i64,
    /// The finer verb: `status_changed`.
    pub action: &'static str,
    /// The whole new state, the same JSON that REST gives.
    pub data: Box<RawValue>,
}

impl Event {
    /// An event about `entity`, with `data` as its whole new state.
    ///
    /// # Errors
    /// When `data` cannot be written as JSON, which is a bug of its type.
    pub fn new(
        topic: Topic,
        kind: &'static str,
        (entity, entity_id, version): (&'static str, Uuid, i64),
        action: &'static str,
        data: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        let data = serde_json::value::to_raw_value(data)?;
        Ok(Self { audience: topic.into(), kind, entity, entity_id, version, action, data })
    }

    /// The same, heard also by whoever follows the entity as the private topic `topic`. Its data
    /// must be for their eyes.
    #[must_use]
    pub fn and_followers(mut self, topic: Topic) -> Self {
        self.audience.followers = topic.is_private().then_some(topic);
        self
    }
}

/// An event encoded once, for every socket that hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Who may hear it.
    pub topic: Topic,
    /// Whoever follows this hears it, too.
    pub follow: Option<Follow>,
    /// The JSON text.
    pub json: Bytes,
}

/// The events of one committed write: consecutive numbers, one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Whose.
    pub venue: VenueId,
    /// The number of the first event.
    pub first_seq: i64,
    /// When the write was committed; the fingerprint of all its events.
    pub at: Timestamp,
    /// When the event before the first was committed: the link that proves there is no hole.
    pub prev_at: Timestamp,
    /// The events in order.
    pub frames: Vec<Frame>,
}

impl Batch {
    /// The number of the last event.
    #[must_use]
    pub fn last_seq(&self) -> i64 {
        self.first_seq + i64::try_from(self.frames.len()).unwrap_or(0) - 1
    }

    /// The position after the whole batch.
    #[must_use]
    pub fn pos(&self) -> Pos {
        Pos::new(self.last_seq(), self.at)
    }
}

/// What is needed to write an event's envelope.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Whose.
    pub venue: VenueId,
    /// Its number.
    pub seq: i64,
    /// When it was committed.
    pub at: Timestamp,
    /// What happened.
    pub kind: &'a str,
    /// What it happened to.
    pub entity: &'a str,
    /// Which one.
    pub entity_id: Uuid,
    /// The entity's version.
    pub version: i64,
    /// The finer verb.
    pub action: &'a str,
    /// The whole new state as JSON text.
    pub data: &'a str,
}

impl Envelope<'_> {
    /// The envelope as JSON text. Keys are in snake case and `{entity}_id` is repeated, as the iOS
    /// clients know it. Written by hand: it is the hottest encoding of the product, and every part
    /// is either a number, a name of ours or JSON already.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        self.text(EVENT_DATA_MAX_BYTES)
    }

    /// The same with its data, however large: what the `ref` of the cut one leads to.
    #[must_use]
    pub fn to_full_json(&self) -> Bytes {
        self.text(usize::MAX)
    }

    fn text(&self, data_max_bytes: usize) -> Bytes {
        use std::fmt::Write as _;
        let mut out = String::with_capacity(self.data.len() + 360);
        let pos = Pos::new(self.seq, self.at);
        let (venue, seq, at) = (self.venue, self.seq, crate::time::text(self.at));
        let (kind, entity, id) = (self.kind, self.entity, self.entity_id);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            r#"{{"type":"{kind}","venue_id":"{venue}","seq":{seq},"pos":"{pos}","entity":"{entity}","entity_id":"{id}","{entity}_id":"{id}","version":{},"action":"{}","timestamp":"{at}","#,
            self.version, self.action,
        );
        if self.data.len() > data_max_bytes {
            let _ = write!(
                out,
                r#""data":null,"ref":"/api/v1/venues/{venue}/events?after={}&limit=1&full=true"}}"#,
                seq - 1
            );
        } else {
            out.push_str("\"data\":");
            out.push_str(self.data);
            out.push('}');
        }
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_envelope_is_the_one_that_ios_clients_know() {
        let json = Envelope {
            venue: VenueId(Uuid::nil()),
            seq: 1051,
            at: "2026-09-02T06:03:11.039837Z".parse().unwrap(),
            kind: "guest_updated",
            entity: "guest",
            entity_id: Uuid::max(),
            version: 7,
            action: "status_changed",
            data: r#"{"guestName":"John"}"#,
        }
        .to_json();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(value["guest_id"], value["entity_id"]);
        assert_eq!(value["timestamp"], "2026-09-02T06:03:11.039837Z");
        assert_eq!(value["data"]["guestName"], "John");
        assert!(value["pos"].as_str().unwrap().starts_with("1051-"));
    }

    #[test]
    fn customers_hear_of_seats_only() {
        let heard: Vec<_> =
            Topic::ALL.iter().filter(|t| t.open_to(Standing::Customer)).copied().collect();
        assert_eq!(heard, [Topic::Seats]);
    }

    proptest! {
        #[test]
        fn a_position_survives_its_text(seq in 0..i64::MAX, at_micros in 0..i64::MAX / 2) {
            let pos = Pos { seq, at_micros };
            prop_assert_eq!(pos.to_string().parse::<Pos>().unwrap(), pos);
        }

        #[test]
        fn no_text_breaks_the_position_parser(text in "\\PC*") {
            let _ = text.parse::<Pos>();
        }
    }
}
