#![doc = include_str!("../README.md")]

mod backoff;
mod channel;
mod config;
mod control;
mod door;
mod link;
mod notice;
#[cfg(test)]
mod outage_tests;
mod presence;
mod publisher;
mod queue;
mod state;
mod subscriber;
mod wire;

pub use config::{BusConfig, BusError};
pub use control::Control;
pub use door::Bus;
pub use notice::{Incoming, Notice, Origin};
pub use presence::{Presence, Present};
pub use state::RedisState;
