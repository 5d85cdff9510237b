//! The built server, installed where its account can run it, with its key and its demo data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use devkit::{Account, Lasting, LastingServices};
use serde::{Deserialize, Serialize};

use crate::cargo;

/// What `rowlock demo` writes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Demo {
    pub(super) accounts: Vec<DemoAccount>,
    pub(super) venue: String,
    pub(super) venue_name: String,
    pub(super) show: String,
    pub(super) show_name: String,
    /// Two seats to try it with.
    #[serde(default)]
    pub(super) seats: Vec<String>,
}

/// Somebody to log in as.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DemoAccount {
    pub(super) email: String,
    pub(super) password: String,
    pub(super) role: String,
}

/// The server's program and what each of its processes is told.
pub(super) struct Product {
    program: PathBuf,
    folder: PathBuf,
    account: Account,
    environment: Vec<(&'static str, String)>,
}

impl Product {
    /// Copies the program to where the account can reach it, and makes the key at the first time.
    ///
    /// A copy also lets cargo build the next version while this one runs.
    pub(super) fn install(
        lasting: &Lasting,
        built: &Path,
        services: &LastingServices,
    ) -> Result<Self> {
        let folder = lasting.subfolder("run")?;
        lasting.subfolder("run/logs")?;
        lasting.account_folder("run/demo")?;
        let program = folder.join("rowlock");
        let fresh = folder.join("rowlock.new");
        fs::copy(built, &fresh).with_context(|| format!("can't copy {}", built.display()))?;
        fs::rename(&fresh, &program)?;
        let key = folder.join("key");
        if !key.exists() {
            devkit::write_secret(&key, &devkit::base64_key()?, lasting.account())?;
        }
        let environment = vec![
            ("DATABASE_URL", services.database_url.clone()),
            ("REDIS_URL", services.redis_url.clone()),
            ("ROWLOCK_KEY_FILE", key.display().to_string()),
            ("ENVIRONMENT", "development".to_owned()),
            ("TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ];
        Ok(Self { program, folder, account: *lasting.account(), environment })
    }

    /// One of the program's commands, ready to run.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = self.account.command(&self.program);
        command.arg(name).envs(self.environment.iter().map(|(key, value)| (key, value)));
        // A platform's own settings must not move our workers.
        command.env_remove("PORT").env_remove("ROWLOCK_KEY").stdin(Stdio::null());
        command
    }

    /// Where the logs are.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    pub(super) fn migrate(&self) -> Result<()> {
        cargo::run(&mut self.command("migrate"), "rowlock migrate")
    }

    pub(super) fn demo(&self) -> Result<Demo> {
        let file = self.folder.join("demo/demo.json");
        let mut command = self.command("demo");
        cargo::run(command.arg("--out").arg(&file), "rowlock demo")?;
        let text = fs::read_to_string(&file)?;
        serde_json::from_str(&text).with_context(|| format!("can't read {}", file.display()))
    }
}
