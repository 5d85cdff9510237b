//! Whether this set-up may stand before real guests: `rowlock doctor` says all of it, and `serve`
//! refuses to start in production at the first thing that is wrong.

use std::fs;

use jiff::SignedDuration;
use kernel::clock::Clock;
use pg::facts::Facts;

use crate::config::{Serve, WrongSetting};

/// How far the clocks of this machine and PostgreSQL may be apart.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(5);
/// Open files that a worker needs: its sockets, and what else it holds.
const FILES_MIN: u64 = 10_000;
/// The oldest PostgreSQL that is tested.
const VERSION_MIN: i32 = 150_000;
/// Characters that a secret has at least.
const SECRET_MIN: usize = 16;
/// Secrets that everybody knows, in lower case.
const KNOWN: [&str; 10] = [
    "admin",
    "changeme",
    "change-me",
    "letmein",
    "password",
    "password123",
    "postgres",
    "rowlock",
    "secret",
    "test",
];
/// How the key of tests and examples begins: the bytes 0, 1, 2 and so on, in base64 and in hex.
const KNOWN_KEYS: [&str; 2] = ["aaecawqfbgcicqo", "000102030405060708"];

/// One thing that was looked at: what it is, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) found: Result<String, String>,
}

fn check(what: &'static str, good: bool, fine: &str, wrong: impl Into<String>) -> Check {
    let found = if good { Ok(fine.to_owned()) } else { Err(wrong.into()) };
    Check { what, found }
}

/// `rowlock doctor`: a line for each.
pub(crate) async fn run(serve: Serve) -> anyhow::Result<()> {
    let checks = examine(&serve).await;
    for Check { what, found } in &checks {
        match found {
            Ok(fine) => println!("ok      {what}: {fine}"),
            Err(wrong) => println!("WRONG   {what}: {wrong}"),
        }
    }
    let wrong = checks.iter().filter(|check| check.found.is_err()).count();
    if wrong > 0 {
        let text = format!("{wrong} of {} checks are wrong for production", checks.len());
        return Err(WrongSetting(text).into());
    }
    println!("{} checks, nothing is wrong", checks.len());
    Ok(())
}

/// The refusal of `serve`: the first thing that is wrong, in one line.
pub(crate) async fn refuse(serve: &Serve) -> Result<(), WrongSetting> {
    let checks = examine(serve).await;
    match checks.into_iter().find_map(|check| check.found.err().map(|it| (check.what, it))) {
        Some((what, wrong)) => {
            Err(WrongSetting(format!("this may not run in production: {what}: {wrong}")))
        }
        None => Ok(()),
    }
}

async fn examine(serve: &Serve) -> Vec<Check> {
    let mut checks = settings(serve);
    checks.push(files());
    let config = match serve.database.config() {
        Ok(config) => config,
        Err(error) => {
            checks.push(check("database", false, "", error.to_string()));
            return checks;
        }
    };
    match pg::facts::facts(&config).await {
        Ok(facts) => checks.extend(database(&facts, serve.private_network)),
        Err(error) => {
            checks.push(check("database", false, "", error));
            return checks;
        }
    }
    checks.push(match pg::migrate::pending(&config).await {
        Ok(pending) => check(
            "migrations",
            pending.is_empty(),
            "all applied",
            format!("{} are pending; run `rowlock migrate`", pending.len()),
        ),
        Err(error) => check("migrations", false, "", error),
    });
    checks
}

/// What needs nobody else to be asked.
fn settings(serve: &Serve) -> Vec<Check> {
    let key = serve.sealing.text();
    let key = if let Err(error) = serve.sealing.key() {
        check("key", false, "", error.to_string())
    } else {
        let known = key.is_some_and(|key| is_known(&key));
        check("key", !known, "32 bytes", "ROWLOCK_KEY is one that everybody knows")
    };
    let metrics = serve.metrics_token.as_deref().filter(|token| !token.is_empty());
    let stars = serve.cors_origins.iter().any(|origin| origin == "*");
    let redis = serve.redis().is_none_or(|url| {
        url.starts_with("rediss://") || serve.private_network || pg::facts::is_local(host(url))
    });
    vec![
        key,
        check(
            "metrics token",
            metrics.is_none_or(is_secret),
            "set well, or /metrics is closed",
            format!("METRICS_TOKEN is known or shorter than {SECRET_MIN} characters"),
        ),
        check(
            "origins",
            !stars,
            "named one by one",
            "CORS_ORIGINS is *, which lets every page on the web call this API; name your own",
        ),
        match serve.providers() {
            Ok(_) => check("sign-in", true, "reached by https, or none", ""),
            Err(error) => check("sign-in", false, "", error.to_string()),
        },
        check(
            "redis",
            redis,
            "encrypted, local, private or none",
            "REDIS_URL is plain over a network; use rediss://, or PRIVATE_NETWORK=1 where nobody \
             else can listen",
        ),
    ]
}

