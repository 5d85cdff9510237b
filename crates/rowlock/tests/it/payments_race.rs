//! Many cashiers on several workers want the same bill, the same voucher, the same receipt number.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{Answered, Bed, Person, Sql, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::till::{Bill, Till, euro};

const WORKERS: usize = 3;
const CASHIERS: usize = 30;

/// All cashiers pay all of the bill in the same moment, at different workers.
async fn rush(bill: &Bill, by: &Person) -> Result<Vec<Answered>> {
    let (start, mut cashiers) = (Arc::new(Barrier::new(CASHIERS)), JoinSet::new());
    for n in 0..CASHIERS {
        let (bill, client, start) = (bill.clone(), by.client().at(n % WORKERS), start.clone());
        cashiers.spawn(async move {
            start.wait().await;
            bill.cash(&client, None, 10_000).settled().await
        });
    }
    cashiers.join_all().await.into_iter().collect()
}

async fn taken(sql: &Sql) -> Result<(i64, i64)> {
    let count = sql.value("select count(*) from payments.payment", &[]).await?;
    let sum = "select coalesce(sum(amount), 0)::bigint from payments.payment";
    Ok((count, sql.value(sum, &[]).await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_30_cashiers_one_is_paid_and_the_others_are_told() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    for round in 1..=5 {
        let bill = till.bill(&sql, &[("Massage", 9_500)]).await?;
        let answers = rush(&bill, &till.cashier).await?;
        let paid = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(paid, 1);
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            lost.refused(409, "payments.bill_over")?;
        }
        assert_eq!(taken(&sql).await?, (round, round * 9_500));
        let told =
            "select count(*) from log.audit where action = 'test_settled' and entity_id = $1";
        assert_eq!(sql.value::<i64>(told, &[&bill.id]).await?, 1, "settled exactly once");
    }
    till.audited().await
}

/// The control: without the row lock the same rush takes the money more than once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_lock_a_bill_is_paid_more_than_once() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    // One rush may be lucky.
    for round in 1..=10 {
        let bill = till.bill(&sql, &[("Massage", 9_500)]).await?;
        rush(&bill, &till.cashier).await?;
        if taken(&sql).await?.0 > round {
            let path = till.house.path("/audit/invariants");
            let found = till.house.owner().get(path).await?.expect(200)?;
            assert_eq!(found["holds"], false, "and the audit sees it: {found:#}");
            return Ok(());
        }
    }
    anyhow::bail!("nothing was overpaid, so the other test proves nothing")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_have_no_gaps_whatever_is_refused_or_killed() -> Result<()> {
    const BILLS: usize = 40;
    /// Bills that are paid before a worker is killed.
    const EARLY: i64 = 5;
    let bed = Bed::start(WORKERS).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let (start, mut cashiers) = (Arc::new(Barrier::new(BILLS * 2)), JoinSet::new());
    for n in 0..BILLS {
        let bill = till.bill(&sql, &[("Massage", 9_500)]).await?;
        // Two want each bill, so half of them are refused at every stage.
        for twin in 0..2 {
            let client = till.cashier.client().at((n + twin) % WORKERS);
            let (bill, start) = (bill.clone(), start.clone());
            cashiers.spawn(async move {
                start.wait().await;
                let pay = bill.cash(&client, Some(9_500), 10_000);
                match pay.clone().settled().await {
                    Ok(answer) => Ok(answer),
                    // Its worker was killed: the same request, with the same key, elsewhere.
                    Err(_) => pay.settled().await,
                }
            });
        }
    }
    // What a killed worker had begun is rolled back with its number.
    wait_until("they are at it", testkit::PATIENCE, async || {
        Ok((taken(&sql).await?.0 >= EARLY).then_some(()))
    })
    .await?;
    bed.worker(0)?.kill()?;
    bed.restart(0).await?;
    let answers = cashiers.join_all().await;
    let paid = answers.iter().flatten().filter(|answer| answer.status == 201).count();
    assert!(paid > 0, "nobody was paid");
    let numbers: Vec<i64> =
        sql.column("select number from payments.receipt order by number", &[]).await?;
    let dense: Vec<i64> = (1..=i64::try_from(numbers.len())?).collect();
    assert_eq!(numbers, dense);
    assert_eq!(taken(&sql).await?.0, i64::try_from(numbers.len())?);
    till.audited().await
}

/// Cashiers redeem one voucher for many bills at once.
async fn redeem(till: &Till, sql: &Sql) -> Result<Vec<Answered>> {
    let issue = json!({"worth": euro(5_000), "reason": "Sold at the counter"});
    let path = till.house.path("/vouchers");
    let voucher = till.house.owner().post(path, issue).await?.expect(201)?;
    let (start, mut cashiers) = (Arc::new(Barrier::new(CASHIERS)), JoinSet::new());
    for n in 0..CASHIERS {
        let bill = till.bill(sql, &[("Massage", 1_000)]).await?;
        let (client, start) = (till.cashier.client().at(n % WORKERS), start.clone());
        let body = json!({"method": "voucher", "voucher": voucher["code"],
            "amount": euro(1_000)});
        cashiers.spawn(async move {
            start.wait().await;
            client.post(bill.path("/payments"), body).settled().await
        });
    }
    cashiers.join_all().await.into_iter().collect()
}

fn redeemed(answers: &[Answered]) -> usize {
    answers.iter().filter(|answer| answer.status == 201).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voucher_of_fifty_pays_five_of_thirty_bills_of_ten() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let answers = redeem(&till, &sql).await?;
    assert_eq!(redeemed(&answers), 5);
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        lost.refused(409, "payments.voucher_spent")?;
    }
    let balance: i64 = sql.value("select balance from payments.voucher", &[]).await?;
    assert_eq!(balance, 0);
    till.audited().await
}

