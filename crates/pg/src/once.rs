//! The idempotency row: inserted first, in the write's own transaction, its answer filled in
//! before the commit. Effect and key live or die together.

use kernel::event::Pos;
use kernel::scope::Scope;
use postgres_types::ToSql;
use tokio_postgres::Row as PgRow;
use uuid::Uuid;

use crate::{Columns, Db, DbError, Reader};

/// Sets the scope and claims the key in it: a statement of its own for each would cost PostgreSQL and
/// the worker a message more. The scope is set before there is a row to insert.
pub(crate) const CLAIM_KEY: &str = "insert into log.once (venue_id, actor, key, route, body_hash) \
     select $1, $2, $3, $4, $5 \
     from (select set_config('app.venue_id', $6, true), set_config('app.user_id', $7, true) \
           offset 0) scope \
     on conflict do nothing returning 1";
/// The same for a commit that does not wait for the disk: see `barrier`.
pub(crate) const CLAIM_KEY_LAZILY: &str = "insert into log.once \
         (venue_id, actor, key, route, body_hash) \
     select $1, $2, $3, $4, $5 \
     from (select set_config('app.venue_id', $6, true), set_config('app.user_id', $7, true), \
                  set_config('synchronous_commit', 'off', true) offset 0) scope \
     on conflict do nothing returning 1";
pub(crate) const FILL_ANSWER: &str = "update log.once set status = $4, answer = $5, version = $6 \
     where venue_id = $1 and actor = $2 and key = $3";
const FIND_ANSWER: &str = "select o.route, o.body_hash, o.status, o.answer, o.version, h.seq, h.at \
     from log.once o left join log.venue_head h on h.venue_id = o.venue_id \
     where o.venue_id = $1 and o.actor = $2 and o.key = $3";
const REFUSED: &str = "select (answer::json->'current')::text as current from log.once \
     where venue_id = $1 and status = 409 and route = any($2) and strpos(answer, $3) > 0 \
     order by created_at desc limit $4";
/// Refusals that are looked at.
const REFUSED_MAX: i64 = 5_000;

/// A client's key for one write, and what the request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceKey {
    /// The `Idempotency-Key` header.
    pub key: String,
    /// Method and path.
    pub route: String,
    /// SHA-256 of the body.
    pub body_hash: Vec<u8>,
}

/// What a write answers. Serialised once: the same text is stored and sent.
pub trait Reply {
    /// HTTP status.
    fn status(&self) -> u16;
    /// The body as JSON text; empty where there is none.
    ///
    /// # Errors
    /// When it cannot be written, which is a bug of its type.
    fn json(&self) -> Result<String, serde_json::Error>;
    /// The resource's version, for `ETag`.
    fn version(&self) -> Option<i64> {
        None
    }
}

impl Reply for () {
    fn status(&self) -> u16 {
        204
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// The answer that was stored under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub json: String,
    /// The resource's version.
    pub version: Option<i64>,
    /// Where the venue's log is now: at or behind it stands the write.
    pub pos: Option<Pos>,
}

/// The key row of one transaction, with the lifetime its parameters need.
pub(crate) struct Row {
    venue: Uuid,
    actor: Uuid,
    key: OnceKey,
}

impl Row {
    pub(crate) fn new(scope: Scope, key: OnceKey) -> Self {
        Self { venue: scope.venue_or_nil(), actor: scope.actor(), key }
    }

    /// For `CLAIM_KEY`, in the scope of that venue and user.
    pub(crate) fn params<'a>(
        &'a self,
        scope: [&'a (dyn ToSql + Sync); 2],
    ) -> [&'a (dyn ToSql + Sync); 7] {
        let [venue, user] = scope;
        let OnceKey { key, route, body_hash } = &self.key;
        [&self.venue, &self.actor, key, route, body_hash, venue, user]
    }

    pub(crate) fn place(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.venue, &self.actor, &self.key.key]
    }
}

impl Db {
    /// The answer that is stored under `key`, when it is on the disk; nothing while the request is
    /// not done.
    ///
    /// # Errors
    /// `KeyReused` when the key belongs to another request; when PostgreSQL is away or busy.
    pub async fn stored_answer(
        &self,
        scope: Scope,
        key: &OnceKey,
    ) -> Result<Option<StoredAnswer>, DbError> {
        match find(self, scope, key).await {
            Err(DbError::InProgress) => Ok(None),
            found => found,
        }
    }
}

/// The stored answer of `key`, or nothing where there is none yet.
pub(crate) async fn find(
    db: &Db,
    scope: Scope,
    key: &OnceKey,
) -> Result<Option<StoredAnswer>, DbError> {
    let row = Row::new(scope, key.clone());
    // Whoever wrote it may still wait for the disk: a repeat is acknowledged no sooner.
    let rows = db.read_durable(scope, FIND_ANSWER, &row.place()).await?;
    rows.first().map(|found| answer(found, key)).transpose()
}

impl Reader {
    /// What the refusals with `code` of the last day said in `current`, latest first, at most
    /// 5,000: those of writes with a key, to `routes` (`POST /path`) of this venue.
    ///
    /// # Errors
    /// As `query`.
    pub async fn refused(&mut self, routes: &[String], code: &str) -> Result<Vec<String>, DbError> {
        let (venue, code) = (self.venue()?, format!(r#""code":"{code}""#));
        let rows = self.query(REFUSED, &[&venue, &routes, &code, &REFUSED_MAX]).await?;
        rows.iter()
            .map(|row| Ok(row.col::<Option<String>>("current")?.unwrap_or_default()))
            .collect()
    }
}

fn answer(row: &PgRow, key: &OnceKey) -> Result<StoredAnswer, DbError> {
    let same = row.col::<&str>("route")? == key.route
        && row.col::<&[u8]>("body_hash")? == key.body_hash.as_slice();
    if !same {
        return Err(DbError::KeyReused);
    }
    let status: Option<i16> = row.col("status")?;
    let status = status.and_then(|s| u16::try_from(s).ok()).ok_or(DbError::InProgress)?;
    let pos = match (row.col::<Option<i64>>("seq")?, row.col("at")?) {
        (Some(seq), Some(at)) => Some(Pos::new(seq, at)),
        _ => None,
    };
    Ok(StoredAnswer { status, json: row.col("answer")?, version: row.col("version")?, pos })
}
