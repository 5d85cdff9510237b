//! What somebody may hear of a venue: topics by their role, single entities by what opens them.

use actix_web::HttpRequest;
use edge::App;
use kernel::event::{Topic, TopicMask};
use kernel::follow::Follow;
use kernel::ids::VenueId;
use kernel::problem::Problem;
use kernel::role::Standing;
use kernel::scope::Scope;
use pg::{DbError, Opener};
use serde::{Serialize, Serializer};

use crate::limits::FOLLOWS_PER_VENUE;

/// The header that carries a secret to the operations of REST.
pub const FOLLOW_SECRET: &str = "Follow-Secret";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Topics of the venue.
    pub mask: TopicMask,
    follows: Vec<Follow>,
}

/// More single entities than one may follow in a venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {FOLLOWS_PER_VENUE} orders and bookings are followed at once")]
pub struct TooMany;

impl Asked {
    /// All topics that are open to whoever asks.
    #[must_use]
    pub fn all() -> Self {
        Self { mask: TopicMask(u16::MAX), follows: Vec::new() }
    }

    /// Adds the topic of that name, or the entity. False: there is none.
    ///
    /// # Errors
    /// When it is one entity too many.
    pub fn add(&mut self, name: &str) -> Result<bool, TooMany> {
        if let Some(topic) = Topic::from_name(name).filter(|topic| !topic.is_private()) {
            self.mask = self.mask.with(topic);
            return Ok(true);
        }
        let Ok(follow) = name.parse::<Follow>() else { return Ok(false) };
        if self.follows.contains(&follow) {
            return Ok(true);
        }
        if self.follows.len() == FOLLOWS_PER_VENUE {
            return Err(TooMany);
        }
        self.follows.push(follow);
        Ok(true)
    }

    /// The names that a query has, separated by commas.
    ///
    /// # Errors
    /// 400, for a name that is none, or for too many.
    pub fn parse(names: &str) -> Result<Self, Problem> {
        let bad =
            |detail: String| Problem::new(400, "bad_topics", "The topics cannot be used", detail);
        let mut asked = Self::default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if !asked.add(name).map_err(|error| bad(format!("{error}.")))? {
                let detail = "A topic is not known. See /events.json for those there are.";
                return Err(bad(detail.to_owned()));
            }
        }
        Ok(asked)
    }
}

/// The secret that a request brings along.
#[must_use]
pub fn secret_of(request: &HttpRequest) -> Option<&str> {
    request.headers().get(FOLLOW_SECRET)?.to_str().ok()
}

/// One entity that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Followed {
    follow: Follow,
    /// By a role alone, which may change.
    by_role: bool,
}

/// What was asked for and may be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Topics of the venue.
    pub mask: TopicMask,
    follows: Box<[Followed]>,
}

impl Grant {
    /// What `who` may hear of what was asked for. `secret` opens what its holder may follow.
    ///
    /// # Errors
    /// `UserGone`, or when PostgreSQL is away or busy.
    pub async fn read(
        app: &App,
        (who, venue): (Scope, VenueId),
        asked: &Asked,
        secret: Option<&str>,
    ) -> Result<Self, DbError> {
        // The token's roles are a hint; what may be heard is read.
        let standing = app.standing(who, venue).await?;
        let openers = [secret.map(Opener::Secret), who.user.map(Opener::User)];
        let openers: Vec<_> = openers.into_iter().flatten().collect();
        let opened = app.db().may_follow(venue, &asked.follows, &openers).await?;
        Ok(Self::of(asked, standing, &opened))
    }

    fn of(asked: &Asked, standing: Standing, opened: &[Follow]) -> Self {
        let open = open_to(standing);
        let followed = |follow: &Follow| {
            let by_role = !opened.contains(follow);
            let may = !by_role || covers(open, *follow);
            may.then_some(Followed { follow: *follow, by_role })
        };
        let follows = asked.follows.iter().filter_map(followed).collect();
        Self { mask: TopicMask(asked.mask.0 & open.0), follows }
    }

    /// These topics, and no single entity.
    pub(crate) fn topics(mask: TopicMask) -> Self {
        Self { mask, follows: Box::default() }
    }

