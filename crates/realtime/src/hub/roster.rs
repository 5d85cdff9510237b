//! The sockets of one venue that hear the same topics, and those that follow single entities.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kernel::event::{Topic, TopicMask};
use kernel::follow::Follow;

use crate::grant::Grant;
use crate::ring::Entry;
use crate::socket::Socket;

/// Sockets of one mask: authorisation costs nothing per event.
#[derive(Debug, Default)]
pub(super) struct Group {
    sockets: Vec<Arc<Socket>>,
    places: HashMap<u64, usize>,
    /// The number up to which all of them have been told where they are.
    pub(super) told: i64,
}

impl Group {
    fn add(&mut self, socket: Arc<Socket>) {
        self.places.insert(socket.id, self.sockets.len());
        self.sockets.push(socket);
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Socket>> {
        let place = self.places.remove(&id)?;
        let socket = self.sockets.swap_remove(place);
        if let Some(moved) = self.sockets.get(place) {
            self.places.insert(moved.id, place);
        }
        Some(socket)
    }

    pub(super) fn push(&self, chunk: &Bytes, now: u32) {
        for socket in &self.sockets {
            socket.push(chunk, now);
        }
    }

    /// As `push`, without those that are sent a chunk of their own.
    fn push_but(&self, apart: &BTreeSet<u64>, chunk: &Bytes, now: u32) {
        if apart.is_empty() {
            return self.push(chunk, now);
        }
        for socket in self.sockets.iter().filter(|socket| !apart.contains(&socket.id)) {
            socket.push(chunk, now);
        }
    }
}

/// All sockets of a venue. Whoever follows an entity is in the group of its topics like everybody
/// else, which may be that of none, and is sent its own chunk when that entity is told of.
#[derive(Debug, Default)]
pub(super) struct Roster {
    groups: BTreeMap<u16, Group>,
    followers: HashMap<u64, Follower>,
    by_entity: HashMap<Follow, Vec<u64>>,
}

#[derive(Debug)]
struct Follower {
    socket: Arc<Socket>,
    grant: Grant,
}

impl Roster {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds a socket that has been told everything up to `told`.
    pub(super) fn add(&mut self, socket: Arc<Socket>, grant: &Grant, told: i64) {
        for follow in grant.follows() {
            self.by_entity.entry(follow).or_default().push(socket.id);
            let follower = Follower { socket: Arc::clone(&socket), grant: grant.clone() };
            self.followers.insert(socket.id, follower);
        }
        let group = self.groups.entry(grant.mask.0).or_default();
        if group.sockets.is_empty() {
            group.told = told;
        }
        group.add(socket);
    }

    /// Takes a socket out.
    pub(super) fn remove(&mut self, id: u64, mask: TopicMask) -> Option<Arc<Socket>> {
        let followed = self.followers.remove(&id);
        for follow in followed.iter().flat_map(|follower| follower.grant.follows()) {
            let Some(ids) = self.by_entity.get_mut(&follow) else { continue };
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_entity.remove(&follow);
            }
        }
        let group = self.groups.get_mut(&mask.0)?;
        let socket = group.remove(id);
        if group.sockets.is_empty() {
            self.groups.remove(&mask.0);
        }
        socket
    }

    /// What a socket with these topics hears; none when it is not here.
    pub(super) fn grant(&self, id: u64, mask: TopicMask) -> Option<Grant> {
        let listens = self.groups.get(&mask.0).is_some_and(|group| group.places.contains_key(&id));
        let followed = self.followers.get(&id).map(|follower| follower.grant.clone());
        listens.then(|| followed.unwrap_or_else(|| Grant::topics(mask)))
    }

    pub(super) fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.values_mut()
    }

    /// Those that hear of people, or follow one entity by its secret. Nothing on the other topics
    /// names anybody.
    pub(super) fn groups_told_of_people(&mut self) -> impl Iterator<Item = &mut Group> {
        let nobody = Topic::Seats.mask().with(Topic::Shows).with(Topic::Floor).0;
        let groups = self.groups.iter_mut();
        groups.filter(move |(mask, _)| **mask == 0 || **mask & !nobody != 0).map(|(_, group)| group)
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &Arc<Socket>> {
        self.groups.values().flat_map(|group| &group.sockets)
    }

    /// Sends the entries to whoever may hear them: one chunk of bytes for all sockets that hear
    /// the same of them.
    pub(super) fn send(&mut self, entries: &[Entry], now: u32) {
        let Some(last) = entries.last() else { return };
        let present = entries.iter().fold(0, |all, entry| all | entry.topic.mask().0);
        let apart = self.send_to_followers(entries, now);
        let mut chunks: Vec<(u16, Bytes)> = Vec::new();
        for (mask, group) in &mut self.groups {
            let heard = mask & present;
            if heard == 0 {
                // Its position is told with the next look of the second.
                continue;
            }
            let known = chunks.iter().find(|(of, _)| *of == heard).map(|(_, chunk)| chunk.clone());
            let chunk = known.unwrap_or_else(|| {
                let chunk = join(entries, |entry| TopicMask(heard).has(entry.topic));
                chunks.push((heard, chunk.clone()));
                chunk
            });
            group.push_but(&apart, &chunk, now);
            if TopicMask(heard).has(last.topic) {
                group.told = last.seq;
            }
        }
    }

    /// Sends what they hear to those that follow what the entries are about; the groups leave them
    /// out, because between two events of a topic there may be one for them alone.
    fn send_to_followers(&self, entries: &[Entry], now: u32) -> BTreeSet<u64> {
        let about = entries.iter().filter_map(|entry| entry.follow);
        let apart: BTreeSet<u64> =
            about.filter_map(|follow| self.by_entity.get(&follow)).flatten().copied().collect();
        for Follower { socket, grant } in apart.iter().filter_map(|id| self.followers.get(id)) {
            let chunk = join(entries, |entry| grant.hears(entry.topic, entry.follow));
            socket.push(&chunk, now);
        }
        apart
    }
}

