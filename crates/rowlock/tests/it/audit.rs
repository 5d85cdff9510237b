//! The audit log: nobody changes it, and who does is found.

use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, House, PATIENCE, Sql, wait_until};

use crate::sale::{Sale, blocks, text};

/// The binary with the database of the bed.
fn rowlock(bed: &Bed, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(testkit::binary()?);
    command.env_clear().env("DATABASE_URL", bed.database().url()).args(args);
    command.output().context("rowlock cannot be run")
}

/// A venue with three acts in its chain, and one of them undone.
async fn busy(bed: &Bed) -> Result<House> {
    let house = bed.house().await?;
    for role in ["host", "scanner", "monitor"] {
        house.member(role).await?;
    }
    Ok(house)
}

async fn entries(house: &House, query: &str) -> Result<Vec<Value>> {
    let answer = house.owner().get(house.path(&format!("/audit{query}"))).await?.expect(200)?;
    Ok(answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
}

#[tokio::test]
async fn privileged_acts_say_who_what_and_from_where() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let clerk = bed.person().await?;
    let body = json!({"email": clerk.email(), "role": "box_office"});
    let ask = house.owner().post(house.path("/members"), body).header("X-Request-Id", "audit-1");
    let member = ask.header("X-Forwarded-For", "203.0.113.7").await?.expect(201)?;
    let path = house.path(&format!("/members/{}", text(&member, "/id")?));
    house.owner().patch(path, json!({"role": "host"})).await?.expect(200)?;

    let found = entries(&house, "").await?;
    let actions: Vec<&Value> = found.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["member_updated", "member_created"], "newest first");
    let made = &found[1];
    assert_eq!(made["actor"], house.owner().user()["id"]);
    assert_eq!((&made["entity"], &made["entityId"]), (&json!("member"), &member["id"]));
    assert_eq!(made["payload"]["detail"]["role"], "box_office");
    assert_eq!(made["payload"]["address"], "203.0.113.7");
    assert_eq!(made["payload"]["requestId"], "audit-1");
    assert!(!made.to_string().contains(clerk.email()), "no names in the log");

    assert_eq!(entries(&house, "?action=member_created").await?.len(), 1);
    assert_eq!(entries(&house, &format!("?actor={}", text(clerk.user(), "/id")?)).await?.len(), 0);
    assert_eq!(entries(&house, &format!("?to={}", text(made, "/at")?)).await?.len(), 0);
    assert_eq!(entries(&house, &format!("?from={}", text(made, "/at")?)).await?.len(), 2);
    let first = house.owner().get(house.path("/audit?limit=1")).await?.expect(200)?;
    let next = format!("?limit=1&cursor={}", text(&first, "/nextCursor")?);
    assert_eq!(entries(&house, &next).await?, found[1..], "the next page goes on");
    Ok(())
}

#[tokio::test]
async fn only_owners_and_managers_read_it_and_denied_attempts_are_in_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let (manager, host) = (house.member("manager").await?, house.member("host").await?);
    let (path, stranger) = (house.path("/audit"), bed.house().await?);
    manager.get(&path).await?.expect(200)?;
    host.get(&path).await?.refused(403, "forbidden")?;
    stranger.owner().get(&path).await?.refused(404, "no_such_path")?;
    // By the token's role, and by a rule of the slice.
    let body = json!({"email": host.email(), "role": "owner"});
    let above = bed.person().await?;
    manager
        .post(house.path("/members"), json!({"email": above.email(), "role": "owner"}))
        .await?
        .refused(403, "identity.above_own_role")?;
    host.post(house.path("/members"), body).await?.refused(403, "forbidden")?;

    let found = wait_until("the denied attempts", PATIENCE, async || {
        Ok(Some(entries(&house, "?action=denied").await?).filter(|found| found.len() == 3))
    })
    .await?;
    let told: Vec<(&Value, &Value)> = found
        .iter()
        .rev()
        .map(|entry| {
            (&entry["payload"]["detail"]["permission"], &entry["payload"]["detail"]["code"])
        })
        .collect();
    assert!(told.contains(&(&json!("ReadAudit"), &json!("forbidden"))), "{told:?}");
    assert!(told.contains(&(&json!("ChangeMembers"), &json!("identity.above_own_role"))));
    assert!(told.contains(&(&json!("ChangeMembers"), &json!("forbidden"))));
    Ok(())
}

