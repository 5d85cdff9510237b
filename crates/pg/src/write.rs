//! One write: begin, key row, the slice's statements, events, commit.

use std::time::Duration;

use kernel::event::Batch;
use kernel::problem::Problem;
use kernel::role::Permission;
use kernel::scope::{Origin, Scope};
use postgres_types::ToSql;

use crate::barrier::{Entered, Flush};
use crate::once::{self, OnceKey, Reply, StoredAnswer};
use crate::sql::Query;
use crate::tx::{Retry, Tx};
use crate::{Db, DbError, log};

/// How often a write runs again after a deadlock, a serialization failure or a lost connection.
pub const RETRIES_MAX: u32 = 3;
/// The pause before a retry is drawn from 0 to this, times the number of the retry.
const RETRY_JITTER_MAX_MS: u64 = 40;

/// A slice's error, as the door needs it.
pub trait Refusal: From<DbError> {
    /// The problem that the API answers.
    fn problem(&self) -> Problem;
}

impl Refusal for DbError {
    fn problem(&self) -> Problem {
        Self::problem(self)
    }
}

/// What is to be written, and for whom.
#[derive(Clone, Debug)]
pub struct WriteTask {
    /// Whose data, and who acts.
    pub scope: Scope,
    /// Named in metrics and logs: the rule's name.
    pub name: &'static str,
    /// The client's key, if it sent one.
    pub once: Option<OnceKey>,
    /// The permission that the user's standing, read in the transaction, must give.
    pub needs: Option<Permission>,
    /// Where it came from, for the audit log.
    pub origin: Origin,
    /// Whether many of them come at once in one venue, see `barrier`.
    pub rush: bool,
}

impl WriteTask {
    /// A write without a key and without a permission to check: jobs.
    #[must_use]
    pub fn job(name: &'static str, scope: Scope) -> Self {
        Self { scope, name, once: None, needs: None, origin: Origin::default(), rush: false }
    }
}

/// What came of a write.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It was done now.
    Done {
        /// What the rule returned.
        value: T,
        /// The same as JSON text, where a key was given or not.
        json: String,
        /// Its events, to be published.
        batch: Option<Batch>,
    },
    /// It was done before, under the same key.
    Replayed(StoredAnswer),
}

impl Db {
    /// Runs `op` in one transaction.
    ///
    /// # Errors
    /// The slice's refusal, or the database's failure as the slice wraps it.
    pub async fn write<T, E, F>(&self, task: &WriteTask, op: F) -> Result<Outcome<T>, E>
    where
        T: Reply,
        E: Refusal,
        F: AsyncFn(&mut Tx) -> Result<T, E>,
    {
        let (mut retries, mut unknown) = (0, false);
        loop {
            match self.attempt(task, &op).await {
                // What was sent before may have been done: nobody may say that nothing was.
                Attempt::Away(_) if unknown => return Err(E::from(DbError::CommitUnknown)),
                Attempt::Away(error) => return Err(E::from(error)),
                Attempt::Settled(result) => return result,
                Attempt::Replay => return self.replay(task).await.map_err(E::from),
                Attempt::Failed { error, after_commit } => {
                    unknown |= after_commit;
                    if unknown && (task.once.is_none() || retries == RETRIES_MAX) {
                        return Err(E::from(DbError::CommitUnknown));
                    }
                    if retries == RETRIES_MAX {
                        return Err(error);
                    }
                    retries += 1;
                    metrics::counter!("pg_write_retries_total", "write" => task.name).increment(1);
                    pause(retries).await;
                }
            }
        }
    }

    async fn attempt<T, E, F>(&self, task: &WriteTask, op: &F) -> Attempt<T, E>
    where
        T: Reply,
        E: Refusal,
        F: AsyncFn(&mut Tx) -> Result<T, E>,
    {
        let entered = task.rush.then(|| self.crowd.enter(task.scope.reach));
        let flush = entered.as_ref().map_or(Flush::WithCommit, Entered::flush);
        if flush == Flush::AfterCommit {
            metrics::counter!("pg_lazy_commits_total", "write" => task.name).increment(1);
        }
        let mut tx = match Tx::open(self, task, flush).await {
            Ok(tx) => tx,
            Err(error) => return Attempt::Away(error),
        };
        match op(&mut tx).await {
            Ok(value) => commit(&mut tx, value).await,
            Err(error) => refuse(&mut tx, error).await,
        }
    }

