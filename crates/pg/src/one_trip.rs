//! A write in one round trip: its whole rule is one function of the slice's schema, which does what
//! its caller has planned if all that the plan took for granted holds under the lock, and nothing
//! otherwise. Then the slice goes the usual way.
//!
//! A call is one statement, which is a transaction by itself: it sets the scope, reads and judges the
//! standing (`log.may()`), because nobody is asked in between, and calls the function. The function
//! tells what it did through `log.emit_one`, so the head is locked last.
//!
//! Several such calls of one venue may go together, in one transaction and one packet: what each of
//! them locks is locked before the first of them is called, in one order, and what they tell is told
//! by one statement behind the last, so that the head is held for that alone. If anything fails,
//! nothing of them was done, and each goes on alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::event::{Batch, Event, Pos};
use kernel::ids::{DeviceId, VenueId};
use kernel::role::{Grant, Permission, Role};
use kernel::scope::Reach;
use postgres_types::ToSql;
use serde_json::value::RawValue;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::barrier::{self, Entered, Flush};
use crate::control::{self, Control};
use crate::sql::Param;
use crate::tx::{Prepared, SCOPE, SCOPE_LAZILY, as_sync, prepare, send_telling, standing};
use crate::write::WriteTask;
use crate::{Columns, Db, DbError, log};

/// The call of a function that does all of a write.
///
/// It answers one row when it did, with `seq`, `at` and `prev_at` of `log.emit_one` and the `version`
/// and `data` that it gave there; none when it did nothing.
pub struct Call {
    /// A constant of a store.
    pub sql: &'static str,
    /// Its parameters.
    pub params: Vec<Param>,
    /// What it tells. Its version and `data` are those of the row, which the log has.
    pub event: Event,
    /// What it locks, in the order of the slice: taken beforehand when several go together.
    pub locks: Vec<Lock>,
}

/// Rows that a call locks.
pub struct Lock {
    /// A constant of a store, which locks what the texts `$2` of the venue `$1` name, in one order.
    pub sql: &'static str,
    /// Their names: ids, or whatever the statement reads.
    pub keys: Vec<String>,
}

/// What came of one call: its row and where it stands in the log, if it did what it was to do.
pub type Called = Result<Option<(Row, Pos)>, DbError>;

/// The calls of this transaction go together: see `log.emit_one`.
const TOGETHER: &str = "select set_config('app.together', 'yes', true)";
const EMIT_TOLD: &str = "select seq, at, prev_at from log.emit_told()";

/// The parameters of a call's statement that stand before those of its function.
const ASKER_PARAMS: usize = 8;
const LAZILY: &str = ", set_config('synchronous_commit', 'off', true)";

/// By the text of the call, and whether it does not wait for the disk.
type Made = HashMap<(&'static str, bool), Arc<str>>;

/// The statements of calls, made once for each.
#[derive(Clone)]
pub(crate) struct Statements {
    standing_sql: &'static str,
    made: Arc<Mutex<Made>>,
}

impl Statements {
    pub(crate) fn new(standing_sql: &'static str) -> Self {
        Self { standing_sql, made: Arc::default() }
    }

    fn of(&self, call: &'static str, lazily: bool) -> Arc<str> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || call_sql(self.standing_sql, call, lazily).into();
        Arc::clone(made.entry((call, lazily)).or_insert_with(make))
    }
}

/// Sets the scope to venue `$6` and user `$7`, judges the standing (`$1` to `$3` as its statement has
/// them, `$4` the roles and `$5` the profiles that may, `$8` whether customers do), and calls. Each
/// part leans on the one before it, so PostgreSQL does them in this order.
fn call_sql(standing_sql: &str, call: &str, lazily: bool) -> String {
    let (lazily, call) = (if lazily { LAZILY } else { "" }, behind(call, ASKER_PARAMS));
    format!(
        // A row in any case: whoever is nobody must not inherit the word of the call before.
        "select s.active, s.role, s.profile, c.* \
         from (select set_config('app.venue_id', $6, true), \
                      set_config('app.user_id', $7, true){lazily} offset 0) scope \
         left join ({standing_sql}) s on true \
         cross join lateral (select set_config('app.may', case when s.active and coalesce( \
             case when s.profile is null then $8 or s.role = any($4) \
                  else s.profile = any($5) end, false) then 'yes' else 'no' end, true) as may \
             offset 0) m \
         left join lateral (select q.* from ({call}) q where m.may = 'yes' offset 0) c on true"
    )
}

/// The statement with its parameters moved behind `others` of them.
fn behind(sql: &str, others: usize) -> String {
    let mut parts = sql.split('$');
    let mut moved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let number = number.parse::<usize>().unwrap_or(0) + others;
        // Writing to a string does not fail.
        let _ = write!(moved, "${number}{rest}");
    }
    moved
}

