//! What a PostgreSQL is like, for those who decide whether to trust it with a house.

use std::net::IpAddr;

use jiff::Timestamp;
use tokio_postgres::config::Host;

use crate::{Columns, DbConfig, tls};

const ASK: &str = "select current_setting('server_version_num')::int as version, \
     current_setting('fsync') = 'on' as fsync, \
     current_setting('full_page_writes') = 'on' as full_page_writes, \
     current_setting('synchronous_commit') <> 'off' as synchronous_commit, \
     r.rolname::text as login, r.rolsuper as superuser, r.rolbypassrls as bypasses_rls, \
     coalesce((select s.ssl from pg_stat_ssl s where s.pid = pg_backend_pid()), false) as tls, \
     current_setting('max_connections')::int as max_connections, \
     clock_timestamp() as now from pg_roles r where r.rolname = session_user";

/// What PostgreSQL says of itself.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are answers to as many questions")]
pub struct Facts {
    /// Like 170004.
    pub version: i32,
    /// Whether what was written reaches the disk.
    pub fsync: bool,
    /// Whether a torn page can be mended.
    pub full_page_writes: bool,
    /// Whether a commit waits for the disk unless somebody says otherwise.
    pub synchronous_commit: bool,
    /// The login.
    pub login: String,
    /// Whether nothing stops it.
    pub superuser: bool,
    /// Whether row-level security does not bind it.
    pub bypasses_rls: bool,
    /// Whether this connection is encrypted.
    pub tls: bool,
    /// Whether the server is on this machine.
    pub local: bool,
    /// The password of the URL, if it has one.
    pub password: Option<String>,
    /// Connections that it takes.
    pub max_connections: i32,
    /// Its clock.
    pub now: Timestamp,
}

/// Asks PostgreSQL, past the pool and its session.
///
/// # Errors
/// A sentence when it cannot be asked.
pub async fn facts(config: &DbConfig) -> Result<Facts, String> {
    let postgres: tokio_postgres::Config =
        config.url.parse().map_err(|e| format!("DATABASE_URL cannot be read: {e}"))?;
    let local = postgres.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => is_local(name),
    });
    let password = postgres.get_password().map(|it| String::from_utf8_lossy(it).into_owned());
    let connector = tls::connector(config.ca_pem.as_deref())?;
    let (client, connection) = postgres
        .connect(connector)
        .await
        .map_err(|e| format!("PostgreSQL cannot be reached: {e}"))?;
    let driver = tokio::spawn(connection);
    let row = client.query_one(ASK, &[]).await;
    driver.abort();
    let row = row.map_err(|e| format!("PostgreSQL does not answer: {e}"))?;
    let facts = || {
        Ok::<_, crate::DbError>(Facts {
            version: row.col("version")?,
            fsync: row.col("fsync")?,
            full_page_writes: row.col("full_page_writes")?,
            synchronous_commit: row.col("synchronous_commit")?,
            login: row.col("login")?,
            superuser: row.col("superuser")?,
            bypasses_rls: row.col("bypasses_rls")?,
            tls: row.col("tls")?,
            local,
            password,
            max_connections: row.col("max_connections")?,
            now: row.col("now")?,
        })
    };
    facts().map_err(|e| format!("PostgreSQL answers strangely: {e}"))
}

/// Whether a host's name is this machine.
#[must_use]
pub fn is_local(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    plain == "localhost" || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["10.0.0.1", "db", "localhost.example.org", "0.0.0.0", ""] {
            assert!(!is_local(host), "{host}");
        }
    }
}
