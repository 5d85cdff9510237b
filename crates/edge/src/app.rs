//! The only ways from a handler to the database.

use std::time::Instant;

use bus::Bus;
use kernel::clock::Clock;
use kernel::event::Pos;
use kernel::ids::{DeviceId, UserId, VenueId};
use kernel::problem::Problem;
use kernel::role::{Needs, Permission, Standing};
use kernel::scope::{Origin, Scope};
use pg::control::Control;
use pg::write::Refusal;
use pg::{Call, Db, DbError, OnceKey, Outcome, Query, Reader, Reply, Row, Tx, WriteTask, params};

use crate::actor::Actor;
use crate::address::ClientAddress;
use crate::answer::Answer;
use crate::gather::{CALLS_TOGETHER_MAX, Gatherer};
use crate::rate::{self, Caller, Limiter, Rate, Rates};
use crate::rejection::Rejection;
use crate::token::Keyring;

/// Denied attempts of one user that are written down.
const DENIED: Rate = Rate { per_sec: 1, burst: 10 };

/// What every handler needs. One per actix thread; clones are cheap.
#[derive(Clone)]
pub struct App {
    db: Db,
    bus: Bus,
    keys: Keyring,
    standing_sql: &'static str,
    refused_sql: Option<&'static str>,
    gatherer: Gatherer,
    calls_together: usize,
    limiter: Limiter,
    rates: Rates,
}

impl App {
    /// `standing_sql` reads a user's standing in a venue, see `DbConfig::standing_sql`.
    #[must_use]
    pub fn new(db: Db, bus: Bus, keys: Keyring, standing_sql: &'static str) -> Self {
        if Control::PublishAfterCommit.is_out() {
            let bus = bus.clone();
            pg::control::publish_early(move |batch| bus.publish(batch));
        }
        Self {
            db,
            bus,
            keys,
            standing_sql,
            refused_sql: None,
            gatherer: Gatherer::default(),
            calls_together: CALLS_TOGETHER_MAX,
            limiter: Limiter::default(),
            rates: Rates::FREE,
        }
    }

    /// The same with limits: the threads of one worker share the limiter.
    #[must_use]
    pub fn limited(self, limiter: Limiter, rates: Rates) -> Self {
        Self { limiter, rates, ..self }
    }

    /// The same, noting devices that are not trusted and try all the same: `$1` is the venue, `$2`
    /// the device, `$3` the clock's offset.
    #[must_use]
    pub fn noting_refused(self, sql: &'static str) -> Self {
        Self { refused_sql: Some(sql), ..self }
    }

    /// The same with at most so many calls in one packet; 1 is each by itself.
    #[must_use]
    pub fn with_calls_together(self, most: usize) -> Self {
        Self { calls_together: most, ..self }
    }

    pub(crate) fn calls_together(&self) -> usize {
        if Control::Rush.is_out() { 1 } else { self.calls_together }
    }

    pub(crate) fn gatherer(&self) -> &Gatherer {
        &self.gatherer
    }

