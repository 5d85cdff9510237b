//! Counts round trips on a wire to PostgreSQL.
//!
//! A round trip is a flight of messages from the client and a wait for the server: it begins with
//! each message that the client sends after the server has said something. With a delay on the wire
//! nothing of a pipelined flight is still on its way when the first answer comes.

use std::sync::{Mutex, PoisonError};

/// The codes of first messages that are answered by one byte: TLS or GSS, please.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];

/// One connection's trips.
#[derive(Debug, Default)]
pub(crate) struct Trips(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    front: Vec<u8>,
    back: Vec<u8>,
    started: bool,
    /// Bytes without a frame that the server owes.
    bare: usize,
    waiting: bool,
    trips: u64,
    statements: Vec<String>,
}

impl Trips {
    /// Bytes that came from the client.
    pub(crate) fn client_sent(&self, bytes: &[u8]) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.front.extend_from_slice(bytes);
        while inner.next_from_client() {}
    }

    /// Bytes that came from the server.
    pub(crate) fn server_sent(&self, bytes: &[u8]) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bare = inner.bare.min(bytes.len());
        inner.bare -= bare;
        inner.waiting &= bare == 0;
        inner.back.extend_from_slice(bytes.get(bare..).unwrap_or_default());
        while let Some((kind, _)) = take_typed(&mut inner.back) {
            // Notices, parameters and notifications come unasked.
            inner.waiting &= matches!(kind, b'N' | b'S' | b'A');
        }
    }

    /// Round trips so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).trips
    }

    /// Whether a statement with `part` in it was prepared here.
    pub(crate) fn has_prepared(&self, part: &str) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.statements.iter().any(|statement| statement.contains(part))
    }
}

impl Inner {
    fn next_from_client(&mut self) -> bool {
        if self.started {
            let Some((kind, body)) = take_typed(&mut self.front) else { return false };
            if kind == b'P' {
                let statement = body.split(|byte| *byte == 0).nth(1).unwrap_or_default();
                self.statements.push(String::from_utf8_lossy(statement).into_owned());
            }
        } else {
            let Some(body) = take(&mut self.front, 0) else { return false };
            let code = body.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
            if ENCRYPTION.contains(&code) {
                self.bare += 1;
            } else {
                self.started = true;
            }
        }
        self.trips += u64::from(!self.waiting);
        self.waiting = true;
        true
    }
}

/// A message of kind, length and body, if it is there as a whole.
fn take_typed(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let kind = *buffer.first()?;
    take(buffer, 1).map(|body| (kind, body))
}

/// The body of a message whose length stands at `at` and counts itself.
fn take(buffer: &mut Vec<u8>, at: usize) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*buffer.get(at..)?.first_chunk()?);
    let end = at + usize::try_from(length).ok()?;
    let body = buffer.get(at + 4..end)?.to_vec();
    buffer.drain(..end);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    fn started() -> Trips {
        let trips = Trips::default();
        trips.client_sent(&[0, 0, 0, 8, 4, 210, 22, 47]);
        trips.server_sent(b"N");
        trips.client_sent(&[0, 0, 0, 8, 0, 3, 0, 0]);
        trips.server_sent(&message(b'Z', b"I"));
        trips
    }

    #[test]
    fn a_flight_of_many_messages_is_one_trip() {
        let trips = started();
        assert_eq!(trips.count(), 2);
        let flight =
            [message(b'P', b"s1\0select 7\0\0\0"), message(b'S', b""), message(b'S', b"")].concat();
        let (early, late) = flight.split_at(7);
        trips.client_sent(early);
        trips.client_sent(late);
        assert_eq!(trips.count(), 3);
        assert!(trips.has_prepared("select 7") && !trips.has_prepared("select 8"));
        trips.server_sent(&message(b'Z', b"I"));
        trips.client_sent(&message(b'S', b""));
        assert_eq!(trips.count(), 4);
    }

    #[test]
    fn what_comes_unasked_is_no_answer() {
        let trips = started();
        trips.client_sent(&message(b'S', b""));
        trips.server_sent(&message(b'N', b"by the way"));
        trips.client_sent(&message(b'S', b""));
        assert_eq!(trips.count(), 3);
    }
}
