//! The environment and flags: the only place that reads them.

mod oidc;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use edge::rate::{Rate, Rates};
use pg::DbConfig;

/// A setting is missing or wrong. Ends the process with 78.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongSetting(pub(crate) String);

/// Where the server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Environment {
    /// On a developer's machine.
    Development,
    /// Before real guests.
    Production,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Registration {
    /// Anybody.
    Open,
    /// Whoever was invited.
    Closed,
}

/// How to reach PostgreSQL.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the fields are named like the environment")]
pub(crate) struct Database {
    /// postgres://user:password@host:port/database
    #[arg(long, env, hide_env_values = true)]
    database_url: Option<String>,
    /// PEM file of the authority that signed PostgreSQL's certificate; the machine's unless given.
    #[arg(long, env)]
    database_ca_file: Option<PathBuf>,
    /// Connections of one worker to PostgreSQL.
    #[arg(long, env, default_value_t = 16)]
    pub(crate) database_pool_size: usize,
    /// `off` behind `PgBouncer`: the login then brings the session's settings itself.
    #[arg(long, env, default_value = "on")]
    database_session_options: String,
}

impl Database {
    pub(crate) fn config(&self) -> Result<DbConfig, WrongSetting> {
        let url = self.database_url.clone().ok_or_else(|| {
            WrongSetting(
                "DATABASE_URL is not set. Rowlock keeps everything in PostgreSQL: set \
                 DATABASE_URL=postgres://user:password@host:5432/database, and with several \
                 workers REDIS_URL=redis://host:6379 as well. `cargo xtask up` sets up both."
                    .into(),
            )
        })?;
        let ca_pem = match &self.database_ca_file {
            Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
                WrongSetting(format!("DATABASE_CA_FILE {} cannot be read: {error}", file.display()))
            })?),
            None => None,
        };
        if !(1..=1000).contains(&self.database_pool_size) {
            return Err(WrongSetting("DATABASE_POOL_SIZE is 1 to 1000".into()));
        }
        Ok(DbConfig {
            url,
            ca_pem,
            pool_size: self.database_pool_size,
            session_options: self.database_session_options != "off",
            standing_sql: Some(identity::STANDING_SQL),
        })
    }
}

/// The key that seals the signing keys in the database.
#[derive(Args, Clone)]
pub(crate) struct Sealing {
    /// Base64 of 32 random bytes.
    #[arg(long, env, hide_env_values = true)]
    rowlock_key: Option<String>,
    /// A file that holds the same.
    #[arg(long, env)]
    rowlock_key_file: Option<PathBuf>,
}

impl Sealing {
    /// The key as it was given, to be compared with those that everybody knows.
    pub(crate) fn text(&self) -> Option<String> {
        let file = || std::fs::read_to_string(self.rowlock_key_file.as_ref()?).ok();
        self.rowlock_key.clone().or_else(file)
    }

    pub(crate) fn key(&self) -> Result<identity::SealKey, WrongSetting> {
        let text = match (&self.rowlock_key, &self.rowlock_key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => std::fs::read_to_string(file).map_err(|error| {
                WrongSetting(format!("ROWLOCK_KEY_FILE {} cannot be read: {error}", file.display()))
            })?,
            (None, None) => {
                return Err(WrongSetting(
                    "ROWLOCK_KEY is not set. It seals the keys that sign access tokens: make one \
                     with `head -c 32 /dev/urandom | base64` and give the same to every worker \
                     (or its file as ROWLOCK_KEY_FILE)."
                        .into(),
                ));
            }
        };
        text.trim().parse().map_err(|error: identity::NotAKey| {
            WrongSetting(format!("ROWLOCK_KEY cannot be used: {error}"))
        })
    }
}

/// How mails leave.
#[derive(Args, Clone)]
pub(crate) struct Mailing {
    /// <smtps://user:password@host>; without it and `MAIL_OUTBOX` mails stay queued.
    #[arg(long, env, hide_env_values = true)]
    smtp_url: Option<String>,
    /// Whom mails are from: Rowlock <tickets@example.org>
    #[arg(long, env)]
    mail_from: Option<String>,
    /// A folder that mails are written to instead, for development.
    #[arg(long, env)]
    mail_outbox: Option<PathBuf>,
    /// The operator's service that reaches people's devices: <https://push.example.org/rowlock>
    #[arg(long, env)]
    push_url: Option<String>,
    /// What calls of it are signed with: `whsec_` and base64.
    #[arg(long, env, hide_env_values = true)]
    push_secret: Option<String>,
}

