//! What was noted of the audit log outside the database: its owner cannot write another past.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use testkit::{Bed, PATIENCE, Sql, wait_until};

use crate::audit::past_the_trigger;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "q83v/u3MuqmHZUMhDw4NDAsKCQgHBgUEAwIBAP7dy6k=";
/// Every row anew, as `log.append_audit` would have written it: a chain without a fault.
const WRITE_ANEW: &str = "do $$
declare
    r log.audit;
    prev bytea;
begin
    for r in select * from log.audit order by venue_id, seq loop
        if r.seq = 1 then prev := sha256(uuid_send(r.venue_id)); end if;
        r.prev_hash := prev;
        r.payload_hash := case when r.payload is null then r.payload_hash
            else sha256(r.salt || convert_to(r.payload::text, 'UTF8')) end;
        r.hash := sha256(r.prev_hash || uuid_send(r.venue_id) || int8send(r.seq)
            || int8send((extract(epoch from r.at) * 1000000)::bigint) || uuid_send(r.actor)
            || int4send(octet_length(r.action)) || convert_to(r.action, 'UTF8')
            || int4send(octet_length(r.entity)) || convert_to(r.entity, 'UTF8')
            || uuid_send(r.entity_id) || r.payload_hash);
        update log.audit a set prev_hash = r.prev_hash, payload_hash = r.payload_hash, hash = r.hash
        where a.venue_id = r.venue_id and a.seq = r.seq;
        update log.audit_head h set seq = r.seq, hash = r.hash where h.venue_id = r.venue_id;
        prev := r.hash;
    end loop;
end $$";

fn verify(bed: &Bed, log: Option<&Path>, key: &str) -> Result<Output> {
    let mut command = Command::new(testkit::binary()?);
    command.env_clear().env("DATABASE_URL", bed.database().url()).env("ROWLOCK_KEY", key);
    command.args(["audit", "verify"]);
    if let Some(log) = log {
        command.arg("--anchors").arg(log);
    }
    command.output().context("rowlock cannot be run")
}

fn said(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

/// A worker's log, kept.
struct Log(PathBuf);

impl Log {
    fn keep(text: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("rowlock-log-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, text)?;
        Ok(Self(path))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A venue with a few acts, all noted in a worker's log, which is given.
async fn noted(bed: &Bed) -> Result<Log> {
    let house = bed.house().await?;
    for role in ["host", "scanner", "monitor"] {
        house.member(role).await?;
    }
    // A worker notes when it starts, and every ten minutes.
    bed.worker(0)?.kill()?;
    bed.restart(0).await?;
    let venue = house.venue().to_owned();
    let log = wait_until("the heads are noted", PATIENCE, async || {
        let log = bed.worker(0)?.log();
        let noted = log.lines().any(|line| line.contains("rla1.") && line.contains(&venue));
        Ok(Some(log).filter(|_| noted))
    });
    Log::keep(&log.await?)
}

async fn tamper(sql: &Sql, how: &str) -> Result<()> {
    past_the_trigger(sql, &format!("{how}; {WRITE_ANEW}")).await
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_found_by_the_workers_logs() -> Result<()> {
    let bed = Bed::start(1).await?;
    let log = noted(&bed).await?;
    let fine = verify(&bed, Some(&log.0), KEY)?;
    ensure!(
        fine.status.success() && said(&fine).contains("noted audit heads are in the chains"),
        "{}",
        said(&fine)
    );
    let sql = bed.sql().await?;
    tamper(&sql, "update log.audit set action = 'nothing' where seq = 1").await?;
    let alone = verify(&bed, None, KEY)?;
    ensure!(alone.status.success(), "the control: the chain alone looks whole: {}", said(&alone));
    let found = verify(&bed, Some(&log.0), KEY)?;
    ensure!(
        !found.status.success() && said(&found).contains("was another one"),
        "{}",
        said(&found)
    );
    Ok(())
}

#[tokio::test]
async fn a_chain_that_was_cut_is_found_by_the_workers_logs() -> Result<()> {
    let bed = Bed::start(1).await?;
    let log = noted(&bed).await?;
    let sql = bed.sql().await?;
    tamper(&sql, "delete from log.audit where seq >= 2").await?;
    let alone = verify(&bed, None, KEY)?;
    ensure!(alone.status.success(), "the control: the chain alone looks whole: {}", said(&alone));
    let found = verify(&bed, Some(&log.0), KEY)?;
    ensure!(!found.status.success() && said(&found).contains("was there"), "{}", said(&found));
    Ok(())
}

#[tokio::test]
async fn heads_that_nobody_noted_do_not_count() -> Result<()> {
    let bed = Bed::start(1).await?;
    let log = noted(&bed).await?;
    let other = verify(&bed, Some(&log.0), OTHER_KEY)?;
    ensure!(!other.status.success() && said(&other).contains("ROWLOCK_KEY"), "{}", said(&other));
    let empty = Log::keep("nothing was noted")?;
    ensure!(!verify(&bed, Some(&empty.0), KEY)?.status.success(), "an empty log proves nothing");
    Ok(())
}
