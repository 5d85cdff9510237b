//! Python programs from `PyPI`, each in a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::archive::run;
use super::cache;
use crate::{Account, find, say, secret};

/// All packages with their versions.
const SCHEMATHESIS: &str = include_str!("../../schemathesis/requirements.txt");

/// The Python to run it with, and the folder with its packages.
pub(super) fn schemathesis(account: &Account) -> Result<(PathBuf, PathBuf)> {
    let python = find::in_path("python3").context("python3 is not installed")?;
    let version = find::version(&python).unwrap_or_default();
    // What is compiled belongs to one Python.
    let all = Sha256::digest([SCHEMATHESIS, &version].concat());
    let mark = secret::hex(all.get(..6).unwrap_or_default());
    let folder = cache::folder(&format!("schemathesis-{mark}"), account, |folder| {
        say("python", "installing schemathesis by pip, 20 MB, a minute");
        let list = folder.join("requirements.txt");
        fs::write(&list, SCHEMATHESIS)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
        pip.args(["--disable-pip-version-check", "--timeout", "60", "--retries", "1"]);
        run(pip.arg("--target").arg(folder).arg("--requirement").arg(&list))
    })?;
    Ok((python, folder))
}
