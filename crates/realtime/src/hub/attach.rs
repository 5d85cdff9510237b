//! A socket starts to listen: from now on, or from where it was.

use std::sync::Arc;
use std::time::Instant;

use pg::Stored;

use super::command::Wish;
use super::task::Reads;
use super::venue::Venue;
use crate::limits::{ATTACH_DEADLINE, QUEUE_MAX_BYTES};
use crate::log::Away;
use crate::protocol::Answer;
use crate::ring::Entry;
use crate::sequencer::{Reason, Resume};
use crate::socket::Socket;

/// Reads of history that one resume may take before it counts as too far behind.
const TRIES_MAX: u8 = 3;

/// A wish that cannot be granted yet.
pub(super) struct Waiting {
    pub(super) wish: Wish,
    pub(super) socket: Arc<Socket>,
    until: Instant,
    /// The read of our own position must be a later one than this.
    after_read: Option<u64>,
    /// History is needed.
    needs_rows: bool,
    tries: u8,
}

impl Waiting {
    pub(super) fn new(wish: Wish, socket: Arc<Socket>, now: Instant) -> Self {
        let until = now + ATTACH_DEADLINE;
        Self { wish, socket, until, after_read: None, needs_rows: false, tries: 0 }
    }

    pub(super) fn needs_head(&self, last_read: u64) -> bool {
        self.after_read.is_some_and(|after| after >= last_read)
    }

    /// Tells the socket why not.
    pub(super) fn refuse(&self, code: &str, message: &str, retry: bool, second: u32) {
        self.socket.push(&Answer::err(self.wish.id, code, message, retry), second);
    }
}

/// What is done with a wish.
enum Turn {
    Granted,
    Wait,
}

impl Venue {
    /// Grants what can be granted now. `rows` are history that was just read from `rows_from` on.
    pub(super) fn settle(
        &mut self,
        rows: Option<(i64, &[Entry])>,
        now: Instant,
        second: u32,
    ) -> Vec<Wish> {
        let mut granted = Vec::new();
        if self.line.is_none() {
            return granted;
        }
        // Whoever joins hears what is in line already as part of its replay or not at all.
        self.flush(now, second);
        for mut waiting in std::mem::take(&mut self.waiting) {
            match self.turn(&mut waiting, rows, second) {
                Turn::Granted => granted.push(waiting.wish),
                Turn::Wait => self.waiting.push(waiting),
            }
        }
        granted
    }

    fn turn(&mut self, waiting: &mut Waiting, rows: Option<(i64, &[Entry])>, second: u32) -> Turn {
        let Some(line) = &self.line else { return Turn::Wait };
        let Some(since) = waiting.wish.since else {
            return self.grant(waiting, Ok(Vec::new()), second);
        };
        let resume = match rows {
            Some((from, rows)) if from <= since.seq => line.resume_with(since, rows),
            _ => line.resume(since),
        };
        waiting.needs_rows = false;
        match resume {
            Resume::Replay(entries) => self.grant(waiting, Ok(entries), second),
            Resume::Resync(reason) => self.grant(waiting, Err(reason), second),
            // A read that began after the wish has not found what the client has seen.
            Resume::NeedHead => match waiting.after_read {
                Some(after) if after < self.read_done => {
                    self.grant(waiting, Err(Reason::Diverged), second)
                }
                Some(_) => Turn::Wait,
                None => {
                    waiting.after_read = Some(self.read_number);
                    Turn::Wait
                }
            },
            Resume::NeedRows if waiting.tries == TRIES_MAX => {
                self.grant(waiting, Err(Reason::Behind), second)
            }
            Resume::NeedRows => {
                waiting.after_read = None;
                waiting.needs_rows = true;
                waiting.tries += u8::from(rows.is_some());
                Turn::Wait
            }
        }
    }

    fn grant(
        &mut self,
        waiting: &Waiting,
        resume: Result<Vec<Entry>, Reason>,
        second: u32,
    ) -> Turn {
        let Some(line) = &self.line else { return Turn::Wait };
        let (wish, socket, pos) = (&waiting.wish, &waiting.socket, line.head());
        let heard: Result<Vec<Entry>, Reason> = resume.and_then(|mut entries| {
            entries.retain(|entry| wish.grant.hears(entry.topic, entry.follow));
            let bytes: usize = entries.iter().map(|entry| entry.wire.len()).sum();
            // More than that would close the socket as slow before it could read.
            if bytes > QUEUE_MAX_BYTES / 2 { Err(Reason::Behind) } else { Ok(entries) }
        });
        let replay = heard.as_ref().map_or(0, Vec::len);
        socket.push(&Answer::subscribed(wish.id, self.id, &wish.grant, pos, replay), second);
        match heard {
            Ok(entries) => entries.iter().for_each(|entry| socket.push(&entry.wire, second)),
            Err(reason) => {
                metrics::counter!("rowlock_resync_total", "reason" => reason.as_str()).increment(1);
                socket.push(&Answer::resync(self.id, pos, reason), second);
            }
        }
        self.roster.add(Arc::clone(socket), &wish.grant, pos.seq);
        Turn::Granted
    }

    /// Reads history for those that wait for it, from the earliest on.
    pub(super) fn history_if_due(&mut self, now: Instant, reads: &Reads) {
        if self.history.is_some() || self.is_resting(now) {
            return;
        }
        let wanted = self.waiting.iter().filter(|waiting| waiting.needs_rows);
        let from = wanted.filter_map(|waiting| waiting.wish.since).map(|since| since.seq).min();
        if let Some(from) = from {
            metrics::counter!("rowlock_ring_misses_total").increment(1);
            self.read_history(from, reads);
        }
    }

    /// History has been read.
    pub(super) fn history_read(
        &mut self,
        from: i64,
        read: Result<Vec<Stored>, Away>,
        now: Instant,
        second: u32,
    ) -> Vec<Wish> {
        self.history = None;
        match read {
            Ok(rows) => {
                let rows: Vec<Entry> =
                    rows.iter().map(|row| Entry::new(row.seq, row.at, &row.frame)).collect();
                self.settle(Some((from, &rows)), now, second)
            }
            Err(error) => {
                self.failed(&error, now);
                Vec::new()
            }
        }
    }

    /// Refuses wishes that waited too long.
    pub(super) fn refuse_late(&mut self, now: Instant, second: u32) {
        self.waiting.retain(|waiting| {
            let late = now >= waiting.until;
            if late {
                let message = "the log cannot be read at the moment";
                waiting.refuse("unavailable", message, true, second);
            }
            !late
        });
    }
}
