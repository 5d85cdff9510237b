//! Many parties at several workers want the same tables.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use testkit::{Answered, Ask, Bed, PATIENCE, Sql, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::gala_hall::{Hall, check_chairs};

/// How often and how long apart a guest who is told to wait comes again.
const LOOKS_MAX: usize = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const WORKERS: usize = 3;
const PARTIES: usize = 200;
const TABLES: usize = 40;
const CHAIRS: usize = 8;
/// Tables that a party asks for before it gives up.
const TRIES_MAX: usize = 4;
/// A party has 1 to 4 guests: 500 guests for 320 chairs.
const SIZES: [usize; 4] = [4, 3, 2, 1];

/// The tickets of each party.
fn parties() -> Vec<Vec<usize>> {
    let mut next = 1;
    (0..PARTIES)
        .map(|n| {
            let tickets = (next..next + SIZES[n % SIZES.len()]).collect::<Vec<_>>();
            next += tickets.len();
            tickets
        })
        .collect()
}

/// All parties begin at the same moment; five want each table first, and then any that is offered.
async fn rush(bed: &Bed, hall: &Hall) -> Result<Vec<(Vec<usize>, Answered)>> {
    let mut opening = JoinSet::new();
    for (n, tickets) in parties().into_iter().enumerate() {
        let (hall, client) = (hall.clone(), bed.anyone().at(n % WORKERS));
        opening.spawn(async move {
            let token = hall.token(&client, tickets.clone()).await?;
            anyhow::Ok((token, tickets, client))
        });
    }
    let opened: Vec<_> = opening.join_all().await.into_iter().collect::<Result<_>>()?;
    let start = Arc::new(Barrier::new(PARTIES));
    let mut running = JoinSet::new();
    for (n, (token, tickets, client)) in opened.into_iter().enumerate() {
        let (hall, start) = (hall.clone(), Arc::clone(&start));
        running.spawn(async move {
            let mut table = format!("T{}", n % TABLES + 1);
            start.wait().await;
            let mut tries = 0;
            loop {
                tries += 1;
                let answer = hall.choose(&client, &token, &table).settled().await?;
                // Not all of them to the same one.
                let others = answer.json["current"]["alternatives"].as_array();
                let others = others.filter(|others| {
                    answer.status == 409 && !others.is_empty() && tries < TRIES_MAX
                });
                match others.map(|others| &others[n % others.len()]["name"]) {
                    Some(other) => table = other.as_str().context("no name")?.to_owned(),
                    None => return anyhow::Ok((tickets, answer)),
                }
            }
        });
    }
    running.join_all().await.into_iter().collect()
}

async fn count(sql: &Sql, what: &str) -> Result<i64> {
    sql.value(what, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_clients_nobody_shares_a_chair_and_no_party_is_torn_apart() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let hall = Hall::of(&bed, (TABLES, CHAIRS), 500).await?;
    let sql = bed.sql().await?;
    let answers = rush(&bed, &hall).await?;
    let mut seated = 0;
    for (tickets, answer) in &answers {
        if answer.status == 201 {
            seated += tickets.len();
            assert_eq!(answer.json["tables"].as_array().context("tables")?.len(), 1);
            assert_eq!(answer.json["guests"].as_array().context("guests")?.len(), tickets.len());
        } else {
            answer.refused(409, "gala.table_full")?;
        }
    }
    check_chairs(&sql).await?;
    let claims = "select count(*) from booking.claim where guest_id is not null";
    assert_eq!(count(&sql, claims).await?, i64::try_from(seated)?);
    let torn = "select count(*) from (select 1 from gala.guest where party_id is not null
        group by party_id
        having count(distinct table_name) > 1 or count(*) filter (where table_name is null)
            not in (0, count(*))) torn";
    assert_eq!(count(&sql, torn).await?, 0, "each party sits at one table or nowhere");
    assert!(seated > 240, "only {seated} of 320 chairs were taken");
    assert_no_deadlocks(&bed, &sql).await
}

/// Evenings in which the control may go well.
const EVENINGS_MAX: usize = 3;

/// The control: without the locks and without the walls the same rush must seat two on one chair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_locks_and_keys_200_clients_share_chairs() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sql = bed.sql().await?;
    sql.run("alter table booking.claim drop constraint claim_pkey").await?;
    sql.run("alter table gala.guest drop constraint guest_chair_key").await?;
    for _ in 0..EVENINGS_MAX {
        let hall = Hall::of(&bed, (TABLES, CHAIRS), 500).await?;
        rush(&bed, &hall).await?;
        if check_chairs(&sql).await.is_err() {
            return Ok(());
        }
    }
    bail!(
        "no chair was given out twice, so the other test proves nothing. Was the worker built \
         with `--features controls`?"
    )
}

