#![doc = include_str!("../README.md")]

pub mod actor;
pub mod address;
pub mod answer;
pub mod app;
pub mod body;
pub mod if_match;
pub mod late;
pub mod limits;
pub mod once;
pub mod page;
pub mod path;
pub mod rate;
pub mod refusals;
pub mod rejection;
pub mod request_log;
pub mod revoked;
pub mod token;

pub use actor::Actor;
pub use address::{ClientAddress, TrustedProxies};
pub use answer::{Answer, Created, Done, Gone};
pub use app::App;
pub use body::{Body, Input, Nothing};
pub use if_match::IfMatch;
pub use kernel::role::can;
pub use once::{Once, OnceIfGiven};
pub use path::Path;
pub use refusals::{ReadRefusals, WriteRefusals};
pub use rejection::Rejection;