impl Mailing {
    pub(crate) fn pusher(&self) -> Result<notify::Pusher, WrongSetting> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let pusher = match (set(&self.push_url), set(&self.push_secret)) {
            (None, None) => return Ok(notify::Pusher::nobody()),
            (Some(url), Some(secret)) => notify::Pusher::webhook(&url, &secret),
            _ => {
                let text = "PUSH_URL and PUSH_SECRET go together: set both or none of them.";
                return Err(WrongSetting(text.into()));
            }
        };
        pusher.map_err(|error| WrongSetting(error.0))
    }

    pub(crate) fn mailer(&self) -> Result<notify::Mailer, WrongSetting> {
        let set = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let outbox = self.mail_outbox.as_ref().filter(|folder| !folder.as_os_str().is_empty());
        let from = set(&self.mail_from);
        let mailer = match (set(&self.smtp_url), &from, outbox) {
            (Some(url), Some(from), None) => notify::Mailer::smtp(&url, from),
            (Some(_), None, None) => {
                return Err(WrongSetting(
                    "SMTP_URL is set and MAIL_FROM is not. Set MAIL_FROM=\"Rowlock \
                     <tickets@example.org>\" to an address that the mail server lets you send from."
                        .into(),
                ));
            }
            (Some(_), _, Some(_)) => {
                return Err(WrongSetting(
                    "SMTP_URL and MAIL_OUTBOX are both set: mails go one way. Take one out.".into(),
                ));
            }
            (None, from, Some(folder)) => notify::Mailer::outbox(folder, from.as_deref()),
            (None, _, None) => notify::Mailer::nobody(),
        };
        mailer.map_err(|error| WrongSetting(error.0))
    }
}

