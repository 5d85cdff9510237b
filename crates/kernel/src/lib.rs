#![doc = include_str!("../README.md")]

pub mod clock;
pub mod event;
pub mod follow;
pub mod ids;
pub mod money;
mod names;
pub mod problem;
pub mod role;
pub mod scope;
pub mod time;
