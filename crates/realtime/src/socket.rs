//! One socket as the hub sees it: a queue bounded in bytes that never makes anybody wait.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use bytes::{Buf, Bytes};
use kernel::ids::{DeviceId, SessionId, UserId, VenueId};

use crate::limits::{CHUNKS_AT_ONCE, QUEUE_MAX_BYTES};
use crate::protocol::CloseCode;
use crate::{frame, old};

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
    /// It speaks the dialect of the earlier system.
    old: AtomicBool,
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

/// What came of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Nothing is left.
    All,
    /// The client takes no more at the moment.
    Some,
    /// Nothing follows any more.
    LastWord,
    /// The connection is gone.
    Broken,
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
            old: AtomicBool::new(false),
            heard: AtomicU32::new(now),
            deadline: AtomicI64::new(deadline),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on its events name the restaurant.
    pub(crate) fn speak_old(&self) {
        self.old.store(true, Ordering::Relaxed);
    }

    /// Queues whole frames. A full queue closes the socket: nobody waits for it.
    pub(crate) fn push(&self, chunk: &Bytes, now: u32) {
        let old = self.old.load(Ordering::Relaxed).then(|| old::with_restaurant(chunk));
        let chunk = old.as_ref().unwrap_or(chunk);
        let mut out = self.lock();
        if out.closing {
            return;
        }
        if out.bytes + chunk.len() > QUEUE_MAX_BYTES {
            metrics::counter!("rowlock_slow_close_total").increment(1);
            out.close(CloseCode::Slow, CloseCode::Slow.reason());
            return out.wake();
        }
        out.bytes += chunk.len();
        out.queue.push_back(chunk.clone());
        // Whoever waits for the client to take something is woken by that.
        if out.queue.len() == 1 {
            out.taken = now;
            out.wake();
        }
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

    /// The connection writes what waits, as much as is taken, and leaves its waker. The lock is held
    /// meanwhile: a write never waits.
    pub(crate) fn write(
        &self,
        waker: &Waker,
        now: u32,
        mut sink: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Sent {
        let mut out = self.lock();
        loop {
            if out.queue.is_empty() {
                if out.closing {
                    return Sent::LastWord;
                }
                if out.queue.capacity() > IDLE_ROOM {
                    out.queue.shrink_to(IDLE_ROOM);
                }
                out.keep(waker);
                return Sent::All;
            }
            let mut slices = [IoSlice::new(&[]); CHUNKS_AT_ONCE];
            let filled = slices.iter_mut().zip(&out.queue);
            let count = filled.map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count();
            match sink(slices.get(..count).unwrap_or_default()) {
                Poll::Ready(Ok(taken)) if taken > 0 => out.took(taken, now),
                Poll::Ready(_) => return Sent::Broken,
                Poll::Pending => {
                    out.keep(waker);
                    return Sent::Some;
                }
            }
        }
    }

    /// Whether the last word is said or waits to be.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
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

    /// The client has taken so many bytes.
    fn took(&mut self, mut taken: usize, now: u32) {
        self.bytes = self.bytes.saturating_sub(taken);
        self.taken = now;
        self.begun = false;
        while let Some(first) = self.queue.front_mut() {
            if taken < first.len() {
                first.advance(taken);
                self.begun |= taken > 0;
                return;
            }
            taken -= first.len();
            self.queue.pop_front();
        }
    }

    fn keep(&mut self, waker: &Waker) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a client that takes `room` bytes gets.
    pub(crate) fn take(socket: &Socket, mut room: usize) -> (Vec<u8>, Sent) {
        let mut got = Vec::new();
        let sent = socket.write(Waker::noop(), 0, |chunks| {
            if room == 0 {
                return Poll::Pending;
            }
            let before = got.len();
            for chunk in chunks {
                let part = chunk.get(..room.min(chunk.len())).unwrap_or_default();
                got.extend_from_slice(part);
                room -= part.len();
            }
            Poll::Ready(Ok(got.len() - before))
        });
        (got, sent)
    }

    #[test]
    fn a_full_queue_closes_the_socket_and_frees_the_memory() {
        let socket = Socket::new(1, 0, NEVER);
        let chunk = Bytes::from(vec![0; 60_000]);
        (0..5).for_each(|_| socket.push(&chunk, 0));
        let (left, sent) = take(&socket, usize::MAX);
        assert_eq!(left, frame::close(4001, CloseCode::Slow.reason()));
        assert_eq!(sent, Sent::LastWord);
        socket.push(&chunk, 0);
        assert_eq!(socket.pulse().bytes, 0, "nothing follows the last word");
    }

    #[test]
    fn closing_does_not_break_into_a_frame() {
        for room in [0, 1, 4_096, 10_003, 10_004, 10_005, 10_010] {
            let socket = Socket::new(1, 0, NEVER);
            let (long, short) = (frame::text(&vec![b'x'; 10_000]), frame::text(b"{}"));
            socket.push(&long, 0);
            socket.push(&short, 0);
            let (mut got, _) = take(&socket, room);
            socket.close(CloseCode::Restart);
            let (rest, sent) = take(&socket, usize::MAX);
            assert_eq!(sent, Sent::LastWord);
            got.extend(rest);
            let close = frame::close(1012, CloseCode::Restart.reason());
            let whole = |frames: &[&Bytes]| frames.iter().flat_map(|f| f.iter()).copied().collect();
            let expected: Vec<u8> = match room {
                0 => whole(&[&close]),
                1..=10_004 => whole(&[&long, &close]),
                _ => whole(&[&long, &short, &close]),
            };
            assert_eq!(got, expected, "after {room} bytes");
        }
    }

    #[test]
    fn many_chunks_go_out_in_order_whatever_is_taken_at_once() {
        for room in 1..40 {
            let socket = Socket::new(1, 0, NEVER);
            let all: Vec<u8> = (0..100).collect();
            all.chunks(3).for_each(|chunk| socket.push(&Bytes::copy_from_slice(chunk), 0));
            let mut got = Vec::new();
            loop {
                let (part, sent) = take(&socket, room);
                got.extend(part);
                if sent == Sent::All {
                    break;
                }
            }
            assert_eq!(got, all);
            assert_eq!(socket.pulse().bytes, 0);
        }
    }
}
