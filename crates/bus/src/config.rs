//! What the bus needs to know at start.

use std::fmt;

/// How to reach Redis, if there is one.
#[derive(Clone)]
pub struct BusConfig {
    /// `redis://…` or `rediss://…`; none for a single worker or a small cluster without Redis.
    pub redis_url: Option<String>,
    /// Before every channel's name, so that several installations can share one Redis.
    pub namespace: String,
    /// Sharded pub/sub on Redis Cluster.
    pub sharded: bool,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self { redis_url: None, namespace: "rl:".into(), sharded: false }
    }
}

impl fmt::Debug for BusConfig {
    /// Without the address: it carries a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusConfig")
            .field("redis_url", &self.redis_url.as_ref().map(|_| "…"))
            .field("namespace", &self.namespace)
            .field("sharded", &self.sharded)
            .finish()
    }
}

/// The bus cannot be started as configured.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The address is not one.
    #[error("REDIS_URL is not an address of Redis (redis://host:port or rediss://host:port)")]
    Address(#[source] redis::RedisError),
}
