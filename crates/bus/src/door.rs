//! The bus as the rest of the worker sees it.

use std::sync::Arc;

use kernel::event::Batch;
use kernel::ids::VenueId;
use tokio::sync::{mpsc, oneshot};

use crate::channel::Names;
use crate::config::{BusConfig, BusError};
use crate::control::Control;
use crate::link;
use crate::notice::{Ears, Incoming, Notice, Origin, ears};
use crate::presence::Presence;
use crate::publisher::{self, Publisher};
use crate::queue::Queue;
use crate::state::{Links, RedisState};
use crate::subscriber::{Request, Subscriber};
use crate::work::Work;

/// The way to the other workers. Clones share it.
#[derive(Clone, Debug)]
pub struct Bus {
    ears: Ears,
    links: Links,
    queue: Arc<Queue>,
    requests: mpsc::UnboundedSender<Request>,
    work: Work,
}

impl Bus {
    /// Starts the tasks on the current tokio runtime. They end when the bus' last clone is gone.
    ///
    /// # Errors
    /// When the address is not one. A Redis that is not there is no error: it may come.
    pub fn start(config: BusConfig) -> Result<(Self, Incoming), BusError> {
        let (ears, incoming) = ears();
        let queue = Arc::new(Queue::default());
        let links = Links::new(config.redis_url.is_some(), ears.clone());
        // One small message per venue that becomes active or idle: bounded by the venues' number.
        let (requests, inbox) = mpsc::unbounded_channel();
        let mut work = Work::away();
        if let Some(url) = config.redis_url {
            let target = link::Target::new(&url, config.sharded).map_err(BusError::Address)?;
            let names = Names::new(config.namespace, config.sharded);
            let (origin, _) = uuid::Uuid::new_v4().as_u64_pair();
            work = Work::new(target.clone(), &names, origin, links.clone());
            let publisher = Publisher::new(target.clone(), names.clone(), origin, links.clone());
            tokio::spawn(publisher.run(Arc::downgrade(&queue)));
            let subscriber = Subscriber::new(target, names, origin, links.clone(), ears.clone());
            tokio::spawn(subscriber.run(inbox));
        }
        Ok((Self { ears, links, queue, requests, work }, incoming))
    }

    /// Tells the own sockets and the other workers what was committed. Never waits, never fails:
    /// whoever misses it finds it in the log.
    pub fn publish(&self, batch: Batch) {
        match self.links.state() {
            RedisState::Off => {}
            _ if self.links.publisher_is_up() => {
                publisher::count_dropped(self.queue.push(batch.clone()));
            }
            _ => publisher::count_dropped(1),
        }
        self.ears.tell(Notice::Batch(batch, Origin::Local));
    }

    /// Tells everybody that somebody's rights changed.
    pub fn publish_control(&self, control: Control) {
        self.ears.tell(Notice::Control(control));
        if self.links.state() != RedisState::Off {
            self.queue.push_control(control);
        }
    }

    /// Tells the other workers who is where in a venue. To be said again now and then.
    pub fn publish_presence(&self, presence: Presence) {
        if self.links.publisher_is_up() {
            self.queue.push_presence(presence);
        }
    }

    /// Tells this process alone: what the others find out by themselves.
    pub fn tell_control(&self, control: Control) {
        self.ears.tell(Notice::Control(control));
    }

    /// Gives each control, wherever it comes from, to `heed` at once, before the listener takes it.
    /// Once per bus.
    pub fn on_control(&self, heed: impl Fn(Control) + Send + Sync + 'static) {
        self.ears.heed(Box::new(heed));
    }

    /// Listens to a venue. True when Redis has confirmed it: from now on no event is missed but by
    /// an outage, which `Notice::Connected` ends. False when there is no Redis at the moment; the
    /// wish is kept for when it comes back.
    pub async fn subscribe(&self, venue: VenueId) -> bool {
        if self.state() == RedisState::Off {
            return false;
        }
        let (confirm, confirmed) = oneshot::channel();
        self.requests.send(Request::Subscribe(venue, confirm)).is_ok()
            && confirmed.await.unwrap_or(false)
    }

    /// Listens to a venue no longer.
    pub fn unsubscribe(&self, venue: VenueId) {
        if self.state() != RedisState::Off {
            let _ = self.requests.send(Request::Unsubscribe(venue));
        }
    }

    /// Work that any worker may do.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Whether Redis carries events right now.
    #[must_use]
    pub fn state(&self) -> RedisState {
        self.links.state()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use jiff::Timestamp;

    use super::*;

    fn batch() -> Batch {
        Batch {
            venue: VenueId(uuid::Uuid::nil()),
            first_seq: 1,
            at: Timestamp::UNIX_EPOCH,
            prev_at: Timestamp::UNIX_EPOCH,
            frames: Vec::new(),
        }
    }

    #[tokio::test]
    async fn without_redis_the_own_sockets_still_hear() {
        let (bus, mut incoming) = Bus::start(BusConfig::default()).unwrap();
        assert_eq!(bus.state(), RedisState::Off);
        bus.publish(batch());
        let heard = incoming.next().await;
        assert!(matches!(heard, Some(Notice::Batch(heard, Origin::Local)) if heard == batch()));
        assert!(!bus.subscribe(VenueId(uuid::Uuid::nil())).await);
    }

    #[tokio::test]
    async fn a_control_is_heeded_at_once_and_heard() {
        let (bus, mut incoming) = Bus::start(BusConfig::default()).unwrap();
        let count = Arc::new(AtomicU32::new(0));
        let keep = Arc::clone(&count);
        bus.on_control(move |_| {
            keep.fetch_add(1, Ordering::Relaxed);
        });
        let session = kernel::ids::SessionId(uuid::Uuid::nil());
        bus.publish_control(Control::SessionRevoked { session });
        bus.tell_control(Control::SessionRevoked { session });
        assert_eq!(count.load(Ordering::Relaxed), 2);
        assert!(matches!(incoming.next().await, Some(Notice::Control(_))));
    }

    #[tokio::test]
    async fn a_redis_that_is_not_there_delays_nothing() {
        let redis_url = Some("redis://127.0.0.1:1".to_owned());
        let (bus, mut incoming) =
            Bus::start(BusConfig { redis_url, ..BusConfig::default() }).unwrap();
        bus.publish(batch());
        assert!(matches!(incoming.next().await, Some(Notice::Batch(_, Origin::Local))));
        let confirmed = tokio::time::timeout(
            std::time::Duration::from_secs(3),
            bus.subscribe(VenueId(uuid::Uuid::nil())),
        );
        assert_eq!(confirmed.await, Ok(false));
        assert_eq!(bus.state(), RedisState::Away);
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_refused() {
        let redis_url = Some("http://example.org".to_owned());
        assert!(Bus::start(BusConfig { redis_url, ..BusConfig::default() }).is_err());
    }
}
