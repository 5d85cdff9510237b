//! `fuzz-api`: Schemathesis over the whole document of a worker, signed in as an owner.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use devkit::schemathesis::Schemathesis;
use devkit::{Cluster, ClusterOptions, Running, Signal};
use serde::Deserialize;

use crate::cargo::{self, Profile};
use crate::up::probe;

const HOOKS: [(&str, &str); 2] = [
    ("hooks.py", include_str!("fuzz_api/hooks.py")),
    ("field.py", include_str!("fuzz_api/field.py")),
];
const READY_PATIENCE: Duration = Duration::from_secs(20);
/// What is checked of every answer: no server error, no status, type or body that the document does
/// not have, no operation that forgets who asks.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance,ignored_auth";
/// What would end the run itself: sessions that end, and a connection that is no longer HTTP.
const LEFT_OUT: [&str; 6] =
    ["logout", "endOtherSessions", "changePassword", "deactivateAccount", "eraseMe", "openSocket"];

/// How long and where.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Examples of each operation and phase.
    #[arg(long, default_value_t = 20)]
    examples: u32,
    /// The same run again.
    #[arg(long, default_value_t = 7)]
    seed: u32,
    /// Only these operations.
    #[arg(long)]
    only: Vec<String>,
}

/// What `rowlock demo` writes.
#[derive(Deserialize)]
struct Demo {
    accounts: Vec<Account>,
    venue: String,
    show: String,
}

#[derive(Deserialize)]
struct Account {
    email: String,
    password: String,
    role: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let rowlock = cargo::build_rowlock(Profile::Debug)?;
    let tool = Schemathesis::locate()?;
    let cluster = Cluster::private(&ClusterOptions::new().postgres().redis())?;
    let database = database(&cluster.postgres()?.url()?)?;
    let key = devkit::base64_key()?;
    let command = |name: &str| {
        let mut command = Command::new(&rowlock);
        command.arg(name).env("DATABASE_URL", &database).env("ROWLOCK_KEY", &key);
        command.env_remove("PORT").stdin(Stdio::null());
        command
    };
    cargo::run(command("migrate").stdout(Stdio::null()), "rowlock migrate")?;
    let out = cluster.folder().join("demo.json");
    cargo::run(command("demo").arg("--out").arg(&out).stdout(Stdio::null()), "rowlock demo")?;
    let demo: Demo = serde_json::from_str(&fs::read_to_string(&out)?)?;
    let address = SocketAddr::from(([127, 0, 0, 1], devkit::free_port()?));
    let mut serve = command("serve");
    serve.env("REDIS_URL", cluster.redis()?.url()?).env("BIND", address.to_string());
    // One machine asks for everybody here.
    serve.env("SIGN_INS_PER_MINUTE", "1000000").env("NO_COLOR", "1");
    let log = cluster.folder().join("worker.log");
    let mut worker = Running::start("rowlock", serve, &log, Signal::Terminate)?;
    worker.wait_ready(READY_PATIENCE, || probe::answers_ok(address, "/readyz"))?;
    let outcome = fuzz(&tool, address, &demo, options, cluster.folder());
    let faults = faults(&log)?;
    for line in faults.iter().take(20) {
        println!("worker     {line}");
    }
    outcome?;
    if !faults.is_empty() {
        bail!("the worker complained {} times", faults.len());
    }
    Ok(())
}

fn fuzz(
    tool: &Schemathesis,
    address: SocketAddr,
    demo: &Demo,
    options: &Options,
    folder: &Path,
) -> Result<()> {
    let owner = demo.accounts.iter().find(|account| account.role == "owner");
    let owner = owner.context("the demo has no owner")?;
    for (name, text) in HOOKS {
        fs::write(folder.join(name), text)?;
    }
    let url = format!("http://{address}");
    let mut run = tool.command("run");
    run.current_dir(folder).arg(format!("{url}/openapi.json")).args(["--checks", CHECKS]);
    run.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"]);
    run.args(["--max-redirects", "0", "--request-timeout", "10", "--workers", "2"]);
    run.args(["--generation-allow-x00", "false", "--generation-database", "none"]);
    run.args(["--max-examples", &options.examples.to_string()]);
    run.args(["--seed", &options.seed.to_string()]);
    for name in LEFT_OUT {
        run.args(["--exclude-operation-id", name]);
    }
    for name in &options.only {
        run.args(["--include-operation-id", name]);
    }
    run.env("SCHEMATHESIS_HOOKS", folder.join("hooks.py")).env("ROWLOCK_URL", &url);
    run.env("ROWLOCK_VENUE", &demo.venue).env("ROWLOCK_SHOW", &demo.show);
    run.env("ROWLOCK_EMAIL", &owner.email).env("ROWLOCK_PASSWORD", &owner.password);
    cargo::run(&mut run, "schemathesis")
}

/// What the worker itself calls an error.
fn faults(log: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(log)?;
    // What is no HTTP at all is actix' own refusal.
    let loud = |line: &&str| {
        (line.contains("ERROR") && !line.contains("request parse error"))
            || line.contains("panicked")
    };
    Ok(text.lines().filter(loud).map(str::to_owned).collect())
}

/// devkit makes a database of this name in every cluster.
fn database(url: &str) -> Result<String> {
    let (server, _) = url.rsplit_once('/').context("a URL without a database")?;
    Ok(format!("{server}/rowlock"))
}
