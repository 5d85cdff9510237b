use std::time::Duration;

use bytes::Bytes;
use kernel::event::{Frame, Topic};
use kernel::ids::VenueId;
use proptest::prelude::*;

use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

fn event(seq: i64) -> Frame {
    Frame { topic: Topic::Seats, follow: None, json: Bytes::from(seq.to_string()) }
}

/// A venue's log: what was committed, in batches of these sizes. `era` marks another history.
#[derive(Clone, Debug)]
struct Truth {
    batches: Vec<Batch>,
}

impl Truth {
    fn new(sizes: &[usize], era: i64) -> Self {
        let (mut batches, mut seq, mut prev) = (Vec::new(), 1, at(1));
        for (index, size) in (1_i64..).zip(sizes) {
            let size = i64::try_from(*size).unwrap();
            let now = at(index * 100 + era);
            let frames = (seq..seq + size).map(event).collect();
            let venue = VenueId(uuid::Uuid::nil());
            batches.push(Batch { venue, first_seq: seq, at: now, prev_at: prev, frames });
            (seq, prev) = (seq + size, now);
        }
        Self { batches }
    }

    fn head(&self) -> Head {
        let venue = VenueId(uuid::Uuid::nil());
        match self.batches.last() {
            Some(batch) => Head { venue, seq: batch.last_seq(), at: batch.at },
            None => Head { venue, seq: 0, at: at(1) },
        }
    }

    /// The state after the first `n` batches.
    fn until(&self, n: usize) -> Self {
        Self { batches: self.batches[..n.min(self.batches.len())].to_vec() }
    }

    fn rows(&self, from: i64) -> Vec<Stored> {
        let all = self.batches.iter().flat_map(|batch| {
            let at = batch.at;
            (batch.first_seq..).zip(&batch.frames).map(move |(seq, frame)| Stored {
                seq,
                at,
                frame: frame.clone(),
            })
        });
        all.filter(|row| row.seq >= from).take(usize::from(REPLAY_MAX) + 1).collect()
    }

    fn open(&self) -> Sequencer {
        Sequencer::open(self.head(), &self.rows(self.head().seq - 511))
    }
}

fn repair(line: &mut Sequencer, truth: &Truth, fresh: &mut Vec<Entry>) -> Result<(), Reason> {
    let asked = line.ask();
    line.repair(asked, truth.head(), &truth.rows(asked.seq), Instant::now(), fresh)
}

fn seqs(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.seq).collect()
}

#[test]
fn batches_in_line_are_appended_and_known_ones_dropped() {
    let truth = Truth::new(&[2, 1, 3], 0);
    let (mut line, mut fresh, now) = (truth.until(0).open(), Vec::new(), Instant::now());
    for batch in truth.batches.iter().flat_map(|batch| [batch, batch]) {
        line.offer(batch.clone(), now, &mut fresh);
    }
    assert_eq!(seqs(&fresh), [1, 2, 3, 4, 5, 6]);
    assert_eq!(line.due(now + Duration::from_secs(9), false), None);
}

#[test]
fn a_hole_waits_20_ms_and_is_then_read_from_the_log() {
    let truth = Truth::new(&[1, 1, 1], 0);
    let (mut line, mut fresh, now) = (truth.until(1).open(), Vec::new(), Instant::now());
    assert_eq!(line.offer(truth.batches[2].clone(), now, &mut fresh), Offered::Early);
    assert_eq!(line.due(now, true), None);
    assert_eq!(line.due(now, false), Some(Cause::Hole), "without Redis nothing is on its way");
    assert_eq!(line.due(now + HOLE_WAIT, true), Some(Cause::Hole));
    assert_eq!(repair(&mut line, &truth, &mut fresh), Ok(()));
    assert_eq!(seqs(&fresh), [2, 3]);
    assert_eq!(line.due(now + Duration::from_secs(9), false), None);
}

#[test]
fn a_late_batch_closes_the_hole_itself() {
    let truth = Truth::new(&[1, 2, 1], 0);
    let (mut line, mut fresh, now) = (truth.until(1).open(), Vec::new(), Instant::now());
    line.offer(truth.batches[2].clone(), now, &mut fresh);
    line.offer(truth.batches[1].clone(), now, &mut fresh);
    assert_eq!(seqs(&fresh), [2, 3, 4]);
    assert_eq!(line.due(now + Duration::from_secs(9), true), None);
}

#[test]
fn a_busy_venue_that_is_always_a_little_out_of_order_has_no_hole() {
    let truth = Truth::new(&[1; 101], 0);
    let (mut line, mut fresh, start) = (truth.until(0).open(), Vec::new(), Instant::now());
    line.offer(truth.batches[1].clone(), start, &mut fresh);
    for n in 0..49 {
        // The next but one always comes before the next.
        let now = start + HOLE_WAIT / 2 * n;
        let next = usize::try_from(n).unwrap() * 2;
        line.offer(truth.batches[next + 3].clone(), now, &mut fresh);
        line.offer(truth.batches[next].clone(), now, &mut fresh);
        assert_eq!(line.due(now, true), None);
        assert_eq!(line.missing_since(), Some(now));
    }
    assert_eq!(fresh.len(), 98);
}

