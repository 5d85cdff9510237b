//! Whether Redis is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
}

impl Links {
    pub(crate) fn new(configured: bool) -> Self {
        let links = Self { configured, publisher: Arc::default(), subscriber: Arc::default() };
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
            self.show();
        }
    }

    pub(crate) fn set_subscriber(&self, up: bool) {
        if self.subscriber.swap(up, Ordering::Relaxed) != up {
            tracing::info!(bus.up = up, "the subscriber's connection to Redis changed");
            self.show();
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
