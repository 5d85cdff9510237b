#![doc = include_str!("../README.md")]

pub mod audit;
pub mod control;
pub mod db;
pub mod error;
pub mod facts;
pub mod log;
pub mod migrate;
pub mod once;
pub mod read;
pub mod row;
pub mod sql;
mod tls;
pub mod tx;
pub mod write;

pub use db::{Db, DbConfig};
pub use error::DbError;
pub use log::{Head, Stored};
pub use once::{OnceKey, Reply, StoredAnswer};
pub use read::Reader;
pub use row::Columns;
pub use sql::{Param, Query};
pub use tx::Tx;
pub use write::{Outcome, WriteTask};

pub use postgres_types::{FromSql, Json, ToSql};
pub use tokio_postgres::Row;
