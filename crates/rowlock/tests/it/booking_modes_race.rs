//! Every way to ask for seats, by many at once, each with the test that shows what the locks are
//! for: any seat of a block, a whole table, a share behind a code, seats withheld until a time.

use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::{Answered, Bed, Person, Sql};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks, live_claims};

const WORKERS: usize = 3;
/// Rounds of a race between two; a control needs one in which they met.
const ROUNDS: usize = 30;

/// Workers without row locks over a database without the wall behind them.
async fn unlocked() -> Result<Bed> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    bed.sql().await?.run("alter table booking.claim drop constraint claim_pkey").await?;
    Ok(bed)
}

/// So many ask for a hold with the same words at the same moment.
async fn ask(sale: &Sale, clerk: &Person, buyers: usize, wish: &Value) -> Result<Vec<Answered>> {
    let start = Arc::new(Barrier::new(buyers));
    let mut running = JoinSet::new();
    for n in 0..buyers {
        let (sale, clerk, start) = (sale.clone(), clerk.client().at(n % WORKERS), start.clone());
        let wish = wish.clone();
        running.spawn(async move {
            start.wait().await;
            clerk.post(sale.path("/holds"), wish).settled().await
        });
    }
    running.join_all().await.into_iter().collect()
}

/// Evenings in which a control may go well.
const EVENINGS_MAX: usize = 10;

fn won(answers: &[Answered]) -> usize {
    answers.iter().filter(|answer| answer.status == 201).count()
}

/// 60 want any seat of a table of ten.
async fn any_of_a_table(bed: &Bed) -> Result<Vec<Answered>> {
    let sale = Sale::of(bed.house().await?, blocks(2, 10)).await?;
    let clerk = sale.house.member("box_office").await?;
    ask(&sale, &clerk, 60, &json!({"any": {"block": "T1", "quantity": 1}})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_60_who_want_any_seat_of_a_table_of_ten_10_get_one() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let answers = any_of_a_table(&bed).await?;
    assert_eq!((won(&answers), live_claims(&bed.sql().await?).await?), (10, 10));
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        lost.refused(409, "booking.not_enough_seats")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_a_table_of_ten_has_more_seats() -> Result<()> {
    let bed = unlocked().await?;
    for _ in 0..EVENINGS_MAX {
        if won(&any_of_a_table(&bed).await?) > 10 {
            return Ok(());
        }
    }
    anyhow::bail!("the other test proves nothing")
}

/// 40 want the same two tables, which are sold as one each.
async fn whole_tables(bed: &Bed) -> Result<Vec<Answered>> {
    let table = |n: usize| {
        json!({"name": format!("T{n}"), "kind": "table", "mode": "whole", "category": "gala",
            "seats": 8})
    };
    let sale = Sale::of(bed.house().await?, (1..=3).map(table).collect()).await?;
    let clerk = sale.house.member("box_office").await?;
    ask(&sale, &clerk, 40, &json!({"whole": ["T1", "T2"]})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_40_who_want_the_same_whole_tables_1_gets_them() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let answers = whole_tables(&bed).await?;
    assert_eq!((won(&answers), live_claims(&bed.sql().await?).await?), (1, 16));
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        lost.refused(409, "booking.seats_taken")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_index_whole_tables_are_given_twice() -> Result<()> {
    let bed = unlocked().await?;
    for _ in 0..EVENINGS_MAX {
        if won(&whole_tables(&bed).await?) > 1 {
            return Ok(());
        }
    }
    anyhow::bail!("the other test proves nothing")
}

/// A share is made of ten seats while ten buyers who have no code hold them. Gives how many holds
/// were made when the share was there already.
async fn shares(bed: &Bed) -> Result<i64> {
    let (house, sql) = (bed.house().await?, bed.sql().await?);
    let clerk = house.member("box_office").await?;
    let late = "select count(*) from log.venue_event
        where entity_id = $1 and action = 'held' and seq > (
            select max(seq) from log.venue_event
            where entity_id = $1 and type = 'seat_map_replaced')";
    let mut broken = 0;
    for _ in 0..ROUNDS {
        let sale = Sale::of(house.clone(), blocks(1, 10)).await?;
        let seats: Vec<String> = (1..=10).map(|n| format!("T1-{n}")).collect();
        let share = json!({"seats": seats, "code": "GOLDEN-1"});
        let start = Arc::new(Barrier::new(11));
        let mut running = JoinSet::new();
        for (n, seat) in seats.into_iter().enumerate() {
            let (sale, start) = (sale.clone(), Arc::clone(&start));
            let clerk = clerk.client().at(n % WORKERS);
            running.spawn(async move {
                start.wait().await;
                sale.hold(&clerk, &[&seat]).settled().await
            });
        }
        start.wait().await;
        let made = house.owner().put(sale.path("/allocations/gold"), share).settled().await?;
        made.expect(200)?;
        for held in running.join_all().await {
            let held = held?;
            if held.status != 201 {
                held.refused(409, "booking.reserved")?;
            }
        }
        let show: uuid::Uuid = sale.show.parse()?;
        broken += sql.value::<i64>(late, &[&show]).await?;
    }
    Ok(broken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_of_a_share_is_not_held_without_its_code() -> Result<()> {
    assert_eq!(shares(&Bed::start(WORKERS).await?).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_locks_seats_of_a_share_are_held_without_its_code() -> Result<()> {
    assert!(shares(&unlocked().await?).await? > 0, "the other test proves nothing");
    Ok(())
}

/// Seats of somebody that the house keeps at the same time.
async fn kept_and_claimed(sql: &Sql) -> Result<i64> {
    let both = "select count(*) from booking.seat s join booking.claim c
            using (venue_id, show_id, seat)
        where s.withheld and s.withheld_until > now()";
    sql.value(both, &[]).await
}

/// Seats are withheld until a time while others hold them.
async fn withheld(bed: &Bed) -> Result<i64> {
    let (house, sql) = (bed.house().await?, bed.sql().await?);
    let clerk = house.member("box_office").await?;
    let sale = Sale::of(house, blocks(ROUNDS, 4)).await?;
    for table in 1..=ROUNDS {
        let start = Arc::new(Barrier::new(8));
        let mut running = JoinSet::new();
        for n in 0..8 {
            let (sale, start) = (sale.clone(), Arc::clone(&start));
            let (clerk, seat) = (clerk.client().at(n % WORKERS), format!("T{table}-{}", n / 2 + 1));
            running.spawn(async move {
                start.wait().await;
                if n % 2 == 0 {
                    return sale.hold(&clerk, &[&seat]).settled().await;
                }
                let keep = json!({"seats": [seat], "until": "2098-01-01T00:00:00.000000Z"});
                clerk.post(sale.path("/withhold"), keep).settled().await
            });
        }
        for answer in running.join_all().await {
            let answer = answer?;
            if ![200, 201].contains(&answer.status) {
                answer.refused(409, "booking.seats_taken")?;
            }
        }
    }
    kept_and_claimed(&sql).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_withheld_or_held_and_never_both() -> Result<()> {
    assert_eq!(withheld(&Bed::start(WORKERS).await?).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_locks_seats_are_withheld_and_held() -> Result<()> {
    assert!(withheld(&unlocked().await?).await? > 0, "the other test proves nothing");
    Ok(())
}
