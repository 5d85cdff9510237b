//! Workers over a database of their own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use devkit::ClusterOptions;

use crate::{Client, Database, House, Person, Proxy, Server, Sql, Upstream, Worker};

/// Several beds share one PostgreSQL with 300 connections.
const POOL_SIZE: &str = "8";
/// The key that seals the signing keys: no secret, the database lives for seconds.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// What a bed is made of.
#[derive(Debug, Default)]
pub struct BedOptions {
    workers: usize,
    without_redis: bool,
    proxied: bool,
    own: Option<ClusterOptions>,
    env: Vec<(String, String)>,
}

impl BedOptions {
    /// So many workers; 1 unless told.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// The workers know of no Redis.
    #[must_use]
    pub fn without_redis(mut self) -> Self {
        self.without_redis = true;
        self
    }

    /// The workers reach PostgreSQL through [`Bed::proxy`].
    #[must_use]
    pub fn through_a_proxy(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// Servers of its own, to be stopped and killed.
    #[must_use]
    pub fn own_servers(mut self, options: ClusterOptions) -> Self {
        self.own = Some(options);
        self
    }

    /// One more variable for the workers; a later one of the same name wins.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the database, starts the workers and waits until they are ready.
    ///
    /// # Errors
    /// When a server or a worker does not start.
    pub async fn start(self) -> Result<Bed> {
        let server = match &self.own {
            Some(options) => Server::own(options)?,
            None => Server::shared()?,
        };
        let database = Database::clone_template(&server).await?;
        let proxy = if self.proxied {
            Some(Proxy::start(Upstream::of_postgres(database.url())?).await?)
        } else {
            None
        };
        let url = match &proxy {
            Some(proxy) => proxy.postgres_url(database.url())?,
            None => database.url().to_owned(),
        };
        let folder = Folder::make()?;
        let env = self.environment(&url, server.redis_url()?, database.name());
        let workers: Vec<Worker> = (1..=self.workers.max(1))
            .map(|number| Worker::new(number, env.clone(), &folder.0))
            .collect::<Result<_>>()?;
        let http = reqwest::Client::builder().no_proxy().timeout(REQUEST_MAX).build()?;
        workers.iter().try_for_each(Worker::spawn)?;
        for worker in &workers {
            worker.ready(&http).await?;
        }
        Ok(Bed { workers: workers.into(), http, proxy, database, _folder: folder, server })
    }

    fn environment(
        &self,
        url: &str,
        redis: Option<String>,
        namespace: &str,
    ) -> Vec<(String, String)> {
        let mut env: Vec<(String, String)> = [
            ("DATABASE_URL", url),
            ("DATABASE_POOL_SIZE", POOL_SIZE),
            ("REDIS_NAMESPACE", &format!("{namespace}:")),
            ("ROWLOCK_KEY", KEY),
            ("DRAIN_DELAY_MS", "50"),
            // People of one test come from many addresses, see `people`.
            ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(redis) = redis.filter(|_| !self.without_redis) {
            env.push(("REDIS_URL".to_owned(), redis));
        }
        env.extend(self.env.iter().cloned());
        env
    }
}

/// Workers over a database of their own; dropped, all of it is gone.
#[derive(Debug)]
pub struct Bed {
    // Dropped in this order: clients, wires, database, servers.
    workers: Arc<[Worker]>,
    http: reqwest::Client,
    proxy: Option<Proxy>,
    database: Database,
    _folder: Folder,
    server: Server,
}

impl Bed {
    /// So many workers, PostgreSQL and Redis.
    ///
    /// # Errors
    /// When a server or a worker does not start.
    pub async fn start(workers: usize) -> Result<Self> {
        Self::with().workers(workers).start().await
    }

    /// A bed that is not the usual one.
    #[must_use]
    pub fn with() -> BedOptions {
        BedOptions::default()
    }

    /// The workers.
    #[must_use]
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// The worker `number`, from 0.
    ///
    /// # Errors
    /// When there is none.
    pub fn worker(&self, number: usize) -> Result<&Worker> {
        self.workers.get(number).context("there is no such worker")
    }

    /// Starts a worker again that was killed or stopped, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self, number: usize) -> Result<()> {
        let worker = self.worker(number)?;
        worker.spawn()?;
        worker.ready(&self.http).await
    }

    /// The wire to PostgreSQL of a bed that was started `through_a_proxy`.
    ///
    /// # Errors
    /// When it was not.
    pub fn proxy(&self) -> Result<&Proxy> {
        self.proxy.as_ref().context("this bed was started without a proxy")
    }

    /// The servers under it.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// A connection to its database, past the API and past every rule.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn sql(&self) -> Result<Sql> {
        self.database.sql().await
    }

    /// A client that nobody has signed in with, over all workers in turn.
    #[must_use]
    pub fn anyone(&self) -> Client {
        Client::new(self.http.clone(), Arc::clone(&self.workers))
    }

    /// A new user.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn person(&self) -> Result<Person> {
        Person::register(&self.anyone()).await
    }

    /// A new venue with its owner.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn house(&self) -> Result<House> {
        House::open(self.person().await?).await
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        for worker in self.workers.iter() {
            let complaints = worker.complaints();
            if !complaints.is_empty() {
                eprintln!("{} complained:\n{complaints}", worker.name());
            }
            // One that a test has killed is gone already.
            drop(worker.kill());
        }
    }
}

/// Where the workers' logs are.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rowlock-bed-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is a few lines of text in the folder for such things.
        drop(fs::remove_dir_all(&self.0));
    }
}
