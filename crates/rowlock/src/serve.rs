//! A worker from start to end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::header;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{App as Site, HttpServer, web};
use anyhow::Context;
use booking::request_seal::RequestSeal;
use bus::Bus;
use edge::rate::{Limiter, Rates};
use edge::token::Keyring;
use edge::{App, TrustedProxies};
use kernel::clock::Clock;
use pg::{Db, DbConfig};
use realtime::{Hub, Limits, Origins};

use crate::anchor::AnchorKey;
use crate::config::{Environment, Serve, WrongSetting};
use crate::worker::Worker;
use crate::{admin, doctor, drain, jobs, legacy, routes, telemetry};

/// How long a request's head may take.
const HEAD_MAX: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(65);
/// How long running requests may take when the worker goes, in seconds.
const SHUTDOWN_MAX_SECS: u64 = 5;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 2048;
/// Connections of one thread.
const CONNECTIONS_MAX: usize = 25_000;
/// What is kept to be written per connection: most sockets are idle, and there are many.
const WRITE_BUFFER_BYTES: usize = 4096;
/// How long a browser may remember what CORS allows.
const CORS_MAX_AGE_SECS: usize = 7200;
/// How often the signing keys are tried at start, and how long between.
const KEY_TRIES_MAX: u32 = 20;
const KEY_RETRY_EVERY: Duration = Duration::from_millis(500);
/// Connections to PostgreSQL of jobs and the hub.
const JOB_POOL_SIZE: usize = 4;

/// What each thread builds its own part from.
#[derive(Clone)]
struct Parts {
    config: DbConfig,
    /// The clock of rules.
    clock: Clock,
    bus: Bus,
    keyring: Keyring,
    identity: identity::Identity,
    till: payments::Till,
    keeper: tickets::Keeper,
    requests: RequestSeal,
    rates: Rates,
    calls_together: usize,
    worker: Worker,
    origins: Vec<String>,
    proxies: TrustedProxies,
}

/// Runs until a signal ends it.
pub(crate) async fn run(serve: Serve) -> anyhow::Result<()> {
    serve.check()?;
    if serve.environment == Environment::Production {
        doctor::refuse(&serve).await?;
    }
    telemetry::logs(serve.log_format);
    let mut config = serve.database.config()?;
    let seal = Arc::new(serve.sealing.key()?);
    let proxies = serve.trusted_proxies()?;
    let ways = (serve.mailing.mailer()?, serve.mailing.pusher()?);
    let providers = serve.providers()?;
    check_schema(&config).await?;
    let clock = Clock::default();
    let metrics = telemetry::metrics()?;
    let (bus, incoming) = Bus::start(serve.bus()).map_err(|e| WrongSetting(e.to_string()))?;
    let job_config = DbConfig { pool_size: JOB_POOL_SIZE, ..config.clone() };
    let rules = rules_clock(&serve);
    let jobs_db = Db::new(&job_config, rules.clone()).map_err(WrongSetting)?;
    let keyring = Keyring::new(clock.clone());
    let keys = keys(&jobs_db, &seal, &keyring).await?;
    let keeper = tickets::Keeper::new(Arc::clone(&seal));
    let requests = RequestSeal::new(Arc::clone(&seal));
    admin::first_user(&jobs_db, &serve).await?;
    let hub = Hub::start(jobs_db.clone(), bus.clone(), incoming, clock.clone(), Limits::default());
    let worker = Worker::new(&serve, hub, metrics, ways);
    let app = App::new(jobs_db, bus.clone(), keyring.clone(), identity::STANDING_SQL);
    let heeding = keyring.clone();
    bus.on_control(move |control| heeding.heed(control));
    // What was taken back before this worker was there counts from its first request on.
    let watch = identity::Watch::default();
    watch.look(app.db(), &bus, &keys).await.context("the revocations cannot be read")?;
    jobs::start(&app, keys.clone(), &watch, &worker);
    let hands = DbConfig { pool_size: booking::carry_out::LANES, ..config.clone() };
    let hands = Db::new(&hands, rules.clone()).map_err(WrongSetting)?;
    let hands = App::new(hands, bus.clone(), keyring.clone(), identity::STANDING_SQL);
    jobs::rushes(&app, &hands, &requests, &worker);
    let till = serve.cards.till()?;
    jobs::errands(&app, &till);
    jobs::tickets(&app, &keeper, &serve.identity().public_url);
    jobs::anchors(&app, AnchorKey::of(&seal)?);
    let identity = identity::Identity::new(keys, serve.identity()).with_providers(providers);
    config.pool_size = config.pool_size.div_ceil(serve.threads);
    let origins = serve.cors_origins.clone();
    let rates = serve.rates();
    let parts = Parts {
        config,
        clock: rules,
        bus,
        keyring,
        identity,
        till,
        keeper,
        requests,
        rates,
        calls_together: serve.calls_together,
        worker,
        origins,
        proxies,
    };
    listen(&serve, parts).await
}

async fn check_schema(config: &DbConfig) -> anyhow::Result<()> {
    let pending = pg::migrate::pending(config).await.map_err(anyhow::Error::msg)?;
    if let Some(first) = pending.first() {
        let text = format!(
            "the database lacks {} migrations, the first is {first}. Run `rowlock migrate` with \
             the same DATABASE_URL, then start again.",
            pending.len()
        );
        return Err(WrongSetting(text).into());
    }
    Ok(())
}

