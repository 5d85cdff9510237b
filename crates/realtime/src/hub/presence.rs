//! Who of the staff is on which screen. Not in the log: it is said again and again, and whoever
//! does not say it is gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use bus::{Bus, Presence, Present, RedisState};
use bytes::Bytes;
use kernel::event::{Topic, TopicMask};
use kernel::ids::{UserId, VenueId};

use super::task::{Member, Task};
use crate::limits::{PRESENCE_AGAIN, PRESENCE_LASTS, PRESENT_MAX};
use crate::protocol::Answer;

/// A socket says where its user is.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) socket: u64,
    /// The client's number for its request.
    pub(crate) id: i64,
    pub(crate) venue: VenueId,
    pub(crate) user: UserId,
    /// None: nowhere any more.
    pub(crate) screen: Option<String>,
}

/// All venues where somebody of this worker is.
#[derive(Debug, Default)]
pub(super) struct Rooms(HashMap<VenueId, Room>);

#[derive(Debug, Default)]
struct Room {
    /// By socket.
    here: BTreeMap<u64, Present>,
    /// By worker, until when it counts.
    there: HashMap<u64, (Instant, Vec<Present>)>,
    /// When the others were told; none: now.
    said: Option<Instant>,
    /// What the sockets here were told last.
    told: Option<Bytes>,
}

impl Rooms {
    fn enter(&mut self, seen: Seen) {
        let room = self.0.entry(seen.venue).or_default();
        match seen.screen {
            Some(screen) => {
                drop(room.here.insert(seen.socket, Present { user: seen.user, screen }));
            }
            None => drop(room.here.remove(&seen.socket)),
        }
        (room.said, room.told) = (None, None);
    }

    /// A socket is gone from a venue.
    pub(super) fn leave(&mut self, socket: u64, venue: VenueId) {
        let Some(room) = self.0.get_mut(&venue) else { return };
        if room.here.remove(&socket).is_some() {
            room.said = None;
        }
    }

    /// Another worker tells who is there.
    pub(super) fn hear(&mut self, presence: Presence, origin: u64, now: Instant) {
        // Where nobody is here, nobody asks.
        let Some(room) = self.0.get_mut(&presence.venue) else { return };
        let known = room.there.insert(origin, (now + PRESENCE_LASTS, presence.people));
        if known.is_none() {
            // It has just begun to listen, or does not know of us.
            room.said = None;
        }
    }

    /// Tells the other workers what is new or has not been said for a while, and the sockets here
    /// what has changed.
    pub(super) fn beat(
        &mut self,
        now: Instant,
        bus: &Bus,
        members: &HashMap<u64, Member>,
        second: u32,
    ) {
        let carried = bus.state() == RedisState::Connected;
        self.0.retain(|venue, room| {
            room.there.retain(|_, (until, _)| *until > now);
            if !carried {
                room.said = None;
            } else if room.said.is_none_or(|at| now.duration_since(at) >= PRESENCE_AGAIN) {
                let people = room.here.values().take(PRESENT_MAX).cloned().collect();
                bus.publish_presence(Presence { venue: *venue, people });
                room.said = Some(now);
            }
            let frame = room.frame(*venue, carried);
            if room.told.as_ref() != Some(&frame) {
                for member in room.here.keys().filter_map(|id| members.get(id)) {
                    member.socket.push(&frame, second);
                }
                room.told = Some(frame);
            }
            // The last one's farewell has to be said when Redis is back.
            !room.here.is_empty() || (room.said.is_none() && bus.state() == RedisState::Away)
        });
    }
}

impl Room {
    fn frame(&self, venue: VenueId, available: bool) -> Bytes {
        let there = self.there.values().flat_map(|(_, people)| people);
        let all: BTreeSet<&Present> = self.here.values().chain(there).collect();
        let all = all.into_iter().take(PRESENT_MAX).filter(|_| available).collect();
        Answer::Presence { venue, available, people: all }.frame()
    }
}

impl Task {
    /// A socket says where its user is: only staff, and only where it listens.
    pub(super) fn enter(&mut self, seen: Seen) {
        let second = self.second();
        let Some(member) = self.members.get(&seen.socket) else { return };
        let mask = member.venues.iter().find(|(venue, _)| *venue == seen.venue);
        if !mask.is_some_and(|(_, mask)| is_staffs(*mask)) {
            let message = "presence is for staff that listens to more than seats";
            return member.socket.push(&Answer::err(seen.id, "forbidden", message, false), second);
        }
        let answer = Answer::Unsubscribed { id: seen.id, venue: seen.venue };
        member.socket.push(&answer.frame(), second);
        self.rooms.enter(seen);
    }
}

/// Whether the topics are some that customers may not hear.
pub(super) fn is_staffs(mask: TopicMask) -> bool {
    mask.0 & !Topic::Seats.mask().0 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(socket: u64, screen: Option<&str>) -> Seen {
        let (venue, user) = (VenueId(uuid::Uuid::nil()), UserId(uuid::Uuid::from_u128(7)));
        Seen { socket, id: 1, venue, user, screen: screen.map(str::to_owned) }
    }

    fn people(rooms: &Rooms) -> usize {
        let text = |room: &Room| room.frame(VenueId(uuid::Uuid::nil()), true);
        rooms
            .0
            .values()
            .map(|room| text(room).windows(8).filter(|w| w == b"\"screen\"").count())
            .sum()
    }

    #[test]
    fn whoever_does_not_say_it_again_is_gone() {
        let (now, mut rooms) = (Instant::now(), Rooms::default());
        let (bus, _incoming) = Bus::start(bus::BusConfig::default()).unwrap();
        rooms.enter(seen(1, Some("floor")));
        rooms.enter(seen(2, Some("floor")));
        assert_eq!(people(&rooms), 1, "one user on one screen, with two sockets");
        let other = Present { user: UserId(uuid::Uuid::from_u128(8)), screen: "door".into() };
        let venue = VenueId(uuid::Uuid::nil());
        rooms.hear(Presence { venue, people: vec![other] }, 42, now);
        assert_eq!(people(&rooms), 2);
        rooms.beat(now + PRESENCE_LASTS, &bus, &HashMap::new(), 0);
        assert_eq!(people(&rooms), 1);
        rooms.leave(1, venue);
        rooms.enter(seen(2, None));
        assert_eq!(people(&rooms), 0);
    }
}
