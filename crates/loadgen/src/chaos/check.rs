//! The checker: compares what writers and listeners noted with what the database holds. Pure, so
//! that each rule has a test with an input that breaks it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context as _, Result, bail};

use super::record::{Act, Outcome, Pos, Record, Span, Write};

/// The topics by their number in the log.
const TOPICS: [&str; 13] = [
    "seats",
    "shows",
    "bookings",
    "floor",
    "guests",
    "tickets",
    "queue.therapist",
    "queue.cashier",
    "monitor",
    "staff",
    "audit",
    "order.{id}",
    "booking.{id}",
];

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) pos: Pos,
    pub(crate) topic: String,
    pub(crate) kind: String,
    pub(crate) action: String,
    pub(crate) entity: String,
}

/// What the database holds, by venue.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) heads: BTreeMap<String, i64>,
    pub(crate) logs: BTreeMap<String, Vec<Logged>>,
    /// Status by id.
    pub(crate) holds: HashMap<String, (String, String)>,
    /// Status and key by id.
    pub(crate) bookings: HashMap<String, (String, String, String)>,
    /// Status and key by id.
    pub(crate) guests: HashMap<String, (String, String)>,
    /// Lines that should not be there.
    pub(crate) wrong: Vec<String>,
}

impl Truth {
    /// From the lines of `chaos/dump.sql`.
    pub(crate) fn parse(dump: &str) -> Result<Self> {
        let mut truth = Self::default();
        for line in dump.lines().filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split(',').collect();
            let own = |text: &&str| (*text).to_owned();
            match fields.as_slice() {
                ["head", venue, seq] => {
                    truth.heads.insert(own(venue), seq.parse()?);
                }
                ["event", venue, seq, at, topic, kind, action, entity] => {
                    let topic = TOPICS.get(topic.parse::<usize>()?).context("unknown topic")?;
                    let pos = Pos { seq: seq.parse()?, at: at.parse()? };
                    truth.logs.entry(own(venue)).or_default().push(Logged {
                        pos,
                        topic: own(topic),
                        kind: own(kind),
                        action: own(action),
                        entity: own(entity),
                    });
                }
                ["hold", venue, id, status] => {
                    truth.holds.insert(own(id), (own(venue), own(status)));
                }
                ["booking", venue, id, status, key] => {
                    truth.bookings.insert(own(id), (own(venue), own(status), own(key)));
                }
                ["guest", _, id, status, key] => {
                    truth.guests.insert(own(id), (own(status), own(key)));
                }
                ["double" | "stray", ..] => truth.wrong.push(own(&line)),
                _ => bail!("not a line of the dump: {line}"),
            }
        }
        Ok(truth)
    }
}

/// Everything that is not as promised.
pub(crate) fn check(record: &Record, truth: &Truth) -> Vec<String> {
    let mut found = record.violations.clone();
    found.extend(truth.wrong.iter().map(|line| format!("seats and claims disagree: {line}")));
    logs(truth, &mut found);
    writes(&record.writes, truth, &mut found);
    effects(&record.writes, truth, &mut found);
    let logs: HashMap<&str, &[Logged]> =
        truth.logs.iter().map(|(venue, log)| (venue.as_str(), log.as_slice())).collect();
    for span in &record.spans {
        listened(span, logs.get(span.venue.as_str()).copied().unwrap_or_default(), &mut found);
    }
    found
}

/// Each venue's log is 1, 2, 3 … up to its head, and its time goes forward.
fn logs(truth: &Truth, found: &mut Vec<String>) {
    for (venue, head) in &truth.heads {
        let log = truth.logs.get(venue).map(Vec::as_slice).unwrap_or_default();
        let dense = log.iter().map(|event| event.pos.seq).eq(1..=*head);
        if !dense {
            found.push(format!("venue {venue}: the log is not 1 to {head} without a hole"));
        }
        if !log.is_sorted_by_key(|event| event.pos.at) {
            found.push(format!("venue {venue}: the log's time goes back"));
        }
    }
}

