#![doc = include_str!("../README.md")]

mod connection;
mod counts;
mod document;
mod frame;
mod grant;
mod hub;
mod limits;
#[cfg(test)]
mod live_tests;
mod log;
mod old;
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
pub use grant::{Asked, FOLLOW_SECRET, Grant, TooMany, secret_of};
pub use hub::Hub;
pub use limits::Limits;
pub use old::OldSocket;
pub use protocol::PROTOCOL;
pub use routes::{RealtimeApi, on_connect, routes};
pub use upgrade::Origins;
