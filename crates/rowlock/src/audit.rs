//! What privileged people did: `GET …/audit`, and `rowlock audit verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use actix_web::{get, web};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use edge::page::{Items, Page};
use edge::{Actor, App, Query, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::clock::Clock;
use kernel::ids::VenueId;
use kernel::problem::Problem;
use pg::audit::{AuditFilter, AuditRow, Verdict};
use pg::{Db, DbError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::anchor::{Anchor, AnchorKey};
use crate::config::{Database, Sealing};
use crate::invariants;
use crate::snapshot::VenuePath;

/// Which acts; what is absent is any.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// What was done: `member_updated`, `denied`.
    action: Option<String>,
    /// Who did it.
    actor: Option<Uuid>,
    /// What it was done to: `member`.
    entity: Option<String>,
    /// Which one.
    #[serde(rename = "entityId")]
    #[param(rename = "entityId")]
    entity_id: Option<Uuid>,
    /// From this moment on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

/// A privileged act, or a denied attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// Its number in the venue's chain.
    seq: i64,
    /// When it was done.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who did it: a user; absent for the server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<Uuid>,
    /// What was done.
    #[schema(example = "member_updated")]
    action: String,
    /// What it was done to.
    #[schema(example = "member")]
    entity: String,
    /// Which one.
    entity_id: Uuid,
    /// What was written of it: `detail`, and `address`, `requestId`, `device` of where it came from.
    /// Absent when it was forgotten with a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    payload: Option<Box<serde_json::value::RawValue>>,
    /// Its link of the chain, SHA-256 in hex.
    hash: String,
}

/// Read the audit log
///
/// What members, devices and the server did that is privileged, and what members tried and may
/// not, newest first. Nobody changes it; each entry covers the one before it.
#[utoipa::path(
    operation_id = "listAudit", tag = "audit", params(VenuePath, Wanted, Page),
    responses((status = 200, body = Items<AuditEntry>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/audit")]
pub(crate) async fn list_audit(
    actor: Actor<can::ReadAudit>,
    wanted: Query<Wanted>,
    page: Query<Page>,
    app: web::Data<App>,
) -> Result<web::Json<Items<AuditEntry>>, Rejection> {
    let (limit, after) = page.bounds()?;
    let before = if after.is_nil() { i64::MAX } else { number(after)? };
    let wanted = wanted.into_inner();
    let filter = AuditFilter {
        action: wanted.action,
        actor: wanted.actor,
        entity: wanted.entity,
        entity_id: wanted.entity_id,
        from: wanted.from,
        to: wanted.to,
    };
    let rows = app.read(&actor, async |q| q.audit(&filter, (limit + 1, before)).await).await?;
    let entries = rows.into_iter().map(entry).collect::<Result<Vec<_>, DbError>>()?;
    Ok(web::Json(Items::of(entries, limit, |entry| cursor(entry.seq))))
}

/// A number in the shape of a cursor.
fn cursor(seq: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(seq).unwrap_or_default())
}

fn number(cursor: Uuid) -> Result<i64, Rejection> {
    i64::try_from(cursor.as_u128()).map_err(|_| {
        let detail = "Use nextCursor of the page before as it was given, or leave it away.";
        Problem::new(400, "bad_cursor", "The cursor cannot be used", detail).into()
    })
}

fn entry(row: AuditRow) -> Result<AuditEntry, DbError> {
    let payload = row.payload.map(serde_json::value::RawValue::from_string).transpose()?;
    Ok(AuditEntry {
        seq: row.seq,
        at: row.at,
        actor: Some(row.actor).filter(|actor| !actor.is_nil()),
        action: row.action,
        entity: row.entity,
        entity_id: row.entity_id,
        payload,
        hash: hex(&row.hash),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `rowlock audit`
#[derive(Clone, Subcommand)]
pub(crate) enum AuditCommand {
    /// Compute all hashes anew and name the first row of each chain that is not what was written.
    Verify {
        #[command(flatten)]
        database: Database,
        /// Only this venue; without it every venue and the server itself.
        #[arg(long)]
        venue: Option<VenueId>,
        /// A log of the workers: each audit head that was noted in it has to be in the chains.
        #[arg(long)]
        anchors: Option<PathBuf>,
        #[command(flatten)]
        sealing: Sealing,
    },
    /// Compute the product's promises anew from all rows and name what breaks them.
    Invariants {
        #[command(flatten)]
        database: Database,
        /// Only this venue.
        #[arg(long)]
        venue: Option<VenueId>,
    },
}

/// Runs it; a broken chain is an error.
pub(crate) async fn run(command: AuditCommand) -> anyhow::Result<()> {
    let (database, venue, anchors, sealing) = match command {
        AuditCommand::Verify { database, venue, anchors, sealing } => {
            (database, venue, anchors, sealing)
        }
        AuditCommand::Invariants { database, venue } => {
            let db = Db::new(&database.config()?, Clock::default()).map_err(anyhow::Error::msg)?;
            return invariants::run(&db, venue).await;
        }
    };
    let db = Db::new(&database.config()?, Clock::default()).map_err(anyhow::Error::msg)?;
    let verdicts = db.verify_audit(venue).await?;
    for verdict in &verdicts {
        println!("{}", line(verdict));
    }
    let broken = verdicts.iter().filter(|verdict| verdict.broken.is_some()).count();
    if broken > 0 {
        bail!("{broken} of {} audit chains are broken", verdicts.len());
    }
    println!("{} audit chains are whole", verdicts.len());
    match anchors {
        Some(file) => check_anchors(&db, &file, &AnchorKey::of(&sealing.key()?)?, venue).await,
        None => Ok(()),
    }
}

/// Compares the chains with what was noted of them elsewhere: whoever owns the database can write a
/// whole chain anew, but not the logs, and not without `ROWLOCK_KEY`.
async fn check_anchors(
    db: &Db,
    file: &Path,
    key: &AnchorKey,
    only: Option<VenueId>,
) -> anyhow::Result<()> {
    let log = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let (mut checked, mut wrong) = (0_usize, 0_usize);
    for text in Anchor::find(&log) {
        checked += 1;
        let anchor = match key.open(text) {
            Ok(anchor) => anchor,
            Err(error) => {
                wrong += 1;
                println!("{text}: {error}");
                continue;
            }
        };
        if only.is_some_and(|only| only.0 != anchor.head.venue) {
            continue;
        }
        let found = db.audit_hash(anchor.head.venue, anchor.head.seq).await?;
        if found.as_deref() != Some(&anchor.head.hash) {
            wrong += 1;
            let was = if found.is_some() { "was another one" } else { "was there" };
            println!("{}: row {} {was} at {}", anchor.head.venue, anchor.head.seq, anchor.at);
        }
    }
    if checked == 0 {
        bail!("{} has no audit heads", file.display());
    }
    if wrong > 0 {
        bail!("{wrong} of {checked} noted audit heads are not in the chains");
    }
    println!("{checked} noted audit heads are in the chains");
    Ok(())
}

fn line(verdict: &Verdict) -> String {
    let name = if verdict.venue.is_nil() { "server".to_owned() } else { verdict.venue.to_string() };
    match verdict.broken {
        None => format!("{name}: {} rows, head {}", verdict.rows, hex(&verdict.head)),
        Some((seq, wrong)) => format!("{name}: row {seq} is broken: {wrong}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_as_a_cursor() {
        assert_eq!(number(cursor(7)).unwrap(), 7);
        assert!(number(Uuid::max()).is_err());
    }

    #[test]
    fn a_broken_chain_names_its_row() {
        let broken = Some((3, "a row is missing"));
        let verdict = Verdict { venue: Uuid::nil(), rows: 2, head: vec![0xab], broken };
        assert_eq!(line(&verdict), "server: row 3 is broken: a row is missing");
        let whole = Verdict { broken: None, ..verdict };
        assert_eq!(line(&whole), "server: 2 rows, head ab");
    }
}
