//! Many buyers want the best seats at the same moment, at several workers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use testkit::{Answered, Bed, Person};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::booking_best::{best, rows, seats};
use crate::sale::{Sale, live_claims};

const WORKERS: usize = 3;

/// `buyers` begin at the same moment; each asks for the best `quantity` so many times.
async fn rush(
    sale: &Sale,
    clerk: &Person,
    buyers: usize,
    asks: &'static [usize],
) -> Result<Vec<Answered>> {
    let start = Arc::new(Barrier::new(buyers));
    let mut running = JoinSet::new();
    for n in 0..buyers {
        let (sale, clerk, start) = (sale.clone(), clerk.client().at(n % WORKERS), start.clone());
        running.spawn(async move {
            start.wait().await;
            let mut answers = Vec::new();
            for quantity in asks {
                answers.push(best(&sale, &clerk, *quantity).settled().await?);
            }
            anyhow::Ok(answers)
        });
    }
    let all: Result<Vec<_>> = running.join_all().await.into_iter().collect();
    Ok(all?.into_iter().flatten().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_160_buyers_of_8000_seats_nobody_is_refused_while_seats_are_there() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::of(bed.house().await?, rows(200, 40)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let begun = Instant::now();
    let answers = rush(&sale, &clerk, 160, &[10; 5]).await?;
    let took = begun.elapsed();
    let (mut given, mut adjacent) = (HashSet::new(), 0);
    for answer in answers {
        let hold = answer.expect(201)?;
        adjacent += usize::from(hold["best"]["adjacent"] == true);
        assert_eq!(seats(&hold).len(), 10);
        for seat in seats(&hold) {
            assert!(given.insert(seat.clone()), "{seat} was given twice");
        }
    }
    println!("800 holds of 10 in {took:?}, {adjacent} of them adjacent");
    assert_eq!((given.len(), live_claims(&sql).await?), (8000, 8000));
    assert!(adjacent > 500, "only {adjacent} of 800 parties sit together");
    best(&sale, &clerk, 1).await?.refused(409, "booking.not_enough_seats")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_100_buyers_of_the_last_30_seats_30_get_one() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sale = Sale::of(bed.house().await?, rows(3, 10)).await?;
    let (clerk, sql) = (sale.house.member("box_office").await?, bed.sql().await?);
    let answers = rush(&sale, &clerk, 100, &[1]).await?;
    let won = answers.iter().filter(|answer| answer.status == 201).count();
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "booking.not_enough_seats")?;
    }
    assert_eq!((won, live_claims(&sql).await?), (30, 30));
    Ok(())
}

/// Evenings in which a control may go well.
const EVENINGS_MAX: usize = 5;

/// The control: without the lock and without the unique index seats are given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_the_best_seats_are_given_twice() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    bed.sql().await?.run("alter table booking.claim drop constraint claim_pkey").await?;
    for _ in 0..EVENINGS_MAX {
        let sale = Sale::of(bed.house().await?, rows(10, 40)).await?;
        let clerk = sale.house.member("box_office").await?;
        let answers = rush(&sale, &clerk, 80, &[5]).await?;
        let mut given = HashSet::new();
        if !answers.iter().flat_map(|answer| seats(&answer.json)).all(|seat| given.insert(seat)) {
            return Ok(());
        }
    }
    bail!(
        "no seat was given twice, so the other test proves nothing. Was the worker built with \
         `--features controls`?"
    )
}
