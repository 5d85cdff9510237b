//! What a run came to: a line for people, a file for whoever started us.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::record::{Outcome, Record};

/// Violations that are shown; the file has all of them.
const SHOWN_MAX: usize = 20;

pub(crate) fn write(folder: &Path, record: &Record, violations: &[String]) -> Result<()> {
    let count =
        |of: fn(&Outcome) -> bool| record.writes.iter().filter(|write| of(&write.outcome)).count();
    let acked = count(|outcome| matches!(outcome, Outcome::Ok(_)));
    let refused = count(|outcome| matches!(outcome, Outcome::Fail(..)));
    let unknown = count(|outcome| matches!(outcome, Outcome::Unknown));
    let repeated = record.writes.iter().filter(|write| write.attempts > 1).count();
    let warm = record.writes.iter().filter(|write| write.invoked_ms >= record.warm_ms);
    let summary = json!({
        "acked": acked, "refused": refused, "unknown": unknown, "repeated": repeated,
        "deliveries": record.deliveries, "connections": record.connections,
        "mostAttempts": warm.map(|write| write.attempts).max(),
        "broken": record.broken, "closes": record.closes, "resyncs": record.resyncs, "violations": violations,
    });
    fs::create_dir_all(folder)?;
    fs::write(folder.join("summary.json"), serde_json::to_vec_pretty(&summary)?)?;
    fs::write(folder.join("record.json"), serde_json::to_vec(record)?)?;
    for violation in violations.iter().take(SHOWN_MAX) {
        println!("violation  {violation}");
    }
    Ok(())
}
