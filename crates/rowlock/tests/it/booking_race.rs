//! Many clients on several workers want the same seats.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use testkit::{Answered, Bed, Person, Socket, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::sale::{Sale, SeatMap, blocks, labels, live_claims};

const CLIENTS: usize = 500;
const WORKERS: usize = 3;
const SOCKETS_PER_WORKER: usize = 3;
const SALE_MAX: Duration = Duration::from_mins(1);

/// 500 clients begin at the same moment; two want each seat, at different workers.
async fn rush(sale: &Sale, clerks: &[Person]) -> Result<Vec<(String, Answered)>> {
    let start = Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for (n, label) in
        labels(25, 10).into_iter().flat_map(|label| [label.clone(), label]).enumerate()
    {
        let clerk = clerks.get(n % clerks.len()).context("no clerk")?.client().at(n % WORKERS);
        let (sale, start) = (sale.clone(), Arc::clone(&start));
        clients.spawn(async move {
            start.wait().await;
            let answer = sale.hold(&clerk, &[&label]).settled().await;
            answer.map(|answer| (label, answer))
        });
    }
    clients.join_all().await.into_iter().collect()
}

fn won(answers: &[(String, Answered)]) -> usize {
    answers.iter().filter(|(_, answer)| answer.status == 201).count()
}

async fn clerks(sale: &Sale) -> Result<Vec<Person>> {
    Ok(vec![sale.house.member("box_office").await?, sale.house.member("box_office").await?])
}

/// Watchers at every worker, each keeping its map until the log is where `target` says.
async fn watch(
    bed: &Bed,
    sale: &Sale,
    before: &SeatMap,
    target: &Arc<AtomicI64>,
) -> Result<JoinSet<Result<(SeatMap, Socket)>>> {
    let mut watchers = JoinSet::new();
    for worker in bed.workers() {
        for _ in 0..SOCKETS_PER_WORKER {
            let mut socket = Socket::open(&worker.address(), sale.house.owner().token()).await?;
            socket.listen(sale.house.venue(), &["seats"], Some(&before.pos)).await?;
            let (mut map, target) = (before.clone(), Arc::clone(target));
            watchers.spawn(async move {
                let done = |socket: &Socket| socket.seq() >= target.load(Ordering::Relaxed);
                socket.hear_until("the sale is over", SALE_MAX, done).await?;
                socket.events().iter().try_for_each(|event| map.apply(event))?;
                Ok((map, socket))
            });
        }
    }
    Ok(watchers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_500_clients_250_get_the_250_seats_of_a_gala() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::gala(&bed).await?;
    let (clerks, sql) = (clerks(&sale).await?, bed.sql().await?);
    let before = sale.map(&bed.anyone()).await?;
    let target = Arc::new(AtomicI64::new(i64::MAX));
    let watchers = watch(&bed, &sale, &before, &target).await?;

    let answers = rush(&sale, &clerks).await?;

    let mut winners = HashMap::<&str, usize>::new();
    for (label, answer) in &answers {
        if answer.status == 201 {
            *winners.entry(label).or_default() += 1;
        } else {
            answer.refused(409, "booking.seats_taken")?;
            let state = json!({"seats": [{"id": label, "status": "held"}]});
            assert_eq!(answer.json["current"], state, "the loser sees the seat as it is");
        }
    }
    assert_eq!((won(&answers), winners.len()), (250, 250), "each seat has exactly one winner");
    assert_eq!(live_claims(&sql).await?, 250);
    let after = sale.map(&bed.anyone()).await?;
    assert!(after.seats.values().all(|status| status == "held"));
    target.store(after.seq()?, Ordering::Relaxed);
    for watcher in watchers.join_all().await {
        let (map, socket) = watcher?;
        assert_eq!(map.seats, after.seats, "every socket ends with the same map");
        assert!(socket.resyncs().is_empty());
        socket.check_against(&sql).await?;
    }
    Ok(())
}

/// Galas in which the control may go well.
const GALAS_MAX: usize = 4;

/// The control: without the lock and without the unique index the same rush must sell seats twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_500_clients_get_more_than_250_seats() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sql = bed.sql().await?;
    sql.run("alter table booking.claim drop constraint claim_pkey").await?;
    for _ in 0..GALAS_MAX {
        let sale = Sale::gala(&bed).await?;
        let (clerks, before) = (clerks(&sale).await?, live_claims(&sql).await?);
        let answers = rush(&sale, &clerks).await?;
        if won(&answers) > 250 {
            assert!(live_claims(&sql).await? - before > 250);
            return Ok(());
        }
    }
    bail!(
        "nothing was oversold, so the other test proves nothing. Was the worker built with \
         `--features controls`?"
    )
}

