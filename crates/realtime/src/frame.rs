//! WebSocket frames: what is written, and a reader that checks a header before it keeps a byte.
//!
//! The reader is our own because a general one buffers a whole frame before it looks at its limit:
//! a declared length of 2^40 grew a worker by 300 MB. Ours refuses it with the first 14 bytes, and
//! knows only what this protocol allows: whole, masked frames of at most 8 KiB.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::limits::GREETING_IN_MAX_BYTES;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const LEN_U16: u8 = 126;
const LEN_U64: u8 = 127;
const CONTROL_MAX_BYTES: usize = 125;
const CLOSE_REASON_MAX_BYTES: usize = 123;

/// An unmasked frame: the same bytes for every socket.
fn unmasked(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < LEN_U16 => out.put_u8(len),
        (_, Ok(len)) => {
            out.put_u8(LEN_U16);
            out.put_u16(len);
        }
        _ => {
            out.put_u8(LEN_U64);
            out.put_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        }
    }
    out.put_slice(payload);
    out.freeze()
}

/// A text frame.
pub(crate) fn text(json: &[u8]) -> Bytes {
    unmasked(TEXT, json)
}

/// A ping without payload.
pub(crate) fn ping() -> Bytes {
    Bytes::from_static(&[FINAL | PING, 0])
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    unmasked(PONG, payload)
}

/// The last frame of a connection.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = BytesMut::with_capacity(2 + reason.len());
    payload.put_u16(code);
    let mut end = reason.len().min(CLOSE_REASON_MAX_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    payload.put_slice(reason.get(..end).unwrap_or_default().as_bytes());
    unmasked(CLOSE, &payload)
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    Text(BytesMut),
    Ping(BytesMut),
    Pong,
    Close,
}

/// What no client of ours sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("reserved bits are set")]
    Reserved,
    #[error("the frame is not masked")]
    Unmasked,
    #[error("messages in fragments are not taken")]
    Fragment,
    #[error("only text is taken")]
    Opcode,
    #[error("a control frame is longer than 125 bytes")]
    Control,
    #[error("the frame is too long")]
    TooLong,
}

/// A header that has been checked.
struct Header {
    opcode: u8,
    payload: usize,
    mask: [u8; 4],
    len: usize,
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: BytesMut,
    max: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), max: GREETING_IN_MAX_BYTES }
    }
}

impl Reader {
    /// From now on frames of `max` bytes are taken.
    pub(crate) fn allow(&mut self, max: usize) {
        self.max = max;
    }

    /// Adds what arrived. The caller takes all frames before it adds more, so that no more waits
    /// here than one frame and one read of the connection.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub(crate) fn next(&mut self) -> Result<Option<Inbound>, BadFrame> {
        let Some(header) = header(&self.buffer, self.max)? else { return Ok(None) };
        if self.buffer.len() < header.len + header.payload {
            return Ok(None);
        }
        self.buffer.advance(header.len);
        let mut payload = self.buffer.split_to(header.payload);
        for (byte, mask) in payload.iter_mut().zip(header.mask.iter().cycle()) {
            *byte ^= mask;
        }
        if self.buffer.is_empty() {
            // An idle socket keeps no buffer.
            self.buffer = BytesMut::new();
        }
        Ok(Some(match header.opcode {
            TEXT => Inbound::Text(payload),
            PING => Inbound::Ping(payload),
            PONG => Inbound::Pong,
            _ => Inbound::Close,
        }))
    }
}

/// Checks as much of the header as is there. None: more bytes are needed.
fn header(bytes: &[u8], max: usize) -> Result<Option<Header>, BadFrame> {
    let &[first, second, ..] = bytes else { return Ok(None) };
    if first & RESERVED != 0 {
        return Err(BadFrame::Reserved);
    }
    if second & MASKED == 0 {
        return Err(BadFrame::Unmasked);
    }
    let opcode = first & 0x0F;
    if first & FINAL == 0 || opcode == 0 {
        return Err(BadFrame::Fragment);
    }
    if opcode == BINARY || !matches!(opcode, TEXT | CLOSE | PING | PONG) {
        return Err(BadFrame::Opcode);
    }
    let mut rest = bytes.get(2..).unwrap_or_default();
    let payload = match second & !MASKED {
        LEN_U16 => rest.try_get_u16().map(u64::from),
        LEN_U64 => rest.try_get_u64(),
        len => Ok(u64::from(len)),
    };
    let Ok(payload) = payload else { return Ok(None) };
    let payload = usize::try_from(payload).map_err(|_| BadFrame::TooLong)?;
    if opcode != TEXT && payload > CONTROL_MAX_BYTES {
        return Err(BadFrame::Control);
    }
    if payload > max {
        return Err(BadFrame::TooLong);
    }
    let mut mask = [0; 4];
    if rest.try_copy_to_slice(&mut mask).is_err() {
        return Ok(None);
    }
    Ok(Some(Header { opcode, payload, mask, len: bytes.len() - rest.len() }))
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