#[test]
fn a_lost_tail_is_found_by_the_head() {
    let truth = Truth::new(&[1, 1, 1], 0);
    let (mut line, mut fresh, now) = (truth.until(1).open(), Vec::new(), Instant::now());
    line.compare(line.head(), truth.head(), now);
    assert_eq!(line.due(now + HOLE_WAIT, true), Some(Cause::Head));
    assert_eq!(repair(&mut line, &truth, &mut fresh), Ok(()));
    assert_eq!(seqs(&fresh), [2, 3]);
}

#[test]
fn a_head_asked_for_before_the_last_batch_is_no_divergence() {
    let truth = Truth::new(&[1, 1], 0);
    let (mut line, mut fresh, now) = (truth.until(1).open(), Vec::new(), Instant::now());
    let asked = line.head();
    line.offer(truth.batches[1].clone(), now, &mut fresh);
    line.compare(asked, truth.until(1).head(), now);
    assert_eq!(line.due(now + Duration::from_secs(9), false), None);
}

#[test]
fn a_log_that_was_set_back_means_resync() {
    let truth = Truth::new(&[1, 1, 1], 0);
    let (mut line, mut fresh, now) = (truth.open(), Vec::new(), Instant::now());
    let set_back = truth.until(2);
    line.compare(line.head(), set_back.head(), now);
    assert_eq!(line.due(now, true), Some(Cause::Doubt));
    assert_eq!(repair(&mut line, &set_back, &mut fresh), Err(Reason::Diverged));
    assert_eq!(line.head(), set_back.head().pos());
    assert!(fresh.is_empty());
}

#[test]
fn another_history_means_resync_and_a_stray_batch_does_not() {
    let ours = Truth::new(&[1, 1, 1], 0);
    let mut fork = Truth::new(&[1, 1, 1, 1], 7);
    fork.batches[0] = ours.batches[0].clone();
    fork.batches[1].prev_at = ours.batches[0].at;
    let (mut line, mut fresh, now) = (ours.open(), Vec::new(), Instant::now());
    assert_eq!(line.offer(fork.batches[3].clone(), now, &mut fresh), Offered::Doubtful);
    assert_eq!(line.due(now, true), Some(Cause::Doubt));
    let mut twin = ours.open();
    twin.offer(fork.batches[3].clone(), now, &mut fresh);
    assert_eq!(repair(&mut line, &fork, &mut fresh), Err(Reason::Diverged));
    // The same batch from a worker that lives in the past: the log is on our side.
    assert_eq!(repair(&mut twin, &ours, &mut fresh), Ok(()));
    assert_eq!(twin.due(now + Duration::from_secs(9), false), None);
    assert!(fresh.is_empty());
}

#[test]
fn a_batch_beyond_the_log_is_forgotten() {
    let truth = Truth::new(&[1, 1, 1], 0);
    let (mut line, mut fresh, now) = (truth.until(1).open(), Vec::new(), Instant::now());
    line.offer(truth.batches[2].clone(), now, &mut fresh);
    assert_eq!(repair(&mut line, &truth.until(1), &mut fresh), Ok(()));
    assert_eq!(line.due(now + Duration::from_secs(9), true), None);
    assert!(fresh.is_empty());
}

#[test]
fn a_pruned_log_means_resync() {
    let truth = Truth::new(&[1; 10], 0);
    let (mut line, mut fresh) = (truth.until(2).open(), Vec::new());
    let asked = line.ask();
    let rows = truth.rows(6);
    let pruned = line.repair(asked, truth.head(), &rows, Instant::now(), &mut fresh);
    assert_eq!(pruned, Err(Reason::Pruned));
    assert_eq!(line.head(), truth.head().pos());
}

#[test]
fn far_behind_is_read_in_several_steps_and_very_far_means_resync() {
    let truth = Truth::new(&[500; 6], 0);
    let (mut line, mut fresh, now) = (truth.until(1).open(), Vec::new(), Instant::now());
    line.compare(line.head(), truth.head(), now);
    let mut reads = 0;
    while line.due(now + Duration::from_secs(9), false).is_some() {
        assert_eq!(repair(&mut line, &truth, &mut fresh), Ok(()));
        reads += 1;
    }
    assert_eq!(reads, 3);
    assert_eq!(seqs(&fresh), (501..=3000).collect::<Vec<_>>());
    let long = Truth::new(&[1000; 14], 0);
    let mut line = Truth::new(&[1000; 2], 0).open();
    assert_eq!(repair(&mut line, &long, &mut fresh), Err(Reason::Behind));
}

