//! What the database itself refuses: mixed rows, and statements that forget the venue.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::{Bed, Sql};

use crate::sale::{Sale, blocks};

/// Tables with a venue, without the parts of partitioned ones.
const TABLES: &str = "select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname not in ('pg_catalog', 'information_schema', 'public')
      and exists (select from pg_attribute a
                  where a.attrelid = c.oid and a.attname = 'venue_id' and not a.attisdropped)";

async fn names(sql: &Sql, condition: &str) -> Result<Vec<String>> {
    let query =
        format!("select t.oid::regclass::text from ({TABLES}) t where {condition} order by 1");
    sql.column(&query, &[]).await
}

#[tokio::test]
async fn every_table_of_venues_is_guarded_three_times() -> Result<()> {
    let bed = Bed::start(1).await?;
    let sql = bed.sql().await?;
    let all = names(&sql, "true").await?;
    ensure!(all.len() >= 12, "{all:?}");
    let unkeyed = "not exists (select from pg_index i join pg_attribute a
        on a.attrelid = i.indrelid and a.attnum = any(i.indkey) and a.attname = 'venue_id'
        where i.indrelid = t.oid and i.indisprimary)";
    assert_eq!(names(&sql, unkeyed).await?, Vec::<String>::new(), "venue_id in the primary key");
    let unforced = "not (select c.relrowsecurity and c.relforcerowsecurity from pg_class c
        where c.oid = t.oid)";
    assert_eq!(names(&sql, unforced).await?, Vec::<String>::new(), "row-level security is forced");
    for role in ["rowlock_app", "rowlock_job"] {
        let without = format!(
            "not exists (select from pg_policy p where p.polrelid = t.oid
             and p.polroles @> array['{role}'::regrole::oid])"
        );
        assert_eq!(names(&sql, &without).await?, Vec::<String>::new(), "a policy for {role}");
    }
    let mixed = format!(
        "select c.conname::text from pg_constraint c where c.contype = 'f'
           and c.conrelid in ({TABLES}) and c.confrelid in ({TABLES})
           and not exists (select from pg_attribute a where a.attrelid = c.conrelid
               and a.attnum = any(c.conkey) and a.attname = 'venue_id')"
    );
    let mixed: Vec<String> = sql.column(&mixed, &[]).await?;
    assert_eq!(mixed, Vec::<String>::new(), "foreign keys between venues' tables have the venue");
    Ok(())
}

/// Words that a condition stands behind.
const BEFORE: [&str; 4] = ["where", "and", "or", "on"];

/// The statement without its conditions on parameters: what a careless change would leave.
fn careless(statement: &str) -> String {
    let plain: Vec<&str> = statement.lines().map(|l| l.split("--").next().unwrap_or("")).collect();
    let joined = plain.join(" ");
    let words: Vec<&str> = joined.split_whitespace().collect();
    let (mut out, mut at): (Vec<String>, usize) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        let compares = words.get(at + 1).is_some_and(|op| ["=", ">", "<", ">=", "<="].contains(op));
        let value = words.get(at + 2).copied().unwrap_or_default();
        let behind = out.last().is_some_and(|last| BEFORE.contains(&last.as_str()));
        let condition = compares
            && (behind || word.starts_with('('))
            && (value.starts_with('$') || value.starts_with("any($"));
        if condition {
            let open = word.chars().take_while(|c| *c == '(').count();
            let close = value.chars().rev().take_while(|c| *c == ')').count();
            let close = close - usize::from(value.starts_with("any($"));
            out.push(format!("{}true{}", "(".repeat(open), ")".repeat(close)));
            at += 3;
        } else {
            out.push((*word).to_owned());
            at += 1;
        }
    }
    out.join(" ")
}

/// How many rows the statement gives or changes; nothing when PostgreSQL refuses it.
async fn rows(sql: &Sql, statement: &str, venue: &str) -> Result<Option<u64>> {
    sql.run("reset role; begin").await?;
    let scope = format!("select set_config('app.venue_id', '{venue}', true)");
    sql.run(&format!("set local role rowlock_app; {scope}")).await?;
    let done = sql.execute(statement, &[]).await.ok();
    sql.run("rollback").await?;
    Ok(done)
}

