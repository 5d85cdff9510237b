#![doc = include_str!("../README.md")]

mod bed;
mod browser;
mod client;
mod database;
mod minter;
mod old_socket;
mod people;
mod proxy;
mod server;
mod socket;
mod statements;
mod trips;
mod wait;
mod worker;

pub use bed::{Bed, BedOptions};
pub use browser::{Browser, Landed};
pub use client::{Answered, Ask, Client};
pub use database::{Database, Sql};
pub use devkit::{ClusterOptions, free_port, oidc, smtp, stripe, workspace_root};
pub use minter::Minter;
pub use old_socket::OldSocket;
pub use people::{House, Person};
pub use proxy::{Direction, Proxy, Upstream};
pub use server::Server;
pub use socket::{Heard, Socket};
pub use statements::prepare_all;
pub use wait::{PATIENCE, wait_until};
pub use worker::{Worker, binary};
