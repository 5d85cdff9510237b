#![doc = include_str!("../README.md")]

pub mod audit;
mod barrier;
pub mod check;
pub mod control;
pub mod db;
pub mod error;
pub mod facts;
pub mod follow;
pub mod log;
pub mod migrate;
pub mod once;
pub mod one_trip;
pub mod read;
pub mod row;
pub mod sql;
mod tls;
pub mod tx;
pub mod write;

pub use db::{Db, DbConfig};
pub use error::DbError;
pub use follow::Opener;
pub use log::{Head, Stored};
pub use once::{OnceKey, Reply, StoredAnswer};
pub use one_trip::{Call, Lock};
pub use read::Reader;
pub use row::Columns;
pub use sql::{Param, Query};
pub use tx::Tx;
pub use write::{Outcome, WriteTask};

pub use postgres_types::{FromSql, Json, ToSql};
pub use tokio_postgres::Row;
