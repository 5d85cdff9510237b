//! Puts a venue's batches in line: pure, no I/O, no clock of its own.
//!
//! Batches arrive in any order, twice, or never. What is next in line is appended; what is known is
//! dropped; what is too early waits. Every doubt (a hole, another fingerprint, a head that differs)
//! is settled in one way: the log is read from our position on, and the log is right.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use kernel::event::{Batch, Pos};
use pg::{Head, Stored};

use crate::limits::{HOLE_WAIT, REPAIR_MAX, REPLAY_MAX, STASH_BATCHES};
use crate::ring::{Entry, Ring};

/// Why clients must reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The log no longer reaches back that far.
    Pruned,
    /// The log is not the one that was seen: it was restored to an earlier state.
    Diverged,
    /// Too many events were missed to replay them.
    Behind,
    /// A person was erased: what the client keeps of them has to go.
    Forgotten,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pruned => "pruned",
            Self::Diverged => "diverged",
            Self::Behind => "behind",
            Self::Forgotten => "forgotten",
        }
    }
}

/// Why the log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A later batch is here, the next is not.
    Hole,
    /// The head in the database is further.
    Head,
    /// A fingerprint differs.
    Doubt,
}

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hole => "hole",
            Self::Head => "head",
            Self::Doubt => "doubt",
        }
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Appended,
    Early,
    Duplicate,
    Doubtful,
}

/// How a client's position relates to ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Continuity is proved: these are missing.
    Replay(Vec<Entry>),
    /// It cannot be proved.
    Resync(Reason),
    /// The ring does not reach back: the log must be read from that position on.
    NeedRows,
    /// The client has seen more than we have: the log must be read from our position on.
    NeedHead,
}

/// The line of one venue.
#[derive(Debug)]
pub(crate) struct Sequencer {
    head: Pos,
    ring: Ring,
    /// What came too early, and before which read of the log.
    early: BTreeMap<i64, (Batch, u64)>,
    reads: u64,
    /// The database is known to be at least this far.
    target: i64,
    /// Since when we know that something is missing.
    missing_since: Option<Instant>,
    doubt: bool,
}

impl Sequencer {
    /// A line that begins at the log's head. `rows` are the latest, for resumes.
    pub(crate) fn open(head: Head, rows: &[Stored]) -> Self {
        let mut line = Self {
            head: head.pos(),
            ring: Ring::default(),
            early: BTreeMap::new(),
            reads: 0,
            target: head.seq,
            missing_since: None,
            doubt: false,
        };
        for row in rows {
            let first = line.ring.first_seq().is_none() && row.seq <= head.seq;
            if first || row.seq == line.head.seq + 1 {
                line.ring.push(Entry::new(row.seq, row.at, &row.frame));
                line.head = Pos::new(row.seq, row.at);
            }
        }
        // Rows that end before the head prove nothing; the head check reads the rest.
        if line.head.seq < head.seq {
            line.ring = Ring::default();
            line.head = head.pos();
        }
        line
    }

    /// Where the line is.
    pub(crate) fn head(&self) -> Pos {
        self.head
    }

    /// Drops what is kept of events up to the number `until`: the log tells what is left of them.
    pub(crate) fn forget(&mut self, until: i64) {
        self.ring.forget(until);
    }

    /// Since when something is known to be missing.
    pub(crate) fn missing_since(&self) -> Option<Instant> {
        self.missing_since
    }

    /// Takes a batch; what is new and in line is added to `fresh`.
    pub(crate) fn offer(&mut self, batch: Batch, now: Instant, fresh: &mut Vec<Entry>) -> Offered {
        let offered = self.place(batch, fresh);
        if offered == Offered::Appended {
            self.drain(fresh);
            // Another number is missing now, if any: under load some batch is always early, and
            // that is no old hole.
            self.missing_since = None;
        }
        self.note_missing(now);
        offered
    }

    fn place(&mut self, batch: Batch, fresh: &mut Vec<Entry>) -> Offered {
        let last = batch.last_seq();
        if last <= self.head.seq {
            let known = self.ring.find(last).map(|entry| entry.at.as_microsecond());
            let known = if last == self.head.seq { Some(self.head.at_micros) } else { known };
            if known.is_some_and(|at| at != batch.at.as_microsecond()) {
                self.doubt = true;
                return Offered::Doubtful;
            }
            return Offered::Duplicate;
        }
        if batch.first_seq > self.head.seq + 1 {
            if self.early.len() < STASH_BATCHES {
                self.early.insert(batch.first_seq, (batch, self.reads));
            } else {
                // Harmless: the log has it, and we know how far it goes.
                self.target = self.target.max(last);
            }
            return Offered::Early;
        }
        // The link to the event before it. Where a read cut the batch in two, its first part is
        // ours already and carries the same instant.
        let link = if batch.first_seq == self.head.seq + 1 { batch.prev_at } else { batch.at };
        if link.as_microsecond() != self.head.at_micros {
            self.doubt = true;
            self.target = self.target.max(last);
            return Offered::Doubtful;
        }
        for (seq, event) in (batch.first_seq..).zip(&batch.frames) {
            if seq > self.head.seq {
                self.append(Entry::new(seq, batch.at, event), fresh);
            }
        }
        Offered::Appended
    }

    fn append(&mut self, entry: Entry, fresh: &mut Vec<Entry>) {
        self.head = entry.pos();
        self.ring.push(entry.clone());
        fresh.push(entry);
    }