/// The keys that sign. Several workers that start on a busy machine wait for one another: they try
/// for as long as a platform waits for a start.
async fn keys(
    db: &Db,
    seal: &Arc<identity::SealKey>,
    ring: &Keyring,
) -> anyhow::Result<identity::Keys> {
    for _ in 1..KEY_TRIES_MAX {
        match identity::Keys::load_or_create(db, Arc::clone(seal), ring.clone()).await {
            Err(identity::IdentityError::Db(error)) => {
                tracing::warn!(%error, "the signing keys are not loaded yet");
                tokio::time::sleep(KEY_RETRY_EVERY).await;
            }
            settled => return settled.context("the signing keys cannot be loaded"),
        }
    }
    let last = identity::Keys::load_or_create(db, Arc::clone(seal), ring.clone()).await;
    last.context("the signing keys cannot be loaded")
}

async fn listen(serve: &Serve, parts: Parts) -> anyhow::Result<()> {
    let address = serve.address();
    let listener = listener(address, serve.reuse_port)
        .with_context(|| format!("cannot listen on {address}; choose another with PORT or BIND"))?;
    let (worker, delay) = (parts.worker.clone(), serve.drain_delay());
    // Each thread has a pool of its own: a connection is driven by the thread that opened it.
    let pool = move || Db::new(&parts.config, parts.clock.clone());
    pool().map_err(WrongSetting)?;
    let limiter = Limiter::default();
    let server = HttpServer::new(move || {
        let db = pool().unwrap_or_else(|error| unreachable!("it was built before: {error}"));
        let app = App::new(db, parts.bus.clone(), parts.keyring.clone(), identity::STANDING_SQL)
            .noting_refused(identity::NOTE_REFUSED_SQL)
            .with_calls_together(parts.calls_together)
            .limited(limiter.clone(), parts.rates);
        Site::new()
            .app_data(web::Data::new(app))
            .app_data(web::Data::new(parts.worker.clone()))
            .app_data(web::Data::new(parts.worker.hub().clone()))
            .app_data(web::Data::new(parts.identity.clone()))
            .app_data(web::Data::new(parts.keeper.clone()))
            .app_data(web::Data::new(parts.requests.clone()))
            .app_data(web::Data::new(Origins(parts.origins.clone())))
            .app_data(web::Data::new(parts.proxies.clone()))
            .app_data(web::Data::new(parts.till.clone()))
            // The innermost first.
            .wrap(from_fn(legacy::translate))
            .wrap(from_fn(edge::head::bound))
            .wrap(Compress::default())
            .wrap(cors(&parts.origins))
            .wrap(headers())
            .wrap(from_fn(edge::request_log::request_log))
            .configure(routes::all)
    })
    .workers(serve.threads)
    .client_request_timeout(HEAD_MAX)
    .keep_alive(KEEP_ALIVE)
    .max_connections(CONNECTIONS_MAX)
    .h1_write_buffer_size(WRITE_BUFFER_BYTES)
    .shutdown_timeout(SHUTDOWN_MAX_SECS)
    .disable_signals()
    .on_connect(realtime::on_connect)
    .listen(listener)?
    .run();
    tracing::info!(worker = worker.name(), %address, "serving");
    let drained = actix_web::rt::spawn(drain::on_signal(worker, server.handle(), delay));
    server.await?;
    drained.abort();
    Ok(())
}

/// How often the file is looked at that moves the time.
#[cfg(feature = "controls")]
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The clock of rules. A test may move it; tokens and sockets keep the machine's.
#[cfg(feature = "controls")]
fn rules_clock(serve: &Serve) -> Clock {
    let rules = Clock::default();
    if let Some(file) = serve.rules_ahead.clone() {
        let moved = rules.clone();
        actix_web::rt::spawn(async move {
            loop {
                let wanted = std::fs::read_to_string(&file).unwrap_or_default();
                if let Ok(micros) = wanted.trim().parse::<i64>() {
                    moved.advance(jiff::SignedDuration::from_micros(micros) - moved.offset());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
    }
    rules
}

#[cfg(not(feature = "controls"))]
fn rules_clock(_: &Serve) -> Clock {
    Clock::default()
}

/// Headers of every answer: it is an API, its answers are nobody else's business.
fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CACHE_CONTROL, "no-store"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
}

/// Exactly the origins that were named; tokens travel in a header, so no credentials.
fn cors(origins: &[String]) -> Cors {
    let mut cors = Cors::default()
        .allow_any_method()
        .allow_any_header()
        .expose_headers(["ETag", "Location", "Retry-After", "Rowlock-Pos", "X-Request-Id"])
        .expose_headers(["Idempotency-Replayed", "Preference-Applied"])
        .max_age(CORS_MAX_AGE_SECS);
    for origin in origins {
        cors = if origin == "*" { cors.allow_any_origin() } else { cors.allowed_origin(origin) };
    }
    cors
}

fn listener(address: SocketAddr, reuse_port: bool) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
