#![doc = include_str!("../README.md")]

mod body;
mod counts;
mod document;
mod frame;
mod hub;
mod limits;
#[cfg(test)]
mod live_tests;
mod log;
mod poll;
mod protocol;
mod rate;
mod ring;
mod routes;
mod sequencer;
mod session;
mod socket;
mod upgrade;
#[cfg(test)]
mod worker_tests;

pub use document::{EventType, events_document};
pub use hub::Hub;
pub use limits::Limits;
pub use protocol::PROTOCOL;
pub use routes::{RealtimeApi, on_connect, routes};
pub use upgrade::Origins;
