//! The bytes that workers exchange: a fixed header, then the events' JSON untouched.
//!
//! ```text
//! "RL" · version 1 · kind · origin u64
//! kind 1, batch:   venue 16 · first_seq i64 · at i64 · prev_at i64 · n u16 · n × (audience i16 · entity 16 where it is followed · len u32 · JSON)
//! kind 2, control: JSON
//! kind 3, presence: JSON
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use kernel::event::{Batch, Frame};
use kernel::follow::{Audience, Follow};
use kernel::ids::VenueId;
use uuid::Uuid;

use crate::control::Control;
use crate::presence::Presence;

const MAGIC: [u8; 2] = *b"RL";
const VERSION: u8 = 1;
const BATCH: u8 = 1;
const CONTROL: u8 = 2;
const PRESENCE: u8 = 3;
const HEADER_BYTES: usize = 2 + 1 + 1 + 8;
const BATCH_HEADER_BYTES: usize = HEADER_BYTES + 16 + 8 + 8 + 8 + 2;
const FRAME_HEADER_BYTES: usize = 2 + 4;
const ENTITY_BYTES: usize = 16;

/// A message of this or another worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Batch(Batch),
    Control(Control),
    Presence(Presence),
}

/// Not a message of ours: another version, or somebody else's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of this version")]
pub(crate) struct NotAMessage;

/// How many bytes a batch takes.
pub(crate) fn batch_bytes(batch: &Batch) -> usize {
    batch.frames.iter().map(frame_bytes).sum::<usize>() + BATCH_HEADER_BYTES
}

fn frame_bytes(frame: &Frame) -> usize {
    let entity = if frame.follow.is_some() { ENTITY_BYTES } else { 0 };
    FRAME_HEADER_BYTES + entity + frame.json.len()
}

fn header(kind: u8, origin: u64, len: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(len);
    out.put_slice(&MAGIC);
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u64(origin);
    out
}

/// A batch as bytes. None for one that the format cannot hold (over 65,535 events or 4 GiB).
pub(crate) fn encode_batch(batch: &Batch, origin: u64) -> Option<Bytes> {
    let mut out = header(BATCH, origin, batch_bytes(batch));
    out.put_slice(batch.venue.0.as_bytes());
    out.put_i64(batch.first_seq);
    out.put_i64(batch.at.as_microsecond());
    out.put_i64(batch.prev_at.as_microsecond());
    out.put_u16(u16::try_from(batch.frames.len()).ok()?);
    for frame in &batch.frames {
        let followers = frame.follow.map(Follow::topic);
        out.put_i16(Audience { topic: frame.topic, followers }.number());
        if let Some(follow) = frame.follow {
            out.put_slice(follow.id().as_bytes());
        }
        out.put_u32(u32::try_from(frame.json.len()).ok()?);
        out.put_slice(&frame.json);
    }
    Some(out.freeze())
}

/// A control message as bytes.
pub(crate) fn encode_control(control: &Control, origin: u64) -> Option<Bytes> {
    encode_json(CONTROL, control, origin)
}

/// Who is where, as bytes.
pub(crate) fn encode_presence(presence: &Presence, origin: u64) -> Option<Bytes> {
    encode_json(PRESENCE, presence, origin)
}

fn encode_json(kind: u8, value: &impl serde::Serialize, origin: u64) -> Option<Bytes> {
    let json = serde_json::to_vec(value).ok()?;
    let mut out = header(kind, origin, HEADER_BYTES + json.len());
    out.put_slice(&json);
    Some(out.freeze())
}

/// The origin and the message. The frames share `bytes`.
pub(crate) fn decode(mut bytes: Bytes) -> Result<(u64, Message), NotAMessage> {
    let mut magic = [0; 2];
    bytes.try_copy_to_slice(&mut magic).map_err(|_| NotAMessage)?;
    let version = bytes.try_get_u8().map_err(|_| NotAMessage)?;
    if magic != MAGIC || version != VERSION {
        return Err(NotAMessage);
    }
    let kind = bytes.try_get_u8().map_err(|_| NotAMessage)?;
    let origin = bytes.try_get_u64().map_err(|_| NotAMessage)?;
    let message = match kind {
        BATCH => Message::Batch(decode_batch(bytes)?),
        CONTROL => Message::Control(serde_json::from_slice(&bytes).map_err(|_| NotAMessage)?),
        PRESENCE => Message::Presence(serde_json::from_slice(&bytes).map_err(|_| NotAMessage)?),
        _ => return Err(NotAMessage),
    };
    Ok((origin, message))
}