#[test]
fn clients_resume_where_they_can_prove_it() {
    let truth = Truth::new(&[1; 700], 0);
    let line = truth.open();
    let pos = |seq: i64| Pos::new(seq, truth.batches[usize::try_from(seq - 1).unwrap()].at);
    let Resume::Replay(replay) = line.resume(pos(690)) else { panic!("not in the ring") };
    assert_eq!(seqs(&replay), (691..=700).collect::<Vec<_>>());
    assert_eq!(line.resume(pos(700)), Resume::Replay(Vec::new()));
    let other = Pos { at_micros: 5, ..pos(690) };
    assert_eq!(line.resume(other), Resume::Resync(Reason::Diverged));
    assert_eq!(line.resume(Pos::new(701, at(9))), Resume::NeedHead);
    assert_eq!(line.resume(pos(3)), Resume::NeedRows);
    let rows: Vec<Entry> =
        truth.rows(2).iter().map(|row| Entry::new(row.seq, row.at, &row.frame)).collect();
    let Resume::Replay(replay) = line.resume_with(pos(3), &rows) else { panic!("rows are there") };
    assert_eq!(seqs(&replay), (4..=700).collect::<Vec<_>>());
    assert_eq!(line.resume_with(pos(3), &rows[5..]), Resume::Resync(Reason::Pruned));
    let other = Pos { at_micros: 5, ..pos(3) };
    assert_eq!(line.resume_with(other, &rows), Resume::Resync(Reason::Diverged));
    assert_eq!(
        Truth::new(&[600, 600], 0).open().resume(Pos::new(1, at(1))),
        Resume::Resync(Reason::Behind)
    );
}

#[derive(Clone, Debug)]
enum Step {
    /// A batch arrives; whether it was committed yet is up to the test.
    Batch(usize),
    /// The heads are compared and the log is read if the line wants it.
    Look,
}

fn steps() -> impl Strategy<Value = (Vec<usize>, Vec<Step>)> {
    proptest::collection::vec(1..4_usize, 1..30).prop_flat_map(|sizes| {
        let step = prop_oneof![
            4 => (0..sizes.len()).prop_map(Step::Batch),
            1 => Just(Step::Look),
        ];
        (Just(sizes), proptest::collection::vec(step, 0..80))
    })
}

/// Plays the steps; the log grows as batches arrive, for a batch is published after its commit.
fn play(sizes: &[usize], steps: &[Step], repairs: bool) -> (Vec<i64>, Vec<i64>) {
    let truth = Truth::new(sizes, 0);
    let (mut line, mut fresh, mut committed) = (truth.until(0).open(), Vec::new(), 0);
    let later = Instant::now() + Duration::from_secs(9);
    let look = |line: &mut Sequencer, log: &Truth, fresh: &mut Vec<Entry>| {
        line.compare(line.head(), log.head(), Instant::now());
        while repairs && line.due(later, true).is_some() {
            repair(line, log, fresh).expect("the log never changed its mind");
        }
    };
    for step in steps {
        match step {
            Step::Batch(index) => {
                committed = committed.max(index + 1);
                line.offer(truth.batches[*index].clone(), Instant::now(), &mut fresh);
            }
            Step::Look => look(&mut line, &truth.until(committed), &mut fresh),
        }
    }
    look(&mut line, &truth.until(committed), &mut fresh);
    (seqs(&fresh), (1..=truth.until(committed).head().seq).collect())
}

proptest! {
    #[test]
    fn any_order_loss_and_repetition_gives_every_event_once_in_order((sizes, steps) in steps()) {
        let (heard, committed) = play(&sizes, &steps, true);
        prop_assert_eq!(heard, committed);
    }

    #[test]
    fn a_fork_is_never_passed_over(
        sizes in proptest::collection::vec(1..4_usize, 2..20),
        kept in 0..10_usize,
        order in proptest::collection::vec(0..20_usize, 0..30),
    ) {
        let ours = Truth::new(&sizes, 0);
        let kept = kept.min(sizes.len() - 1);
        let mut fork = Truth::new(&sizes, 7);
        fork.batches[..kept].clone_from_slice(&ours.batches[..kept]);
        if let Some(last) = kept.checked_sub(1) {
            fork.batches[kept].prev_at = ours.batches[last].at;
        }
        let (mut line, mut fresh) = (ours.open(), Vec::new());
        let mut resynced = false;
        for index in order {
            let batch = fork.batches[index % fork.batches.len()].clone();
            line.offer(batch, Instant::now(), &mut fresh);
        }
        line.compare(line.head(), fork.head(), Instant::now());
        while line.due(Instant::now() + Duration::from_secs(9), false).is_some() {
            resynced |= repair(&mut line, &fork, &mut fresh).is_err();
        }
        prop_assert!(resynced);
        prop_assert!(fresh.is_empty(), "nothing of the fork may follow what was heard");
        prop_assert_eq!(line.head(), fork.head().pos());
    }
}

/// The control: without the repair the promise does not hold, so the test above proves something.
#[test]
fn without_repair_a_lost_batch_stays_lost() {
    let steps = [Step::Batch(0), Step::Batch(2), Step::Look];
    let (heard, committed) = play(&[1, 1, 1], &steps, false);
    assert_ne!(heard, committed);
    let (heard, committed) = play(&[1, 1, 1], &steps, true);
    assert_eq!(heard, committed);
}
