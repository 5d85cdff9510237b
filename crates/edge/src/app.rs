//! The only ways from a handler to the database.

use bus::Bus;
use kernel::clock::Clock;
use kernel::ids::{UserId, VenueId};
use kernel::problem::Problem;
use kernel::role::{Needs, Standing};
use kernel::scope::Scope;
use pg::write::Refusal;
use pg::{Db, DbError, OnceKey, Outcome, Query, Reader, Reply, Tx, WriteTask};

use crate::actor::Actor;
use crate::answer::Answer;
use crate::rejection::Rejection;
use crate::token::Keyring;

/// What every handler needs. One per actix thread; clones are cheap.
#[derive(Clone)]
pub struct App {
    db: Db,
    bus: Bus,
    keys: Keyring,
    standing_sql: &'static str,
}

impl App {
    /// `standing_sql` reads a user's standing in a venue, see `DbConfig::standing_sql`.
    #[must_use]
    pub fn new(db: Db, bus: Bus, keys: Keyring, standing_sql: &'static str) -> Self {
        Self { db, bus, keys, standing_sql }
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
        let task = WriteTask {
            scope: actor.scope,
            name: G::PERMISSION.name(),
            once,
            needs: Some(G::PERMISSION),
        };
        let app = self.clone();
        let running = actix_web::rt::spawn(async move { app.run(&task, op).await });
        running.await.unwrap_or_else(|_| {
            // The rule panicked; its transaction was thrown away with its connection.
            let detail = "Nothing was changed. The mistake is logged under this requestId.";
            Err(Problem::new(500, "internal", "The server made a mistake", detail).into())
        })
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

    /// The user's standing in the venue, as PostgreSQL has it now.
    ///
    /// # Errors
    /// `UserGone`, or when PostgreSQL is away or busy.
    pub async fn standing(
        &self,
        user: Option<UserId>,
        venue: VenueId,
    ) -> Result<Standing, DbError> {
        let Some(user) = user else { return Ok(Standing::Anyone) };
        let sql = self.standing_sql;
        self.db
            .read(Scope::venue(venue, Some(user)), async |q| {
                let [rows] = q.pipeline([Query::new(sql, &[&venue, &user])]).await?;
                pg::tx::standing(rows.first())
            })
            .await
    }
}