/// What PostgreSQL says.
fn database(facts: &Facts, private_network: bool) -> Vec<Check> {
    let apart = Clock::default().now().duration_since(facts.now).abs();
    let login = &facts.login;
    vec![
        check(
            "version",
            facts.version >= VERSION_MIN,
            "supported",
            format!("PostgreSQL {} is too old; use 15 or newer", facts.version / 10_000),
        ),
        check(
            "login",
            !facts.superuser && !facts.bypasses_rls,
            "bound by row-level security",
            format!(
                "{login} is a superuser or has BYPASSRLS, so nothing keeps venues apart; make a \
                 login without either"
            ),
        ),
        check(
            "password",
            facts.password.as_deref().is_none_or(is_secret),
            "set well, or none",
            format!("the one in DATABASE_URL is known or shorter than {SECRET_MIN} characters"),
        ),
        check(
            "durability",
            facts.fsync && facts.full_page_writes && facts.synchronous_commit,
            "commits reach the disk",
            "fsync, full_page_writes or synchronous_commit is off: a crash would lose what was \
             acknowledged",
        ),
        check(
            "encryption",
            facts.tls || facts.local || private_network,
            "encrypted, local or private",
            "PostgreSQL is reached in plain over a network; use sslmode=require, or \
             PRIVATE_NETWORK=1 where nobody else can listen",
        ),
        check(
            "clock",
            apart <= SKEW_MAX,
            "in step with PostgreSQL",
            format!("{} s apart from PostgreSQL's; run NTP on both", apart.as_secs()),
        ),
    ]
}

fn is_known(secret: &str) -> bool {
    let plain = secret.trim().to_lowercase();
    KNOWN.contains(&plain.as_str()) || KNOWN_KEYS.iter().any(|key| plain.starts_with(key))
}

/// Long enough, and not one that everybody knows.
fn is_secret(secret: &str) -> bool {
    secret.chars().count() >= SECRET_MIN && !is_known(secret)
}

/// The host of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split(['/', '?']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    match place.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((address, _)) => address,
        None => place.split(':').next().unwrap_or_default(),
    }
}

/// How many files this process may open. Where the machine does not tell, it is left to it.
fn files() -> Check {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let most = open_files(&limits);
    check(
        "open files",
        most.is_none_or(|most| most >= FILES_MIN),
        "enough for all sockets",
        format!("only {}; raise nofile to {FILES_MIN} or more", most.unwrap_or_default()),
    )
}

fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn good() -> Facts {
        Facts {
            version: 170_004,
            fsync: true,
            full_page_writes: true,
            synchronous_commit: true,
            login: "rowlock".to_owned(),
            superuser: false,
            bypasses_rls: false,
            tls: true,
            local: false,
            password: Some("otters-fly-low-at-dawn".to_owned()),
            max_connections: 100,
            now: Clock::default().now(),
        }
    }

    fn wrong(facts: &Facts) -> Vec<&'static str> {
        let checks = database(facts, false).into_iter();
        checks.filter(|check| check.found.is_err()).map(|check| check.what).collect()
    }

    #[test]
    fn each_fault_of_the_database_is_named() {
        assert_eq!(wrong(&good()), Vec::<&str>::new());
        assert_eq!(wrong(&Facts { superuser: true, ..good() }), ["login"]);
        assert_eq!(wrong(&Facts { bypasses_rls: true, ..good() }), ["login"]);
        assert_eq!(wrong(&Facts { fsync: false, ..good() }), ["durability"]);
        assert_eq!(wrong(&Facts { full_page_writes: false, ..good() }), ["durability"]);
        assert_eq!(wrong(&Facts { synchronous_commit: false, ..good() }), ["durability"]);
        assert_eq!(wrong(&Facts { tls: false, ..good() }), ["encryption"]);
        assert_eq!(wrong(&Facts { tls: false, local: true, ..good() }), Vec::<&str>::new());
        assert_eq!(wrong(&Facts { version: 140_010, ..good() }), ["version"]);
        assert_eq!(wrong(&Facts { now: Timestamp::UNIX_EPOCH, ..good() }), ["clock"]);
        let known = Some("postgres".to_owned());
        assert_eq!(wrong(&Facts { password: known, ..good() }), ["password"]);
        assert!(database(&Facts { tls: false, ..good() }, true).iter().all(|c| c.found.is_ok()));
    }

    #[test]
    fn secrets_are_long_and_unknown() {
        assert!(is_secret("otters fly low at dawn"));
        assert!(!is_secret("short"));
        assert!(
            is_known("Password123") && is_known("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        );
    }

    #[test]
    fn the_host_of_a_url_is_found() {
        assert_eq!(host("redis://user:pa:ss@cache.example.org:6379/0"), "cache.example.org");
        assert_eq!(host("redis://[::1]:6379"), "::1");
        assert_eq!(host("redis://127.0.0.1"), "127.0.0.1");
    }

    #[test]
    fn the_number_of_files_is_read() {
        let limits =
            "Limit  Soft  Hard\nMax open files            1024                 524288    files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files(""), None);
    }
}