/// The answer that is no wish to come again: twenty at once for one ticket are counted before they
/// are looked at.
async fn looked_at(open: Ask) -> Result<Answered> {
    for _ in 0..LOOKS_MAX {
        let opened = open.clone().settled().await?;
        if opened.status != 429 {
            return Ok(opened);
        }
        sleep(LOOK_AGAIN).await;
    }
    bail!("it is always too many")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_guest_with_20_sessions_sits_once() -> Result<()> {
    const SESSIONS: usize = 20;
    let bed = Bed::start(WORKERS).await?;
    let hall = Hall::of(&bed, (SESSIONS, 2), 1).await?;
    let start = Arc::new(Barrier::new(SESSIONS));
    let mut running = JoinSet::new();
    for n in 0..SESSIONS {
        let (hall, start, client) =
            (hall.clone(), Arc::clone(&start), bed.anyone().at(n % WORKERS));
        running.spawn(async move {
            start.wait().await;
            let address = format!("203.0.113.{n}");
            let tickets = crate::gala_hall::pairs([1]);
            let open = hall.open(&client, tickets).header("X-Forwarded-For", &address);
            let opened = looked_at(open).await?;
            let Some(token) = opened.json["token"].as_str() else { return anyhow::Ok(opened) };
            hall.choose(&client, token, &format!("T{}", n + 1)).settled().await
        });
    }
    let answers: Vec<Answered> = running.join_all().await.into_iter().collect::<Result<_>>()?;
    assert!(answers.iter().any(|answer| answer.status == 201), "somebody sits");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert!([403, 409].contains(&answer.status), "{}", answer.text);
    }
    let sql = bed.sql().await?;
    assert_eq!(count(&sql, "select count(*) from booking.claim").await?, 1);
    check_chairs(&sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_and_rounds_that_cross_never_deadlock() -> Result<()> {
    const GUESTS: usize = 12;
    const ROUNDS: usize = 5;
    let bed = Bed::start(WORKERS).await?;
    let hall = Hall::of(&bed, (GUESTS, 1), GUESTS).await?;
    let ids: Vec<String> = {
        let guests = hall.guests("").await?;
        guests.iter().map(|guest| crate::sale::text(guest, "/id")).collect::<Result<_>>()?
    };
    for (n, id) in ids.iter().enumerate() {
        let body = json!({"moves": [{"guest": id, "table": format!("T{}", n + 1)}]});
        hall.owner().post(hall.path("/moves"), body).await?.expect(200)?;
    }
    let clerk = hall.sale.house.member("box_office").await?;
    let mut running = JoinSet::new();
    for n in 0..GUESTS * ROUNDS {
        let (hall, client) = (hall.clone(), clerk.client().at(n % WORKERS));
        // Three neighbours to one another's first places, in either direction.
        let mut three: Vec<usize> = (0..3).map(|step| (n * 5 + step) % GUESTS).collect();
        if n % 2 == 1 {
            three.reverse();
        }
        let moves: Vec<_> = (0..3)
            .map(|at| {
                let to = three[(at + 1) % 3] + 1;
                json!({"guest": ids[three[at]], "table": format!("T{to}")})
            })
            .collect();
        running.spawn(async move {
            client.post(hall.path("/moves"), json!({"moves": moves})).settled().await
        });
    }
    let mut moved = 0;
    for answer in running.join_all().await {
        let answer = answer?;
        match answer.status {
            200 => moved += 1,
            // Somebody else sits there by now.
            _ => answer.refused(409, "gala.tables_too_small")?,
        }
    }
    assert!(moved > 0, "nobody moved at all");
    let sql = bed.sql().await?;
    assert_eq!(
        count(&sql, "select count(*) from booking.claim").await?,
        i64::try_from(GUESTS)?,
        "whoever sat still sits"
    );
    check_chairs(&sql).await?;
    assert_no_deadlocks(&bed, &sql).await
}

/// A session tells the statistics what it has seen when it ends.
async fn assert_no_deadlocks(bed: &Bed, sql: &Sql) -> Result<()> {
    bed.workers().iter().try_for_each(testkit::Worker::kill)?;
    let sessions = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
          and backend_type = 'client backend'";
    wait_until("the workers' sessions have ended", PATIENCE, async || {
        Ok((count(sql, sessions).await? == 0).then_some(()))
    })
    .await?;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(count(sql, deadlocks).await?, 0);
    Ok(())
}
