#![doc = include_str!("../README.md")]
#![expect(
    clippy::disallowed_methods,
    reason = "a development tool: it reads the environment itself, nothing of it reaches the server"
)]

mod account;
mod cluster;
mod find;
pub mod haproxy;
mod lasting;
mod obtain;
pub mod oidc;
mod os;
mod place;
mod postgres;
mod process;
mod redis;
pub mod schemathesis;
mod secret;
mod sharded;
mod shared;
pub mod smtp;
pub mod stripe;
mod url;

pub use account::Account;
pub use cluster::{Cluster, ClusterOptions, Node};
pub use lasting::{Lasting, LastingServices};
pub use os::{Signal, interrupted, watch_interrupts};
pub use place::workspace_root;
pub use process::{Running, free_port, free_ports, tail};
pub use secret::{base64_key, password, write_secret};
pub use sharded::RedisCluster;
pub use shared::Services;

/// Says one line of progress on standard error.
pub(crate) fn say(what: &str, detail: &str) {
    eprintln!("{what:<10} {detail}");
}
