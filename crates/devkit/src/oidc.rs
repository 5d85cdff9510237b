//! OpenID Connect providers for tests: real ones, on loopback ports.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::{Account, Running, Signal, free_ports, obtain};

/// Who the server under test is at each of them, and what proves it.
pub const CLIENT: (&str, &str) = ("rowlock", "a-secret-that-only-tests-know");

const START_PATIENCE: Duration = Duration::from_secs(30);

/// Running providers; dropped, they are gone.
#[derive(Debug)]
pub struct Providers {
    ports: Vec<(String, u16)>,
    log: PathBuf,
    _running: Running,
}

impl Providers {
    /// Starts a provider of each name. They send browsers back to
    /// `<redirect_base>/api/v1/auth/oidc/<name>/callback`. `log` is where their words go.
    ///
    /// # Errors
    /// When Node.js or the provider cannot be had, or does not start.
    pub fn start(names: &[&str], redirect_base: &str, log: &Path) -> Result<Self> {
        let account = Account::for_servers()?;
        let node = obtain::node(&account)?;
        let folder = obtain::oidc_provider(&account, &node)?;
        let names = names.iter().map(|&name| name.to_owned());
        let ports: Vec<(String, u16)> = names.clone().zip(free_ports(names.len())?).collect();
        let mut command = account.command(&node.program);
        command.current_dir(&folder).arg("server.js").arg(redirect_base);
        command.args(ports.iter().map(|(name, port)| format!("{name}={port}")));
        let mut running = Running::start("oidc", command, log, Signal::Terminate)?;
        let listens = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        running.wait_ready(START_PATIENCE, || ports.iter().all(|(_, port)| listens(*port)))?;
        Ok(Self { ports, log: log.to_owned(), _running: running })
    }

    /// The issuer of the provider of this name.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<String> {
        let (_, port) = self.ports.iter().find(|(it, _)| it == name)?;
        Some(format!("http://127.0.0.1:{port}"))
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        // A few lines that nobody needs any more.
        let _ = fs::remove_file(&self.log);
    }
}
