//! What the bus tells the process that listens.

use std::fmt;
use std::sync::{Arc, OnceLock};

use kernel::event::Batch;
use tokio::sync::mpsc;

use crate::control::Control;
use crate::presence::Presence;

/// How many notices may wait for the listener. One that is refused is harmless: the listener finds
/// the hole in the venue's log.
pub(crate) const NOTICES_MAX: usize = 16_384;

/// Where a batch comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written by this process.
    Local,
    /// Written by another one and carried by Redis.
    Remote,
}

/// One thing that the listener is told.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Events were committed.
    Batch(Batch, Origin),
    /// Somebody's rights changed.
    Control(Control),
    /// Who is where at another process, by that process' number.
    Presence(Presence, u64),
    /// The subscriber is connected, for the first time or again: what was published before is
    /// gone, look at the heads now.
    Connected,
    /// Redis is gone or does not answer: look at the heads now, and often.
    Away,
}

/// The listener's end. Hand over at once: nothing may be waited for between two notices.
#[derive(Debug)]
pub struct Incoming {
    pub(crate) notices: mpsc::Receiver<Notice>,
}

impl Incoming {
    /// The next notice; none when the bus is gone.
    pub async fn next(&mut self) -> Option<Notice> {
        self.notices.recv().await
    }

    /// The next notice, if one waits.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.notices.try_recv().ok()
    }
}

/// What is done at once with each control.
type Heed = Box<dyn Fn(Control) + Send + Sync>;

/// The bus' end.
#[derive(Clone)]
pub(crate) struct Ears {
    notices: mpsc::Sender<Notice>,
    heed: Arc<OnceLock<Heed>>,
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ears").finish_non_exhaustive()
    }
}

impl Ears {
    /// From now on each control is also given to `heed`. Only the first one counts.
    pub(crate) fn heed(&self, heed: Heed) {
        drop(self.heed.set(heed));
    }

    /// Tells the listener, or counts that it could not be told.
    pub(crate) fn tell(&self, notice: Notice) {
        if let (Notice::Control(control), Some(heed)) = (&notice, self.heed.get()) {
            heed(*control);
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.notices.try_send(notice) {
            metrics::counter!("rowlock_bus_notices_dropped_total").increment(1);
        }
    }
}

/// Both ends.
pub(crate) fn ears() -> (Ears, Incoming) {
    let (tell, notices) = mpsc::channel(NOTICES_MAX);
    (Ears { notices: tell, heed: Arc::default() }, Incoming { notices })
}
