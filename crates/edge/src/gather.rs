//! Calls of one venue that wait for one another go together. They would wait for the same row of the
//! log in any case: while one packet holds its locks, whatever comes for its venue in this thread goes
//! in the next one, in the order in which it came, as one transaction with one flush.
//!
//! Each call has an answer of its own. If a packet fails, none of its calls was done: each goes the
//! usual way, so that one that fails takes nobody with it. If nobody knows, each is told so.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::ids::VenueId;
use kernel::scope::Reach;
use pg::one_trip::Called;
use pg::{Call, DbError, WriteTask};
use tokio::sync::{Semaphore, oneshot};

use crate::App;

/// Calls of one packet.
pub(crate) const CALLS_TOGETHER_MAX: usize = 16;
/// Packets of one venue that one thread has under way: one holds locks, the others wait for the disk.
const PACKETS_MAX: usize = 4;
/// Calls of one venue that wait in one thread; one more goes alone.
const WAITING_MAX: usize = 256;

/// One call, and who waits for its answer.
pub(crate) struct Waiting {
    task: WriteTask,
    call: Call,
    tell: oneshot::Sender<Called>,
}

/// The calls of this thread that wait, by venue. A venue is in it while a packet is under way.
#[derive(Clone, Default)]
pub(crate) struct Gatherer {
    waiting: Arc<Mutex<HashMap<VenueId, VecDeque<Waiting>>>>,
}

/// What becomes of a call that comes.
enum Joined {
    /// It goes with the next packet.
    Waits,
    /// No packet is under way: it is the first.
    Leads,
    /// Too many wait, or none is to wait for another: it goes alone.
    Full(Box<Waiting>),
}

/// Takes the venue out, whatever ends the packets: whoever still waits is told that nobody knows.
struct Leaving<'a>(&'a Gatherer, VenueId);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl Gatherer {
    fn lock(&self) -> MutexGuard<'_, HashMap<VenueId, VecDeque<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, venue: VenueId, new: Waiting) -> Joined {
        let mut waiting = self.lock();
        match waiting.get_mut(&venue) {
            Some(queue) if queue.len() < WAITING_MAX => {
                queue.push_back(new);
                Joined::Waits
            }
            Some(_) => Joined::Full(Box::new(new)),
            None => {
                waiting.insert(venue, VecDeque::from([new]));
                Joined::Leads
            }
        }
    }

    /// The next packet of the venue, of at most so many calls.
    fn next(&self, venue: VenueId, most: usize) -> Vec<Waiting> {
        let mut waiting = self.lock();
        let Some(queue) = waiting.get_mut(&venue) else { return Vec::new() };
        let count = queue.len().min(most.max(1));
        queue.drain(..count).collect()
    }
}

impl App {
    /// Runs the call, together with others of its venue where they wait.
    pub(crate) async fn gather(&self, task: WriteTask, call: Call) -> Called {
        let Reach::Venue(venue) = task.scope.reach else { return Err(DbError::Forbidden) };
        let (tell, told) = oneshot::channel();
        let new = Waiting { task, call, tell };
        let joined = match self.calls_together() {
            0 | 1 => Joined::Full(Box::new(new)),
            _ => self.gatherer().join(venue, new),
        };
        let app = self.clone();
        // To its end, even when the client that came first goes away.
        match joined {
            Joined::Waits => {}
            Joined::Leads => drop(actix_web::rt::spawn(async move { app.lead(venue).await })),
            Joined::Full(new) => {
                drop(actix_web::rt::spawn(async move { app.together(vec![*new], || {}).await }));
            }
        }
        told.await.unwrap_or(Err(DbError::Away))
    }

    /// Sends packets of the venue as long as calls wait: the next as soon as the one before it has
    /// given its locks back, while that one still waits for the disk.
    async fn lead(&self, venue: VenueId) {
        let _leaving = Leaving(self.gatherer(), venue);
        let places = Arc::new(Semaphore::new(PACKETS_MAX));
        loop {
            // Nobody closes it.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let next = self.gatherer().next(venue, self.calls_together());
            // Nothing comes between this look and the leaving: all of it is one thread.
            if next.is_empty() {
                return;
            }
            let (tell, committed) = oneshot::channel();
            let app = self.clone();
            actix_web::rt::spawn(async move {
                app.together(next, || tell.send(()).unwrap_or(())).await;
                drop(place);
            });
            // Or it has failed before it came so far.
            let _ = committed.await;
        }
    }

    /// One packet.
    async fn together(&self, packet: Vec<Waiting>, committed: impl FnOnce()) {
        let calls: Vec<_> = packet.iter().map(|it| (&it.task, &it.call)).collect();
        if calls.len() > 1 {
            let count = u64::try_from(calls.len()).unwrap_or(u64::MAX);
            metrics::counter!("rowlock_calls_together_total").increment(count);
        }
        let called = self.db().write_together(&calls, committed).await;
        match called {
            Ok((called, batch)) => {
                if let Some(batch) = batch {
                    self.bus().publish(batch);
                }
                for (waiting, done) in packet.into_iter().zip(called) {
                    // Whoever has gone away needs no answer.
                    drop(waiting.tell.send(done));
                }
            }
            Err(error) => {
                let unknown = matches!(error, DbError::CommitUnknown);
                let mut error = Some(error).filter(|_| packet.len() == 1);
                for waiting in packet {
                    let told = match error.take() {
                        Some(error) => Err(error),
                        None if unknown => Err(DbError::CommitUnknown),
                        None => Ok(None),
                    };
                    drop(waiting.tell.send(told));
                }
            }
        }
    }
}