fn decode_batch(mut bytes: Bytes) -> Result<Batch, NotAMessage> {
    let mut venue = [0; 16];
    bytes.try_copy_to_slice(&mut venue).map_err(|_| NotAMessage)?;
    let mut number = || bytes.try_get_i64().map_err(|_| NotAMessage);
    let (first_seq, at, prev_at) = (number()?, number()?, number()?);
    let count = bytes.try_get_u16().map_err(|_| NotAMessage)?;
    if count == 0 || first_seq < 1 || first_seq.checked_add(i64::from(count)).is_none() {
        return Err(NotAMessage);
    }
    let mut frames = Vec::with_capacity(usize::from(count).min(1024));
    for _ in 0..count {
        let audience = bytes.try_get_i16().map_err(|_| NotAMessage)?;
        let audience = Audience::from_number(audience).ok_or(NotAMessage)?;
        let mut entity = [0; ENTITY_BYTES];
        if audience.followers.is_some() {
            bytes.try_copy_to_slice(&mut entity).map_err(|_| NotAMessage)?;
        }
        let follow = audience.follow(Uuid::from_bytes(entity));
        let len = bytes.try_get_u32().map_err(|_| NotAMessage)?;
        let len = usize::try_from(len).map_err(|_| NotAMessage)?;
        if len > bytes.len() {
            return Err(NotAMessage);
        }
        frames.push(Frame { topic: audience.topic, follow, json: bytes.split_to(len) });
    }
    if !bytes.is_empty() {
        return Err(NotAMessage);
    }
    let instant = |micros| Timestamp::from_microsecond(micros).map_err(|_| NotAMessage);
    Ok(Batch {
        venue: VenueId(Uuid::from_bytes(venue)),
        first_seq,
        at: instant(at)?,
        prev_at: instant(prev_at)?,
        frames,
    })
}

#[cfg(test)]
mod tests {
    use kernel::event::Topic;
    use kernel::ids::UserId;
    use proptest::prelude::*;

    use super::*;

    fn batches() -> impl Strategy<Value = Batch> {
        let json = proptest::collection::vec(any::<u8>(), 0..300);
        let frame =
            (0_i16..13, 0_i16..16, any::<u128>(), json).prop_map(|(topic, followers, id, json)| {
                let mut audience = Audience::from(Topic::from_number(topic).unwrap());
                let followers = Topic::from_number(followers).filter(|topic| topic.is_private());
                audience.followers = followers.or(audience.followers);
                let follow = audience.follow(Uuid::from_u128(id));
                Frame { topic: audience.topic, follow, json: Bytes::from(json) }
            });
        let micros = 0..4_000_000_000_000_000_i64;
        (
            any::<u128>(),
            1..i64::MAX / 2,
            micros.clone(),
            micros,
            proptest::collection::vec(frame, 1..20),
        )
            .prop_map(|(venue, first_seq, at, prev_at, frames)| Batch {
                venue: VenueId(Uuid::from_u128(venue)),
                first_seq,
                at: Timestamp::from_microsecond(at).unwrap(),
                prev_at: Timestamp::from_microsecond(prev_at).unwrap(),
                frames,
            })
    }

    proptest! {
        #[test]
        fn a_batch_survives_the_wire(batch in batches(), origin: u64) {
            let bytes = encode_batch(&batch, origin).unwrap();
            prop_assert_eq!(bytes.len(), batch_bytes(&batch));
            prop_assert_eq!(decode(bytes), Ok((origin, Message::Batch(batch))));
        }

        #[test]
        fn a_cut_batch_is_refused(batch in batches(), cut in 0.0..1.0_f64) {
            let mut bytes = encode_batch(&batch, 7).unwrap();
            #[expect(clippy::as_conversions, clippy::cast_possible_truncation,
                     clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a test's dice")]
            let keep = (bytes.len() as f64 * cut) as usize;
            bytes.truncate(keep);
            prop_assert_eq!(decode(bytes), Err(NotAMessage));
        }

        #[test]
        fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut ours = b"RL\x01\x01".to_vec();
            ours.extend_from_slice(&bytes);
            let _ = decode(Bytes::from(ours));
            let _ = decode(Bytes::from(bytes));
        }
    }

    #[test]
    fn a_control_message_survives_the_wire() {
        let control = Control::UserRevoked { user: UserId(Uuid::max()) };
        let bytes = encode_control(&control, 3).unwrap();
        assert_eq!(decode(bytes), Ok((3, Message::Control(control))));
    }
}