    async fn replay<T>(&self, task: &WriteTask) -> Result<Outcome<T>, DbError> {
        let key = task.once.as_ref().ok_or(DbError::Replay)?;
        metrics::counter!("pg_write_replays_total", "write" => task.name).increment(1);
        // No row: the first request was rolled back after this one had waited for it.
        let found = once::find(self, task.scope, key).await?.ok_or(DbError::InProgress)?;
        Ok(Outcome::Replayed(found))
    }
}

enum Attempt<T, E> {
    /// There was no connection to try it on.
    Away(DbError),
    /// It was done, or refused for good.
    Settled(Result<Outcome<T>, E>),
    /// It was done before, under the same key.
    Replay,
    /// It may run again. `after_commit`: and perhaps it was done.
    Failed { error: E, after_commit: bool },
}

async fn commit<T: Reply, E: Refusal>(tx: &mut Tx, value: T) -> Attempt<T, E> {
    let json = match value.json() {
        Ok(json) => json,
        Err(error) => {
            tx.rollback().await;
            return Attempt::Settled(Err(E::from(DbError::Encode(error))));
        }
    };
    match log::commit(tx, value.status(), &json, value.version()).await {
        Ok(batch) => Attempt::Settled(Ok(Outcome::Done { value, json, batch })),
        Err(error) => {
            tx.note(&error);
            let failure = tx.failure;
            tx.rollback().await;
            let error = E::from(error);
            match failure {
                Some(Retry::Replay) => Attempt::Replay,
                Some(Retry::Again) => Attempt::Failed { error, after_commit: false },
                Some(Retry::ConnectionLost) => Attempt::Failed { error, after_commit: true },
                None => Attempt::Settled(Err(error)),
            }
        }
    }
}

async fn refuse<T, E: Refusal>(tx: &mut Tx, error: E) -> Attempt<T, E> {
    match tx.failure {
        Some(Retry::Replay) => {
            tx.rollback().await;
            return Attempt::Replay;
        }
        Some(Retry::Again | Retry::ConnectionLost) => {
            tx.rollback().await;
            return Attempt::Failed { error, after_commit: false };
        }
        None => {}
    }
    let problem = error.problem();
    if let Some(key) = tx.once.clone().filter(|_| problem.decides())
        && let Err(failed) = store_refusal(tx, key, &problem).await
    {
        tracing::warn!(error = %failed, "pg.once refusal not stored");
    }
    tx.rollback().await;
    Attempt::Settled(Err(error))
}

/// Keeps the refusal under its key, so that a repeat gets the same answer. It does not wait for
/// the disk, and a failure costs only that the repeat is judged anew.
async fn store_refusal(tx: &mut Tx, key: OnceKey, problem: &Problem) -> Result<(), DbError> {
    let json = serde_json::to_string(problem)?;
    let row = once::Row::new(tx.scope, key);
    let status = i16::try_from(problem.status).unwrap_or(409);
    let version: Option<i64> = None;
    tx.changes.clear();
    if tx.dirty {
        tx.restart().await?;
    }
    let [venue, actor, key] = row.place();
    let params: [&(dyn ToSql + Sync); 6] = [venue, actor, key, &status, &json, &version];
    let lazily = Query::new("set local synchronous_commit to off", &[]);
    tx.commit_with(&[lazily, Query::new(once::FILL_ANSWER, &params)]).await?;
    Ok(())
}

async fn pause(retry: u32) {
    let most = RETRY_JITTER_MAX_MS * u64::from(retry);
    // The low bits of a fresh random id are as good a die as any.
    let die = u64::from(uuid::Uuid::new_v4().as_fields().0);
    tokio::time::sleep(Duration::from_millis(die % (most + 1))).await;
}
