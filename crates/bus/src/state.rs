//! Whether Redis is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::notice::{Ears, Notice};

/// Whether Redis carries events right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisState {
    /// None is configured.
    Off,
    /// Both connections are up and Redis answers.
    Connected,
    /// Configured, but not there.
    Away,
}

impl RedisState {
    /// The word for health reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Connected => "connected",
            Self::Away => "away",
        }
    }
}

/// What the two connections know of themselves.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    configured: bool,
    publisher: Arc<AtomicBool>,
    subscriber: Arc<AtomicBool>,
    ears: Ears,
}

impl Links {
    pub(crate) fn new(configured: bool, ears: Ears) -> Self {
        let (publisher, subscriber) = (Arc::default(), Arc::default());
        let links = Self { configured, publisher, subscriber, ears };
        links.show();
        links
    }

    pub(crate) fn state(&self) -> RedisState {
        let up = self.publisher_is_up() && self.subscriber.load(Ordering::Relaxed);
        match (self.configured, up) {
            (false, _) => RedisState::Off,
            (true, true) => RedisState::Connected,
            (true, false) => RedisState::Away,
        }
    }

    pub(crate) fn publisher_is_up(&self) -> bool {
        self.publisher.load(Ordering::Relaxed)
    }

    pub(crate) fn set_publisher(&self, up: bool) {
        if self.publisher.swap(up, Ordering::Relaxed) != up {
            tracing::info!(bus.up = up, "the publisher's connection to Redis changed");
            self.changed(up);
        }
    }

    pub(crate) fn set_subscriber(&self, up: bool) {
        if self.subscriber.swap(up, Ordering::Relaxed) != up {
            tracing::info!(bus.up = up, "the subscriber's connection to Redis changed");
            self.changed(up);
        }
    }

    fn changed(&self, up: bool) {
        self.show();
        if !up {
            self.ears.tell(Notice::Away);
        }
    }

    fn show(&self) {
        let value = match self.state() {
            RedisState::Off => -1.0,
            RedisState::Away => 0.0,
            RedisState::Connected => 1.0,
        };
        metrics::gauge!("rowlock_redis_state").set(value);
    }
}