/// The frames that `heard` lets through, as one piece.
fn join(entries: &[Entry], heard: impl Fn(&Entry) -> bool) -> Bytes {
    let mut heard = entries.iter().filter(|entry| heard(entry));
    let (first, second) = (heard.next(), heard.next());
    match (first, second) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.wire.clone(),
        (Some(first), Some(second)) => {
            let mut chunk = BytesMut::from(first.wire.as_ref());
            chunk.extend_from_slice(&second.wire);
            heard.for_each(|entry| chunk.extend_from_slice(&entry.wire));
            chunk.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kernel::event::{Frame, Topic};

    use super::*;
    use crate::socket::tests::take;

    fn entry(seq: i64, topic: Topic) -> Entry {
        about(seq, topic, None)
    }

    fn about(seq: i64, topic: Topic, follow: Option<Follow>) -> Entry {
        let json = Bytes::from(seq.to_string());
        Entry::new(seq, Timestamp::UNIX_EPOCH, &Frame { topic, follow, json })
    }

    fn heard(socket: &Socket) -> Vec<u8> {
        take(socket, usize::MAX).0
    }

    #[test]
    fn each_socket_hears_its_topics_in_order() {
        let mut roster = Roster::default();
        let sockets: Vec<_> = (0..3).map(|id| Arc::new(Socket::new(id, 0, i64::MAX))).collect();
        let both = Topic::Seats.mask().with(Topic::Floor);
        for (socket, mask) in sockets.iter().zip([both, Topic::Seats.mask(), both]) {
            roster.add(Arc::clone(socket), &Grant::topics(mask), 0);
        }
        let entries = [entry(1, Topic::Seats), entry(2, Topic::Floor), entry(3, Topic::Guests)];
        assert!(roster.remove(2, both).is_some());
        roster.send(&entries, 0);
        assert_eq!(heard(&sockets[0]), b"\x81\x011\x81\x012");
        assert_eq!(heard(&sockets[1]), b"\x81\x011");
        assert_eq!(heard(&sockets[2]), b"");
        assert!(roster.groups().all(|group| group.told == 0), "number 3 was for nobody");
    }

    #[test]
    fn a_follower_hears_of_its_entity_alone_and_in_order() {
        let mut roster = Roster::default();
        let [mine, other] =
            [1, 2].map(|n| Follow::new(Topic::Order, uuid::Uuid::from_u128(n)).unwrap());
        let sockets: Vec<_> = (0..3).map(|id| Arc::new(Socket::new(id, 0, i64::MAX))).collect();
        let seats = Topic::Seats.mask();
        let grants = [
            Grant::following(seats, &[mine]),
            Grant::following(seats, &[]),
            Grant::following(TopicMask(0), &[mine, other]),
        ];
        for (socket, grant) in sockets.iter().zip(&grants) {
            roster.add(Arc::clone(socket), grant, 0);
            assert_eq!(roster.grant(socket.id, grant.mask).as_ref(), Some(grant));
        }
        let entries = [
            entry(1, Topic::Seats),
            about(2, Topic::Order, Some(mine)),
            entry(3, Topic::Seats),
            about(4, Topic::Order, Some(other)),
            about(5, Topic::Bookings, Follow::new(Topic::Booking, mine.id())),
        ];
        roster.send(&entries, 0);
        assert_eq!(heard(&sockets[0]), b"\x81\x011\x81\x012\x81\x013");
        assert_eq!(heard(&sockets[1]), b"\x81\x011\x81\x013");
        assert_eq!(heard(&sockets[2]), b"\x81\x012\x81\x014");
        for (socket, grant) in sockets.iter().zip(&grants) {
            assert!(roster.remove(socket.id, grant.mask).is_some());
        }
        assert!(roster.is_empty() && roster.followers.is_empty() && roster.by_entity.is_empty());
    }

    #[test]
    fn an_empty_group_goes() {
        let mut roster = Roster::default();
        let mask = Topic::Seats.mask();
        (0..4).for_each(|id| roster.add(Arc::new(Socket::new(id, 0, 0)), &Grant::topics(mask), 0));
        for id in [1, 3, 0, 2] {
            assert_eq!(roster.remove(id, mask).map(|socket| socket.id), Some(id));
        }
        assert!(roster.is_empty());
    }
}