/// The names of those who may: roles, and profiles of devices.
fn who_may(grant: Grant) -> (Vec<&'static str>, Vec<&'static str>) {
    let owner = grant.owner.then_some(Role::Owner);
    let roles = grant.roles.iter().copied().chain(owner).map(Role::as_str).collect();
    (roles, grant.profiles.iter().map(|profile| profile.as_str()).collect())
}

impl Db {
    /// Runs calls of one venue, in this order, in one packet and one transaction, and gives what they
    /// have told. Each has an answer of its own: `None` when nothing was done and nothing is known,
    /// `Forbidden` and `UserGone` by its user's standing; neither is anything to the others. `committed`
    /// hears when the locks are given back: in a rush that is before the disk is waited for.
    ///
    /// # Errors
    /// The database's failures: nothing of all that was done. `CommitUnknown` when the connection was
    /// lost: whoever has a key or a nonce finds out by it.
    pub async fn write_together(
        &self,
        calls: &[(&WriteTask, &Call)],
        committed: impl FnOnce(),
    ) -> Result<(Vec<Called>, Option<Batch>), DbError> {
        let Some((first, _)) = calls.first() else { return Ok((Vec::new(), None)) };
        let Reach::Venue(venue) = first.scope.reach else { return Err(DbError::Forbidden) };
        let statements = self.calls.as_ref().filter(|_| !control::is_one_trip_out());
        let Some(statements) = statements else {
            return Ok((calls.iter().map(|_| Ok(None)).collect(), None));
        };
        let askers = calls.iter().map(|(task, _)| Asker::of(task, venue));
        let askers = askers.collect::<Result<Vec<_>, _>>()?;
        // Each counts as one of the crowd: several are a rush.
        let entered: Vec<Entered> = askers
            .iter()
            .filter(|it| it.rush)
            .map(|_| self.crowd.enter(first.scope.reach))
            .collect();
        let flush = entered.last().map_or(Flush::WithCommit, Entered::flush);
        let lazily = flush == Flush::AfterCommit;
        if lazily {
            let count = u64::try_from(calls.len()).unwrap_or(u64::MAX);
            metrics::counter!("pg_lazy_commits_total", "write" => first.name).increment(count);
        }
        let conn = self.connection().await?;
        let (together, locks) = (calls.len() > 1, gathered(calls));
        let mut packet = Packet::default();
        if together {
            packet.add(prepare(&conn, "begin").await?, Vec::new());
            let scope = prepare(&conn, if lazily { SCOPE_LAZILY } else { SCOPE }).await?;
            packet.add(scope, askers.first().map(Asker::scope).unwrap_or_default());
            packet.add(prepare(&conn, TOGETHER).await?, Vec::new());
        }
        for (sql, keys) in &locks {
            packet.add(prepare(&conn, sql).await?, vec![&venue, keys]);
        }
        let before = packet.len();
        for (asker, (_, call)) in askers.iter().zip(calls) {
            let sql = statements.of(call.sql, lazily && !together);
            let params = asker.params().into_iter().chain(call.params.iter().map(as_sync));
            packet.add(conn.prepare_cached(&sql).await?, params.collect());
        }
        if together {
            packet.add(prepare(&conn, EMIT_TOLD).await?, Vec::new());
            packet.add(prepare(&conn, "commit").await?, Vec::new());
        }
        let (commit_at, mut committed) = (packet.len() - 1, Some(committed));
        if lazily && !Control::Barrier.is_out() {
            packet.add(prepare(&conn, barrier::FLUSH).await?, Vec::new());
        }
        let mut rows = Vec::with_capacity(packet.len());
        let answered = |at| {
            if at == commit_at
                && let Some(committed) = committed.take()
            {
                committed();
            }
        };
        for answer in send_telling(&conn, &packet.sent(), answered).await {
            // What was sent may have been done, though no answer came.
            rows.push(answer.map_err(DbError::from).map_err(|error| match error {
                DbError::Away => DbError::CommitUnknown,
                other => other,
            })?);
        }
        read(venue, &askers, calls, &mut rows.into_iter().skip(before))
    }
}

/// What came of calls, by the rows that they and what stands behind them gave.
fn read(
    venue: VenueId,
    askers: &[Asker],
    calls: &[(&WriteTask, &Call)],
    rows: &mut impl Iterator<Item = Vec<Row>>,
) -> Result<(Vec<Called>, Option<Batch>), DbError> {
    let (mut answers, mut told) = (Vec::with_capacity(calls.len()), Vec::new());
    for (asker, (_, call)) in askers.iter().zip(calls) {
        let row = rows.next().unwrap_or_default().pop();
        let allowed = asker.check(row.as_ref());
        let data = row.as_ref().map(|row| row.col::<Option<String>>("data")).transpose()?.flatten();
        let done = row.filter(|_| data.is_some());
        if let (Some(row), Some(data)) = (&done, data) {
            let mut event = call.event.clone();
            event.version = row.col("version")?;
            event.data = RawValue::from_string(data)?;
            told.push(event);
        }
        answers.push((allowed, done));
    }
    // A call alone has told by itself; several have in what stands behind them.
    let last = rows.next().unwrap_or_default();
    let alone = answers.first().and_then(|(_, done)| done.as_ref());
    let head = if calls.len() > 1 { last.first() } else { alone };
    let batch = head.map(|head| log::batch(venue, &told, head)).transpose()?;
    let first = batch.as_ref().map(|it| (it.first_seq, it.at));
    let mut places =
        first.into_iter().flat_map(|(first, at)| (first..).map(move |n| Pos::new(n, at)));
    let called = answers.into_iter().map(|(allowed, done)| {
        let done = done.and_then(|row| places.next().map(|pos| (row, pos)));
        allowed.map(|()| done)
    });
    Ok((called.collect(), batch))
}

