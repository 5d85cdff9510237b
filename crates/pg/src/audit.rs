//! The audit log: what privileged people did, as a chain per venue.
//!
//! Rows are appended by a function of the schema, in the packet of the commit, before the head of
//! the event log is taken. Each covers the hash of the one before it; this module computes the same
//! hashes a second time, to verify what the database holds.

use aws_lc_rs::digest;
use jiff::Timestamp;
use kernel::ids::{DeviceId, VenueId};
use kernel::scope::{Origin, Scope};
use postgres_types::ToSql;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::read::Reader;
use crate::{Columns, Db, DbError, Tx};

pub(crate) const APPEND: &str = "select log.append_audit($1, $2, $3, $4, $5, $6)";
const LIST: &str = "select seq, at, actor, action, entity, entity_id, payload::text as payload, hash \
     from log.audit where venue_id = $1 and seq < $2 \
     and ($4::text is null or action = $4) and ($5::uuid is null or actor = $5) \
     and ($6::text is null or entity = $6) and ($7::uuid is null or entity_id = $7) \
     and ($8::timestamptz is null or at >= $8) and ($9::timestamptz is null or at < $9) \
     order by seq desc limit $3";
const CHAINS: &str = "select venue_id from log.audit_head union select venue_id from log.audit \
     order by venue_id";
const HEAD: &str = "select seq, hash from log.audit_head where venue_id = $1";
const CHAIN: &str = "select venue_id, seq, at, actor, action, entity, entity_id, \
     payload::text as payload, salt, payload_hash, prev_hash, hash \
     from log.audit where venue_id = $1 and seq > $2 order by seq limit $3";
// Chains that went on since they were noted last; a worker at a time notes.
const NOTE_HEADS: &str = "with mine as (
    select pg_try_advisory_xact_lock(hashtext('log.audit_anchor')) as got
), due as (
    select h.venue_id, h.seq, h.hash from log.audit_head h
    left join log.audit_anchor a on a.venue_id = h.venue_id
    where h.seq > coalesce(a.seq, 0) and (select got from mine)
    order by h.venue_id limit $1
), noted as (
    insert into log.audit_anchor (venue_id, seq) select venue_id, seq from due
    on conflict (venue_id) do update set seq = excluded.seq
)
select venue_id, seq, hash from due";
const HASH_AT: &str = "select hash from log.audit where venue_id = $1 and seq = $2";
const FORGET: &str = "select acts, events, venues, heads from log.forget_person($1, $2)";

/// Rows that are verified at a time.
const VERIFY_PAGE: i64 = 1000;

/// A privileged act, for the audit log.
pub(crate) struct Act {
    pub(crate) action: &'static str,
    pub(crate) entity: &'static str,
    pub(crate) entity_id: Uuid,
    pub(crate) detail: String,
}

/// What an audit row says besides its columns; the text of it is what is salted and hashed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    detail: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
}

/// The privileged acts of a write, one array per column.
#[derive(Default)]
pub(crate) struct ActColumns {
    action: Vec<&'static str>,
    entity: Vec<&'static str>,
    entity_id: Vec<Uuid>,
    payload: Vec<String>,
}

impl ActColumns {
    pub(crate) fn of(acts: Vec<Act>, scope: Scope, origin: &Origin) -> Result<Self, DbError> {
        let mut all = Self::default();
        for act in acts {
            let detail = RawValue::from_string(act.detail)?;
            let (address, request_id) = (origin.address, origin.request_id.as_deref());
            let device = scope.device;
            let payload = Payload { detail: &detail, address, request_id, device };
            all.action.push(act.action);
            all.entity.push(act.entity);
            all.entity_id.push(act.entity_id);
            all.payload.push(serde_json::to_string(&payload)?);
        }
        Ok(all)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.action.is_empty()
    }

    pub(crate) fn params<'p>(
        &'p self,
        venue: &'p Uuid,
        actor: &'p Uuid,
    ) -> [&'p (dyn ToSql + Sync); 6] {
        [venue, actor, &self.action, &self.entity, &self.entity_id, &self.payload]
    }
}

/// Which rows of a venue.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// What was done: `member_updated`.
    pub action: Option<String>,
    /// Who did it.
    pub actor: Option<Uuid>,
    /// What it was done to: `member`.
    pub entity: Option<String>,
    /// Which one.
    pub entity_id: Option<Uuid>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

/// A privileged act as the log keeps it.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Its number in the venue's chain.
    pub seq: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Who did it; all zeros for the server itself.
    pub actor: Uuid,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub entity: String,
    /// Which one.
    pub entity_id: Uuid,
    /// What was written of it; nothing when it was forgotten with a person.
    pub payload: Option<String>,
    /// Its link of the chain.
    pub hash: Vec<u8>,
}

