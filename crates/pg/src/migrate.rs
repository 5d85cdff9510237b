//! The numbered files of `migrations/`, embedded in the binary, under an advisory lock.

use crate::{DbConfig, tls};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}
use embedded::migrations;

/// One lock for all migrators of a database.
const MIGRATION_LOCK: i64 = 0x524f_574c_4f43_4b01;

/// Applies what is missing and gives the names of what was applied.
///
/// # Errors
/// A sentence that says what failed.
pub async fn migrate(config: &DbConfig) -> Result<Vec<String>, String> {
    let postgres: tokio_postgres::Config =
        config.url.parse().map_err(|e| format!("DATABASE_URL cannot be read: {e}"))?;
    let connector = tls::connector(config.ca_pem.as_deref())?;
    let (mut client, connection) = postgres
        .connect(connector)
        .await
        .map_err(|e| format!("PostgreSQL cannot be reached: {}", chain(&e)))?;
    let driver = tokio::spawn(connection);
    client
        .batch_execute(&format!("select pg_advisory_lock({MIGRATION_LOCK})"))
        .await
        .map_err(|e| format!("the migration lock was not given: {}", chain(&e)))?;
    let report = migrations::runner()
        .run_async(&mut client)
        .await
        .map_err(|e| format!("a migration failed and was rolled back: {}", chain(&e)))?;
    drop(client);
    driver.abort();
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// The names of the migrations that the database has not yet had.
///
/// # Errors
/// A sentence when PostgreSQL cannot be asked.
pub async fn pending(config: &DbConfig) -> Result<Vec<String>, String> {
    let postgres: tokio_postgres::Config =
        config.url.parse().map_err(|e| format!("DATABASE_URL cannot be read: {e}"))?;
    let connector = tls::connector(config.ca_pem.as_deref())?;
    let (mut client, connection) = postgres
        .connect(connector)
        .await
        .map_err(|e| format!("PostgreSQL cannot be reached: {}", chain(&e)))?;
    let driver = tokio::spawn(connection);
    // Without the history table nothing was applied yet.
    let applied = migrations::runner().get_applied_migrations_async(&mut client).await;
    driver.abort();
    let applied: Vec<_> = applied.unwrap_or_default().iter().map(ToString::to_string).collect();
    let all =
        migrations::runner().get_migrations().iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(all.into_iter().filter(|name| !applied.contains(name)).collect())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text = format!("{text}: {next}");
        source = next.source();
    }
    text
}
