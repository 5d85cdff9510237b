#![doc = include_str!("../README.md")]

pub mod actor;
pub mod answer;
pub mod app;
pub mod body;
pub mod limits;
pub mod once;
pub mod page;
pub mod path;
pub mod rejection;
pub mod request_log;
pub mod token;

pub use actor::Actor;
pub use answer::{Answer, Created, Done, Gone};
pub use app::App;
pub use body::{Body, Input, Nothing};
pub use kernel::role::can;
pub use once::{Once, OnceIfGiven};
pub use path::Path;
pub use rejection::Rejection;
