//! A write in one round trip: its whole rule is one function of the slice's schema, which does what
//! its caller has planned if all that the plan took for granted holds under the lock, and nothing
//! otherwise. Then the slice goes the usual way.
//!
//! The packet: begin, scope and whether the user may, the call, commit. The standing is read and judged
//! inside the packet (`log.may()`), because nobody is asked between the first and the last of it.
//! The function tells what it did through `log.emit_one`, so the head is locked last.
//!
//! Several such calls of one venue may go together, in one transaction and one packet: what each of
//! them locks is locked before the first of them is called, in one order, and what they tell is told
//! by one statement behind the last, so that the head is held for that alone. If anything fails,
//! nothing of them was done, and each goes on alone.

use std::sync::Arc;

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
use crate::tx::{Prepared, SCOPE, SCOPE_LAZILY, as_sync, prepare, send_prepared, standing};
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

/// The statement that sets the scope to venue `$6` and user `$7` and judges the standing inside the
/// packet: `$1` to `$3` as the standing's own, `$4` the roles and `$5` the profiles that may.
pub(crate) fn may_sql(standing_sql: &str) -> Arc<str> {
    format!(
        // A row in any case: whoever is nobody must not inherit the word of the call before.
        "select s.active, s.role, s.profile, set_config('app.may', case when s.active and \
             coalesce(case when s.profile is null then s.role = any($4) \
                      else s.profile = any($5) end, false) then 'yes' else 'no' end, true) \
         from (select set_config('app.venue_id', $6, true), \
                      set_config('app.user_id', $7, true) offset 0) scope \
         left join ({standing_sql}) s on true"
    )
    .into()
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
    /// `Forbidden` and `UserGone` by its user's standing; neither is anything to the others.
    ///
    /// # Errors
    /// The database's failures. Then nothing of all that was done, or the connection was lost and
    /// nobody knows: the functions find out when they are called again.
    pub async fn write_together(
        &self,
        calls: &[(&WriteTask, &Call)],
    ) -> Result<(Vec<Called>, Option<Batch>), DbError> {
        let Some((first, _)) = calls.first() else { return Ok((Vec::new(), None)) };
        let Reach::Venue(venue) = first.scope.reach else { return Err(DbError::Forbidden) };
        let may_sql = self.may_sql.as_ref().filter(|_| !control::is_one_trip_out());
        let Some(may_sql) = may_sql else {
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
        let locks = gathered(calls);
        let mut packet = Packet::default();
        packet.add(prepare(&conn, "begin").await?, Vec::new());
        if lazily || !locks.is_empty() {
            let scope = prepare(&conn, if lazily { SCOPE_LAZILY } else { SCOPE }).await?;
            packet.add(scope, askers.first().map(Asker::scope).unwrap_or_default());
        }
        let together = calls.len() > 1;
        if together {
            packet.add(prepare(&conn, TOGETHER).await?, Vec::new());
        }
        for (sql, keys) in &locks {
            packet.add(prepare(&conn, sql).await?, vec![&venue, keys]);
        }
        let before = packet.len();
        for (asker, (_, call)) in askers.iter().zip(calls) {
            packet.add(conn.prepare_cached(may_sql).await?, asker.may());
            let params = call.params.iter().map(as_sync).collect();
            packet.add(prepare(&conn, call.sql).await?, params);
        }
        if together {
            packet.add(prepare(&conn, EMIT_TOLD).await?, Vec::new());
        }
        packet.add(prepare(&conn, "commit").await?, Vec::new());
        if lazily && !Control::Barrier.is_out() {
            packet.add(prepare(&conn, barrier::FLUSH).await?, Vec::new());
        }
        let mut rows = Vec::with_capacity(packet.len());
        for answer in send_prepared(&conn, &packet.sent()).await {
            rows.push(answer?);
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
        let (known, mut done) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let done = done.pop();
        if let Some(row) = &done {
            let mut event = call.event.clone();
            event.version = row.col("version")?;
            event.data = RawValue::from_string(row.col::<String>("data")?)?;
            told.push(event);
        }
        answers.push((asker.check(&known), done));
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
}

impl Asker {
    fn of(task: &WriteTask, venue: VenueId) -> Result<Self, DbError> {
        let needs = task.needs.filter(|_| task.scope.reach == Reach::Venue(venue));
        let needs = needs.ok_or(DbError::Forbidden)?;
        let (roles, profiles) = who_may(needs.grant());
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
        })
    }

    fn scope(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.venue_text, &self.user_text]
    }

    fn may(&self) -> Vec<&(dyn ToSql + Sync)> {
        let Self { venue_id, user_id, device_id, roles, profiles, .. } = self;
        vec![venue_id, user_id, device_id, roles, profiles, &self.venue_text, &self.user_text]
    }

    /// By the standing that the packet has read.
    fn check(&self, known: &[Row]) -> Result<(), DbError> {
        if standing(known.first())?.may(self.needs) { Ok(()) } else { Err(DbError::Forbidden) }
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
    fn owners_stand_beside_the_roles_of_the_table() {
        let (roles, profiles) = who_may(Permission::ScanTickets.grant());
        assert_eq!(roles, ["manager", "scanner", "owner"]);
        assert_eq!(profiles, [Profile::Scanner.as_str()]);
        assert!(who_may(Permission::ReportDevice.grant()).0.is_empty());
    }
}
