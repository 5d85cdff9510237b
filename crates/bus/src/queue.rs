//! What waits to be published, bounded in bytes. The oldest is dropped first: the others read it
//! from the database.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kernel::event::Batch;
use tokio::sync::Notify;

use crate::control::Control;
use crate::presence::Presence;
use crate::wire;

/// How many bytes of events may wait.
const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many control messages may wait.
const CONTROLS_MAX: usize = 1024;

/// One message to publish.
#[derive(Debug)]
pub(crate) enum Parcel {
    Batch(Batch),
    Control(Control),
    Presence(Presence),
}

#[derive(Debug, Default)]
struct Waiting {
    controls: VecDeque<Control>,
    /// The latest of each venue.
    presences: VecDeque<Presence>,
    batches: VecDeque<Batch>,
    bytes: usize,
}

/// The publisher's queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch; answers how many had to go for it.
    pub(crate) fn push(&self, batch: Batch) -> u64 {
        let mut dropped = 0;
        let mut waiting = self.lock();
        waiting.bytes += wire::batch_bytes(&batch);
        waiting.batches.push_back(batch);
        while waiting.bytes > QUEUE_BYTES_MAX {
            let Some(oldest) = waiting.batches.pop_front() else { break };
            waiting.bytes -= wire::batch_bytes(&oldest);
            dropped += 1;
        }
        drop(waiting);
        self.filled.notify_one();
        dropped
    }

    pub(crate) fn push_control(&self, control: Control) {
        let mut waiting = self.lock();
        if waiting.controls.len() == CONTROLS_MAX {
            waiting.controls.pop_front();
        }
        waiting.controls.push_back(control);
        drop(waiting);
        self.filled.notify_one();
    }

    pub(crate) fn push_presence(&self, presence: Presence) {
        let mut waiting = self.lock();
        waiting.presences.retain(|older| older.venue != presence.venue);
        waiting.presences.push_back(presence);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Throws the waiting batches away; answers how many.
    pub(crate) fn clear(&self) -> u64 {
        let mut waiting = self.lock();
        waiting.bytes = 0;
        waiting.presences.clear();
        let dropped = waiting.batches.len();
        waiting.batches = VecDeque::new();
        u64::try_from(dropped).unwrap_or(u64::MAX)
    }

    /// Takes what is waiting, control first, up to `count` messages or about `bytes`.
    pub(crate) fn take(&self, count: usize, bytes: usize) -> Vec<Parcel> {
        let mut waiting = self.lock();
        let mut parcels = Vec::new();
        while parcels.len() < count
            && let Some(control) = waiting.controls.pop_front()
        {
            parcels.push(Parcel::Control(control));
        }
        while parcels.len() < count
            && let Some(presence) = waiting.presences.pop_front()
        {
            parcels.push(Parcel::Presence(presence));
        }
        let mut taken = 0;
        while parcels.len() < count
            && taken < bytes
            && let Some(batch) = waiting.batches.pop_front()
        {
            let size = wire::batch_bytes(&batch);
            taken += size;
            waiting.bytes -= size;
            parcels.push(Parcel::Batch(batch));
        }
        parcels
    }

    /// Waits until something was pushed since the last wait.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use kernel::event::{Frame, Topic};
    use kernel::ids::VenueId;

    use super::*;

    fn batch(seq: i64, len: usize) -> Batch {
        let json = Bytes::from(vec![b'x'; len]);
        Batch {
            venue: VenueId(uuid::Uuid::nil()),
            first_seq: seq,
            at: Timestamp::UNIX_EPOCH,
            prev_at: Timestamp::UNIX_EPOCH,
            frames: vec![Frame { topic: Topic::Seats, follow: None, json }],
        }
    }

    #[test]
    fn the_oldest_goes_when_the_queue_is_full() {
        let queue = Queue::default();
        let dropped: u64 = (1..=10).map(|seq| queue.push(batch(seq, 1024 * 1024))).sum();
        assert_eq!(dropped, 3);
        assert!(queue.bytes() <= QUEUE_BYTES_MAX);
        let first = queue.take(1, usize::MAX).pop();
        assert!(matches!(first, Some(Parcel::Batch(batch)) if batch.first_seq == 4));
    }

    #[test]
    fn control_goes_first_and_survives_an_outage() {
        let queue = Queue::default();
        queue.push(batch(1, 10));
        queue.push_control(Control::DeviceRevoked { device: uuid::Uuid::nil() });
        assert_eq!(queue.clear(), 1);
        assert_eq!(queue.bytes(), 0);
        queue.push(batch(2, 10));
        let parcels = queue.take(10, usize::MAX);
        assert!(matches!(parcels.as_slice(), [Parcel::Control(_), Parcel::Batch(_)]));
    }
}
