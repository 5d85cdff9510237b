//! A Stripe for tests: `localstripe` from `PyPI`, on a loopback port. It keeps nothing.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{Account, Running, Signal, free_port, obtain};

/// Several run at once, so none may write what it has into the one file that it would use.
const RUN: &str = "from localstripe import resources, server; \
                   resources.store.dump_to_disk = lambda: None; server.start()";
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A running one; dropped, it is gone.
#[derive(Debug)]
pub struct LocalStripe {
    port: u16,
    log: PathBuf,
    _running: Running,
}

impl LocalStripe {
    /// Starts it. `log` is where its words go.
    ///
    /// # Errors
    /// When Python or the package cannot be had, or it does not start.
    pub fn start(log: &Path) -> Result<Self> {
        let account = Account::for_servers()?;
        let package = obtain::localstripe(&account)?;
        let port = free_port()?;
        // As the caller: where Python is, the servers' account may not reach.
        let mut command = Command::new(&package.python);
        command.env("PYTHONPATH", &package.folder).args(["-c", RUN, "--from-scratch"]);
        command.args(["--port", &port.to_string()]);
        let mut running = Running::start("localstripe", command, log, Signal::Terminate)?;
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        running.wait_ready(START_PATIENCE, listens)?;
        Ok(Self { port, log: log.to_owned(), _running: running })
    }

    /// Where it is: what `STRIPE_URL` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for LocalStripe {
    fn drop(&mut self) {
        // A few lines that nobody needs any more.
        let _ = fs::remove_file(&self.log);
    }
}