    /// Appends what waited and is in line now.
    fn drain(&mut self, fresh: &mut Vec<Entry>) {
        while let Some(first) = self.early.first_entry() {
            if *first.key() > self.head.seq + 1 {
                break;
            }
            let (batch, _) = first.remove();
            self.place(batch, fresh);
        }
    }

    fn note_missing(&mut self, now: Instant) {
        if self.early.is_empty() && self.target <= self.head.seq {
            self.missing_since = None;
        } else {
            self.missing_since.get_or_insert(now);
        }
    }

    /// Compares with the log's head. `asked` is where we were when the head was asked for: the
    /// answer may be older than what has arrived since.
    pub(crate) fn compare(&mut self, asked: Pos, head: Head, now: Instant) {
        let same_place = head.seq == asked.seq && head.pos() != asked;
        if head.seq < asked.seq || same_place {
            self.doubt = true;
        }
        self.target = self.target.max(head.seq);
        self.note_missing(now);
    }

    /// Whether the log must be read now, and why. `patient`: what is missing is probably on its
    /// way, because Redis carries.
    pub(crate) fn due(&self, now: Instant, patient: bool) -> Option<Cause> {
        if self.doubt {
            return Some(Cause::Doubt);
        }
        let since = self.missing_since?;
        if patient && now.duration_since(since) < HOLE_WAIT {
            return None;
        }
        Some(if self.early.is_empty() { Cause::Head } else { Cause::Hole })
    }

    /// A read of the log begins: from where.
    pub(crate) fn ask(&mut self) -> Pos {
        self.reads += 1;
        self.head
    }

    /// Takes the log's answer to a read from `asked` on (head first, then rows from `asked.seq`
    /// on). Ok: what was missing is in `fresh`. Err: clients must reload, and the line is at the
    /// log's head.
    pub(crate) fn repair(
        &mut self,
        asked: Pos,
        head: Head,
        rows: &[Stored],
        now: Instant,
        fresh: &mut Vec<Entry>,
    ) -> Result<(), Reason> {
        let before = fresh.len();
        if let Err(reason) = self.take(asked, head, rows, fresh) {
            fresh.truncate(before);
            *self = Self::open(head, &[]);
            return Err(reason);
        }
        self.doubt = false;
        self.drain(fresh);
        // What was here before the read and is beyond its head never was committed: the log
        // decides. What came later may be newer than the answer.
        let reads = self.reads;
        self.early.retain(|_, (batch, read)| *read == reads || batch.last_seq() <= head.seq);
        self.target = head.seq;
        self.missing_since = None;
        self.note_missing(now);
        Ok(())
    }

    fn take(
        &mut self,
        asked: Pos,
        head: Head,
        rows: &[Stored],
        fresh: &mut Vec<Entry>,
    ) -> Result<(), Reason> {
        if head.seq < asked.seq || (head.seq == asked.seq && head.pos() != asked) {
            return Err(Reason::Diverged);
        }
        if head.seq - self.head.seq > REPAIR_MAX {
            return Err(Reason::Behind);
        }
        for row in rows {
            if row.seq > self.head.seq + 1 {
                return Err(Reason::Pruned);
            }
            if row.seq == self.head.seq + 1 {
                self.append(Entry::new(row.seq, row.at, &row.frame), fresh);
            } else if self.known_at(row.seq).is_some_and(|at| at != row.at.as_microsecond()) {
                return Err(Reason::Diverged);
            }
        }
        let whole = rows.len() <= usize::from(REPLAY_MAX);
        if whole && self.head.seq < head.seq { Err(Reason::Pruned) } else { Ok(()) }
    }

    /// The fingerprint of an event that we have seen, while we remember it.
    fn known_at(&self, seq: i64) -> Option<i64> {
        if seq == self.head.seq {
            return Some(self.head.at_micros);
        }
        self.ring.find(seq).map(|entry| Timestamp::as_microsecond(entry.at))
    }

    /// What a client at `since` is missing.
    pub(crate) fn resume(&self, since: Pos) -> Resume {
        if since.seq > self.head.seq {
            return Resume::NeedHead;
        }
        if self.head.seq - since.seq > i64::from(REPLAY_MAX) {
            return Resume::Resync(Reason::Behind);
        }
        match self.known_at(since.seq) {
            Some(at) if at == since.at_micros => {
                Resume::Replay(self.ring.after(since.seq).cloned().collect())
            }
            Some(_) => Resume::Resync(Reason::Diverged),
            None => Resume::NeedRows,
        }
    }

    /// As `resume`, with rows of the log that begin at or before `since`.
    pub(crate) fn resume_with(&self, since: Pos, rows: &[Entry]) -> Resume {
        match self.resume(since) {
            Resume::NeedRows => {}
            other => return other,
        }
        let known = rows.iter().find(|row| row.seq == since.seq);
        if known.is_some_and(|row| row.pos() != since) {
            return Resume::Resync(Reason::Diverged);
        }
        // Before the first event there is none to compare with.
        if known.is_none() && since.seq != 0 {
            return Resume::Resync(Reason::Pruned);
        }
        let mut replay: Vec<Entry> = Vec::new();
        let mut last = since.seq;
        for entry in rows.iter().chain(self.ring.after(0)) {
            if entry.seq == last + 1 && entry.seq <= self.head.seq {
                last = entry.seq;
                replay.push(entry.clone());
            }
        }
        if last == self.head.seq { Resume::Replay(replay) } else { Resume::NeedRows }
    }
}

#[cfg(test)]
#[path = "sequencer_tests.rs"]
mod tests;
