//! The sockets of one venue that hear the same topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kernel::event::TopicMask;

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
}

/// All sockets of a venue.
#[derive(Debug, Default)]
pub(super) struct Roster {
    groups: BTreeMap<u16, Group>,
}

impl Roster {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds a socket that has been told everything up to `told`.
    pub(super) fn add(&mut self, socket: Arc<Socket>, mask: TopicMask, told: i64) {
        let group = self.groups.entry(mask.0).or_default();
        if group.sockets.is_empty() {
            group.told = told;
        }
        group.add(socket);
    }

    /// Takes a socket out.
    pub(super) fn remove(&mut self, id: u64, mask: TopicMask) -> Option<Arc<Socket>> {
        let group = self.groups.get_mut(&mask.0)?;
        let socket = group.remove(id);
        if group.sockets.is_empty() {
            self.groups.remove(&mask.0);
        }
        socket
    }

    pub(super) fn groups(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.values_mut()
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &Arc<Socket>> {
        self.groups.values().flat_map(|group| &group.sockets)
    }

    /// Sends the entries to whoever may hear them: one chunk of bytes for all sockets that hear
    /// the same of them.
    pub(super) fn send(&mut self, entries: &[Entry], now: u32) {
        let Some(last) = entries.last() else { return };
        let present = entries.iter().fold(0, |all, entry| all | entry.topic.mask().0);
        let mut chunks: Vec<(u16, Bytes)> = Vec::new();
        for (mask, group) in &mut self.groups {
            let heard = mask & present;
            if heard == 0 {
                // Its position is told with the next look of the second.
                continue;
            }
            let known = chunks.iter().find(|(of, _)| *of == heard).map(|(_, chunk)| chunk.clone());
            let chunk = known.unwrap_or_else(|| {
                let chunk = join(entries, TopicMask(heard));
                chunks.push((heard, chunk.clone()));
                chunk
            });
            group.push(&chunk, now);
            if TopicMask(heard).has(last.topic) {
                group.told = last.seq;
            }
        }
    }
}

/// The frames that `mask` lets through, as one piece.
fn join(entries: &[Entry], mask: TopicMask) -> Bytes {
    let mut heard = entries.iter().filter(|entry| mask.has(entry.topic));
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
    use std::task::Waker;

    use jiff::Timestamp;
    use kernel::event::{Frame, Topic};

    use super::*;
    use crate::socket::Next;

    fn entry(seq: i64, topic: Topic) -> Entry {
        let json = Bytes::from(seq.to_string());
        Entry::new(seq, Timestamp::UNIX_EPOCH, &Frame { topic, json })
    }

    fn heard(socket: &Socket) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Next::Chunk(chunk) = socket.next(Waker::noop(), 0) {
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    #[test]
    fn each_socket_hears_its_topics_in_order() {
        let mut roster = Roster::default();
        let sockets: Vec<_> = (0..3).map(|id| Arc::new(Socket::new(id, 0, i64::MAX))).collect();
        let both = Topic::Seats.mask().with(Topic::Floor);
        for (socket, mask) in sockets.iter().zip([both, Topic::Seats.mask(), both]) {
            roster.add(Arc::clone(socket), mask, 0);
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
    fn an_empty_group_goes() {
        let mut roster = Roster::default();
        let mask = Topic::Seats.mask();
        (0..4).for_each(|id| roster.add(Arc::new(Socket::new(id, 0, 0)), mask, 0));
        for id in [1, 3, 0, 2] {
            assert_eq!(roster.remove(id, mask).map(|socket| socket.id), Some(id));
        }
        assert!(roster.is_empty());
    }
}