    /// The rates that it keeps.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// The door to PostgreSQL.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The door to Redis.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The keys that tokens are verified with.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The clock that rules use.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.db.clock()
    }

    /// Runs `op` in one transaction and publishes its events.
    ///
    /// The transaction runs in a task of its own: a client that goes away does not stop it
    /// half-way, and its events are published all the same.
    ///
    /// # Errors
    /// The slice's refusal as a problem.
    pub async fn write<T, E, G, F>(
        &self,
        actor: &Actor<G>,
        once: Option<OnceKey>,
        op: F,
    ) -> Result<Answer, Rejection>
    where
        T: Reply + 'static,
        E: Refusal + std::fmt::Debug + 'static,
        G: Needs,
        F: AsyncFn(&mut Tx) -> Result<T, E> + 'static,
    {
        self.spawn_write(actor, Self::task(actor, once, false), op).await
    }

    /// As `write`, for what comes in crowds on one venue: holds, bookings, scans. While it does,
    /// such writes give their locks back before they wait for the disk. Each is as durable when it
    /// is answered as any other.
    ///
    /// # Errors
    /// As `write`.
    pub async fn rush<T, E, G, F>(
        &self,
        actor: &Actor<G>,
        once: Option<OnceKey>,
        op: F,
    ) -> Result<Answer, Rejection>
    where
        T: Reply + 'static,
        E: Refusal + std::fmt::Debug + 'static,
        G: Needs,
        F: AsyncFn(&mut Tx) -> Result<T, E> + 'static,
    {
        self.spawn_write(actor, Self::task(actor, once, true), op).await
    }

    fn task<G: Needs>(actor: &Actor<G>, once: Option<OnceKey>, rush: bool) -> WriteTask {
        WriteTask {
            scope: actor.scope,
            name: G::PERMISSION.name(),
            once,
            needs: Some(G::PERMISSION),
            origin: actor.origin.clone(),
            rush,
        }
    }

    async fn spawn_write<T, E, G, F>(
        &self,
        actor: &Actor<G>,
        task: WriteTask,
        op: F,
    ) -> Result<Answer, Rejection>
    where
        T: Reply + 'static,
        E: Refusal + std::fmt::Debug + 'static,
        G: Needs,
        F: AsyncFn(&mut Tx) -> Result<T, E> + 'static,
    {
        if Control::DropGuard.is_out() {
            return self.run(&task, op).await;
        }
        let (app, staff) = (self.clone(), actor.standing.is_staff());
        let running = actix_web::rt::spawn(async move {
            let answer = app.run(&task, op).await;
            if let Err(Rejection(problem)) = &answer
                && problem.status == 403
                && staff
            {
                app.note_denied(task.scope, &task.origin, G::PERMISSION, problem.code);
            }
            answer
        });
        running.await.unwrap_or_else(|_| {
            // The rule panicked; its transaction was thrown away with its connection.
            let detail = "Nothing was changed. The mistake is logged under this requestId.";
            Err(Problem::new(500, "internal", "The server made a mistake", detail).into())
        })
    }

    /// Runs `op` in one transaction, one of several of a request that is done in parts, and
    /// publishes its events. Each part is whole by itself.
    ///
    /// # Errors
    /// As `write`.
    pub async fn part<T, E, G, F>(
        &self,
        actor: &Actor<G>,
        op: F,
    ) -> Result<(T, Option<Pos>), Rejection>
    where
        T: Reply + 'static,
        E: Refusal + std::fmt::Debug + 'static,
        G: Needs,
        F: AsyncFn(&mut Tx) -> Result<T, E> + 'static,
    {
        let (app, task) = (self.clone(), Self::task(actor, None, true));
        let running = actix_web::rt::spawn(async move {
            match app.db.write(&task, op).await {
                Ok(Outcome::Done { value, batch, .. }) => {
                    let pos = batch.as_ref().map(kernel::event::Batch::pos);
                    if let Some(batch) = batch {
                        app.bus.publish(batch);
                    }
                    Ok((value, pos))
                }
                // There is no key, so there is nothing to repeat.
                Ok(Outcome::Replayed(_)) => Err(DbError::Replay.into()),
                Err(error) => Err(Rejection::of(&error)),
            }
        });
        running.await.unwrap_or_else(|_| Err(DbError::Replay.into()))
    }

    /// Runs a write that is one call, in one round trip, and publishes its event. `None`: nothing
    /// was done; `rush` finds out why. Calls of one venue that wait go together, see `gather`.
    ///
    /// # Errors
    /// By the caller's standing; when the database fails. `commit_unknown`: it may have been done, and
    /// whoever has a key or a nonce finds out by the usual way.
    pub async fn call<G: Needs>(
        &self,
        actor: &Actor<G>,
        call: Call,
    ) -> Result<Option<(Row, Pos)>, Rejection> {
        self.gather(Self::task(actor, None, true), call).await.map_err(Rejection::from)
    }

    async fn run<T, E, F>(&self, task: &WriteTask, op: F) -> Result<Answer, Rejection>
    where
        T: Reply,
        E: Refusal + std::fmt::Debug,
        F: AsyncFn(&mut Tx) -> Result<T, E>,
    {
        match self.db.write(task, op).await {
            Ok(Outcome::Done { value, json, batch }) => {
                let pos = batch.as_ref().map(kernel::event::Batch::pos);
                if let Some(batch) = batch {
                    self.bus.publish(batch);
                }
                let (status, version) = (value.status(), value.version());
                Ok(Answer { status, json, version, pos, replayed: false })
            }
            Ok(Outcome::Replayed(stored)) => Ok(Answer {
                status: stored.status,
                json: stored.json,
                version: stored.version,
                pos: stored.pos,
                replayed: true,
            }),
            Err(error) => Err(Rejection::of(&error)),
        }
    }

    /// Counts a request against the rates of its address, its user and its venue.
    ///
    /// # Errors
    /// 429, with the seconds after which the next one is free.
    pub(crate) fn count(
        &self,
        address: ClientAddress,
        user: Option<UserId>,
        venue: Option<VenueId>,
    ) -> Result<(), Problem> {
        let callers = [
            Some((Caller::Address(address.household()), self.rates.address)),
            user.map(|user| (Caller::User(user), self.rates.user)),
            venue.map(|venue| (Caller::Venue(venue), self.rates.venue)),
        ];
        let now = Instant::now();
        for (caller, rate) in callers.into_iter().flatten() {
            self.limiter.take(caller, rate, now).map_err(rate::too_many)?;
        }
        Ok(())
    }

    /// Writes down, in a transaction of its own, that a member tried what they may not. Who tries
    /// again and again fills the log no faster than `DENIED`.
    pub(crate) fn note_denied(
        &self,
        scope: Scope,
        origin: &Origin,
        permission: Permission,
        code: &'static str,
    ) {
        let Some(user) = scope.user else { return };
        if self.limiter.take(Caller::Denied(user), DENIED, Instant::now()).is_err() {
            return;
        }
        let task = WriteTask { origin: origin.clone(), ..WriteTask::job("note_denied", scope) };
        let db = self.db.clone();
        actix_web::rt::spawn(async move {
            let detail = serde_json::json!({ "permission": permission.name(), "code": code });
            let noted = db.write(&task, async |tx| tx.audit("denied", ("user", user.0), &detail));
            if let Err(error) = noted.await {
                tracing::warn!(%error, "edge.denied not written down");
            }
        });
    }

    /// Writes down, in a transaction of its own, that a device tried which is not trusted. Nobody
    /// waits for it, and it is done no more often than `DENIED`.
    pub fn note_refused(&self, venue: VenueId, device: DeviceId) {
        let Some(sql) = self.refused_sql else { return };
        if self.limiter.take(Caller::Refused(device), DENIED, Instant::now()).is_err() {
            return;
        }
        let (db, task) =
            (self.db.clone(), WriteTask::job("note_refused", Scope::venue(venue, None)));
        actix_web::rt::spawn(async move {
            let noted = db.write(&task, async |tx| {
                tx.change(sql, params![venue, device, tx.clock_offset_micros()]);
                Ok::<(), DbError>(())
            });
            if let Err(error) = noted.await {
                tracing::warn!(%error, "edge.refused device not written down");
            }
        });
    }

    /// A job's write: no client, no key, no permission. Publishes its events.
    ///
    /// # Errors
    /// The slice's error.
    pub async fn job<E, F>(&self, name: &'static str, scope: Scope, op: F) -> Result<(), E>
    where
        E: Refusal,
        F: AsyncFn(&mut Tx) -> Result<(), E>,
    {
        let task = WriteTask::job(name, scope);
        if let Outcome::Done { batch: Some(batch), .. } = self.db.write(&task, op).await? {
            self.bus.publish(batch);
        }
        Ok(())
    }

    /// Runs `op` on one read-only snapshot.
    ///
    /// # Errors
    /// The slice's refusal as a problem.
    pub async fn read<T, E, G, F>(&self, actor: &Actor<G>, op: F) -> Result<T, Rejection>
    where
        E: Refusal + std::fmt::Debug,
        F: AsyncFn(&mut Reader) -> Result<T, E>,
    {
        self.db.read(actor.scope, op).await.map_err(|error| Rejection::of(&error))
    }

    /// The standing in the venue of `who`, a user or a device, as PostgreSQL has it now.
    ///
    /// # Errors
    /// `UserGone`, or when PostgreSQL is away or busy.
    pub async fn standing(&self, who: Scope, venue: VenueId) -> Result<Standing, DbError> {
        let Some(user) = who.user else { return Ok(Standing::Anyone) };
        let sql = self.standing_sql;
        self.db
            .read(Scope::venue(venue, Some(user)), async |q| {
                let [rows] = q.pipeline([Query::new(sql, &[&venue, &user, &who.device])]).await?;
                pg::tx::standing(rows.first())
            })
            .await
    }
}