impl Reader {
    /// At most `limit` acts of the venue, newest first, older than the number `before`.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn audit(
        &mut self,
        filter: &AuditFilter,
        (limit, before): (i64, i64),
    ) -> Result<Vec<AuditRow>, DbError> {
        let venue = self.venue()?;
        let AuditFilter { action, actor, entity, entity_id, from, to } = filter;
        let params: [&(dyn ToSql + Sync); 9] =
            [&venue, &before, &limit, action, actor, entity, entity_id, from, to];
        self.query(LIST, &params).await?.iter().map(listed).collect()
    }
}

/// Where an audit chain was at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Whose; all zeros for what belongs to no venue.
    pub venue: Uuid,
    /// The number of its last row.
    pub seq: i64,
    /// The hash of that row, which covers all before it.
    pub hash: Vec<u8>,
}

impl Tx {
    /// At most `limit` chains that went on since this was asked last, to be noted outside the
    /// database; none while another worker notes. Only in a job's transaction.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn audit_heads_to_note(&mut self, limit: i64) -> Result<Vec<ChainHead>, DbError> {
        let rows = self.execute(NOTE_HEADS, &[&limit]).await?;
        let head = |row: &Row| {
            Ok(ChainHead {
                venue: row.col("venue_id")?,
                seq: row.col("seq")?,
                hash: row.col("hash")?,
            })
        };
        rows.iter().map(head).collect()
    }

    /// Forgets what audit rows, events and stored answers say of a person: those that they made,
    /// and those about `things`. Only in a job's transaction.
    ///
    /// # Errors
    /// As `execute`.
    pub async fn forget_person(
        &mut self,
        person: Uuid,
        things: &[Uuid],
    ) -> Result<Forgotten, DbError> {
        let rows = self.execute(FORGET, &[&person, &things]).await?;
        let Some(row) = rows.first() else { return Ok(Forgotten::default()) };
        let (venues, heads): (Vec<VenueId>, Vec<i64>) = (row.col("venues")?, row.col("heads")?);
        let heads = venues.into_iter().zip(heads).collect();
        Ok(Forgotten { acts: row.col("acts")?, events: row.col("events")?, heads })
    }
}

fn listed(row: &Row) -> Result<AuditRow, DbError> {
    Ok(AuditRow {
        seq: row.col("seq")?,
        at: row.col("at")?,
        actor: row.col("actor")?,
        action: row.col("action")?,
        entity: row.col("entity")?,
        entity_id: row.col("entity_id")?,
        payload: row.col("payload")?,
        hash: row.col("hash")?,
    })
}

/// What was forgotten with a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Audit rows that lost their payload.
    pub acts: i64,
    /// Events that lost their data.
    pub events: i64,
    /// The venues of these, and the number up to which events were looked at.
    pub heads: Vec<(VenueId, i64)>,
}

/// What came of verifying the chain of one venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whose; all zeros for what belongs to no venue.
    pub venue: Uuid,
    /// Rows whose link was found right.
    pub rows: i64,
    /// The last hash that was found right: to be compared with one that was noted elsewhere.
    pub head: Vec<u8>,
    /// The number of the first row that is not what was written, and what is wrong with it.
    pub broken: Option<(i64, &'static str)>,
}

impl Db {
    /// Verifies the chain of `only`, or of every venue and the server itself.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn verify_audit(&self, only: Option<VenueId>) -> Result<Vec<Verdict>, DbError> {
        let chains: Vec<Uuid> = if let Some(venue) = only {
            vec![venue.0]
        } else {
            let rows = self.read(Scope::job(), async |q| q.query(CHAINS, &[]).await).await?;
            rows.iter().map(|row| row.col("venue_id")).collect::<Result<_, DbError>>()?
        };
        let mut verdicts = Vec::with_capacity(chains.len());
        for venue in chains {
            verdicts.push(self.read(Scope::job(), async |q| verify(q, venue).await).await?);
        }
        Ok(verdicts)
    }
}

impl Db {
    /// The hash of one row of a chain, as the database holds it now.
    ///
    /// # Errors
    /// When PostgreSQL is away or busy.
    pub async fn audit_hash(&self, venue: Uuid, seq: i64) -> Result<Option<Vec<u8>>, DbError> {
        let rows =
            self.read(Scope::job(), async |q| q.query(HASH_AT, &[&venue, &seq]).await).await?;
        rows.first().map(|row| row.col("hash")).transpose()
    }
}

/// One chain, on one snapshot.
async fn verify(q: &mut Reader, venue: Uuid) -> Result<Verdict, DbError> {
    let start = sha256(venue.as_bytes());
    let mut verdict = Verdict { venue, rows: 0, head: start, broken: None };
    loop {
        let rows = q.query(CHAIN, &[&venue, &verdict.rows, &VERIFY_PAGE]).await?;
        for row in &rows {
            let link = link(row)?;
            if let Some(wrong) = link.wrong(verdict.rows + 1, &verdict.head) {
                verdict.broken = Some((verdict.rows + 1, wrong));
                return Ok(verdict);
            }
            (verdict.rows, verdict.head) = (link.seq, link.hash);
        }
        if rows.is_empty() {
            break;
        }
    }
    let head = q.query(HEAD, &[&venue]).await?;
    let whole = match head.first() {
        Some(row) => {
            row.col::<i64>("seq")? == verdict.rows && row.col::<&[u8]>("hash")? == verdict.head
        }
        None => verdict.rows == 0,
    };
    if !whole {
        verdict.broken =
            Some((verdict.rows + 1, "the chain goes on, but its last rows are missing"));
    }
    Ok(verdict)
}

