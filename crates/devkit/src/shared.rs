//! The servers that all test processes of a checkout share, and that nobody has to stop.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::postgres::{Durability, Listen, Postgres};
use crate::redis::Redis;
use crate::{Account, free_port, obtain, place, say, secret, url};

/// How often a free port may be taken by somebody else before we get it.
const PORT_TRIES: u32 = 5;

/// A PostgreSQL and a Redis for tests; they run while any process holds a value of this type.
#[derive(Debug)]
pub struct Services {
    postgres_url: String,
    redis_url: String,
    redis_socket_url: String,
    /// Held shared; the kernel drops it with the process.
    _alive: Option<File>,
}

/// What the process that starts the servers leaves for the others.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Started {
    postgres_programs: PathBuf,
    redis_program: PathBuf,
    redis_port: u16,
    redis_password: String,
}

impl Services {
    /// The shared servers, started if need be; or those that `DATABASE_URL` and `REDIS_URL` name.
    ///
    /// The first call of a checkout may fetch PostgreSQL and Redis. If one of them can't be had this
    /// fails with a sentence that says what to do: a test that needs it must fail, not be skipped.
    pub fn for_tests() -> Result<Self> {
        let given = |name| std::env::var(name).ok().filter(|url: &String| !url.is_empty());
        let (postgres, redis) = (given("DATABASE_URL"), given("REDIS_URL"));
        if let (Some(postgres_url), Some(redis_url)) = (&postgres, &redis) {
            return Ok(Self {
                postgres_url: postgres_url.clone(),
                redis_url: redis_url.clone(),
                redis_socket_url: redis_url.clone(),
                _alive: None,
            });
        }
        let folder = place::for_tests();
        let account = Account::for_servers()?;
        place::make_private(&folder)?;
        account.admit(&folder)?;
        let shared = Shared { folder, account };
        let boot = shared.lock_file("boot.lock")?;
        let alive = shared.lock_file("alive.lock")?;
        // The watcher takes `boot` too before it looks, so stopping and starting cannot cross.
        boot.lock()?;
        alive.lock_shared()?;
        let state = folder_state(&shared, postgres.is_some(), redis.is_some())?;
        drop(boot);
        let (own_postgres, own_redis) = (shared.postgres(&state), shared.redis(&state));
        let redis_socket_url = redis.clone().unwrap_or_else(|| own_redis.socket_url());
        Ok(Self {
            postgres_url: postgres.map_or_else(|| own_postgres.url("postgres"), Ok)?,
            redis_url: redis.unwrap_or_else(|| own_redis.url()),
            redis_socket_url,
            _alive: Some(alive),
        })
    }

    /// The superuser's URL, for making databases.
    #[must_use]
    pub fn postgres_url(&self) -> &str {
        &self.postgres_url
    }

    /// The same for another database.
    #[must_use]
    pub fn postgres_url_of(&self, database: &str) -> String {
        url::with_database(&self.postgres_url, database)
    }

    /// Redis over loopback TCP, with its password.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// Redis over its Unix socket; the same as [`Self::redis_url`] when that was given.
    #[must_use]
    pub fn redis_socket_url(&self) -> &str {
        &self.redis_socket_url
    }
}

struct Shared {
    folder: PathBuf,
    account: Account,
}

/// Reads who runs, and starts what does not. The caller holds `boot.lock`.
fn folder_state(shared: &Shared, postgres_given: bool, redis_given: bool) -> Result<Started> {
    let path = shared.folder.join("started.json");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut state: Started = serde_json::from_str(&text).unwrap_or_default();
    let start_postgres = !postgres_given && shared.postgres(&state).running_pid().is_none();
    let start_redis = !redis_given && shared.redis(&state).running_pid().is_none();
    if start_postgres || start_redis {
        // Before the servers: were this process killed in between, they would have no watcher.
        shared.start_watcher()?;
    }
    if start_postgres {
        state.postgres_programs = obtain::postgres(&shared.account)?;
        shared.start_postgres(&state)?;
    }
    if start_redis {
        state.redis_program = obtain::redis(&shared.account)?;
        shared.start_redis(&mut state)?;
    }
    if start_postgres || start_redis {
        fs::write(&path, serde_json::to_vec(&state)?)?;
    }
    Ok(state)
}

impl Shared {
    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.folder.join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("can't open {}", path.display()))
    }

    fn postgres(&self, state: &Started) -> Postgres {
        Postgres {
            programs: state.postgres_programs.clone(),
            folder: self.folder.join("pg"),
            account: self.account,
            listen: Listen::Socket,
            durability: Durability::Fast,
            settings: Vec::new(),
        }
    }

    fn redis(&self, state: &Started) -> Redis {
        Redis {
            program: state.redis_program.clone(),
            folder: self.folder.join("redis"),
            account: self.account,
            port: state.redis_port,
            password: state.redis_password.clone(),
            durability: Durability::Fast,
            cluster_port: None,
        }
    }

    fn start_postgres(&self, state: &Started) -> Result<()> {
        let postgres = self.postgres(state);
        if postgres.create().is_err() {
            // Made by another version: tests have nothing to lose there.
            fs::remove_dir_all(&postgres.folder)?;
            postgres.create()?;
        }
        postgres.start_detached()?;
        say("postgres", &format!("for tests in {}", postgres.folder.display()));
        Ok(())
    }

    fn start_redis(&self, state: &mut Started) -> Result<()> {
        state.redis_password = secret::password()?;
        let mut outcome = Ok(0);
        for _ in 0..PORT_TRIES {
            state.redis_port = free_port()?;
            outcome = self.redis(state).start_detached();
            if outcome.is_ok() {
                say("redis", &format!("for tests on 127.0.0.1:{}", state.redis_port));
                break;
            }
        }
        outcome.map(|_| ())
    }

    /// A shell that stops the servers once no process holds `alive.lock` any more.
    fn start_watcher(&self) -> Result<()> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(WATCHER).arg("rowlock-test-services").arg(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.current_dir(Path::new("/")).process_group(0);
        command.spawn().context("sh can't be run")?;
        Ok(())
    }
}

/// `flock(1)` and the standard library's file locks are the same locks.
///
/// A process id is signalled only if that process works in the server's own folder. A second watcher
/// finds nothing to stop and ends.
const WATCHER: &str = r#"
cd "$1" || exit 1
exec 8>boot.lock 9>alive.lock
# Locks must not pass to what we start.
home() { [ -n "$1" ] && [ "$(readlink "/proc/$1/cwd")" = "$2" ]; }
stop() {
  home "$1" "$3" || return 0
  kill "-$2" "$1" 8>&- 9>&-
  tries=0
  while home "$1" "$3" && [ $tries -lt 100 ]; do sleep 0.1 8>&- 9>&-; tries=$((tries + 1)); done
  if home "$1" "$3"; then kill -QUIT "$1"; sleep 1 8>&- 9>&-; fi
}
while sleep 2 8>&- 9>&-; do
  flock 8 || exit 1
  if flock -n -x 9; then
    stop "$(head -n 1 pg/data/postmaster.pid 2>/dev/null)" INT "$PWD/pg/data"
    stop "$(cat redis/redis.pid 2>/dev/null)" TERM "$PWD/redis"
    exit 0
  fi
  flock -u 8
done
"#;
