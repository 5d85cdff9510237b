//! Who pays at the moment when their time ends, while others want the seats: whoever has paid has
//! seats, and nobody else has them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use testkit::{Answered, Bed, Client, PATIENCE, Sql, wait_until};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::booking_pay::{Made, PRICE, audited, balance, book, paid, voucher};
use crate::booking_pay_late::{close_late, end_in};
use crate::sale::{Sale, blocks};

const WORKERS: usize = 3;
const TABLES: usize = 8;
const RIVALS: usize = 40;
const ROUNDS: usize = 5;
/// How long before their end all begin: some of them have paid by then. Twice as long after an
/// evening in which nobody was in time.
const END_MS: u32 = 400;
const END_MS_MAX: u32 = 6_400;
/// How long before their end rivals begin to ask.
const EARLY_MS: u32 = 40;
/// One payer in so many does not wait for the end.
const IN_TIME: usize = 4;

/// A show in which all seats wait for their payment, and who pays for them with what.
struct Evening {
    sale: Sale,
    payers: Vec<(Made, String)>,
}

async fn evening(bed: &Bed) -> Result<Evening> {
    let sale = Sale::of(bed.house().await?, blocks(TABLES, 2)).await?;
    paid(&sale).await?;
    let clerk = sale.house.member("box_office").await?;
    let mut payers = Vec::new();
    for table in 1..=TABLES {
        let seats = [format!("T{table}-1"), format!("T{table}-2")];
        let made = book(&sale, &clerk, &[&seats[0], &seats[1]]).await?;
        payers.push((made, voucher(&sale.house, 2 * PRICE).await?));
    }
    Ok(Evening { sale, payers })
}

/// Eight pay and forty want their seats, all at the moment when their time ends. What the payers
/// were answered, in the order of the tables.
async fn rush(bed: &Bed, sql: &Sql, evening: &Evening, end_ms: u32) -> Result<Vec<Answered>> {
    let (sale, start) = (&evening.sale, Arc::new(Barrier::new(TABLES + RIVALS)));
    let (mut rivals, mut payers) = (JoinSet::new(), JoinSet::new());
    let clerk = sale.house.member("box_office").await?;
    end_in(sql, end_ms).await?;
    for n in 0..RIVALS {
        let (sale, start) = (sale.clone(), Arc::clone(&start));
        let client: Client = clerk.client().at(n % WORKERS);
        let seats = [format!("T{}-1", n % TABLES + 1), format!("T{}-2", n % TABLES + 1)];
        rivals.spawn(async move {
            start.wait().await;
            sleep(Duration::from_millis(u64::from(end_ms - EARLY_MS))).await;
            // Before the end, at the end, and after it.
            for _ in 0..6 {
                let answer = sale.hold(&client, &[&seats[0], &seats[1]]).settled().await?;
                if answer.status == 201 {
                    return anyhow::Ok(true);
                }
                answer.refused(409, "booking.seats_taken")?;
            }
            Ok(false)
        });
    }
    for (n, (made, code)) in evening.payers.iter().enumerate() {
        let ask = made.redeem(&bed.anyone().at(n % WORKERS), code);
        let start = Arc::clone(&start);
        payers.spawn(async move {
            start.wait().await;
            if n % IN_TIME != 0 {
                sleep(Duration::from_millis(u64::from(end_ms))).await;
            }
            ask.settled().await.map(|answer| (n, answer))
        });
    }
    let mut answers: Vec<(usize, Answered)> =
        payers.join_all().await.into_iter().collect::<Result<_>>()?;
    answers.sort_by_key(|(n, _)| *n);
    for rival in rivals.join_all().await {
        rival?;
    }
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Seats that two live claims name.
async fn twice(sql: &Sql) -> Result<i64> {
    let twice = "select count(*) from (
            select from booking.claim
            where expires_at is null or expires_at > clock_timestamp()
            group by venue_id, show_id, seat having count(*) > 1) t";
    sql.value(twice, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_pay_at_the_end_each_has_seats_or_their_money() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let (sql, mut won, mut lost) = (bed.sql().await?, 0, 0);
    let (mut rounds, mut end_ms) = (0, END_MS);
    while rounds < ROUNDS || won == 0 && end_ms < END_MS_MAX {
        if rounds > 0 && won == 0 {
            end_ms *= 2;
        }
        rounds += 1;
        let evening = evening(&bed).await?;
        let (house, owner) = (&evening.sale.house, evening.sale.house.owner());
        let answers = rush(&bed, &sql, &evening, end_ms).await?;
        for (answer, (made, code)) in answers.iter().zip(&evening.payers) {
            let (seen, left) = (made.seen(owner).await?, balance(house, code).await?);
            if answer.status == 201 {
                won += 1;
                assert_eq!((&seen["status"], left), (&json!("confirmed"), 0));
                let id: uuid::Uuid = made.id.parse()?;
                let own = "select count(*) from booking.claim
                    where booking_id = $1 and expires_at is null";
                assert_eq!(sql.value::<i64>(own, &[&id]).await?, 2, "two seats, for good");
            } else {
                lost += 1;
                answer.refused(409, "payments.bill_over")?;
                assert_eq!(left, 2 * PRICE, "what is not had is not paid");
                assert_ne!(seen["status"], "confirmed");
            }
        }
        assert_eq!(twice(&sql).await?, 0);
        audited(house).await?;
    }
    println!("{won} had seats, {lost} their money");
    assert!(won > 0, "nobody paid in time: the race was none");
    Ok(())
}

/// The control: without row locks and without the wall behind them, the same rush gives seats to
/// whoever pays and to whoever holds them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_locks_and_key_those_who_pay_at_the_end_share_their_seats() -> Result<()> {
    let bed = Bed::with().workers(WORKERS).env("ROWLOCK_CONTROLS", "row_locks").start().await?;
    let sql = bed.sql().await?;
    sql.run("alter table booking.claim drop constraint claim_pkey").await?;
    for _ in 0..4 * ROUNDS {
        let evening = evening(&bed).await?;
        // Whatever was answered: some of it is wrong, that is the point.
        let rushed = rush(&bed, &sql, &evening, END_MS).await;
        if twice(&sql).await? > 0 || rushed.is_err() {
            rushed.context("it failed before a seat was shared").ok();
            if twice(&sql).await? > 0 {
                return Ok(());
            }
        }
    }
    anyhow::bail!("no seat was shared, so the other test proves nothing")
}

