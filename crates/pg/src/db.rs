//! The pool of one thread and its session settings.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Hook, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use kernel::clock::Clock;

use crate::barrier::Crowd;
use crate::control::Control;
use crate::{DbError, one_trip, tls};

/// How long a request waits for a free connection before it is refused with 503.
pub const POOL_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long opening a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Requests of this process that waited for a connection in vain.
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// How many requests of this process, on any thread, were refused because no connection was free in
/// time: a sign that it is asked for too much.
#[must_use]
pub fn refused_connections() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

/// The settings of every session. `synchronous_commit` is named because a promise rests on it.
pub const SESSION: &[(&str, &str)] = &[
    ("role", "rowlock_app"),
    ("statement_timeout", "3s"),
    ("lock_timeout", "1s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("synchronous_commit", "on"),
    // Statements are constants with keys in them: planning one anew for its values costs more than
    // it could ever win.
    ("plan_cache_mode", "force_generic_plan"),
    // A plan is kept for the life of its connection, also one that was made while a table was empty:
    // reading all of it was the cheapest then, and is not when it has grown. Where there is no index
    // it is read all the same, at a price for which nothing is to be compiled.
    ("enable_seqscan", "off"),
    ("jit", "off"),
    ("default_transaction_isolation", "read\\ committed"),
    ("timezone", "UTC"),
];

/// How to reach PostgreSQL.
#[derive(Clone, Debug)]
pub struct DbConfig {
    /// `postgres://user:password@host:port/database?sslmode=…`.
    pub url: String,
    /// PEM of the authority that signed the server's certificate; the machine's roots if absent.
    pub ca_pem: Option<String>,
    /// Connections of this pool.
    pub pool_size: usize,
    /// Whether the session's settings are sent at connect; off behind `PgBouncer`.
    pub session_options: bool,
    /// The statement that reads a user's standing in a venue: `$1` venue, `$2` user, `$3`
    /// device or null, one row `(active bool, role text or null, profile text or null)`, no row
    /// where there is no such user.
    pub standing_sql: Option<&'static str>,
}

/// The door to PostgreSQL. Cloning shares the pool; each actix thread has a `Db` of its own,
/// because a connection is driven by the thread that opened it.
#[derive(Clone)]
pub struct Db {
    pub(crate) pool: Pool,
    pub(crate) clock: Clock,
    pub(crate) standing_sql: Option<&'static str>,
    pub(crate) crowd: Crowd,
    /// Of writes in one round trip, which judge the standing by themselves.
    pub(crate) calls: Option<one_trip::Statements>,
}

impl Db {
    /// A door with an empty pool: nothing is connected until the first use.
    ///
    /// # Errors
    /// A sentence when the URL or the CA file cannot be used.
    pub fn new(config: &DbConfig, clock: Clock) -> Result<Self, String> {
        let mut postgres: tokio_postgres::Config = config.url.parse().map_err(|error| {
            format!(
                "DATABASE_URL cannot be read ({error}); it looks like \
                 postgres://user:password@host:5432/database"
            )
        })?;
        postgres.application_name("rowlock").connect_timeout(CONNECT_MAX);
        postgres.keepalives_idle(Duration::from_secs(10));
        postgres.tcp_user_timeout(Duration::from_secs(5));
        if config.session_options {
            postgres.options(session_options());
        }
        let manager = Manager::from_config(
            postgres,
            tls::connector(config.ca_pem.as_deref())?,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            .wait_timeout(Some(POOL_WAIT_MAX))
            .create_timeout(Some(CONNECT_MAX))
            .runtime(Runtime::Tokio1)
            .post_create(Hook::sync_fn(|_, _| {
                metrics::counter!("pg_connections_opened_total").increment(1);
                Ok(())
            }))
            .build()
            .map_err(|error| format!("the pool cannot be built: {error}"))?;
        // A pooler may send what stands behind a commit to another server.
        let crowd = Crowd::new(config.session_options);
        let calls = config.standing_sql.map(one_trip::Statements::new);
        Ok(Self { pool, clock, standing_sql: config.standing_sql, crowd, calls })
    }

    /// The clock that rules use.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether PostgreSQL answers, within the pool's wait.
    ///
    /// # Errors
    /// `Away` or `Busy`.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.connection().await?.batch_execute("").await?;
        Ok(())
    }

    pub(crate) async fn connection(&self) -> Result<Object, DbError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                metrics::counter!("pg_pool_exhausted_total").increment(1);
                REFUSED.fetch_add(1, Ordering::Relaxed);
                DbError::Busy
            }
            PoolError::Backend(error) => {
                tracing::warn!(error = %error, "pg.connect failed");
                match DbError::from(error) {
                    DbError::Busy => DbError::Busy,
                    _ => DbError::Away,
                }
            }
            _ => DbError::Away,
        })
    }
}

fn session_options() -> String {
    let lazy = Control::DurableCommits.is_out().then_some(("synchronous_commit", "off"));
    // Of two settings of one name the later one counts.
    let settings = SESSION.iter().copied().chain(lazy);
    let settings: Vec<_> = settings.map(|(name, value)| format!("-c {name}={value}")).collect();
    settings.join(" ")
}
