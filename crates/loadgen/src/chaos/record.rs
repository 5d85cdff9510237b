//! What writers and listeners note while things break: the checker judges from this alone.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What a writer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Hold,
    Book,
    Release,
    Cancel,
    /// A party comes.
    Receive,
    /// A party gets a table.
    Seat,
    /// A party goes.
    Leave,
    /// Its table can be given again.
    Wipe,
}

/// What it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Done: the hold or the booking.
    Ok(String),
    /// Not done.
    Fail(u16, String),
    /// Nobody knows: it has or has not happened, and it may not happen twice.
    Unknown,
}

/// One write with its key, however often it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Write {
    pub(crate) venue: String,
    pub(crate) act: Act,
    /// The idempotency key; a booking bears it as its customer's name.
    pub(crate) key: String,
    /// What is to be released or cancelled.
    pub(crate) target: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) attempts: u32,
    /// Since the run began.
    pub(crate) invoked_ms: u128,
    pub(crate) ended_ms: u128,
}

/// A place in a venue's log, as the server writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Pos {
    pub(crate) seq: i64,
    /// The microsecond of its commit.
    pub(crate) at: i64,
}

impl Pos {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('-').with_context(|| format!("{text} is no position"))?;
        Ok(Self { seq: parts.0.parse()?, at: i64::from_str_radix(parts.1, 36)? })
    }
}

impl fmt::Display for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} µs)", self.seq, self.at)
    }
}

/// What one connection heard without a break: from one position to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    /// The listener's number and which of its connections this was.
    pub(crate) listener: usize,
    pub(crate) connection: u32,
    pub(crate) venue: String,
    pub(crate) topics: Vec<String>,
    pub(crate) from: Pos,
    pub(crate) to: Pos,
    pub(crate) seen: Vec<Pos>,
}

/// Everything that was noted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Record {
    pub(crate) writes: Vec<Write>,
    pub(crate) spans: Vec<Span>,
    /// What a writer or a listener saw that may never be.
    pub(crate) violations: Vec<String>,
    pub(crate) deliveries: u64,
    pub(crate) connections: u64,
    /// From when on attempts count: before, connections are being made.
    pub(crate) warm_ms: u128,
    /// Connections that ended without a word.
    pub(crate) broken: u64,
    pub(crate) closes: BTreeMap<u16, u64>,
    pub(crate) resyncs: BTreeMap<String, u64>,
}