/// The control, and the wall behind it: without the lock PostgreSQL refuses what the rule would
/// have given; without the wall too, the voucher pays more than it is worth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_lock_and_check_a_voucher_pays_more_than_it_is_worth() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    assert_eq!(redeemed(&redeem(&till, &sql).await?), 5, "the check alone holds");
    sql.run("alter table payments.voucher drop constraint voucher_never_below_zero").await?;
    for _ in 0..10 {
        if redeemed(&redeem(&till, &sql).await?) > 5 {
            return Ok(());
        }
    }
    anyhow::bail!("nothing was redeemed twice, so the other test proves nothing")
}

/// Everybody asks for money back at once: no cent more than was paid goes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_refunds_of_ten_give_back_the_fifty_that_were_paid() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let (till, sql) = (Till::open(&bed).await?, bed.sql().await?);
    let bill = till.bill(&sql, &[("Massage", 5_000)]).await?;
    let paid = bill.cash(&till.cashier, None, 5_000).await?.expect(201)?;
    let id = paid["payment"]["id"].as_str().context("no payment")?;
    let path = till.house.path(&format!("/payments/{id}/refund"));
    let (start, mut cashiers) = (Arc::new(Barrier::new(CASHIERS)), JoinSet::new());
    for n in 0..CASHIERS {
        let (client, start) = (till.cashier.client().at(n % WORKERS), start.clone());
        let ask = client.post(&path, json!({"amount": euro(1_000), "reason": "Cold water"}));
        cashiers.spawn(async move {
            start.wait().await;
            ask.settled().await
        });
    }
    let answers: Vec<Answered> = cashiers.join_all().await.into_iter().collect::<Result<_>>()?;
    assert_eq!(redeemed(&answers), 5);
    let back = "select sum(amount)::bigint from payments.refund";
    assert_eq!(sql.value::<i64>(back, &[]).await?, 5_000);
    wait_until("the audit is content", testkit::PATIENCE, async || till.audited().await.map(Some))
        .await
}
