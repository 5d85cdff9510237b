//! Where a bed's PostgreSQL and Redis come from.

use anyhow::{Context as _, Result};
use devkit::{Cluster, ClusterOptions, Services};

/// The servers under a bed.
#[derive(Debug)]
pub enum Server {
    /// Those that all tests of the checkout share.
    Shared(Services),
    /// The test's own, to be stopped and killed.
    Own(Box<Cluster>),
}

impl Server {
    /// The shared servers.
    ///
    /// # Errors
    /// When they cannot be had.
    pub fn shared() -> Result<Self> {
        Services::for_tests().map(Self::Shared)
    }

    /// Servers of one's own.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn own(options: &ClusterOptions) -> Result<Self> {
        Ok(Self::Own(Box::new(Cluster::private(options)?)))
    }

    /// The superuser's URL of `database`.
    ///
    /// # Errors
    /// When a server of one's own has no PostgreSQL.
    pub fn url_of(&self, database: &str) -> Result<String> {
        match self {
            Self::Shared(services) => Ok(services.postgres_url_of(database)),
            Self::Own(cluster) => {
                let url = cluster.postgres()?.url()?;
                let server = url.strip_suffix("postgres").context("not the URL of `postgres`")?;
                Ok(format!("{server}{database}"))
            }
        }
    }

    /// Redis, where there is one.
    ///
    /// # Errors
    /// When its URL cannot be told.
    pub fn redis_url(&self) -> Result<Option<String>> {
        match self {
            Self::Shared(services) => Ok(Some(services.redis_url().to_owned())),
            Self::Own(cluster) => cluster.redis().ok().map(devkit::Node::url).transpose(),
        }
    }
}
