//! What may not stand before real guests does not start, and says why in one line.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::{Bed, Sql};

const KEY: &str = "q83v/u3MuqmHZUMhDw4NDAsKCQgHBgUEAwIBAP7dy6k=";
const LOGIN: &str = "rowlock_careful";
const PASSWORD: &str = "otters-fly-low-at-dawn";

/// A login as production wants it, and the URL of the bed's database with it.
async fn careful(bed: &Bed) -> Result<String> {
    let sql = bed.sql().await?;
    // Roles belong to the server, which other tests share.
    sql.run(&format!(
        "do $$ begin create role {LOGIN} login password '{PASSWORD}';
         exception when duplicate_object or unique_violation then null; end $$;
         do $$ begin grant rowlock_app, rowlock_job to {LOGIN};
         exception when duplicate_object or unique_violation then null; end $$"
    ))
    .await?;
    sql.run(&format!(
        "grant select on all tables in schema public to {LOGIN}; grant usage on schema public to {LOGIN}"
    ))
    .await?;
    with_login(bed.database().url(), LOGIN, PASSWORD)
}

fn with_login(url: &str, login: &str, password: &str) -> Result<String> {
    let (scheme, rest) = url.split_once("://").context("a URL has a scheme")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    Ok(format!("{scheme}://{login}:{password}@{place}"))
}

fn rowlock(command: &str, env: &[(&str, &str)]) -> Result<Output> {
    rowlock_with(20_000, command, env)
}

fn rowlock_with(files: u32, command: &str, env: &[(&str, &str)]) -> Result<Output> {
    let mut process = Command::new("sh");
    // The soft limit of most shells is too low for a worker.
    process.arg("-c").arg(format!("ulimit -n {files} 2>/dev/null; exec \"$BIN\" {command}"));
    process.env_clear().env("BIN", testkit::binary()?).env("PATH", "/usr/bin:/bin");
    process.env("ENVIRONMENT", "production").env("BIND", "127.0.0.1:0");
    process.envs(env.iter().copied());
    process.output().context("rowlock cannot be run")
}

/// Exit 78, one clear line, at once.
fn refused(env: &[(&str, &str)], word: &str) -> Result<()> {
    refused_with(20_000, env, word)
}