    /// What a secret of `follows` opens, for tests.
    #[cfg(test)]
    pub(crate) fn following(mask: TopicMask, follows: &[Follow]) -> Self {
        let follows = follows.iter().map(|follow| Followed { follow: *follow, by_role: false });
        Self { mask, follows: follows.collect() }
    }

    /// What is left of it when only `open` is open any more.
    pub(crate) fn narrowed(&self, open: TopicMask) -> Self {
        let mut follows = self.follows.to_vec();
        follows.retain(|followed| !followed.by_role || covers(open, followed.follow));
        Self { mask: TopicMask(self.mask.0 & open.0), follows: follows.into() }
    }

    /// Whether nothing may be heard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mask.0 == 0 && self.follows.is_empty()
    }

    /// The entities that are followed.
    pub fn follows(&self) -> impl Iterator<Item = Follow> {
        self.follows.iter().map(|followed| followed.follow)
    }

    /// Whether an event of that topic, or about that entity, may be heard.
    #[must_use]
    pub fn hears(&self, topic: Topic, follow: Option<Follow>) -> bool {
        self.mask.has(topic) || follow.is_some_and(|of| self.follows().any(|own| own == of))
    }

    /// The names of all that may be heard.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let topics = self.mask.iter().map(|topic| topic.as_str().to_owned());
        topics.chain(self.follows().map(|follow| follow.to_string()))
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.names())
    }
}

/// The topics that a standing may hear.
pub(crate) fn open_to(standing: Standing) -> TopicMask {
    let open = Topic::ALL.iter().filter(|topic| topic.open_to(standing));
    open.fold(TopicMask::default(), |mask, topic| mask.with(*topic))
}

/// Whoever hears one of the general topics needs nothing else.
fn covers(open: TopicMask, follow: Follow) -> bool {
    open.0 & follow.topic().covered_by().0 != 0
}

#[cfg(test)]
mod tests {
    use kernel::role::Role;
    use uuid::Uuid;

    use super::*;

    fn asked(names: &[&str]) -> Asked {
        let mut asked = Asked::default();
        for name in names {
            assert_eq!(asked.add(name), Ok(true), "{name}");
        }
        asked
    }

    #[test]
    fn a_secret_opens_one_entity_and_a_role_all_of_its_kind() {
        let names: Vec<String> =
            [1, 2].map(|n| format!("order.{}", Uuid::from_u128(n))).into_iter().collect();
        let asked = asked(&["seats", "floor", &names[0], &names[1]]);
        let first: Follow = names[0].parse().unwrap();
        let guest = Grant::of(&asked, Standing::Anyone, &[first]);
        assert_eq!(guest.names().collect::<Vec<_>>(), ["seats", &names[0]]);
        assert!(guest.hears(Topic::Order, Some(first)) && guest.hears(Topic::Seats, None));
        assert!(!guest.hears(Topic::Order, Some(names[1].parse().unwrap())));
        assert!(!guest.hears(Topic::Order, None));
        let cashier = Grant::of(&asked, Standing::Member(Role::Cashier), &[first]);
        assert_eq!(cashier.follows().count(), 2);
        let host = Grant::of(&asked, Standing::Member(Role::Host), &[]);
        assert_eq!(host.follows().count(), 0, "a host sees no orders");
        let left = cashier.narrowed(open_to(Standing::Customer));
        assert_eq!(left, guest, "the secret still opens what it opened");
    }

    #[test]
    fn names_are_known_or_not_and_bounded() {
        let mut asked = Asked::default();
        for wrong in ["order", "order.{id}", "booking.7", "", "secrets"] {
            assert_eq!(asked.add(wrong), Ok(false), "{wrong}");
        }
        for n in 0..FOLLOWS_PER_VENUE {
            let name = format!("booking.{}", Uuid::from_u128(u128::try_from(n).unwrap()));
            assert_eq!((asked.add(&name), asked.add(&name)), (Ok(true), Ok(true)));
        }
        assert_eq!(asked.add(&format!("order.{}", Uuid::nil())), Err(TooMany));
    }
}