#[tokio::test]
async fn nobody_changes_a_row_not_even_its_owner() -> Result<()> {
    let bed = Bed::start(1).await?;
    busy(&bed).await?;
    let sql = bed.sql().await?;
    for statement in [
        "update log.audit set action = 'nothing'",
        "update log.audit set payload = '{}'",
        "update log.audit set payload = null, salt = null, action = 'nothing'",
        "delete from log.audit",
        "truncate log.audit",
    ] {
        let error = sql.batch_execute(statement).await.expect_err(statement);
        let message = error.as_db_error().map_or("", |db| db.message()).to_owned();
        assert_eq!(message, "the audit log is only appended to", "{statement}");
    }
    sql.run("set role rowlock_app").await?;
    for statement in [
        "insert into log.audit select * from log.audit",
        "update log.audit_head set seq = 0",
        "select log.append_audit(gen_random_uuid(), gen_random_uuid(), array['x'], array['x'], \
         array[gen_random_uuid()], array['{}'])",
        "select log.forget_person(gen_random_uuid(), '{}')",
    ] {
        let error = sql.batch_execute(statement).await.expect_err(statement);
        let refused = error.code().is_some_and(|code| code.code() == "42501");
        assert!(refused, "{statement}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn every_change_behind_the_trigger_is_found() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = busy(&bed).await?;
    let sql = bed.sql().await?;
    let verify = |args: &[&str]| rowlock(&bed, &[&["audit", "verify"], args].concat());
    let whole = verify(&[])?;
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    // The control: without the trigger the same statements pass, and the chain tells of them.
    let edits = [
        "update log.audit set actor = gen_random_uuid() where {} and seq = 2",
        "update log.audit set payload = '[]' where {} and seq = 2",
        "update log.audit set at = at + interval '1 microsecond' where {} and seq = 2",
        "delete from log.audit where {} and seq = 2",
        "delete from log.audit where {} and seq = 3",
        "update log.audit set seq = seq * 10 where {} and seq > 1",
        "update log.audit set payload_hash = sha256('x'), payload = null, salt = null \
         where {} and seq = 2",
        "insert into log.audit select venue_id, 4, at, actor, action, entity, entity_id, payload, \
         salt, payload_hash, prev_hash, hash from log.audit where {} and seq = 3",
    ];
    let mine = format!("venue_id = '{}'", house.venue());
    sql.run("create table kept as select * from log.audit").await?;
    for edit in edits {
        let edit = edit.replace("{}", &mine);
        past_the_trigger(&sql, &edit).await?;
        let found = verify(&["--venue", house.venue()])?;
        let words = String::from_utf8_lossy(&found.stdout).into_owned();
        assert_eq!(found.status.code(), Some(1), "not found: {edit}\n{words}");
        assert!(words.contains("is broken"), "{words}");
        past_the_trigger(&sql, "delete from log.audit; insert into log.audit select * from kept")
            .await?;
    }
    assert!(verify(&[])?.status.success(), "put back as it was");
    Ok(())
}

pub(crate) async fn past_the_trigger(sql: &Sql, statement: &str) -> Result<()> {
    sql.run(&format!(
        "alter table log.audit disable trigger user; {statement}; \
         alter table log.audit enable trigger user"
    ))
    .await
}

#[tokio::test]
async fn two_workers_and_many_acts_make_one_chain() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let mut acts = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let house = house.clone();
        acts.spawn(async move { house.member("host").await.map(drop) });
    }
    while let Some(act) = acts.join_next().await {
        act??;
    }
    assert!(rowlock(&bed, &["audit", "verify"])?.status.success());
    assert_eq!(entries(&house, "?limit=200").await?.len(), 12);
    Ok(())
}

#[tokio::test]
async fn a_person_is_erased_and_the_chain_stays_whole() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sale = Sale::of(bed.house().await?, blocks(1, 3)).await?;
    let (ana, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    sale.book(&ana, &["T1-1"]).await?.expect(201)?;
    let kept = ana.get("/api/v1/me/export").await?.expect(200)?;
    assert_eq!(kept["identity"]["user"]["email"], ana.email());
    assert_eq!(kept["bookings"].as_array().map(Vec::len), Some(1));

    let erase = |email: &str| ana.post("/api/v1/me/erase", json!({"email": email}));
    erase("other@example.org").await?.refused(422, "identity.other_address")?;
    assert_eq!(erase(ana.email()).await?.status, 204);
    let id = text(ana.user(), "/id")?;
    let left = "select count(*) from identity.user where id = $1::text::uuid and (email = $2
        or name like 'Person %' or password_hash is not null or active)";
    assert_eq!(sql.value::<i64>(left, &[&id, &ana.email()]).await?, 0);
    let words: String = sql
        .value(
            "select coalesce(string_agg(data::text, ''), '') || (select coalesce(string_agg(
                 coalesce(payload::text, ''), ''), '') from log.audit) || (select coalesce(
                 string_agg(coalesce(answer, ''), ''), '') from log.once) || (select coalesce(
                 string_agg(customer_name || coalesce(customer_email, ''), ''), '')
                 from booking.booking) from log.venue_event",
            &[],
        )
        .await?;
    assert!(!words.contains(ana.email()), "found in: {words}");
    assert!(rowlock(&bed, &["audit", "verify"])?.status.success(), "the chain stays whole");
    sale.hold(&ana, &["T1-2"]).await?.refused(401, "user_gone")?;
    let sign_in = json!({"email": ana.email(), "password": ana.password()});
    bed.anyone()
        .post("/api/v1/auth/login", sign_in)
        .await?
        .refused(401, "identity.wrong_password")?;
    Ok(())
}

#[tokio::test]
async fn the_last_owner_hands_over_before_leaving() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let owner = house.owner();
    let erase = || owner.post("/api/v1/me/erase", json!({"email": owner.email()}));
    erase().await?.refused(409, "identity.last_owner")?;
    let by_command = rowlock(&bed, &["person", "erase", "--email", owner.email()])?;
    assert_eq!(by_command.status.code(), Some(1));
    house.member("owner").await?;
    let by_command = rowlock(&bed, &["person", "erase", "--email", owner.email()])?;
    assert!(by_command.status.success(), "{}", String::from_utf8_lossy(&by_command.stderr));
    Ok(())
}
