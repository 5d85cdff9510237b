//! The scripts of `pgbench/`, laid where psql and pgbench find them.

use std::path::PathBuf;

use anyhow::Result;

use super::act::Act;
use super::side::Side;
use crate::pgbench::{Folder, pipelined};

const HOLD_STATEMENTS: &str = include_str!("../../../pgbench/hold_statements.sql");
const HOLD_ONE: &str = include_str!("../../../pgbench/hold_one_statement.sql");
const BOOK_STATEMENTS: &str = include_str!("../../../pgbench/book_statements.sql");
const BOOK_ONE: &str = include_str!("../../../pgbench/book_one_statement.sql");

/// The settings of a worker's session, see `SESSION` in pg.
pub(super) const WORKER_SESSION: &[(&str, &str)] = &[
    ("role", "rowlock_app"),
    ("statement_timeout", "3s"),
    ("lock_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("synchronous_commit", "on"),
];

/// The ceiling plans once and keeps the plan. Left to itself PostgreSQL plans this statement anew each
/// time, because it takes plans for known values to be cheaper.
pub(super) const CEILING_SESSION: &[(&str, &str)] = &[("plan_cache_mode", "force_generic_plan")];

/// Where each script is.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) prepare: PathBuf,
    pub(super) reset: PathBuf,
    pub(super) count: PathBuf,
    sides: Vec<(Act, Side, PathBuf)>,
}

impl Scripts {
    pub(super) fn write(folder: &Folder) -> Result<Self> {
        let mut sides = Vec::new();
        for (act, statements, one) in
            [(Act::Hold, HOLD_STATEMENTS, HOLD_ONE), (Act::Book, BOOK_STATEMENTS, BOOK_ONE)]
        {
            let packets = pipelined(statements);
            for (side, text) in [
                (Side::Statements, statements),
                (Side::Packets, packets.as_str()),
                (Side::OneStatement, one),
            ] {
                let name = format!("{act} {side}.sql").replace(' ', "_");
                sides.push((act, side, folder.put(&name, text)?));
            }
        }
        Ok(Self {
            prepare: folder.put("prepare.sql", include_str!("../../../pgbench/prepare.sql"))?,
            reset: folder.put("reset.sql", include_str!("../../../pgbench/reset.sql"))?,
            count: folder.put("count.sql", include_str!("../../../pgbench/count.sql"))?,
            sides,
        })
    }

    /// The script of a side; the product has none.
    pub(super) fn of(&self, act: Act, side: Side) -> Option<&PathBuf> {
        self.sides.iter().find(|(a, s, _)| (*a, *s) == (act, side)).map(|(_, _, path)| path)
    }
}
