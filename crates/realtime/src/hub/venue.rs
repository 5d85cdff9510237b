//! One active venue of this worker: its line, its listeners, and what is under way.

use std::time::Instant;

use bus::{Bus, RedisState};
use bytes::Bytes;
use kernel::clock::Clock;
use kernel::event::{Batch, Pos};
use kernel::ids::VenueId;
use pg::Stored;
use tokio::sync::mpsc::UnboundedSender;

use super::attach::Waiting;
use super::command::{Command, Read};
use super::roster::Roster;
use super::task::Reads;
use crate::limits::{
    BUSY_PER_SEC, GATHER, READ_AGAIN, REPLAY_MAX, STASH_BATCHES, SUBSCRIBE_DEADLINE,
};
use crate::log::Away;
use crate::protocol::Answer;
use crate::ring::Entry;
use crate::sequencer::{Cause, Offered, Reason, Sequencer};

pub(super) struct Venue {
    pub(super) id: VenueId,
    clock: Clock,
    /// None while the venue is being opened.
    pub(super) line: Option<Sequencer>,
    pub(super) roster: Roster,
    pub(super) waiting: Vec<Waiting>,
    pub(super) idle_since: Option<Instant>,
    /// What came while the venue was being opened.
    early: Vec<Batch>,
    /// The number of the last read of our own position; whether it is under way.
    pub(super) read_number: u64,
    /// The number of the last read that was answered.
    pub(super) read_done: u64,
    reading: bool,
    /// History for resumes is being read from that number on.
    pub(super) history: Option<i64>,
    again_at: Option<Instant>,
    outgoing: Vec<Entry>,
    flushed_at: Instant,
    flush_at: Option<Instant>,
    second: u32,
    events_in_second: u32,
    events_before: u32,
    /// Up to which event people were erased, as far as was heard.
    forgotten: i64,
}

impl Venue {
    pub(super) fn new(id: VenueId, clock: Clock, now: Instant) -> Self {
        Self {
            id,
            clock,
            line: None,
            roster: Roster::default(),
            waiting: Vec::new(),
            idle_since: None,
            early: Vec::new(),
            read_number: 0,
            read_done: 0,
            reading: false,
            history: None,
            again_at: None,
            outgoing: Vec::new(),
            flushed_at: now,
            flush_at: None,
            second: 0,
            events_in_second: 0,
            events_before: 0,
            forgotten: 0,
        }
    }

    /// Listens first, reads second: what is committed in between arrives by the channel.
    pub(super) fn open(&mut self, reads: &Reads, bus: &Bus) {
        self.reading = true;
        let (id, bus, reads) = (self.id, bus.clone(), reads.clone());
        actix_web::rt::spawn(async move {
            // Without a confirmation the heads are compared often enough to find what is missed.
            let _ = tokio::time::timeout(SUBSCRIBE_DEADLINE, bus.subscribe(id)).await;
            let read = reads.latest(id).await;
            reads.tell(Command::Opened(id, read));
        });
    }

    /// The answer to `open`: false when there is no such venue.
    pub(super) fn opened(&mut self, read: Read, now: Instant) -> bool {
        self.reading = false;
        match read {
            Ok(Some(extract)) => {
                metrics::counter!("rowlock_gap_repairs_total", "cause" => "activate").increment(1);
                self.line = Some(Sequencer::open(extract.head, &extract.rows));
                for batch in std::mem::take(&mut self.early) {
                    self.offer(batch, now);
                }
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(venue.id = %self.id, error = %error, "a venue was not opened");
                self.again_at = Some(now + READ_AGAIN);
                true
            }
        }
    }

    pub(super) fn offer(&mut self, batch: Batch, now: Instant) {
        let Some(line) = &mut self.line else {
            if self.early.len() < STASH_BATCHES {
                self.early.push(batch);
            }
            return;
        };
        match line.offer(batch, now, &mut self.outgoing) {
            Offered::Duplicate => {
                metrics::counter!("rowlock_duplicates_dropped_total").increment(1);
            }
            Offered::Doubtful => {
                tracing::warn!(venue.id = %self.id, "a batch does not fit: asking the log");
            }
            Offered::Appended | Offered::Early => {}
        }
    }

    /// Reads the log where the line says that it must be, one read at a time.
    pub(super) fn read_if_due(&mut self, now: Instant, reads: &Reads, bus: &Bus) {
        if self.reading || self.is_resting(now) {
            return;
        }
        self.again_at = None;
        let Some(line) = &self.line else { return self.open(reads, bus) };
        let patient = bus.state() == RedisState::Connected;
        let wished = self.waiting.iter().any(|wish| wish.needs_head(self.read_number));
        let cause = if wished { Some(Cause::Head) } else { line.due(now, patient) };
        if let Some(cause) = cause {
            self.read(cause, reads);
        }
    }

    fn read(&mut self, cause: Cause, reads: &Reads) {
        let Some(line) = &mut self.line else { return };
        metrics::counter!("rowlock_gap_repairs_total", "cause" => cause.as_str()).increment(1);
        let asked = line.ask();
        self.reading = true;
        self.read_number += 1;
        let (venue, number, reads) = (self.id, self.read_number, reads.clone());
        actix_web::rt::spawn(async move {
            let read = reads.extract(venue, asked).await;
            reads.tell(Command::Repaired { venue, asked, number, read });
        });
    }

