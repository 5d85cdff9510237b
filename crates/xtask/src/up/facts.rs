//! What a person or a script needs to know of the running product.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use devkit::{Lasting, LastingServices};
use serde::Serialize;

use super::front::Front;
use super::product::Demo;

/// The content of `up.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Facts {
    base_url: String,
    workers: Vec<String>,
    #[serde(flatten)]
    demo: Demo,
    pid: u32,
    database_url: String,
    redis_url: String,
}

impl Facts {
    pub(super) fn new(front: &Front, services: &LastingServices, demo: Demo) -> Self {
        let mut workers: Vec<String> =
            front.workers.iter().map(|address| format!("http://{address}")).collect();
        // Workers that share a port share its URL.
        workers.dedup();
        Self {
            base_url: front.base_url(),
            workers,
            demo,
            pid: std::process::id(),
            database_url: services.database_url.clone(),
            redis_url: services.redis_url.clone(),
        }
    }

    /// Writes them, readable for us alone: there are passwords in it.
    pub(super) fn write(&self, lasting: &Lasting) -> Result<PathBuf> {
        let file = lasting.folder().join("up.json");
        let fresh = lasting.folder().join("up.json.new");
        fs::write(&fresh, "")?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
        fs::write(&fresh, serde_json::to_string_pretty(self)?)?;
        // Scripts that wait for the file find it whole.
        fs::rename(&fresh, &file)?;
        Ok(file)
    }

    pub(super) fn print(&self, file: &Path, logs: &Path, took: Duration) {
        let base = &self.base_url;
        println!(
            "\nRowlock runs after {:.1} s. Ctrl-C stops it; the data stays.\n",
            took.as_secs_f32()
        );
        println!("  base URL   {base}   (documentation: {base}/docs)");
        println!("  workers    {}", self.workers.join("  "));
        println!("  logs       {}", logs.display());
        println!("  facts      {}", file.display());
        println!("\n  venue      {} ({})", self.demo.venue_name, self.demo.venue);
        println!("  show       {} ({})", self.demo.show_name, self.demo.show);
        for account in &self.demo.accounts {
            println!("  {:<10} {}  {}", account.role, account.email, account.password);
        }
        println!("\nTo paste: log in, hold two seats, see the seat map.\n");
        for line in self.lines_to_paste() {
            println!("{line}");
        }
        println!();
    }

    fn lines_to_paste(&self) -> Vec<String> {
        let api = format!("{}/api/v1", self.base_url);
        let show = format!("{api}/venues/{}/shows/{}", self.demo.venue, self.demo.show);
        let json = "-H 'Content-Type: application/json'";
        let seats = match self.demo.seats.as_slice() {
            [] => r#"["A-1","A-2"]"#.to_owned(),
            seats => serde_json::Value::from(seats.to_vec()).to_string(),
        };
        let login = self.demo.accounts.first().map(|account| {
            let body = serde_json::json!({ "email": account.email, "password": account.password });
            format!(
                "TOKEN=$(curl -s {api}/auth/login {json} -d '{body}' \
                 | sed -n 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/p')"
            )
        });
        let hold = format!(
            "curl -s {show}/holds {json} -H \"Authorization: Bearer $TOKEN\" \
             -H \"Idempotency-Key: try-$(date +%s%N)\" -d '{{\"seats\":{seats}}}'"
        );
        let map = format!("curl -s {show}/seats");
        login.into_iter().chain([hold, map]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::product::DemoAccount;

    fn facts() -> Facts {
        let account = DemoAccount {
            email: "owner@demo.test".to_owned(),
            password: "a b".to_owned(),
            role: "owner".to_owned(),
        };
        let demo = Demo {
            accounts: vec![account],
            venue: "v".to_owned(),
            venue_name: "Aurora".to_owned(),
            show: "s".to_owned(),
            show_name: "Gala".to_owned(),
            seats: Vec::new(),
        };
        Facts {
            base_url: "http://127.0.0.1:8080".to_owned(),
            workers: vec!["http://127.0.0.1:1".to_owned()],
            demo,
            pid: 7,
            database_url: "postgres://x".to_owned(),
            redis_url: "redis://x".to_owned(),
        }
    }

    #[test]
    fn scripts_find_every_fact_at_the_top() {
        let json = serde_json::to_value(facts()).unwrap();
        for key in
            ["baseUrl", "workers", "accounts", "venue", "show", "pid", "databaseUrl", "redisUrl"]
        {
            assert!(json.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn three_lines_show_the_main_job() {
        let lines = facts().lines_to_paste();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("TOKEN=$(curl -s http://127.0.0.1:8080/api/v1/auth/login"));
        assert!(lines[1].contains(r#"-d '{"seats":["A-1","A-2"]}'"#), "{}", lines[1]);
        assert!(lines[2].ends_with("/api/v1/venues/v/shows/s/seats"));
    }
}
