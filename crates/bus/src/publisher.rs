//! Carries batches to Redis: one connection, one pipeline in flight.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::channel::Names;
use crate::link::{Outlet, Target};
use crate::queue::{Parcel, Queue};
use crate::state::Links;
use crate::wire;

/// Messages in one pipeline.
const PIPELINE_MESSAGES_MAX: usize = 512;
/// About how many bytes in one pipeline.
const PIPELINE_BYTES_MAX: usize = 1024 * 1024;
/// How long Redis may take to answer a pipeline.
pub(crate) const RESPONSE_DEADLINE: Duration = Duration::from_millis(500);
/// How long the connection may be idle before it is asked whether it lives.
const IDLE_PING: Duration = Duration::from_secs(5);

/// Counts batches that Redis will not carry.
pub(crate) fn count_dropped(batches: u64) {
    if batches > 0 {
        metrics::counter!("rowlock_publish_dropped_total").increment(batches);
    }
}

pub(crate) struct Publisher {
    target: Target,
    names: Names,
    origin: u64,
    links: Links,
}

impl Publisher {
    pub(crate) fn new(target: Target, names: Names, origin: u64, links: Links) -> Self {
        Self { target, names, origin, links }
    }

    /// Publishes until the bus is gone.
    pub(crate) async fn run(self, queue: Weak<Queue>) {
        let mut backoff = Backoff::new();
        while queue.strong_count() > 0 {
            match self.target.outlet().await {
                Ok(mut outlet) => {
                    backoff.reset();
                    self.links.set_publisher(true);
                    let end = self.drain(&mut outlet, &queue).await;
                    self.links.set_publisher(false);
                    let Err(error) = end else { return };
                    tracing::warn!(error = %error, "Redis does not take what is published");
                }
                Err(error) => tracing::debug!(error = %error, "no connection to publish"),
            }
            // What waits is stale by the time of the next connection: the others have read it
            // from the database.
            if let Some(queue) = queue.upgrade() {
                count_dropped(queue.clear());
            }
            sleep(backoff.wait()).await;
        }
    }

    /// Ok when the bus is gone.
    async fn drain(&self, outlet: &mut Outlet, queue: &Weak<Queue>) -> redis::RedisResult<()> {
        loop {
            let Some(strong) = queue.upgrade() else { return Ok(()) };
            let parcels = strong.take(PIPELINE_MESSAGES_MAX, PIPELINE_BYTES_MAX);
            if parcels.is_empty() {
                let filled = timeout(IDLE_PING, strong.filled()).await.is_ok();
                drop(strong);
                if !filled {
                    outlet.ping().await?;
                }
                continue;
            }
            metrics::gauge!("rowlock_publish_queue_bytes").set(gauge(&strong));
            drop(strong);
            let batches = parcels.iter().filter(|p| matches!(p, Parcel::Batch(_))).count();
            let messages: Vec<_> = parcels.iter().filter_map(|p| self.message(p)).collect();
            if let Err(error) = outlet.publish(&messages).await {
                count_dropped(u64::try_from(batches).unwrap_or(u64::MAX));
                return Err(error);
            }
        }
    }

    /// The channel and the bytes.
    fn message(&self, parcel: &Parcel) -> Option<(String, Bytes)> {
        match parcel {
            Parcel::Batch(batch) => {
                let bytes = wire::encode_batch(batch, self.origin)?;
                Some((self.names.venue(batch.venue), bytes))
            }
            Parcel::Presence(presence) => {
                let bytes = wire::encode_presence(presence, self.origin)?;
                Some((self.names.venue(presence.venue), bytes))
            }
            Parcel::Control(control) => {
                Some((self.names.control(), wire::encode_control(control, self.origin)?))
            }
        }
    }
}

fn gauge(queue: &Arc<Queue>) -> f64 {
    f64::from(u32::try_from(queue.bytes()).unwrap_or(u32::MAX))
}
