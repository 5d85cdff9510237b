//! One socket as the hub sees it: a queue bounded in bytes that never makes anybody wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use kernel::ids::{DeviceId, SessionId, UserId, VenueId};

use crate::frame;
use crate::limits::{CHUNK_MAX_BYTES, QUEUE_MAX_BYTES};
use crate::protocol::CloseCode;

/// Chunks that an idle queue keeps room for.
const IDLE_ROOM: usize = 4;
/// The deadline of a socket that has none.
const NEVER: i64 = i64::MAX;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) user: Option<UserId>,
    pub(crate) session: Option<SessionId>,
    /// The device that acts for the user.
    pub(crate) device: Option<DeviceId>,
}

/// Shared by the hub, which fills it, and the connection, which empties it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) id: u64,
    out: Mutex<Out>,
    /// When something was last heard, in seconds of the hub.
    heard: AtomicU32,
    /// When it must have said who it is or renewed its token, in microseconds of the clock.
    deadline: AtomicI64,
}

#[derive(Debug, Default)]
struct Out {
    queue: VecDeque<Bytes>,
    bytes: usize,
    /// The first chunk is partly written: what follows must not break into its frames.
    begun: bool,
    waker: Option<Waker>,
    /// When something was last taken, in seconds of the hub; while something waits.
    taken: u32,
    closing: bool,
    person: Option<Person>,
    /// Venues whose standing must be looked up again.
    recheck: Vec<VenueId>,
}

/// What the connection finds when it looks.
pub(crate) enum Next {
    Chunk(Bytes),
    Empty,
    End,
}

/// How a socket stands at a regular look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    pub(crate) heard: u32,
    pub(crate) waiting_since: Option<u32>,
    pub(crate) deadline: i64,
    pub(crate) greeted: bool,
    pub(crate) closing: bool,
    pub(crate) bytes: usize,
}

impl Socket {
    pub(crate) fn new(id: u64, now: u32, deadline: i64) -> Self {
        Self {
            id,
            out: Mutex::default(),
            heard: AtomicU32::new(now),
            deadline: AtomicI64::new(deadline),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues bytes. A full queue closes the socket: nobody waits for it.
    pub(crate) fn push(&self, chunk: &Bytes, now: u32) {
        let mut out = self.lock();
        if out.closing {
            return;
        }
        if out.bytes + chunk.len() > QUEUE_MAX_BYTES {
            metrics::counter!("rowlock_slow_close_total").increment(1);
            out.close(CloseCode::Slow, CloseCode::Slow.reason());
        } else {
            if out.queue.is_empty() {
                out.taken = now;
            }
            out.bytes += chunk.len();
            out.queue.push_back(chunk.clone());
        }
        out.wake();
    }

    /// Says why, as the last frame, and ends. What waits is dropped: the client resumes.
    pub(crate) fn close(&self, code: CloseCode) {
        self.close_with(code, code.reason());
    }

    pub(crate) fn close_with(&self, code: CloseCode, reason: &str) {
        let mut out = self.lock();
        if !out.closing {
            metrics::counter!("rowlock_socket_closes_total", "code" => code.number().to_string())
                .increment(1);
            out.close(code, reason);
            out.wake();
        }
    }

    /// The connection takes the next chunk, or leaves its waker.
    pub(crate) fn next(&self, waker: &Waker, now: u32) -> Next {
        let mut out = self.lock();
        let Some(mut chunk) = out.queue.pop_front() else {
            if out.closing {
                return Next::End;
            }
            out.begun = false;
            if out.queue.capacity() > IDLE_ROOM {
                out.queue.shrink_to(IDLE_ROOM);
            }
            if !out.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                out.waker = Some(waker.clone());
            }
            return Next::Empty;
        };
        out.begun = chunk.len() > CHUNK_MAX_BYTES;
        if out.begun {
            let rest = chunk.split_off(CHUNK_MAX_BYTES);
            out.queue.push_front(rest);
        }
        out.bytes = out.bytes.saturating_sub(chunk.len());
        out.taken = now;
        Next::Chunk(chunk)
    }

    /// Something was heard.
    pub(crate) fn hear(&self, now: u32) {
        self.heard.store(now, Ordering::Relaxed);
    }

    /// The socket has said who it is.
    pub(crate) fn greet(&self, person: Person, deadline: Option<i64>) {
        self.lock().person = Some(person);
        self.deadline.store(deadline.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// Who is at the other end, once known.
    pub(crate) fn person(&self) -> Option<Person> {
        self.lock().person
    }

    /// Asks the connection to look a standing up again.
    pub(crate) fn recheck(&self, venue: VenueId) {
        let mut out = self.lock();
        if !out.recheck.contains(&venue) {
            out.recheck.push(venue);
        }
        out.wake();
    }

    /// The connection takes what it is asked to look up.
    pub(crate) fn take_recheck(&self) -> Option<VenueId> {
        self.lock().recheck.pop()
    }

    pub(crate) fn pulse(&self) -> Pulse {
        let out = self.lock();
        Pulse {
            heard: self.heard.load(Ordering::Relaxed),
            waiting_since: (!out.queue.is_empty()).then_some(out.taken),
            deadline: self.deadline.load(Ordering::Relaxed),
            greeted: out.person.is_some(),
            closing: out.closing,
            bytes: out.bytes,
        }
    }
}

impl Out {
    fn close(&mut self, code: CloseCode, reason: &str) {
        let begun = if self.begun { self.queue.pop_front() } else { None };
        self.queue = VecDeque::new();
        self.bytes = begun.as_ref().map_or(0, Bytes::len);
        self.queue.extend(begun);
        self.queue.push_back(frame::close(code.number(), reason));
        self.closing = true;
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(socket: &Socket) -> Vec<Bytes> {
        let mut chunks = Vec::new();
        while let Next::Chunk(chunk) = socket.next(Waker::noop(), 0) {
            chunks.push(chunk);
        }
        chunks
    }

    #[test]
    fn a_full_queue_closes_the_socket_and_frees_the_memory() {
        let socket = Socket::new(1, 0, NEVER);
        let chunk = Bytes::from(vec![0; 60_000]);
        (0..5).for_each(|_| socket.push(&chunk, 0));
        let left = drain(&socket);
        assert_eq!(left, [frame::close(4001, CloseCode::Slow.reason())]);
        assert!(matches!(socket.next(Waker::noop(), 0), Next::End));
    }

    #[test]
    fn closing_does_not_break_into_a_frame() {
        let socket = Socket::new(1, 0, NEVER);
        let long = frame::text(&vec![b'x'; 10_000]);
        socket.push(&long, 0);
        socket.push(&frame::text(b"{}"), 0);
        let Next::Chunk(first) = socket.next(Waker::noop(), 0) else { panic!("nothing there") };
        assert_eq!(first.len(), CHUNK_MAX_BYTES);
        socket.close(CloseCode::Restart);
        let rest = drain(&socket);
        let sent: Vec<u8> = first.iter().chain(rest.iter().flatten()).copied().collect();
        assert_eq!(sent[..long.len()], long[..]);
        assert_eq!(sent[long.len()..], frame::close(1012, CloseCode::Restart.reason())[..]);
    }
}
