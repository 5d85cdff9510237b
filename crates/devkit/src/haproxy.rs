//! HAProxy in front of the workers, from the same file that docker-compose uses.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{Account, Running, Signal, obtain};

/// HAProxy: found, else installed where root can; where not, none.
#[must_use]
pub fn locate(account: &Account) -> Option<PathBuf> {
    obtain::haproxy(account)
}

/// Fills the template: its `bind` line and its `server` lines become ours, all else stays.
pub fn fill(template: &str, bind: SocketAddr, workers: &[SocketAddr]) -> Result<String> {
    let mut filled = String::new();
    let (mut binds, mut servers) = (0_u32, 0_u32);
    for line in template.lines() {
        let indent = line.len() - line.trim_start().len();
        let indent = line.get(..indent).unwrap_or_default();
        match line.split_whitespace().next() {
            Some("bind") => {
                binds += 1;
                writeln!(filled, "{indent}bind {bind}")?;
            }
            Some("server") => {
                if servers == 0 {
                    for (number, worker) in (1..).zip(workers) {
                        writeln!(filled, "{indent}server worker{number} {worker}")?;
                    }
                }
                servers += 1;
            }
            _ => {
                filled += line;
                filled.push('\n');
            }
        }
    }
    if binds != 1 || servers == 0 {
        bail!("the HAProxy template needs one `bind` line and a list of `server` lines");
    }
    Ok(filled)
}

/// Starts HAProxy with `config`, which is written into `folder`.
pub fn start(program: &Path, account: &Account, folder: &Path, config: &str) -> Result<Running> {
    let file = folder.join("haproxy.cfg");
    fs::write(&file, config).with_context(|| format!("can't write {}", file.display()))?;
    account.own(&file)?;
    let mut command = account.command(program);
    command.arg("-db").arg("-f").arg(&file);
    Running::start("haproxy", command, &folder.join("logs/haproxy.log"), Signal::Terminate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "frontend api\n    bind :8080\nbackend w\n    option x\n    server a a:1\n    server b b:1\n    # end\n";

    #[test]
    fn only_the_bind_line_and_the_server_list_change() -> Result<()> {
        let workers = ["127.0.0.1:1".parse()?, "127.0.0.1:2".parse()?, "127.0.0.1:3".parse()?];
        let filled = fill(TEMPLATE, "127.0.0.1:80".parse()?, &workers)?;
        assert_eq!(
            filled,
            "frontend api\n    bind 127.0.0.1:80\nbackend w\n    option x\n    \
             server worker1 127.0.0.1:1\n    server worker2 127.0.0.1:2\n    \
             server worker3 127.0.0.1:3\n    # end\n"
        );
        Ok(())
    }

    #[test]
    fn a_template_without_servers_is_refused() -> Result<()> {
        assert!(fill("frontend api\n  bind :80\n", "127.0.0.1:80".parse()?, &[]).is_err());
        Ok(())
    }
}
