//! The hybrid set-up: workers on the doors' own network, without the internet, and a central house
//! that takes their log in later.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, Sql};

use crate::doors::Doors;

/// What the doors need to know, in the order of the foreign keys: as `pg_dump` would carry it.
const TABLES: [&str; 13] = [
    "identity.user",
    "identity.venue",
    "identity.member",
    "identity.device",
    "identity.signing_key",
    "booking.show",
    "tickets.show",
    "tickets.key",
    "tickets.type",
    "tickets.zone",
    "tickets.list",
    "tickets.question",
    "tickets.ticket",
];

/// The central database's rows for the doors' own one.
async fn carry(from: &Sql, to: &Sql) -> Result<()> {
    to.run("set session_replication_role = replica; truncate identity.signing_key").await?;
    for table in TABLES {
        let rows: String = from
            .value(&format!("select coalesce(json_agg(t), '[]')::text from {table} t"), &[])
            .await?;
        let insert = format!(
            "insert into {table} select * from json_populate_recordset(null::{table}, $1::text::json)"
        );
        to.execute(&insert, &[&rows]).await.with_context(|| table.to_owned())?;
    }
    to.run("insert into log.venue_head (venue_id) select venue_id from identity.venue").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_takes_the_log_of_doors_that_had_a_network_of_their_own() -> Result<()> {
    let (central, doors_own) = (Bed::start(1).await?, Bed::start(2).await?);
    let doors = Doors::open(&central).await?;
    let tickets = doors.issue(json!({"class": 1}), 30).await?;
    let scanner = doors.house.member("scanner").await?;
    carry(&central.sql().await?, &doors_own.sql().await?).await?;
    for number in 0..2 {
        doors_own.worker(number)?.stop()?;
        doors_own.restart(number).await?;
    }

    // On the doors' own network any worker serves any scanner, as ever.
    let token = scanner.client().token().context("no token")?;
    let local = doors_own.anyone().with_token(token);
    for (n, ticket) in tickets.iter().enumerate().take(20) {
        let client = local.at(n % 2);
        let first = doors.scan(&client, &ticket.code).await?.expect(200)?;
        assert_eq!(first["verdict"], "admit", "{first}");
        let second = doors.scan(&local.at((n + 1) % 2), &ticket.code).await?.expect(200)?;
        assert_eq!(second["reason"], "already_admitted");
    }
    // Meanwhile somebody at the central house let in with one of them.
    doors.scan(scanner.client(), &tickets[0].code).await?.expect(200)?;

    let owner = doors_own.anyone().with_token(doors.house.owner().token().context("no token")?);
    let log = owner.get(doors.path("/scans/log")).await?.expect(200)?;
    assert_eq!(log["batch"]["scans"].as_array().map(Vec::len), Some(40));
    let path = doors.house.path("/scans/batch");
    let taken = doors.house.owner().post(&path, log["batch"].clone()).await?.expect(200)?;
    let again = doors.house.owner().post(&path, log["batch"].clone()).await?.expect(200)?;
    assert_eq!(taken["results"], again["results"], "sent twice, done once");

    let sql = central.sql().await?;
    let admitted = "select count(*) from tickets.ticket where status = 'admitted'";
    assert_eq!(sql.value::<i64>(admitted, &[]).await?, 20);
    assert_eq!(sql.value::<i64>("select count(*) from tickets.scan", &[]).await?, 41);
    let results = taken["results"].as_array().context("no results")?;
    let flagged: Vec<&Value> = results.iter().filter(|it| it.get("conflict").is_some()).collect();
    assert_eq!(flagged.len(), 1, "the one that two houses let in");
    assert_eq!(flagged[0]["ticket"]["id"], tickets[0].id.as_str());
    Ok(())
}
