//! PostgreSQL's own programs against one database. All SQL stands in the files of `pgbench/`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// Who logs in where, from `postgres://user:password@host:port/database`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login([(&'static str, String); 5]);

impl FromStr for Login {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> Result<Self> {
        let parts = || {
            let rest = url.strip_prefix("postgres://").or(url.strip_prefix("postgresql://"))?;
            let (who, place) = rest.rsplit_once('@')?;
            let (user, password) = who.split_once(':')?;
            let (address, database) = place.split_once('/')?;
            let (host, port) = address.split_once(':').unwrap_or((address, "5432"));
            Some([
                ("PGUSER", user.to_owned()),
                ("PGPASSWORD", password.to_owned()),
                ("PGHOST", host.to_owned()),
                ("PGPORT", port.to_owned()),
                ("PGDATABASE", database.to_owned()),
            ])
        };
        parts().map(Self).context("it looks like postgres://user:password@host:port/database")
    }
}

/// The folder of the programs, and a login.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) programs: PathBuf,
    pub(crate) login: Login,
}

impl Client {
    /// One of the programs, logged in through its environment: other users see arguments.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.envs(self.login.0.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a script through psql and gives what it printed, fields separated by commas.
    pub(crate) fn script(&self, script: &Path, input: &str) -> Result<String> {
        let mut command = self.command("psql");
        command
            .args(["-X", "-q", "-t", "-A", "-F", ",", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(script);
        let mut child = command.spawn().context("psql can't be run")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let answer = child.wait_with_output()?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr);
            bail!("psql failed in {}:\n{}", script.display(), said.trim());
        }
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_the_environment() {
        let login: Login = "postgres://a:p@127.0.0.1:5433/rowlock".parse().unwrap();
        assert!(login.0.contains(&("PGPORT", "5433".to_owned())));
        assert!(login.0.contains(&("PGPASSWORD", "p".to_owned())));
        assert!("127.0.0.1".parse::<Login>().is_err());
    }
}
