//! Python packages that only tests use.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::archive::run;
use super::cache;
use crate::{Account, find, say};

const AIOSMTPD_VERSION: &str = "1.4.6";
const LOCALSTRIPE_VERSION: &str = "1.15.10";

/// Python, and the folder that its `PYTHONPATH` has to name.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) python: PathBuf,
    pub(crate) folder: PathBuf,
}

/// A server that answers like Stripe; 2 MB with what it needs. Run as a program of its own, never
/// linked: its licence is the GPL.
pub(super) fn localstripe(account: &Account) -> Result<Package> {
    package("localstripe", LOCALSTRIPE_VERSION, account)
}

/// A mail server; 1 MB with what it needs.
pub(super) fn aiosmtpd(account: &Account) -> Result<Package> {
    package("aiosmtpd", AIOSMTPD_VERSION, account)
}

fn package(package: &str, version: &str, account: &Account) -> Result<Package> {
    let python = find::in_path("python3").context("python3 is not installed")?;
    let folder = cache::folder(&format!("{package}-{version}"), account, |folder| {
        let package = format!("{package}=={version}");
        say("pip", &format!("fetching {package}, a few MB, some seconds"));
        let net = ["--quiet", "--timeout", "60", "--retries", "1"];
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", &package, "--target"]).arg(folder);
        run(pip.args(net))
    })?;
    Ok(Package { python, folder })
}