/// `rowlock serve`
#[derive(Args, Clone)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) cards: crate::till::Cards,
    #[command(flatten)]
    pub(crate) mailing: Mailing,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) sealing: Sealing,
    #[command(flatten)]
    oidc: oidc::Oidc,
    /// redis://host:port; without it events travel through PostgreSQL alone.
    #[arg(long, env, hide_env_values = true)]
    redis_url: Option<String>,
    /// Before every channel in Redis.
    #[arg(long, env, default_value = "rl:")]
    redis_namespace: String,
    /// Sharded pub/sub on Redis Cluster.
    #[arg(long, env)]
    redis_sharded: bool,
    /// Where to listen.
    #[arg(long, env, default_value = "0.0.0.0:8080")]
    bind: SocketAddr,
    /// The port to listen on; wins over the one of BIND.
    #[arg(long, env)]
    port: Option<u16>,
    /// Several workers share the port.
    #[arg(long, env, value_parser = flag, default_value = "0")]
    pub(crate) reuse_port: bool,
    /// Threads that serve requests.
    #[arg(long, env, default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long to serve on after SIGTERM while the balancer looks away, in milliseconds.
    #[arg(long, env, default_value_t = 1000)]
    drain_delay_ms: u64,
    /// The name in logs.
    #[arg(long, env, default_value = "worker")]
    pub(crate) worker_id: String,
    #[arg(long, env, default_value = "development")]
    pub(crate) environment: Environment,
    #[arg(long, env, default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Pages of these origins may call the API: <https://app.example.org>,…
    #[arg(long, env, value_delimiter = ',')]
    pub(crate) cors_origins: Vec<String>,
    /// Networks whose forwarded headers are believed: 10.0.0.0/8,…
    #[arg(long, env, default_value = "")]
    trusted_proxies: String,
    /// Nobody else can listen on the way to PostgreSQL and Redis: they may be reached in plain.
    #[arg(long, env, value_parser = flag, default_value = "0")]
    pub(crate) private_network: bool,
    /// The first user, made while there is none.
    #[arg(long, env)]
    pub(crate) admin_email: Option<String>,
    /// The first user's password.
    #[arg(long, env, hide_env_values = true)]
    pub(crate) admin_password: Option<String>,
    /// `closed`: only whoever is invited gets an account.
    #[arg(long, env, default_value = "open")]
    pub(crate) registration: Registration,
    /// Where people's pages are: mailed links lead there. <https://app.example.org>
    #[arg(long, env, default_value = "http://localhost:8080")]
    public_url: String,
    /// Requests of one user or device, per second and worker; 0 is no limit. 20 in production.
    #[arg(long, env)]
    requests_per_user: Option<u32>,
    /// Requests of one address, per second and worker; 0 is no limit. 200 in production.
    #[arg(long, env)]
    requests_per_address: Option<u32>,
    /// Requests for one venue, per second and worker; 0 is no limit. 2000 in production.
    #[arg(long, env)]
    requests_per_venue: Option<u32>,
    /// Scans, holds of named seats and moves of tables of one venue that a thread does in one
    /// transaction where they wait; 1 is each alone.
    #[arg(long, env, default_value_t = 16)]
    pub(crate) calls_together: usize,
    /// Sign-ins and registrations of one address, per minute.
    #[arg(long, env, default_value_t = 20)]
    pub(crate) sign_ins_per_minute: i32,
    /// What Prometheus sends as bearer token to /metrics.
    #[arg(long, env, hide_env_values = true)]
    pub(crate) metrics_token: Option<String>,
    /// A file with the microseconds by which rules are ahead, for tests that move the time.
    #[cfg(feature = "controls")]
    #[arg(long, env, hide = true)]
    pub(crate) rules_ahead: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn bus(&self) -> bus::BusConfig {
        bus::BusConfig {
            redis_url: self.redis_url.clone().filter(|url| !url.is_empty()),
            namespace: self.redis_namespace.clone(),
            sharded: self.redis_sharded,
        }
    }

    pub(crate) fn identity(&self) -> identity::Settings {
        identity::Settings {
            registration_open: self.registration == Registration::Open,
            attempts_per_minute: self.sign_ins_per_minute,
            public_url: self.public_url.trim_end_matches('/').to_owned(),
        }
    }

    /// The providers that people may sign in with.
    pub(crate) fn providers(&self) -> Result<identity::Providers, WrongSetting> {
        self.oidc.providers(&self.public_url)
    }

    /// The URL of Redis, if there is one.
    pub(crate) fn redis(&self) -> Option<&str> {
        self.redis_url.as_deref().filter(|url| !url.is_empty())
    }

    /// In development nobody is slowed down unless it is asked for.
    pub(crate) fn rates(&self) -> Rates {
        let production = self.environment == Environment::Production;
        let rate = |given: Option<u32>, usual: u32, secs: u32| {
            Rate::new(given.unwrap_or(if production { usual } else { 0 }), secs)
        };
        Rates {
            user: rate(self.requests_per_user, 20, 3),
            address: rate(self.requests_per_address, 200, 3),
            venue: rate(self.requests_per_venue, 2000, 1),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let mut address = self.bind;
        if let Some(port) = self.port {
            address.set_port(port);
        }
        address
    }

    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms)
    }

    pub(crate) fn trusted_proxies(&self) -> Result<edge::TrustedProxies, WrongSetting> {
        self.trusted_proxies
            .parse()
            .map_err(|error| WrongSetting(format!("TRUSTED_PROXIES cannot be used: {error}")))
    }

    pub(crate) fn check(&self) -> Result<(), WrongSetting> {
        if !["http://", "https://"].iter().any(|scheme| self.public_url.starts_with(scheme)) {
            return Err(WrongSetting(
                "PUBLIC_URL is not like https://app.example.org. Links in mails begin with it."
                    .into(),
            ));
        }
        let star = self.cors_origins.iter().any(|origin| origin == "*");
        if star && self.environment == Environment::Production {
            return Err(WrongSetting(
                "CORS_ORIGINS is *, which lets every page on the web call this API. Name the \
                 origins of your own pages."
                    .into(),
            ));
        }
        if !(1..=64).contains(&self.threads) {
            return Err(WrongSetting("THREADS is 1 to 64".into()));
        }
        Ok(())
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" | "" => Ok(false),
        _ => Err("it is 1 or 0".into()),
    }
}

/// `rowlock demo`
#[derive(Args, Clone)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) database: Database,
    /// Where to write what was made; passwords of an earlier run are kept.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

/// `rowlock keys`
#[derive(clap::Subcommand, Clone)]
pub(crate) enum KeysCommand {
    /// The next key signs from now on; tokens of the one before count until they end.
    Rotate(RotateKeys),
}

/// `rowlock keys rotate`
#[derive(Args, Clone)]
pub(crate) struct RotateKeys {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) sealing: Sealing,
    /// A key may be in wrong hands: throw all of them away. Everybody's access token is refused
    /// within five seconds; refresh tokens get the next one.
    #[arg(long)]
    pub(crate) now: bool,
}

/// `rowlock openapi`
#[derive(Args, Clone)]
pub(crate) struct Openapi {
    /// The folder to write to.
    #[arg(long, default_value = "openapi")]
    pub(crate) out: PathBuf,
}

/// `rowlock healthcheck`
#[derive(Args, Clone)]
pub(crate) struct Healthcheck {
    /// The port of the worker.
    #[arg(long, env, default_value_t = 8080)]
    pub(crate) port: u16,
}
