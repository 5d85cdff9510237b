//! The latest events of a venue, so that most resumes need no database.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;
use kernel::event::{Frame, Pos, Topic};
use kernel::follow::Follow;

use crate::frame;
use crate::limits::{RING_BYTES, RING_EVENTS};

/// One event, ready for every socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) topic: Topic,
    pub(crate) follow: Option<Follow>,
    /// The WebSocket frame: a server's frames are not masked, so all sockets get the same bytes.
    pub(crate) wire: Bytes,
}

impl Entry {
    pub(crate) fn new(seq: i64, at: Timestamp, event: &Frame) -> Self {
        let wire = frame::text(&event.json);
        Self { seq, at, topic: event.topic, follow: event.follow, wire }
    }

    pub(crate) fn pos(&self) -> Pos {
        Pos::new(self.seq, self.at)
    }
}

/// Consecutive entries, bounded in number and bytes.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Ring {
    /// Adds the next entry; the oldest go.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.wire.len();
        self.entries.push_back(entry);
        while self.entries.len() > RING_EVENTS || self.bytes > RING_BYTES {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.wire.len();
        }
    }

    /// Drops the entries up to the number `until`.
    pub(crate) fn forget(&mut self, until: i64) {
        while self.entries.front().is_some_and(|entry| entry.seq <= until) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.wire.len();
        }
    }

    /// The number of the oldest entry.
    pub(crate) fn first_seq(&self) -> Option<i64> {
        self.entries.front().map(|entry| entry.seq)
    }

    /// The entry of that number.
    pub(crate) fn find(&self, seq: i64) -> Option<&Entry> {
        let index = seq.checked_sub(self.first_seq()?)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The entries after the number `seq`.
    pub(crate) fn after(&self, seq: i64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.seq > seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: i64, len: usize) -> Entry {
        let json = Bytes::from(vec![b' '; len]);
        Entry::new(seq, Timestamp::UNIX_EPOCH, &Frame { topic: Topic::Seats, follow: None, json })
    }

    #[test]
    fn the_oldest_go_first() {
        let mut ring = Ring::default();
        (1..=600).for_each(|seq| ring.push(entry(seq, 10)));
        assert_eq!(ring.first_seq(), Some(89));
        assert_eq!(ring.find(600).map(|e| e.seq), Some(600));
        assert!(ring.find(88).is_none() && ring.find(601).is_none());
        assert_eq!(ring.after(597).count(), 3);
    }

    #[test]
    fn what_is_forgotten_is_gone_and_what_follows_stays() {
        let mut ring = Ring::default();
        (1..=5).for_each(|seq| ring.push(entry(seq, 10)));
        ring.forget(3);
        assert!(ring.find(3).is_none());
        assert_eq!((ring.first_seq(), ring.after(0).count()), (Some(4), 2));
        ring.forget(9);
        assert_eq!((ring.first_seq(), ring.bytes), (None, 0));
    }

    #[test]
    fn large_events_shorten_it() {
        let mut ring = Ring::default();
        (1..=100).for_each(|seq| ring.push(entry(seq, 10_000)));
        assert!(ring.bytes <= RING_BYTES);
        assert_eq!(ring.find(100).map(|e| e.seq), Some(100));
    }
}