/// What was acknowledged is there, what was refused is not.
fn writes(writes: &[Write], truth: &Truth, found: &mut Vec<String>) {
    let keys: HashSet<&str> = truth.bookings.values().map(|(_, _, key)| key.as_str()).collect();
    let (mut booked, mut released) = (HashSet::new(), HashSet::new());
    for write in writes {
        let (key, act) = (&write.key, write.act);
        match &write.outcome {
            Outcome::Ok(id) => {
                let there = match act {
                    Act::Hold => truth.holds.contains_key(id),
                    Act::Book => {
                        truth.bookings.get(id).is_some_and(|(_, _, made_by)| made_by == key)
                    }
                    Act::Release => {
                        truth.holds.get(id).is_some_and(|(_, status)| status == "released")
                    }
                    Act::Cancel => {
                        truth.bookings.get(id).is_some_and(|(_, status, _)| status == "cancelled")
                    }
                    Act::Receive => truth.guests.get(id).is_some_and(|(_, made_by)| made_by == key),
                    Act::Seat => {
                        truth.guests.get(id).is_some_and(|(status, _)| status != "waiting")
                    }
                    Act::Leave => truth
                        .guests
                        .get(id)
                        .is_some_and(|(status, _)| status == "completed" || status == "cancelled"),
                    Act::Wipe => true,
                };
                if !there {
                    found.push(format!("acknowledged but not there: {act:?} {id}, key {key}"));
                }
                match (act, &write.target) {
                    (Act::Book, Some(hold)) => drop(booked.insert(hold.as_str())),
                    (Act::Release, Some(hold)) => drop(released.insert(hold.as_str())),
                    _ => {}
                }
            }
            Outcome::Fail(..) if act == Act::Book && keys.contains(key.as_str()) => {
                found.push(format!("refused but done: {act:?}, key {key}"));
            }
            Outcome::Fail(status, code) if code == "conflict" => {
                found.push(format!("only the last wall held: {status} {code}, key {key}"));
            }
            Outcome::Fail(..) | Outcome::Unknown => {}
        }
    }
    for hold in booked.intersection(&released) {
        found.push(format!("booked and released: the hold {hold}"));
    }
}

/// Nothing happened more often than it was asked for, and each effect is in the log once.
fn effects(writes: &[Write], truth: &Truth, found: &mut Vec<String>) {
    let mut keys = HashSet::new();
    let bookings = truth.bookings.iter().map(|(id, (_, _, key))| (id, key));
    for (id, key) in bookings.chain(truth.guests.iter().map(|(id, (_, key))| (id, key))) {
        if !keys.insert(key) {
            found.push(format!("done twice: {id}, key {key}"));
        }
    }
    let counted = |act, ok: bool| {
        let same = writes.iter().filter(|write| write.act == act);
        same.filter(|write| match write.outcome {
            Outcome::Ok(_) => ok,
            Outcome::Fail(..) => false,
            Outcome::Unknown => !ok,
        })
        .count()
    };
    let events = |kind: &str, action: &str| {
        let all = truth.logs.values().flatten();
        all.filter(|event| event.kind == kind && event.action == action).count()
    };
    let cancelled = truth.bookings.values().filter(|(_, status, _)| status == "cancelled").count();
    let counts = [
        (Act::Hold, truth.holds.len(), events("seats_updated", "held")),
        (
            Act::Book,
            truth.bookings.len(),
            truth.logs.values().flatten().filter(|event| event.kind == "booking_created").count(),
        ),
        (Act::Cancel, cancelled, events("booking_updated", "cancelled")),
        (
            Act::Receive,
            truth.guests.len(),
            truth.logs.values().flatten().filter(|event| event.kind == "guest_created").count(),
        ),
    ];
    for (act, rows, told) in counts {
        let (least, more) = (counted(act, true), counted(act, false));
        if !(least..=least + more).contains(&rows) {
            found.push(format!(
                "{rows} × {act:?} in the database, {least} acknowledged, {more} unknown"
            ));
        }
        if rows != told {
            found.push(format!("{rows} × {act:?} in the database, {told} in the log"));
        }
    }
    let made: Vec<&str> = truth
        .logs
        .values()
        .flatten()
        .filter(|event| event.kind == "booking_created")
        .map(|event| event.entity.as_str())
        .collect();
    let once: BTreeSet<&str> = made.iter().copied().collect();
    if once.len() != made.len() || made.iter().any(|id| !truth.bookings.contains_key(*id)) {
        found.push("the log tells of a booking twice, or of one that is not there".to_owned());
    }
}

/// A connection heard exactly the log's events of its topics, from where it began to where it got.
fn listened(span: &Span, log: &[Logged], found: &mut Vec<String>) {
    let who = format!("listener {}, connection {}", span.listener, span.connection);
    let at = |seq: i64| usize::try_from(seq - 1).ok().and_then(|place| log.get(place));
    for pos in span.seen.iter().chain([&span.to]).filter(|pos| pos.seq > 0) {
        if at(pos.seq).is_none_or(|event| event.pos != *pos) {
            found.push(format!("{who}: heard of {pos}, which the log does not have"));
            return;
        }
    }
    let first = usize::try_from(span.from.seq).unwrap_or(0);
    let last = usize::try_from(span.to.seq).unwrap_or(0);
    let between = log.get(first..last).unwrap_or_default();
    let due: Vec<i64> = between
        .iter()
        .filter(|event| span.topics.contains(&event.topic))
        .map(|event| event.pos.seq)
        .collect();
    let seen: Vec<i64> = span.seen.iter().map(|pos| pos.seq).collect();
    if due != seen {
        let missed: Vec<&i64> = due.iter().filter(|seq| !seen.contains(seq)).take(5).collect();
        let strange: Vec<&i64> = seen.iter().filter(|seq| !due.contains(seq)).take(5).collect();
        found.push(format!(
            "{who}: from {} to {} it missed {missed:?} and heard {strange:?} that was not for it",
            span.from.seq, span.to.seq
        ));
    }
}

#[cfg(test)]
mod tests;
