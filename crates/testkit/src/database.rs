//! A database per bed, cloned from a migrated template, and SQL past the API.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Deref;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, bail};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, NoTls};

use crate::{Server, worker};

/// One at a time makes the template, clones it and sweeps: `CREATE DATABASE` suffers nobody in its
/// template.
const LOCK: &str = "select pg_advisory_lock(7305120)";
const TEMPLATE_PREFIX: &str = "rl_tpl_";
const PREFIX: &str = "rl_t_";

/// A connection as superuser. Its task ends with it.
#[derive(Debug)]
pub struct Sql(Client);

impl Deref for Sql {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Sql {
    /// Connects to `url`.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn connect(url: &str) -> Result<Self> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.context("PostgreSQL refuses the test")?;
        // It ends when the client is dropped; its last error is the client's own.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self(client))
    }

    /// The first column of the only row.
    ///
    /// # Errors
    /// When the statement fails or gives another number of rows.
    pub async fn value<T: FromSqlOwned>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<T> {
        let row = self.0.query_one(sql, params).await.with_context(|| sql.to_owned())?;
        Ok(row.try_get(0)?)
    }

    /// The first column of every row.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn column<T: FromSqlOwned>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<T>> {
        let rows = self.0.query(sql, params).await.with_context(|| sql.to_owned())?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// When one fails.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.0.batch_execute(sql).await.with_context(|| sql.to_owned())
    }
}

/// A migrated database of one's own; dropped, it is gone.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    admin_url: String,
}

impl Database {
    /// A clone of the template, which is made first if need be.
    ///
    /// # Errors
    /// When PostgreSQL or `rowlock migrate` fails.
    pub async fn clone_template(server: &Server) -> Result<Self> {
        let admin_url = server.url_of("postgres")?;
        let admin = Sql::connect(&admin_url).await?;
        admin.run(LOCK).await?;
        sweep(&admin).await?;
        let template = format!("{TEMPLATE_PREFIX}{}", migrations_hash()?);
        if !exists(&admin, &template).await? {
            make_template(&admin, server, &template).await?;
        }
        let random = uuid::Uuid::new_v4().simple().to_string();
        let mark = random.get(..8).unwrap_or_default();
        let name = format!("{PREFIX}{}_{mark}", std::process::id());
        admin
            .run(&format!("create database {name} template {template} strategy file_copy"))
            .await?;
        Ok(Self { url: server.url_of(&name)?, name, admin_url })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The superuser's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn sql(&self) -> Result<Sql> {
        Sql::connect(&self.url).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, name) = (self.admin_url.clone(), self.name.clone());
        // A runtime cannot wait for another one on the same thread.
        let done = thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let admin = Sql::connect(&url).await?;
                admin.run(&format!("drop database if exists {name} with (force)")).await
            })
        });
        // What is left the next run sweeps; a server of one's own may have been killed.
        drop(done.join());
    }
}

async fn exists(admin: &Sql, name: &str) -> Result<bool> {
    admin.value("select exists (select from pg_database where datname = $1)", &[&name]).await
}

/// Built under another name first: one that was interrupted is never taken for a template.
async fn make_template(admin: &Sql, server: &Server, template: &str) -> Result<()> {
    let building = format!("{template}_building");
    admin.run(&format!("drop database if exists {building} with (force)")).await?;
    admin.run(&format!("create database {building}")).await?;
    let mut migrate = worker::command(&worker::binary()?);
    migrate.arg("migrate").env("DATABASE_URL", server.url_of(&building)?);
    let answer = migrate.output().context("`rowlock migrate` cannot be run")?;
    if !answer.status.success() {
        bail!("`rowlock migrate` failed: {}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    admin.run(&format!("alter database {building} rename to {template}")).await
}

/// The text of all migrations in one number.
fn migrations_hash() -> Result<String> {
    let folder = devkit::workspace_root().join("migrations");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in &files {
        file.file_name().hash(&mut hash);
        fs::read(file)?.hash(&mut hash);
    }
    Ok(format!("{:016x}", hash.finish()))
}

/// Drops what runs that died have left: databases whose process is gone and that nobody uses.
async fn sweep(admin: &Sql) -> Result<()> {
    let unused = "select datname from pg_database d where datname like 'rl\\_t\\_%'
        and not exists (select from pg_stat_activity a where a.datname = d.datname)";
    for name in admin.column::<String>(unused, &[]).await? {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
        let alive = owner.is_none_or(|pid| Path::new("/proc").join(pid).exists());
        if !alive {
            // Somebody may have come since.
            drop(admin.run(&format!("drop database if exists {name}")).await);
        }
    }
    Ok(())
}