    /// The log's answer. A resync is told to everybody here.
    pub(super) fn repaired(
        &mut self,
        (asked, number): (Pos, u64),
        read: Read,
        now: Instant,
        second: u32,
    ) {
        self.reading = false;
        let Some(line) = &mut self.line else { return };
        let extract = match read {
            Ok(Some(extract)) => extract,
            Ok(None) => return self.failed(&Away("the venue is not there".into()), now),
            Err(error) => return self.failed(&error, now),
        };
        self.read_done = number;
        let repaired = line.repair(asked, extract.head, &extract.rows, now, &mut self.outgoing);
        if let Err(reason) = repaired {
            // What is in line already is still true and goes first.
            self.flush(now, second);
            self.resync(reason, second);
        }
    }

    /// Whether a read failed a moment ago.
    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.again_at.is_some_and(|at| now < at)
    }

    pub(super) fn failed(&mut self, error: &Away, now: Instant) {
        tracing::warn!(venue.id = %self.id, error = %error, "the log was not read");
        self.again_at = Some(now + READ_AGAIN);
    }

    fn resync(&mut self, reason: Reason, second: u32) {
        let Some(line) = &self.line else { return };
        let pos = line.head();
        metrics::counter!("rowlock_resync_total", "reason" => reason.as_str()).increment(1);
        tracing::warn!(venue.id = %self.id, reason = reason.as_str(), "clients must reload");
        let chunk = Answer::resync(self.id, pos, reason);
        for group in self.roster.groups() {
            group.push(&chunk, second);
            group.told = pos.seq;
        }
    }

    /// A person was erased from events up to `until`: they are dropped here, and whoever may have
    /// heard of the person loads everything anew. Told once, however often it is heard of.
    pub(super) fn forget(&mut self, until: i64, now: Instant, second: u32) {
        self.flush(now, second);
        let Some(line) = &mut self.line else { return };
        line.forget(until);
        if until <= self.forgotten {
            return;
        }
        self.forgotten = until;
        let pos = line.head();
        metrics::counter!("rowlock_resync_total", "reason" => "forgotten").increment(1);
        let chunk = Answer::resync(self.id, pos, Reason::Forgotten);
        for group in self.roster.groups_told_of_people() {
            group.push(&chunk, second);
            group.told = pos.seq;
        }
    }

    /// Reads history for resumes, shared by all that wait.
    pub(super) fn read_history(&mut self, from: i64, reads: &Reads) {
        self.history = Some(from);
        let (venue, reads) = (self.id, reads.clone());
        actix_web::rt::spawn(async move {
            let read = reads.events(venue, from).await;
            reads.tell(Command::History { venue, from, read });
        });
    }

    /// Sends what is in line: at once while the venue is quiet, gathered while it is busy.
    pub(super) fn flush_if_due(&mut self, now: Instant, second: u32) {
        self.count(second);
        if self.outgoing.is_empty() {
            self.flush_at = None;
            return;
        }
        let busy = self.events_in_second.max(self.events_before) > BUSY_PER_SEC;
        let due = self.flushed_at + GATHER;
        if busy && now < due {
            self.flush_at = Some(due);
        } else {
            self.flush(now, second);
        }
    }

    pub(super) fn flush(&mut self, now: Instant, second: u32) {
        if self.outgoing.is_empty() {
            return;
        }
        let count = u32::try_from(self.outgoing.len()).unwrap_or(u32::MAX);
        self.events_in_second = self.events_in_second.saturating_add(count);
        self.roster.send(&self.outgoing, second);
        let sent = self.clock.now();
        for entry in self.outgoing.drain(..) {
            let lag = sent.duration_since(entry.at).as_secs_f64();
            metrics::histogram!("rowlock_delivery_lag_seconds").record(lag.max(0.0));
        }
        self.flushed_at = now;
        self.flush_at = None;
    }

    fn count(&mut self, second: u32) {
        if second != self.second {
            let last = second == self.second + 1;
            self.events_before = if last { self.events_in_second } else { 0 };
            self.events_in_second = 0;
            self.second = second;
        }
    }

    /// When this venue must be looked at again, if it must.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let hole = self.line.as_ref().and_then(Sequencer::missing_since);
        let hole = hole.filter(|_| !self.reading).map(|at| at + crate::limits::HOLE_WAIT);
        // Between two attempts nothing else is due.
        let read = if self.again_at.is_some() { self.again_at } else { hole };
        [read, self.flush_at].into_iter().flatten().min()
    }

    /// Where the venue's sockets are, unless something is about to be sent.
    pub(super) fn settled_line(&self) -> Option<Pos> {
        let line = self.line.as_ref()?;
        self.outgoing.is_empty().then(|| line.head())
    }

    /// Tells whoever heard nothing of late where it is.
    pub(super) fn tell_positions(&mut self, second: u32) {
        let Some(pos) = self.line.as_ref().map(Sequencer::head) else { return };
        if !self.outgoing.is_empty() {
            return;
        }
        let mut chunk: Option<Bytes> = None;
        for group in self.roster.groups().filter(|group| group.told < pos.seq) {
            group.push(chunk.get_or_insert_with(|| Answer::pos(self.id, pos)), second);
            group.told = pos.seq;
        }
    }
}

impl Reads {
    async fn extract(&self, venue: VenueId, asked: Pos) -> Read {
        let _turn = self.turn().await;
        self.log.extract(venue, asked, REPLAY_MAX + 1).await
    }

    async fn latest(&self, venue: VenueId) -> Read {
        let _turn = self.turn().await;
        self.log.latest(venue).await
    }

    async fn events(&self, venue: VenueId, from: i64) -> Result<Vec<Stored>, Away> {
        let _turn = self.turn().await;
        self.log.events(venue, from, REPLAY_MAX + 1).await
    }

    pub(super) fn tell(&self, command: Command) {
        let to: &UnboundedSender<Command> = &self.commands;
        // The owner task lives as long as the runtime.
        let _ = to.send(command);
    }
}
