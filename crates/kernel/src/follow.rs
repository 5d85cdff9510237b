//! Who hears of one entity alone: whoever holds its secret, without an account.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::event::Topic;

/// What stands for the entity in the name of a private topic.
const ENTITY: &str = "{id}";
/// Where the number of the followers begins in that of an audience.
const FOLLOWERS_SHIFT: u32 = 8;

/// One entity of a private topic: `order.<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Follow {
    topic: Topic,
    id: Uuid,
}

impl Follow {
    /// The entity `id` of `topic`; none for a topic that is not private.
    #[must_use]
    pub fn new(topic: Topic, id: Uuid) -> Option<Self> {
        topic.is_private().then_some(Self { topic, id })
    }

    /// Its topic.
    #[must_use]
    pub fn topic(self) -> Topic {
        self.topic
    }

    /// The entity.
    #[must_use]
    pub fn id(self) -> Uuid {
        self.id
    }
}

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.topic.as_str().trim_end_matches(ENTITY), self.id)
    }
}

/// The text names no entity that can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private topic: `order.` or `booking.` and the id of one")]
pub struct NotAFollow;

impl FromStr for Follow {
    type Err = NotAFollow;

    fn from_str(text: &str) -> Result<Self, NotAFollow> {
        let of = |topic: &Topic| text.strip_prefix(topic.as_str().strip_suffix(ENTITY)?);
        let found = Topic::ALL.iter().find_map(|topic| Some((*topic, of(topic)?)));
        let (topic, id) = found.ok_or(NotAFollow)?;
        Ok(Self { topic, id: id.parse().map_err(|_| NotAFollow)? })
    }
}

/// Who hears an event: a topic, and perhaps whoever follows the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The topic.
    pub topic: Topic,
    /// The private topic as which the entity is followed.
    pub followers: Option<Topic>,
}

impl From<Topic> for Audience {
    fn from(topic: Topic) -> Self {
        Self { topic, followers: topic.is_private().then_some(topic) }
    }
}

impl Audience {
    /// Its number in the event log: that of the topic, and above it that of the followers.
    #[must_use]
    pub fn number(self) -> i16 {
        let followers = self.followers.filter(|topic| *topic != self.topic);
        self.topic.number() | followers.map_or(0, |topic| topic.number() << FOLLOWERS_SHIFT)
    }

    /// The audience of that number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        let mut audience = Self::from(Topic::from_number(number & ((1 << FOLLOWERS_SHIFT) - 1))?);
        if let followers @ 1.. = number >> FOLLOWERS_SHIFT {
            let followers = Topic::from_number(followers)?;
            audience.followers = followers.is_private().then_some(followers);
        }
        Some(audience)
    }

    /// What one follows to hear an event about `entity`.
    #[must_use]
    pub fn follow(self, entity: Uuid) -> Option<Follow> {
        self.followers.and_then(|topic| Follow::new(topic, entity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TopicMask;
    use crate::role::{Role, Standing};

    #[test]
    fn what_is_private_is_open_to_no_role() {
        let private: Vec<_> = Topic::ALL.iter().filter(|topic| topic.is_private()).collect();
        assert_eq!(private, [&Topic::Order, &Topic::Booking]);
        assert!(private.iter().all(|topic| !topic.open_to(Standing::Member(Role::Owner))));
        assert!(private.iter().all(|topic| topic.covered_by() != TopicMask::default()));
    }

    #[test]
    fn an_audience_survives_the_log() {
        for topic in Topic::ALL {
            for followers in [None, Some(Topic::Order), Some(Topic::Booking)] {
                let mut audience = Audience::from(*topic);
                audience.followers = followers.or(audience.followers);
                assert_eq!(Audience::from_number(audience.number()), Some(audience));
            }
        }
        for wrong in [-1, 99, 99 << 8, i16::MAX] {
            assert_eq!(Audience::from_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_followed_has_a_name() {
        let id = Uuid::from_u128(7);
        let follow = Follow::new(Topic::Order, id).unwrap();
        assert_eq!(follow.to_string(), format!("order.{id}"));
        assert_eq!(follow.to_string().parse(), Ok(follow));
        assert_eq!(Follow::new(Topic::Seats, id), None);
        for wrong in ["order", "order.", "order.{id}", "orders.7", "queue.cashier", "seats", ""] {
            assert_eq!(wrong.parse::<Follow>(), Err(NotAFollow), "{wrong}");
        }
    }
}