/// The wall behind the lock: with it forgotten, PostgreSQL itself still refuses the second owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_the_index_alone_lets_250_of_500_clients_win() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sale = Sale::gala(&bed).await?;
    let (clerks, sql) = (clerks(&sale).await?, bed.sql().await?);

    let answers = rush(&sale, &clerks).await?;

    assert_eq!((won(&answers), live_claims(&sql).await?), (250, 250));
    let lost = |(_, answer): &&(String, Answered)| answer.status != 201;
    for (_, answer) in answers.iter().filter(lost) {
        answer.refused(409, "booking.seats_taken")?;
    }
    Ok(())
}

/// A die that falls the same way in every run.
struct Die(u64);

impl Die {
    fn below(&mut self, sides: usize) -> Result<usize> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        Ok(usize::try_from(self.0 >> 33)? % sides)
    }

    /// 2 to 8 seats, none twice.
    fn seats(&mut self, labels: &[String]) -> Result<Vec<String>> {
        let (mut left, mut seats) = (labels.to_vec(), Vec::new());
        for _ in 0..2 + self.below(7)? {
            seats.push(left.swap_remove(self.below(left.len())?));
        }
        Ok(seats)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_of_200_clients_that_cross_never_deadlock() -> Result<()> {
    const HOLDERS: usize = 200;
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::of(bed.house().await?, blocks(12, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let (labels, start) = (labels(12, 10), Arc::new(Barrier::new(HOLDERS)));
    let (mut die, mut holders) = (Die(4), JoinSet::new());
    for n in 0..HOLDERS {
        let (sale, clerk, start) = (sale.clone(), clerk.client().at(n % WORKERS), start.clone());
        let seats = die.seats(&labels)?;
        holders.spawn(async move {
            start.wait().await;
            let seats: Vec<&str> = seats.iter().map(String::as_str).collect();
            let begun = Instant::now();
            let answer = sale.hold(&clerk, &seats).settled().await?;
            // With its repeats: whoever is put off waits all the same.
            anyhow::Ok((answer, seats.len(), begun.elapsed()))
        });
    }
    let (mut held, mut longest) = (0, Duration::ZERO);
    for outcome in holders.join_all().await {
        let (answer, seats, waited) = outcome?;
        longest = longest.max(waited);
        if answer.status == 201 {
            held += seats;
        } else {
            answer.refused(409, "booking.seats_taken")?;
        }
    }
    assert!(held > 60, "only {held} of 120 seats were held");
    assert_eq!(live_claims(&sql).await?, i64::try_from(held)?);
    // A session tells the statistics what it has seen when it ends.
    bed.workers().iter().try_for_each(testkit::Worker::kill)?;
    let sessions = "select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    wait_until("the workers' sessions have ended", testkit::PATIENCE, async || {
        Ok((sql.value::<i64>(sessions, &[]).await? == 0).then_some(()))
    })
    .await?;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sql.value::<i64>(deadlocks, &[]).await?, 0, "of 200 holds so many deadlocked");
    assert!(longest < Duration::from_secs(5), "somebody waited {longest:?}");
    Ok(())
}