/// A die that falls the same way in every run.
struct Die(u64);

impl Die {
    fn below(&mut self, sides: usize) -> Result<usize> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        Ok(usize::try_from(self.0 >> 33)? % sides)
    }
}

/// Pays, pays a part, voids, cancels, moves, lets time end, takes seats away: in any order.
async fn step(
    die: &mut Die,
    bed: &Bed,
    (sale, sql): (&Sale, &Sql),
    (clerk, manager): (&Client, &Client),
    all: &[Made],
) -> Result<()> {
    let made = &all[die.below(all.len())?];
    let seat = |n: usize| format!("T{}-{}", n / 2 + 1, n % 2 + 1);
    // Each may be refused; none may break a promise.
    match die.below(8)? {
        0 | 1 => {
            let code = voucher(&sale.house, 2 * PRICE).await?;
            made.redeem(&bed.anyone().at(die.below(WORKERS)?), &code).settled().await?;
        }
        2 => drop(made.cash(clerk, Some(1_000)).settled().await?),
        3 => {
            let payments =
                sale.house.owner().get(sale.house.path("/payments")).await?.expect(200)?;
            let found = payments["items"].as_array().context("no payments")?;
            if let Some(one) = found.last().and_then(|it| it["id"].as_str()) {
                let path = sale.house.path(&format!("/payments/{one}/void"));
                let why = json!({"reason": "It was a mistake"});
                let asked = sale.house.owner().post(path, why).settled().await?;
                if let Some(id) = asked.json["id"].as_str().filter(|_| asked.status == 201) {
                    let path = sale.house.path(&format!("/refunds/{id}/approve"));
                    manager.post(path, json!({})).settled().await?;
                }
            }
        }
        4 => drop(clerk.post(format!("{}/cancel", made.path), json!({})).settled().await?),
        5 => {
            let (one, other) = (seat(die.below(2 * TABLES)?), seat(die.below(2 * TABLES)?));
            let to = json!({"seats": [one, other]});
            clerk.post(format!("{}/move", made.path), to).settled().await?;
        }
        6 => end_in(sql, 0).await?,
        _ => {
            let one = seat(die.below(2 * TABLES)?);
            sale.hold(clerk, &[&one]).settled().await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_who_has_paid_has_seats_or_a_refund() -> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let sql = bed.sql().await?;
    for seed in [3, 77] {
        let mut die = Die(seed);
        let evening = evening(&bed).await?;
        let (sale, house) = (&evening.sale, &evening.sale.house);
        let (clerk, manager) = (house.member("box_office").await?, house.member("manager").await?);
        let all: Vec<Made> = evening.payers.into_iter().map(|(made, _)| made).collect();
        for n in 0..60 {
            step(&mut die, &bed, (sale, &sql), (&clerk, &manager), &all).await?;
            if n % 10 == 9 {
                audited(house).await?;
            }
        }
        end_in(&sql, 0).await?;
        let pending = "select count(*) from booking.booking where status = 'pending'";
        wait_until("nothing waits", PATIENCE, async || {
            Ok((sql.value::<i64>(pending, &[]).await? == 0).then_some(()))
        })
        .await?;
        close_late(&sql).await?;
        wait_until("all bills are settled or closed", PATIENCE, async || {
            let open = "select count(*) from payments.bill where status = 'open'";
            Ok((sql.value::<i64>(open, &[]).await? == 0).then_some(()))
        })
        .await?;
        // Paid means confirmed; else all of it goes back.
        let wrong = "select count(*) from payments.bill l
            join booking.booking b on b.venue_id = l.venue_id and b.id = l.id
            where (b.status = 'confirmed') <> (l.status = 'settled')
               or b.status <> 'confirmed' and l.refunded <> l.paid";
        assert_eq!(sql.value::<i64>(wrong, &[]).await?, 0);
        assert_eq!(twice(&sql).await?, 0);
        audited(house).await?;
    }
    Ok(())
}
