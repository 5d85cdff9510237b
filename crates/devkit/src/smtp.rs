//! A mail server for tests: `aiosmtpd` from `PyPI`, on a loopback port. What it takes becomes files.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{Account, Running, Signal, obtain};

/// Takes mails, and refuses addresses by their names: `refused@` for good, `later@` until the third
/// time.
const RUN: &str = include_str!("smtp.py");
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A running one; dropped, it is gone.
#[derive(Debug)]
pub struct MailServer {
    port: u16,
    folder: PathBuf,
    _running: Running,
}

impl MailServer {
    /// Starts it on `port`. `folder` is where its words and the mails go.
    ///
    /// # Errors
    /// When Python or the package cannot be had, or it does not start.
    pub fn start(port: u16, folder: &Path) -> Result<Self> {
        let package = obtain::aiosmtpd(&Account::for_servers()?)?;
        fs::create_dir_all(folder)?;
        // As the caller: where Python is, the servers' account may not reach.
        let mut command = Command::new(&package.python);
        command.env("PYTHONPATH", &package.folder).args(["-c", RUN, &port.to_string()]).arg(folder);
        let log = folder.join("server.log");
        let mut running = Running::start("smtp", command, &log, Signal::Terminate)?;
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        running.wait_ready(START_PATIENCE, listens)?;
        Ok(Self { port, folder: folder.to_owned(), _running: running })
    }

    /// What `SMTP_URL` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The mails that it took, as they came over the wire, in no order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn mails(&self) -> Result<Vec<String>> {
        let mut mails = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "eml") {
                mails.push(fs::read_to_string(path)?);
            }
        }
        Ok(mails)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Mails of people who do not exist.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