/// A row of a chain, as it is verified.
#[derive(Clone, Debug)]
struct Link {
    venue: Uuid,
    seq: i64,
    at: Timestamp,
    actor: Uuid,
    action: String,
    entity: String,
    entity_id: Uuid,
    said: Option<(String, Vec<u8>)>,
    payload_hash: Vec<u8>,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

fn link(row: &Row) -> Result<Link, DbError> {
    let payload: Option<String> = row.col("payload")?;
    let salt: Option<Vec<u8>> = row.col("salt")?;
    Ok(Link {
        venue: row.col("venue_id")?,
        seq: row.col("seq")?,
        at: row.col("at")?,
        actor: row.col("actor")?,
        action: row.col("action")?,
        entity: row.col("entity")?,
        entity_id: row.col("entity_id")?,
        said: payload.zip(salt),
        payload_hash: row.col("payload_hash")?,
        prev_hash: row.col("prev_hash")?,
        hash: row.col("hash")?,
    })
}

impl Link {
    /// What is wrong with this row as number `seq` after one with the hash `prev`.
    fn wrong(&self, seq: i64, prev: &[u8]) -> Option<&'static str> {
        let said = self
            .said
            .as_ref()
            .map(|(payload, salt)| sha256(&[salt.as_slice(), payload.as_bytes()].concat()));
        if self.seq != seq {
            Some("a row is missing")
        } else if self.prev_hash != prev {
            Some("it does not follow the row before it")
        } else if said.is_some_and(|said| said != self.payload_hash) {
            Some("what it says was changed")
        } else if self.computed() != self.hash {
            Some("it was changed")
        } else {
            None
        }
    }

    /// The hash, byte by byte as `log.append_audit` makes it.
    fn computed(&self) -> Vec<u8> {
        let mut bytes = self.prev_hash.clone();
        bytes.extend_from_slice(self.venue.as_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(self.actor.as_bytes());
        for text in [&self.action, &self.entity] {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(self.entity_id.as_bytes());
        bytes.extend_from_slice(&self.payload_hash);
        sha256(&bytes)
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Link {
        let said = (r#"{"detail":{"role":"host"}}"#.to_owned(), vec![7; 32]);
        let payload_hash = sha256(&[said.1.as_slice(), said.0.as_bytes()].concat());
        let mut link = Link {
            venue: Uuid::from_u128(1),
            seq: 4,
            at: "2026-09-02T06:03:11.039837Z".parse().unwrap(),
            actor: Uuid::from_u128(2),
            action: "member_updated".to_owned(),
            entity: "member".to_owned(),
            entity_id: Uuid::from_u128(3),
            payload_hash,
            said: Some(said),
            prev_hash: vec![9; 32],
            hash: Vec::new(),
        };
        link.hash = link.computed();
        link
    }

    #[test]
    fn every_column_is_covered() {
        let whole = sample();
        assert_eq!(whole.wrong(4, &[9; 32]), None);
        let changed = |change: fn(&mut Link)| {
            let mut link = sample();
            change(&mut link);
            link.wrong(4, &[9; 32])
        };
        assert!(changed(|it| it.venue = Uuid::nil()).is_some());
        assert!(changed(|it| it.seq = 5).is_some());
        assert!(changed(|it| it.at += jiff::SignedDuration::from_micros(1)).is_some());
        assert!(changed(|it| it.actor = Uuid::nil()).is_some());
        assert!(changed(|it| it.action.push('x')).is_some());
        assert!(changed(|it| it.entity = "venue".to_owned()).is_some());
        assert!(changed(|it| it.entity_id = Uuid::nil()).is_some());
        assert!(changed(|it| it.prev_hash = vec![8; 32]).is_some());
        assert!(changed(|it| it.payload_hash = vec![8; 32]).is_some());
        assert!(changed(|it| it.hash = vec![8; 32]).is_some());
        assert!(changed(|it| it.said = Some(("{}".to_owned(), vec![7; 32]))).is_some());
    }

    #[test]
    fn what_is_forgotten_leaves_the_chain_whole() {
        let mut link = sample();
        link.said = None;
        assert_eq!(link.wrong(4, &[9; 32]), None);
    }

    #[test]
    fn two_texts_do_not_flow_into_each_other() {
        let (mut one, mut other) = (sample(), sample());
        (one.action, one.entity) = ("ab".to_owned(), "c".to_owned());
        (other.action, other.entity) = ("a".to_owned(), "bc".to_owned());
        assert_ne!(one.computed(), other.computed());
    }
}
