//! A line of 100,000: what a claim and the looks at it cost is told by PostgreSQL, in rows.

use anyhow::{Context as _, Result, ensure};
use testkit::{Bed, Sql};

use crate::sale::text;
use crate::spa_house::Spa;

/// Waiting, behind as many who have paid.
const WAITING: usize = 100_000;

async fn long_line(sql: &Sql, spa: &Spa) -> Result<()> {
    sql.run(&format!(
        "set session_replication_role = replica;
         insert into spa.order (venue_id, id, day, code, token_hash, status, line_at,
             waiting_since, skills, needs, total, currency, before_minutes, minutes, after_minutes,
             created_at)
         select '{}', gen_random_uuid(), current_date - n / 10000, 'A-' || lpad(n::text, 6, '0'),
             '', case when n <= {WAITING} then 'paid' else 'pending_therapist' end,
             now() + n * interval '1 millisecond' - interval '1 hour', now(), array['thai'],
             array['bed'], 5000, 'EUR', 0, 60, 0, now()
         from generate_series(1, 2 * {WAITING}) n;
         reset session_replication_role",
        spa.house.venue()
    ))
    .await?;
    sql.run("vacuum analyze spa.order").await
}

/// What PostgreSQL does for `name`, as a worker's session; nothing of it stays.
async fn explain(sql: &Sql, spa: &Spa, name: &str, arguments: &str) -> Result<Vec<String>> {
    let all = ::spa::store::all();
    let (_, statement) = all.iter().find(|(it, _)| *it == name).context("no such statement")?;
    sql.run(&format!("set plan_cache_mode = force_generic_plan; prepare asked as {statement}"))
        .await?;
    let scope = format!("select set_config('app.venue_id', '{}', true)", spa.house.venue());
    sql.run(&format!("begin; set local role rowlock_app; {scope}")).await?;
    let ask = format!("explain (analyze, costs off, timing off) execute asked({arguments})");
    let plan = sql.column::<String>(&ask, &[]).await;
    sql.run("rollback; deallocate asked").await?;
    plan
}

/// The most rows that a scan of orders has read, those that it threw away among them.
fn orders_read(plan: &[String]) -> Result<u64> {
    let mut most = 0;
    let mut inside = false;
    for line in plan {
        if line.contains("Scan") {
            inside = line.contains(" on \"order\"");
        }
        let rows = |after: &str| {
            let rest = line.split(after).nth(1)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        if inside && let Some(read) = rows("actual rows=").or_else(|| rows("by Filter: ")) {
            most = most.max(read);
        }
    }
    ensure!(plan.iter().any(|line| line.contains(" on \"order\"")), "no orders in {plan:#?}");
    Ok(most)
}

#[tokio::test]
async fn a_claim_reads_the_head_of_the_line_and_no_look_reads_all_of_it() -> Result<()> {
    let bed = Bed::start(1).await?;
    let spa = Spa::of(&bed, 3).await?;
    let (mai, ben) = (spa.therapist("Mai").await?, spa.therapist("Ben").await?);
    let sql = bed.sql().await?;
    long_line(&sql, &spa).await?;
    let (venue, now) = (spa.house.venue(), "now()");
    let ids = "gen_random_uuid(), gen_random_uuid()";
    let claim = |who: &str| format!("'{venue}', '{who}', 0, 0, 120, 300, {ids}, 10000");
    let (mai_id, ben_id) = (text(mai.user(), "/id")?, text(ben.user(), "/id")?);
    let plan = explain(&sql, &spa, "CLAIM_NEXT", &claim(&mai_id)).await?;
    ensure!(orders_read(&plan)? <= 1, "{plan:#?}");
    // Nobody whom Ben could serve: the look ends.
    sql.run(&format!(
        "update spa.therapist set skills = array['laser'] where user_id = '{ben_id}'"
    ))
    .await?;
    let why = format!("'{venue}', '{ben_id}', {now}, 300, 10000");
    for (name, arguments, most) in [
        ("CLAIM_NEXT", claim(&ben_id), 10_000),
        ("WHY_NOT", why, 10_000),
        ("LIST_WAITING", format!("'{venue}', 200"), 200),
        ("LIST_TO_PAY", format!("'{venue}', 200"), 200),
        ("LINE", format!("'{venue}', 200"), 200),
        ("COUNTS", format!("'{venue}', 1000, {now}"), 1_000),
        ("CLAIM_PAYMENT", format!("'{venue}', '{mai_id}', 0, 120"), 1),
    ] {
        let plan = explain(&sql, &spa, name, &arguments).await?;
        let read = orders_read(&plan)?;
        ensure!(read <= most, "{name} has read {read} orders: {plan:#?}");
    }
    // And through the product: the first of the line, and then the second.
    let first = spa.claim(&mai).await?;
    assert_eq!(spa.look(&first).await?["code"], format!("A-{}", WAITING + 1));
    spa.next(&ben).await?.expect(200).map(drop)
}