/// Every parameter that is left becomes null.
fn without_parameters(statement: &str) -> String {
    let mut parts = statement.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        format!("{all}null{}", part.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

/// A venue with seats, holds, bookings, members, a layout and devices.
async fn busy(bed: &Bed) -> Result<Sale> {
    let sale = Sale::of(bed.house().await?, blocks(1, 4)).await?;
    sale.house.member("host").await?;
    sale.hold(sale.house.owner(), &["T1-1"]).await?.expect(201)?;
    sale.book(sale.house.owner(), &["T1-2"]).await?.expect(201)?;
    let category =
        json!({"code": "a", "name": "A", "price": {"amount": 12_000, "currency": "EUR"}});
    let block = json!({"name": "A", "kind": "row", "mode": "by_seat", "category": "a", "seats": 2});
    let layout = json!({"name": "Small", "plan": {"categories": [category], "blocks": [block]}});
    sale.house.owner().post(sale.house.path("/layouts"), layout).await?.expect(201)?;
    crate::devices::paired(bed, &sale.house).await?;
    crate::gala_hall::busy(bed, &sale).await?;
    crate::invariants::money(bed, &sale.house).await?;
    crate::floor_room::fill(bed, &sale.house).await?;
    crate::spa_house::busy(bed, &sale.house).await?;
    Ok(sale)
}

/// Runs the slice's statements without their `where`; gives how many found something at home.
async fn careless_slice(statements: &[(&str, &str)]) -> Result<usize> {
    let bed = Bed::start(1).await?;
    let (one, other) = (busy(&bed).await?, bed.house().await?);
    let sql = bed.sql().await?;
    // Nothing of its own, so that whatever it finds is somebody else's.
    let nobody = uuid::Uuid::new_v4().to_string();
    let mut found_at_home = 0;
    for (name, statement) in statements {
        // Who somebody is anywhere is asked of the users, who belong to no venue; and a count of
        // nothing is a row as well, as the least of nothing is, or that nothing is there.
        let of_nothing = ["count(*)", "select coalesce(min(", "select exists ("];
        let other = *name == "STANDING_SQL" || of_nothing.iter().any(|it| statement.contains(it));
        if other || !statement.contains("venue_id = $1") {
            continue;
        }
        let careless = without_parameters(&careless(statement));
        ensure!(!careless.contains("venue_id = null"), "{name}: {careless}");
        let at_home = rows(&sql, &careless, one.house.venue()).await?;
        found_at_home += usize::from(at_home.is_some_and(|count| count > 0));
        for stranger in [nobody.as_str(), ""] {
            let seen = rows(&sql, &careless, stranger).await?;
            ensure!(seen.unwrap_or(0) == 0, "{name} reaches {seen:?} foreign rows: {careless}");
        }
    }
    drop(other);
    Ok(found_at_home)
}

#[tokio::test]
async fn bookings_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&booking::store::all()).await?;
    ensure!(found >= 12, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[tokio::test]
async fn floors_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&::floor::store::all()).await?;
    ensure!(found >= 10, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[tokio::test]
async fn spas_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&::spa::store::all()).await?;
    ensure!(found >= 10, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[tokio::test]
async fn tickets_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&::tickets::store::all()).await?;
    ensure!(found >= 10, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[tokio::test]
async fn galas_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&::gala::store::all()).await?;
    ensure!(found >= 10, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[tokio::test]
async fn identitys_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&::identity::store::all()).await?;
    ensure!(found >= 6, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[tokio::test]
async fn payments_statements_without_the_venue_reach_nothing_foreign() -> Result<()> {
    let found = careless_slice(&::payments::store::all()).await?;
    ensure!(found >= 6, "only {found} statements find anything at home: nothing is proved");
    Ok(())
}

#[test]
fn a_careless_statement_has_no_condition_left() {
    let statement = "select 1 from a where venue_id = $1 and (b = $2 or c = any($3)) limit $4";
    let left = "select 1 from a where true and (true or true) limit null";
    assert_eq!(without_parameters(&careless(statement)), left);
}
