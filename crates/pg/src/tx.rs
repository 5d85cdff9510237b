//! What a slice holds while it writes.

use std::any::Any;

use deadpool_postgres::Object;
use futures_util::future::{join_all, maybe_done};
use futures_util::poll;
use jiff::Timestamp;
use kernel::event::Event;
use kernel::ids::VenueId;
use kernel::role::{Profile, Role, Standing};
use kernel::scope::{Origin, Reach, Scope};
use postgres_types::ToSql;
use serde::Serialize;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::audit::Act;
use crate::barrier::{self, Flush};
use crate::control::Control;
use crate::once::{self, OnceKey};
use crate::sql::{Change, Param, Query};
use crate::write::WriteTask;
use crate::{Columns, Db, DbError, control};

pub(crate) const SCOPE: &str =
    "select set_config('app.venue_id', $1, true), set_config('app.user_id', $2, true)";
/// The same for a commit that does not wait for the disk: see `barrier`.
pub(crate) const SCOPE_LAZILY: &str = "select set_config('app.venue_id', $1, true), \
     set_config('app.user_id', $2, true), set_config('synchronous_commit', 'off', true)";
const CLOCK: &str = "select clock_timestamp() as at";

/// One transaction, as a slice sees it. It begins with the first statement and ends when the
/// rule returns: committed on `Ok`, rolled back on `Err`.
pub struct Tx {
    /// Taken away only when the connection is to be thrown away.
    conn: Option<Object>,
    pub(crate) scope: Scope,
    pub(crate) origin: Origin,
    pub(crate) once: Option<OnceKey>,
    clock: kernel::clock::Clock,
    standing_sql: Option<&'static str>,
    needs: Option<kernel::role::Permission>,
    /// When the disk is waited for.
    pub(crate) flush: Flush,
    begun: bool,
    finished: bool,
    /// Something was changed before the commit: a refusal has to roll it back.
    pub(crate) dirty: bool,
    now: Option<Timestamp>,
    standing: Option<Standing>,
    pub(crate) failure: Option<Retry>,
    pub(crate) changes: Vec<Change>,
    pub(crate) events: Vec<Event>,
    pub(crate) acts: Vec<Act>,
    kept: Vec<Box<dyn Any>>,
}

/// Why the door itself ends this attempt, whatever the slice makes of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// The answer is stored already.
    Replay,
    /// The whole transaction may run again.
    Again,
    /// The connection is gone, before or after COMMIT was sent.
    ConnectionLost,
}

impl Tx {
    pub(crate) async fn open(db: &Db, task: &WriteTask, flush: Flush) -> Result<Self, DbError> {
        Ok(Self {
            conn: Some(db.connection().await?),
            scope: task.scope,
            origin: task.origin.clone(),
            once: task.once.clone(),
            clock: db.clock.clone(),
            standing_sql: db.standing_sql,
            needs: task.needs,
            flush,
            begun: false,
            finished: false,
            dirty: false,
            now: None,
            standing: None,
            failure: None,
            changes: Vec::new(),
            events: Vec::new(),
            acts: Vec::new(),
            kept: Vec::new(),
        })
    }

    /// The venue of this transaction.
    ///
    /// # Errors
    /// `Forbidden` in a transaction that has none: a bug of the route.
    pub fn venue(&self) -> Result<VenueId, DbError> {
        match self.scope.reach {
            Reach::Venue(venue) => Ok(venue),
            Reach::Person | Reach::Job => Err(DbError::Forbidden),
        }
    }