/// What is sent at once: statements with their parameters.
#[derive(Default)]
struct Packet<'a> {
    statements: Vec<Statement>,
    params: Vec<Vec<&'a (dyn ToSql + Sync)>>,
}

impl<'a> Packet<'a> {
    fn add(&mut self, statement: Statement, params: Vec<&'a (dyn ToSql + Sync)>) {
        self.statements.push(statement);
        self.params.push(params);
    }

    fn len(&self) -> usize {
        self.statements.len()
    }

    fn sent(&self) -> Vec<Prepared<'_>> {
        self.statements.iter().zip(self.params.iter().map(Vec::as_slice)).collect()
    }
}

/// Who asks, as the statements take it.
struct Asker {
    needs: Permission,
    rush: bool,
    venue_text: String,
    venue_id: Uuid,
    user_text: String,
    user_id: Uuid,
    device_id: Option<DeviceId>,
    roles: Vec<&'static str>,
    profiles: Vec<&'static str>,
    /// Whether all may who are signed in.
    customers: bool,
}

impl Asker {
    fn of(task: &WriteTask, venue: VenueId) -> Result<Self, DbError> {
        let needs = task.needs.filter(|_| task.scope.reach == Reach::Venue(venue));
        let needs = needs.ok_or(DbError::Forbidden)?;
        let (roles, profiles) = who_may(needs.grant());
        let customers = needs.grant().customer || needs.grant().anyone;
        let user_id = task.scope.actor();
        Ok(Self {
            needs,
            rush: task.rush,
            venue_text: venue.0.to_string(),
            venue_id: venue.0,
            user_text: user_id.to_string(),
            user_id,
            device_id: task.scope.device,
            roles,
            profiles,
            customers,
        })
    }

    fn scope(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.venue_text, &self.user_text]
    }

    /// The first parameters of a call's statement.
    fn params(&self) -> [&(dyn ToSql + Sync); ASKER_PARAMS] {
        let Self { venue_id, user_id, device_id, roles, profiles, customers, .. } = self;
        let (venue, user) = (&self.venue_text, &self.user_text);
        [venue_id, user_id, device_id, roles, profiles, venue, user, customers]
    }

    /// By the standing that the packet has read.
    fn check(&self, known: Option<&Row>) -> Result<(), DbError> {
        if standing(known)?.may(self.needs) { Ok(()) } else { Err(DbError::Forbidden) }
    }
}

/// What several calls lock, each statement once, its keys in their order. One call alone locks by
/// itself.
fn gathered(calls: &[(&WriteTask, &Call)]) -> Vec<(&'static str, Vec<String>)> {
    let mut gathered: Vec<(&'static str, Vec<String>)> = Vec::new();
    if calls.len() < 2 {
        return gathered;
    }
    for lock in calls.iter().flat_map(|(_, call)| &call.locks) {
        match gathered.iter_mut().find(|(sql, _)| *sql == lock.sql) {
            Some((_, keys)) => keys.extend_from_slice(&lock.keys),
            None => gathered.push((lock.sql, lock.keys.clone())),
        }
    }
    for (_, keys) in &mut gathered {
        keys.sort_unstable();
        keys.dedup();
    }
    gathered.retain(|(_, keys)| !keys.is_empty());
    gathered
}

#[cfg(test)]
mod tests {
    use kernel::role::{Permission, Profile};

    use super::*;

    #[test]
    fn the_parameters_of_a_call_stand_behind_those_of_its_asker() {
        assert_eq!(
            behind("select a from f($1, $2::text, $12)", 8),
            "select a from f($9, $10::text, $20)"
        );
        assert_eq!(behind("select 1", 8), "select 1");
    }

    #[test]
    fn owners_stand_beside_the_roles_of_the_table() {
        let (roles, profiles) = who_may(Permission::ScanTickets.grant());
        assert_eq!(roles, ["manager", "scanner", "owner"]);
        assert_eq!(profiles, [Profile::Scanner.as_str()]);
        assert!(who_may(Permission::ReportDevice.grant()).0.is_empty());
    }
}
