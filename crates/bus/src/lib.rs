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
#[cfg(test)]
mod sharded_tests;
mod state;
mod subscriber;
mod wire;
mod work;
#[cfg(test)]
mod work_tests;

pub use config::{BusConfig, BusError};
pub use control::Control;
pub use door::Bus;
pub use notice::{Incoming, Notice, Origin};
pub use presence::{Presence, Present};
pub use state::RedisState;
pub use work::{Piece, Taker, WORK_IDLE_MAX, WORK_PIECES_MAX, Work, WorkAway};
