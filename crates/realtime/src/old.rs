//! The dialect of the earlier system's app: it names its restaurant in the address, sends its token
//! in the first frame and subscribes to nothing; its events name the restaurant, too.

use bytes::{Bytes, BytesMut};
use kernel::ids::VenueId;
use serde::Deserialize;

use crate::frame;

/// What such an app always hears.
pub(crate) const TOPICS: [&str; 2] = ["floor", "guests"];
const TEXT: u8 = 0x81;
/// How an event begins, and where its venue stands.
const EVENT: &[u8] = b"{\"type\":";
const VENUE: &[u8] = b"\"venue_id\":\"";
const ID_CHARS: usize = 36;

/// Put into a request's extensions by whoever translates the old address: the socket listens to
/// this venue by itself, as soon as it has said who it is.
#[derive(Clone, Copy, Debug)]
pub struct OldSocket(pub VenueId);

/// A frame of such an app. Not `Debug`: it holds a token.
#[derive(Deserialize)]
pub(crate) struct OldFrame {
    pub(crate) r#type: Option<String>,
    #[serde(alias = "access_token", alias = "accessToken")]
    pub(crate) token: Option<String>,
}

/// The same whole frames, each event with its restaurant.
pub(crate) fn with_restaurant(chunk: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(chunk.len() + 64);
    let mut rest = chunk.as_ref();
    while let Some((head, payload, next)) = split(rest) {
        if let Some(event) = event(head.first(), payload) {
            out.extend_from_slice(&event);
        } else {
            out.extend_from_slice(head);
            out.extend_from_slice(payload);
        }
        rest = next;
    }
    out.freeze()
}

/// The first frame: its header, its payload, and what follows.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, len) = match (bytes.get(1)?, bytes) {
        (126, [_, _, a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, _) => {
            let long = bytes.get(2..10)?.try_into().ok()?;
            (10, usize::try_from(u64::from_be_bytes(long)).ok()?)
        }
        (short, _) => (2, usize::from(*short)),
    };
    let (head, rest) = bytes.split_at_checked(head)?;
    let (payload, next) = rest.split_at_checked(len)?;
    Some((head, payload, next))
}

fn event(opcode: Option<&u8>, payload: &[u8]) -> Option<Bytes> {
    if opcode != Some(&TEXT) || !payload.starts_with(EVENT) {
        return None;
    }
    // It stands right behind the type, which is short.
    let at = payload.windows(VENUE.len()).position(|part| part == VENUE)? + VENUE.len();
    let venue = payload.get(at..at + ID_CHARS)?;
    let fields = payload.get(1..)?;
    Some(frame::text(&[b"{\"restaurant_id\":\"", venue, b"\",", fields].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "382926a9-84f3-45e1-9cb3-26db4ef09a53";

    #[test]
    fn each_event_of_a_chunk_names_its_restaurant() {
        let small = format!(r#"{{"type":"guest_updated","venue_id":"{ID}","seq":1}}"#);
        let note = "x".repeat(300);
        let large = format!(r#"{{"type":"guest_updated","venue_id":"{ID}","note":"{note}"}}"#);
        let control = r#"{"op":"pong","id":1}"#;
        let frames =
            [frame::ping(), frame::text(small.as_bytes()), frame::text(control.as_bytes())];
        let chunk = Bytes::from([frames.concat(), frame::text(large.as_bytes()).to_vec()].concat());
        let new = with_restaurant(&chunk);
        let mut rest = new.as_ref();
        let mut payloads = Vec::new();
        while let Some((_, payload, next)) = split(rest) {
            payloads.push(String::from_utf8(payload.to_vec()).unwrap());
            rest = next;
        }
        assert!(rest.is_empty());
        assert_eq!(payloads.len(), 4);
        assert_eq!((payloads[0].as_str(), payloads[2].as_str()), ("", control));
        for event in [&payloads[1], &payloads[3]] {
            let json: serde_json::Value = serde_json::from_str(event).unwrap();
            assert_eq!((&json["restaurant_id"], &json["venue_id"]), (&ID.into(), &ID.into()));
        }
    }
}
