//! Finds programs that are on the machine already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Account;
use crate::obtain::{Node, Npm};

/// The programs without which a PostgreSQL folder is of no use; `pg_config` alone proves nothing.
const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_ctl"];
/// Debian 12's; the schema uses nothing newer.
const OLDEST_MAJOR: u32 = 15;
/// What the provider of sign-ins runs on.
pub(crate) const OLDEST_NODE: u32 = 20;

/// The folder with PostgreSQL's programs, usable by `account`.
pub(crate) fn postgres(account: &Account) -> Option<PathBuf> {
    let given = std::env::var("ROWLOCK_PG_BIN").ok().map(PathBuf::from);
    let brew = ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"];
    let brew = brew.iter().flat_map(|folder| versions_below(Path::new(folder), "postgresql@"));
    // Often a link to one program only: the others stand beside the real one.
    let in_path = in_path("postgres").and_then(|program| fs::canonicalize(program).ok());
    let in_path = in_path.and_then(|program| Some(program.parent()?.to_owned()));
    given
        .into_iter()
        .chain(versions_below(Path::new("/usr/lib/postgresql"), ""))
        .chain(brew)
        .chain(in_path)
        .find(|folder| postgres_works(folder, account))
}

/// Whether `folder` holds a PostgreSQL that is new enough and that `account` can run.
pub(crate) fn postgres_works(folder: &Path, account: &Account) -> bool {
    NEEDED.iter().all(|program| folder.join(program).is_file())
        && account.reaches(&folder.join("postgres"))
        && postgres_major(folder).is_some_and(|major| major >= OLDEST_MAJOR)
}

/// The major version of the PostgreSQL in `folder`.
pub(crate) fn postgres_major(folder: &Path) -> Option<u32> {
    parse_major(&version(&folder.join("postgres"))?)
}

/// What a program says to `--version`, its first line.
pub(crate) fn version(program: &Path) -> Option<String> {
    let answer = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    text.lines().next().map(str::to_owned).filter(|_| answer.status.success())
}

/// A Redis or Valkey server, usable by `account`.
pub(crate) fn redis(account: &Account) -> Option<PathBuf> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .filter_map(in_path)
        .find(|program| account.reaches(program) && version(program).is_some())
}

/// Node.js with npm, new enough and usable by `account`.
pub(crate) fn node(account: &Account) -> Option<Node> {
    let program = fs::canonicalize(in_path("node")?).ok()?;
    let major = parse_major(version(&program)?.trim_start_matches('v'))?;
    let npm = Npm::Program(in_path("npm")?);
    (major >= OLDEST_NODE && account.reaches(&program)).then_some(Node { program, npm })
}

/// The same, of that major version at least.
pub(crate) fn redis_since(account: &Account, major: u32) -> Option<PathBuf> {
    let programs = ["redis-server", "valkey-server"].into_iter().filter_map(in_path);
    let said = |program: &PathBuf| parse_redis_major(&version(program)?);
    programs
        .filter(|program| account.reaches(program))
        .find(|program| said(program).is_some_and(|found| found >= major))
}

/// HAProxy, usable by `account`.
pub(crate) fn haproxy(account: &Account) -> Option<PathBuf> {
    let admin = PathBuf::from("/usr/sbin/haproxy");
    in_path("haproxy")
        .or_else(|| admin.is_file().then_some(admin))
        .filter(|program| account.reaches(program))
}

/// A program in `PATH`, by the name it was found under.
///
/// Links are kept: Debian's `redis-server` is one to `redis-check-rdb`, which looks at its name.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").ok()?;
    let mut found = path.split(':').map(|folder| Path::new(folder).join(name));
    found.find(|program| program.is_file())
}

/// `<folder>/<prefix><version>/bin`, the highest version first.
fn versions_below(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<(u32, String)> =
        names.filter_map(|name| Some((name.strip_prefix(prefix)?.parse().ok()?, name))).collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, name)| folder.join(name).join("bin")).collect()
}

fn parse_major(version: &str) -> Option<u32> {
    let number =
        version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let digits: String = number?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// From `Redis server v=7.0.15 sha=…`.
fn parse_redis_major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    number.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_redis_says() {
        assert_eq!(parse_redis_major("Redis server v=7.0.15 sha=00000000:0 bits=64"), Some(7));
        assert_eq!(parse_redis_major("Valkey server v=8.1.1 sha=00000000:1"), Some(8));
        assert_eq!(parse_redis_major("redis-server, by somebody"), None);
    }

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("what?"), None);
    }

    #[test]
    fn the_highest_version_comes_first_and_ten_is_above_nine() {
        let folder = std::env::temp_dir().join(format!("devkit-find-{}", std::process::id()));
        for version in ["9", "15", "10", "common"] {
            fs::create_dir_all(folder.join(version)).unwrap();
        }
        let found = versions_below(&folder, "");
        fs::remove_dir_all(&folder).unwrap();
        let expected = ["15", "10", "9"].map(|version| folder.join(version).join("bin"));
        assert_eq!(found, expected);
    }
}