/// The same for a process that may open so many files.
fn refused_with(files: u32, env: &[(&str, &str)], word: &str) -> Result<()> {
    let begun = Instant::now();
    let output = rowlock_with(files, "serve", env)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(78), "{word}: {:?} {said}", output.status);
    ensure!(said.trim().lines().count() == 1, "{word}: one line, not {said}");
    ensure!(said.contains(word), "{word} is not in: {said}");
    ensure!(begun.elapsed() < Duration::from_secs(5), "{word}: took {:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn production_refuses_what_is_not_safe() -> Result<()> {
    let bed = Bed::start(1).await?;
    let url = careful(&bed).await?;
    let base = [("DATABASE_URL", url.as_str()), ("ROWLOCK_KEY", KEY)];
    let with = |more: &[(&'static str, &'static str)]| [base.as_slice(), more].concat();
    let superuser = bed.database().url();
    refused(&[("DATABASE_URL", superuser), ("ROWLOCK_KEY", KEY)], "superuser")?;
    refused(&with(&[("ROWLOCK_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]), "key")?;
    refused(&with(&[("ROWLOCK_KEY", "short")]), "ROWLOCK_KEY")?;
    refused(&with(&[("CORS_ORIGINS", "*")]), "CORS_ORIGINS")?;
    refused_with(1024, &base, "nofile")?;
    let plain = [("OIDC_PROVIDERS", "acme"), ("OIDC_ACME_ISSUER", "http://id.example.org")];
    refused(&with(&plain), "OIDC_ACME_ISSUER")?;
    refused(&with(&[("METRICS_TOKEN", "secret")]), "METRICS_TOKEN")?;
    refused(&with(&[("REDIS_URL", "redis://10.1.2.3:6379")]), "REDIS_URL")?;
    let guessed = with_login(bed.database().url(), LOGIN, "postgres")?;
    let sql = bed.sql().await?;
    let trusted = Sql::connect(&guessed).await.is_ok();
    if trusted {
        refused(&[("DATABASE_URL", guessed.as_str()), ("ROWLOCK_KEY", KEY)], "password")?;
    }
    // The servers of tests do without the disk, which is a refusal as well.
    if sql.value::<String>("show fsync", &[]).await? == "off" {
        refused(&base, "fsync")?;
    }
    let history = "refinery_schema_history";
    sql.run(&format!("delete from {history} where version = (select max(version) from {history})"))
        .await?;
    let said = rowlock("doctor", &base)?.stdout;
    assert!(String::from_utf8_lossy(&said).contains("WRONG   migrations: 1 are pending"));
    Ok(())
}

#[tokio::test]
async fn the_doctor_says_a_line_for_each() -> Result<()> {
    let bed = Bed::start(1).await?;
    let url = careful(&bed).await?;
    let sick = rowlock("doctor", &[("DATABASE_URL", bed.database().url()), ("ROWLOCK_KEY", KEY)])?;
    let said = String::from_utf8_lossy(&sick.stdout).into_owned();
    assert_eq!(sick.status.code(), Some(78), "{said}");
    assert!(said.lines().any(|line| line.starts_with("WRONG") && line.contains("login")), "{said}");
    let few = rowlock_with(1024, "doctor", &[("DATABASE_URL", &url), ("ROWLOCK_KEY", KEY)])?;
    let said = String::from_utf8_lossy(&few.stdout).into_owned();
    assert!(said.contains("WRONG   open files: only 1024"), "{said}");
    let well = rowlock("doctor", &[("DATABASE_URL", &url), ("ROWLOCK_KEY", KEY)])?;
    let said = String::from_utf8_lossy(&well.stdout).into_owned();
    // The servers of tests do without the disk: that is the one thing that may be wrong here.
    let wrong: Vec<&str> = said.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert!(wrong.iter().all(|line| line.contains("durability")), "{said}");
    assert!(said.lines().filter(|line| line.starts_with("ok")).count() >= 10, "{said}");
    Ok(())
}

#[tokio::test]
async fn operators_make_owners_and_new_passwords() -> Result<()> {
    let bed = Bed::start(1).await?;
    let admin = |args: &[&str]| -> Result<String> {
        let mut process = Command::new(testkit::binary()?);
        process.env_clear().env("DATABASE_URL", bed.database().url()).arg("admin").args(args);
        let output = process.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let password = |said: &str| -> Result<String> {
        let line = said.lines().find_map(|line| line.strip_prefix("password: "));
        Ok(line.context("no password was printed")?.to_owned())
    };
    let email = "olivia@example.org";
    let owner = ["create-owner", "--email", email, "--name", "Olivia", "--venue", "Aurora"];
    let said = admin(&owner)?;
    let sign_in = |password: &str| {
        bed.anyone().post("/api/v1/auth/login", json!({"email": email, "password": password}))
    };
    sign_in(&password(&said)?).await?.expect(200)?;
    assert!(admin(&["list-venues"])?.contains("Aurora"));
    assert!(!admin(&owner)?.contains("password"), "an account that is there keeps its own");
    let new = password(&admin(&["reset-password", "--email", email])?)?;
    sign_in(&password(&said)?).await?.refused(401, "identity.wrong_password")?;
    sign_in(&new).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn the_first_user_comes_from_the_settings_and_only_the_first() -> Result<()> {
    let first = "ada@example.org";
    let bed = Bed::with()
        .env("ADMIN_EMAIL", first)
        .env("ADMIN_PASSWORD", "otters fly low at dawn 7")
        .start()
        .await?;
    let sign_in = json!({"email": first, "password": "otters fly low at dawn 7"});
    bed.anyone().post("/api/v1/auth/login", sign_in).await?.expect(200)?;
    // The control: with a user there, the settings count for nothing.
    bed.worker(0)?.stop()?;
    let sql = bed.sql().await?;
    sql.run("update identity.user set email = 'other@example.org'").await?;
    bed.restart(0).await?;
    let count: i64 = sql.value("select count(*) from identity.user", &[]).await?;
    assert_eq!(count, 1);
    Ok(())
}
