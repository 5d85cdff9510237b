//! Schemathesis: asks an API all that its document allows, and what it forbids.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{Account, obtain};

/// An installed Schemathesis.
#[derive(Debug, Clone)]
pub struct Schemathesis {
    python: PathBuf,
    packages: PathBuf,
}

impl Schemathesis {
    /// Fetches it from `PyPI`, pinned, unless it is there.
    ///
    /// # Errors
    /// When there is no Python with pip, or the download fails.
    pub fn locate() -> Result<Self> {
        let (python, packages) = obtain::schemathesis(&Account::for_servers()?)?;
        Ok(Self { python, packages })
    }

    /// One of its commands, ready for more arguments.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-m", "schemathesis.cli", name]).env("PYTHONPATH", &self.packages);
        command
    }
}