    /// Who acts.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The user's standing in the venue, read in this transaction by the first pipeline.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.unwrap_or(Standing::Anyone)
    }

    /// PostgreSQL's time after the locks of the first pipeline were given. Before it, this
    /// process's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(|| kernel::time::micros(self.clock.now()))
    }

    /// How far rules are from PostgreSQL's clock: zero unless a test moved the time. Statements
    /// that compare with the database's own clock add it.
    #[must_use]
    pub fn clock_offset_micros(&self) -> i64 {
        self.clock.offset_micros()
    }

    /// Sends all `queries` in order in one packet and waits for all their rows.
    ///
    /// Each statement has a snapshot of its own: a look that stands after a lock sees what the
    /// lock waited for.
    ///
    /// # Errors
    /// The first failure in the order of the statements.
    pub async fn pipeline<const N: usize>(
        &mut self,
        queries: [Query<'_>; N],
    ) -> Result<[Vec<Row>; N], DbError> {
        let first = !self.begun;
        let result = if first { self.begin(&queries).await } else { self.send(&queries).await };
        if let Err(error) = &result {
            self.note(error);
        }
        let rows = result?;
        rows.try_into().map_err(|_| DbError::Away)
    }

    /// One statement, one round trip.
    ///
    /// # Errors
    /// As `pipeline`.
    pub async fn query(
        &mut self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        let [rows] = self.pipeline([Query::new(sql, params)]).await?;
        Ok(rows)
    }

    /// One statement that changes something the rule must see at once.
    ///
    /// # Errors
    /// As `pipeline`.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        self.dirty = true;
        self.query(sql, params).await
    }

    /// A change that is sent with the commit. Nobody waits for its row count.
    pub fn change(&mut self, sql: &'static str, params: Vec<Param>) {
        self.changes.push(Change { sql, params });
    }

    /// An event of this write. It gets its number, and is published, when the write commits.
    pub fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// A privileged act, written to the audit log with the write.
    ///
    /// # Errors
    /// `Encode` when `detail` cannot be written as JSON.
    pub fn audit(
        &mut self,
        action: &'static str,
        (entity, entity_id): (&'static str, Uuid),
        detail: &impl Serialize,
    ) -> Result<(), DbError> {
        let detail = serde_json::to_string(detail)?;
        self.acts.push(Act { action, entity, entity_id, detail });
        Ok(())
    }

    /// Drops `guard` when the transaction is over: what it marks is true as long as the locks are held.
    pub fn keep(&mut self, guard: impl Any) {
        self.kept.push(Box::new(guard));
    }

    /// Gives back all locks and forgets what was to be changed, for a rule that has to take its
    /// locks in another order. The next statement begins anew, under the same key.
    ///
    /// # Errors
    /// `Away` when the connection is gone.
    pub async fn start_over(&mut self) -> Result<(), DbError> {
        self.changes.clear();
        self.events.clear();
        self.acts.clear();
        self.kept.clear();
        if self.begun {
            let conn = self.conn.as_ref().ok_or(DbError::Away)?;
            let done = conn.batch_execute("rollback").await.map_err(DbError::from);
            if let Err(error) = &done {
                self.note(error);
            }
            done?;
        }
        self.begun = false;
        self.dirty = false;
        Ok(())
    }

    pub(crate) fn note(&mut self, error: &DbError) {
        self.failure = match error {
            DbError::Replay => Some(Retry::Replay),
            DbError::Again { .. } => Some(Retry::Again),
            DbError::Away => Some(Retry::ConnectionLost),
            _ => self.failure,
        };
    }

    /// The first packet: begin, scope, key row and standing travel before the slice's statements.
    async fn begin(&mut self, queries: &[Query<'_>]) -> Result<Vec<Vec<Row>>, DbError> {
        let venue = self.scope.venue_or_nil().to_string();
        let user = self.scope.user.map(|user| user.0.to_string()).unwrap_or_default();
        let (venue_id, user_id) = (self.scope.venue_or_nil(), self.scope.actor());
        let device_id = self.scope.device;
        let scope_params: [&(dyn ToSql + Sync); 2] = [&venue, &user];
        let standing_params: [&(dyn ToSql + Sync); 3] = [&venue_id, &user_id, &device_id];
        let once_row = self.once.clone().map(|key| once::Row::new(self.scope, key));
        let once_params = once_row.as_ref().map(|row| row.params(scope_params));
        let mut all = vec![Query::new("begin", &[])];
        if self.scope.reach == Reach::Job {
            all.push(Query::new("set local role rowlock_job", &[]));
        }
        let lazily = self.flush == Flush::AfterCommit;
        let once_at = once_params.as_ref().map(|_| all.len());
        all.push(match &once_params {
            Some(params) if lazily => Query::new(once::CLAIM_KEY_LAZILY, params),
            Some(params) => Query::new(once::CLAIM_KEY, params),
            None if lazily => Query::new(SCOPE_LAZILY, &scope_params),
            None => Query::new(SCOPE, &scope_params),
        });
        let standing_sql = self.standing_sql.filter(|_| self.scope.user.is_some());
        let standing_at = standing_sql.map(|sql| {
            all.push(Query::new(sql, &standing_params));
            all.len() - 1
        });
        let slice_at = all.len();
        all.extend_from_slice(queries);
        all.push(Query::new(CLOCK, &[]));
        self.begun = true;
        let mut rows = self.send_in(&all, once_at).await?;
        let clock = rows.pop().unwrap_or_default();
        if let Some(row) = clock.first() {
            self.now = Some(kernel::time::micros(self.clock.shift(row.col("at")?)));
        }
        if let Some(at) = standing_at {
            self.standing = Some(standing(rows.get(at).and_then(|rows| rows.first()))?);
        }
        if self.needs.is_some_and(|needed| !self.standing().may(needed)) {
            return Err(DbError::Forbidden);
        }
        Ok(rows.split_off(slice_at))
    }

    async fn send(&mut self, queries: &[Query<'_>]) -> Result<Vec<Vec<Row>>, DbError> {
        self.send_in(queries, None).await
    }

    /// Prepares all, then sends all in order. The statement at `once_at` claims the key: when it
    /// gives no row, the key is taken, whatever came of the others.
    async fn send_in(
        &mut self,
        queries: &[Query<'_>],
        once_at: Option<usize>,
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let conn = self.conn.as_ref().ok_or(DbError::Away)?;
        let prepared = prepare_all(conn, queries).await?;
        let mut all = Vec::with_capacity(queries.len());
        for (at, answer) in send_all(conn, &prepared, queries).await.into_iter().enumerate() {
            let rows = match answer.map_err(DbError::from) {
                Err(DbError::Busy) if once_at == Some(at) => return Err(DbError::InProgress),
                other => other?,
            };
            if once_at == Some(at) && rows.is_empty() {
                return Err(DbError::Replay);
            }
            all.push(rows);
        }
        Ok(all)
    }

    /// The last packet: the changes, then `last`, then commit. Gives the rows of `last`.
    pub(crate) async fn commit_with(
        &mut self,
        last: &[Query<'_>],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        self.commit_and(last, &[]).await
    }

    /// The same with the barrier behind the commit, where this write needs one: it is done when
    /// all that it wrote and saw is on the disk.
    pub(crate) async fn commit_for_good(
        &mut self,
        last: &[Query<'_>],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let wrote = self.dirty || !self.changes.is_empty() || !last.is_empty();
        let needed = match self.flush {
            Flush::WithCommit => false,
            Flush::WithCommitOrAfter => !wrote,
            Flush::AfterCommit => true,
        };
        if needed && !Control::Barrier.is_out() {
            self.commit_and(last, &[Query::new(barrier::FLUSH, &[])]).await
        } else {
            self.commit_and(last, &[]).await
        }
    }

    async fn commit_and(
        &mut self,
        last: &[Query<'_>],
        behind: &[Query<'_>],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let mut all = last.to_vec();
        all.push(Query::new("commit", &[]));
        all.extend_from_slice(behind);
        let mut rows = self.send_changes(&all).await?;
        self.finished = true;
        rows.truncate(last.len());
        Ok(rows)
    }

    /// The changes, then `last`. Gives the rows of `last`.
    pub(crate) async fn send_changes(
        &mut self,
        last: &[Query<'_>],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        if !self.begun {
            let _ = self.begin(&[]).await?;
        }
        let changes = std::mem::take(&mut self.changes);
        let params: Vec<Vec<&(dyn ToSql + Sync)>> =
            changes.iter().map(|change| change.params.iter().map(as_sync).collect()).collect();
        let mut all: Vec<Query<'_>> = changes
            .iter()
            .zip(&params)
            .map(|(change, params)| Query::new(change.sql, params))
            .collect();
        let last_at = all.len();
        all.extend_from_slice(last);
        let mut rows = self.send(&all).await?;
        Ok(rows.split_off(last_at))
    }

    /// Undoes what was changed and claims the key again, so that a refusal can be stored under it.
    pub(crate) async fn restart(&mut self) -> Result<(), DbError> {
        let conn = self.conn.as_ref().ok_or(DbError::Away)?;
        conn.batch_execute("rollback").await?;
        self.begun = false;
        self.dirty = false;
        self.needs = None;
        self.begin(&[]).await.map(drop)
    }

    /// Rolls back what was begun; a connection that cannot do it is thrown away.
    pub(crate) async fn rollback(&mut self) {
        self.changes.clear();
        self.events.clear();
        self.acts.clear();
        let Some(conn) = self.conn.as_ref().filter(|_| !self.finished) else { return };
        if !self.begun || conn.batch_execute("rollback").await.is_ok() {
            self.finished = true;
        }
    }
}

impl Drop for Tx {
    /// A transaction that was neither committed nor rolled back (a panic, a dropped future)
    /// leaves no connection behind: the pool never sees it again, PostgreSQL rolls it back.
    fn drop(&mut self) {
        if self.begun
            && !self.finished
            && !Control::DropGuard.is_out()
            && let Some(conn) = self.conn.take()
        {
            metrics::counter!("pg_connections_thrown_away_total").increment(1);
            drop(Object::take(conn));
        }
    }
}

pub(crate) fn as_sync(param: &Param) -> &(dyn ToSql + Sync) {
    param.as_ref()
}

/// The prepared statement; a round trip only the first time on a connection.
pub(crate) async fn prepare(conn: &Object, sql: &'static str) -> Result<Statement, DbError> {
    Ok(conn.prepare_cached(&control::text(sql)).await?)
}

/// Sends all statements in their order and then waits for all answers.
///
/// A statement is sent when its future is first polled. The order is the promise of a pipeline (a
/// look behind its lock), so each is polled here once, in turn, before any is waited for.
pub(crate) async fn send_all(
    conn: &Object,
    prepared: &[Statement],
    queries: &[Query<'_>],
) -> Vec<Result<Vec<Row>, tokio_postgres::Error>> {
    let all: Vec<Prepared<'_>> =
        prepared.iter().zip(queries).map(|(sql, query)| (sql, query.params)).collect();
    send_prepared(conn, &all).await
}

/// A prepared statement with its parameters.
pub(crate) type Prepared<'a> = (&'a Statement, &'a [&'a (dyn ToSql + Sync)]);

/// The same for statements that are no constants.
pub(crate) async fn send_prepared(
    conn: &Object,
    all: &[Prepared<'_>],
) -> Vec<Result<Vec<Row>, tokio_postgres::Error>> {
    send_telling(conn, all, |_| {}).await
}

/// The same, saying which was answered as soon as it is.
pub(crate) async fn send_telling(
    conn: &Object,
    all: &[Prepared<'_>],
    mut answered: impl FnMut(usize),
) -> Vec<Result<Vec<Row>, tokio_postgres::Error>> {
    let mut sent = Vec::with_capacity(all.len());
    for (sql, params) in all {
        let mut answer = Box::pin(maybe_done(conn.query(*sql, params)));
        let _ = poll!(answer.as_mut());
        sent.push(answer);
    }
    let mut answers = Vec::with_capacity(sent.len());
    for (at, mut answer) in sent.into_iter().enumerate() {
        answer.as_mut().await;
        answers.extend(answer.as_mut().take_output());
        answered(at);
    }
    answers
}

/// The statements of one packet, prepared at the same time where they are not yet.
pub(crate) async fn prepare_all(
    conn: &Object,
    queries: &[Query<'_>],
) -> Result<Vec<Statement>, DbError> {
    join_all(queries.iter().map(|query| prepare(conn, query.sql))).await.into_iter().collect()
}

/// The standing that a row of `DbConfig::standing_sql` tells.
///
/// # Errors
/// `UserGone` for a user that does not exist or is deactivated.
pub fn standing(row: Option<&Row>) -> Result<Standing, DbError> {
    let Some(row) = row else { return Err(DbError::UserGone) };
    if !row.col::<Option<bool>>("active")?.unwrap_or(false) {
        return Err(DbError::UserGone);
    }
    if let Some(profile) = row.col::<Option<&str>>("profile")?.and_then(Profile::from_name) {
        return Ok(Standing::Device(profile));
    }
    let role: Option<&str> = row.col("role")?;
    Ok(role.and_then(Role::from_name).map_or(Standing::Customer, Standing::Member))
}
