//! Many therapists, cashiers and customers on several workers, with phones and workers that die.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, Person};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::sale::text;
use crate::spa_house::{Placed, Spa, euro};

const WORKERS: usize = 3;
const THERAPISTS: usize = 50;
const CASHIERS: usize = 20;
const CUSTOMERS: usize = 25;
/// Fewer than therapists: they are what runs out.
const ROOMS: usize = 30;
/// Orders of the day; `ROWLOCK_SPA_ORDERS=2000` makes it a long one, of some three minutes.
const ORDERS: usize = 600;
const PRICES: [i64; 4] = [1001, 2503, 4999, 12_345];
/// A phone of so many dies with a customer in its hand.
const DEATHS_IN: usize = 60;
/// What the lease of this day takes to end and to be swept, as a rule.
const DEAD_FOR: Duration = Duration::from_millis(4500);
const DAY_MAX: Duration = Duration::from_mins(5);
const ASK_AGAIN: Duration = Duration::from_millis(300);

fn orders() -> usize {
    std::env::var("ROWLOCK_SPA_ORDERS").ok().and_then(|n| n.parse().ok()).unwrap_or(ORDERS)
}

/// Sends it under its key until somebody decides: workers come and go.
async fn persist(ask: Ask) -> Result<Answered> {
    let deadline = Instant::now() + DAY_MAX;
    loop {
        if let Ok(answer) = ask.clone().await
            && ![408, 503].contains(&answer.status)
            && answer.code() != "in_progress"
        {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "nobody decides");
        sleep(ASK_AGAIN).await;
    }
}

/// What the day knows of itself.
#[derive(Default)]
struct Day {
    over: AtomicBool,
    asked: AtomicUsize,
    claims: AtomicUsize,
    deaths: AtomicUsize,
    /// What customers ordered and therapists added, in cents.
    sold: AtomicI64,
    taken: AtomicI64,
    change: AtomicI64,
}

impl Day {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// One of so many, the same ones in every run.
    fn dies(&self) -> bool {
        let dies = self.asked.fetch_add(1, Ordering::Relaxed) % DEATHS_IN == DEATHS_IN - 1;
        self.deaths.fetch_add(usize::from(dies), Ordering::Relaxed);
        dies
    }
}

async fn customer(bed: Client, spa: Spa, day: Arc<Day>, carts: Vec<(Value, i64)>) -> Result<()> {
    for (cart, price) in carts {
        let placed = persist(bed.post(spa.path("/orders"), cart)).await?.expect(201)?;
        Placed::of(&placed)?;
        day.sold.fetch_add(price, Ordering::Relaxed);
    }
    Ok(())
}

async fn therapist(who: Person, spa: Spa, day: Arc<Day>, extra: (String, i64)) -> Result<()> {
    while !day.is_over() {
        let next = persist(spa.next(&who)).await?;
        if next.code() == "spa.busy" {
            // Its lease was over while the phone was dead, and nobody has swept yet.
            sleep(ASK_AGAIN).await;
            continue;
        }
        let next = next.expect(200)?;
        if next["outcome"] != "claimed" {
            sleep(ASK_AGAIN).await;
            continue;
        }
        let order = text(&next, "/order/id")?;
        let claims = day.claims.fetch_add(1, Ordering::Relaxed);
        if day.dies() {
            sleep(DEAD_FOR).await;
            continue;
        }
        let started = persist(spa.step(&who, &order, "start")).await?;
        if [403, 409].contains(&started.status) {
            // Too slow: the lease was over, and it is somebody else's or nobody's.
            continue;
        }
        started.expect(200)?;
        if claims.is_multiple_of(7) {
            let path = spa.path(&format!("/orders/{order}/items"));
            persist(who.post(path, json!({"variant": extra.0}))).await?.expect(200)?;
            day.sold.fetch_add(extra.1, Ordering::Relaxed);
        }
        persist(spa.step(&who, &order, "finish")).await?.expect(200)?;
    }
    Ok(())
}

async fn cashier(who: Person, spa: Spa, day: Arc<Day>) -> Result<()> {
    while !day.is_over() {
        let ask = who.post(spa.path("/queue/cashier/next"), json!({}));
        let next = persist(ask).await?;
        if next.code() == "spa.busy" {
            sleep(ASK_AGAIN).await;
            continue;
        }
        let next = next.expect(200)?;
        let Some(order) = next.get("order") else {
            sleep(ASK_AGAIN).await;
            continue;
        };
        if day.dies() {
            sleep(DEAD_FOR).await;
            continue;
        }
        let total = order["total"]["amount"].as_i64().context("no total")?;
        let tendered = (total / 1000 + 1) * 1000;
        let paid = persist(spa.pay(&who, &text(order, "/id")?, tendered)).await?;
        if paid.status == 409 || paid.status == 403 {
            continue;
        }
        let paid = paid.expect(201)?;
        ensure!(paid["payment"]["change"] == euro(tendered - total), "wrong change: {paid}");
        day.taken.fetch_add(total, Ordering::Relaxed);
        day.change.fetch_add(tendered - total, Ordering::Relaxed);
    }
    Ok(())
}

/// Waits until all are paid; kills two workers meanwhile, and starts them again.
async fn watch(bed: &Bed, day: &Day, all: i64) -> Result<()> {
    let (sql, begun, mut kills) = (bed.sql().await?, Instant::now(), vec![1, 2]);
    loop {
        let paid: i64 =
            sql.value("select count(*) from spa.order where status = 'paid'", &[]).await?;
        if paid == all {
            day.over.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let third = i64::try_from(kills.len())? * all / 3;
        if !kills.is_empty() && all - paid <= third {
            let worker = kills.remove(0);
            bed.worker(worker)?.kill()?;
            sleep(Duration::from_millis(500)).await;
            bed.restart(worker).await?;
        }
        if begun.elapsed() > DAY_MAX {
            day.over.store(true, Ordering::Relaxed);
            bail!("{paid} of {all} were paid");
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn variants(spa: &Spa) -> Result<Vec<(String, i64)>> {
    let mut made = Vec::new();
    for price in PRICES {
        let body = json!({"service": spa.service, "name": price.to_string(),
            "price": euro(price), "minutes": 30});
        let path = spa.path("/catalogue/variants");
        let made_now = spa.house.owner().post(path, body).await?.expect(201)?;
        made.push((text(&made_now, "/id")?, price));
    }
    Ok(made)
}

async fn people(spa: &Spa, count: usize, role: &'static str) -> Result<Vec<Person>> {
    let (mut coming, mut people) = (JoinSet::new(), Vec::new());
    for n in 0..count {
        // Passwords are hashed one at a time, and the queue is short.
        if coming.len() == WORKERS {
            people.push(coming.join_next().await.context("nobody comes")???);
        }
        let spa = spa.clone();
        coming.spawn(async move {
            match role {
                "therapist" => spa.therapist(&format!("T{n}")).await,
                _ => spa.house.member(role).await,
            }
        });
    }
    while let Some(person) = coming.join_next().await {
        people.push(person??);
    }
    Ok(people)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_day_of_orders_none_is_lost_or_served_twice_though_phones_and_workers_die()
-> Result<()> {
    let bed = Bed::start(WORKERS).await?;
    let spa = Spa::of(&bed, ROOMS).await?;
    let short = json!({"claimLeaseSecs": 3, "paymentLeaseSecs": 3, "lineMax": 10_000});
    spa.set(short).await?;
    let variants = variants(&spa).await?;
    let (day, count) = (Arc::new(Day::default()), orders());
    let therapists = people(&spa, THERAPISTS, "therapist").await?;
    let cashiers = people(&spa, CASHIERS, "cashier").await?;
    let begun = Instant::now();

    let mut all = JoinSet::new();
    for n in 0..CUSTOMERS {
        let carts = (n..count).step_by(CUSTOMERS).map(|n| {
            let (id, price) = &variants[n % variants.len()];
            (json!({"items": [{"variant": id, "price": euro(*price)}]}), *price)
        });
        all.spawn(customer(bed.anyone(), spa.clone(), day.clone(), carts.collect()));
    }
    for who in therapists {
        all.spawn(therapist(who, spa.clone(), day.clone(), variants[0].clone()));
    }
    for who in cashiers {
        all.spawn(cashier(who, spa.clone(), day.clone()));
    }
    watch(&bed, &day, i64::try_from(count)?).await?;
    while let Some(done) = all.join_next().await {
        done??;
    }
    println!(
        "{count} orders took {:.1} s, {} phones died",
        begun.elapsed().as_secs_f64(),
        day.deaths.load(Ordering::Relaxed)
    );
    check_the_day(&bed, &spa, &day, count).await
}

/// Each claimed once, none lost, rooms never shared, money equal to the cent.
async fn check_the_day(bed: &Bed, spa: &Spa, day: &Day, count: usize) -> Result<()> {
    spa.check_invariants().await?;
    let sql = bed.sql().await?;
    let number = async |query: &str| sql.value::<i64>(query, &[]).await;
    let count = i64::try_from(count)?;
    assert_eq!(number("select count(*) from spa.order where status = 'paid'").await?, count);
    // A claim more than there are orders is one that was given back before.
    let back =
        "select count(*) from log.venue_event where type = 'order_handed_back' and topic = 8";
    let claims = "select count(*) from log.venue_event where type = 'order_claimed' and topic = 8";
    let (back, claims) = (number(back).await?, number(claims).await?);
    assert_eq!(claims, count + back, "each order was claimed once, and once more if given back");
    assert_eq!(claims, number("select count(*) from spa.stay").await?);
    assert_eq!(claims, i64::try_from(day.claims.load(Ordering::Relaxed))?, "and heard of once");
    assert!(back > 0 && day.deaths.load(Ordering::Relaxed) > 0, "no phone died");
    let sold = number("select sum(total)::bigint from spa.order").await?;
    assert_eq!(sold, day.sold.load(Ordering::Relaxed), "what was ordered is on the bills");
    assert_eq!(sold, day.taken.load(Ordering::Relaxed), "and was paid, to the cent");
    let in_the_books = "select sum(paid)::bigint from payments.bill where kind = 'order'";
    assert_eq!(sold, number(in_the_books).await?);
    let codes = "select count(distinct (day, code)) from spa.order";
    assert_eq!(number(codes).await?, count);
    Ok(())
}

/// So many therapists ask for one of so many customers at the same moment; who got whom.
async fn rush(bed: &Bed, spa: &Spa, orders: usize, therapists: &[Person]) -> Result<Vec<String>> {
    for _ in 0..orders {
        spa.order(bed).await?;
    }
    let start = Arc::new(Barrier::new(therapists.len()));
    let mut all = JoinSet::new();
    for (n, who) in therapists.iter().enumerate() {
        let (who, spa, start) = (who.at(n % WORKERS), spa.clone(), start.clone());
        all.spawn(async move {
            start.wait().await;
            let answer = spa.next(&who).settled().await?;
            anyhow::Ok((answer.json["outcome"] == "claimed").then(|| answer.json.clone()))
        });
    }
    let mut claimed = Vec::new();
    while let Some(done) = all.join_next().await {
        claimed.extend(done??.map(|next| text(&next, "/order/id")).transpose()?);
    }
    Ok(claimed)
}

const CROWD: usize = 24;

async fn crowd(env: Option<&str>) -> Result<(Bed, Spa, Vec<Person>)> {
    let options = Bed::with().workers(WORKERS);
    let options = env.into_iter().fold(options, |it, env| it.env("ROWLOCK_CONTROLS", env));
    let bed = options.start().await?;
    let spa = Spa::of(&bed, CROWD).await?;
    let therapists = people(&spa, CROWD, "therapist").await?;
    Ok((bed, spa, therapists))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_24_therapists_12_get_the_12_customers() -> Result<()> {
    let (bed, spa, therapists) = crowd(None).await?;
    let claimed = rush(&bed, &spa, CROWD / 2, &therapists).await?;
    let distinct: HashSet<_> = claimed.iter().collect();
    assert_eq!(claimed.len(), distinct.len(), "nobody was claimed twice");
    // Who was skipped because others had them locked for a moment is asked for again.
    assert!(claimed.len() <= CROWD / 2 && claimed.len() > CROWD / 4, "{}", claimed.len());
    spa.check_invariants().await
}

/// Spas in which the control may go well.
const SPAS_MAX: usize = 4;

/// The control: without the locks and the walls the same rush must give somebody away twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_locks_and_walls_a_customer_is_claimed_twice() -> Result<()> {
    for _ in 0..SPAS_MAX {
        let (bed, spa, therapists) = crowd(Some("row_locks")).await?;
        let sql = bed.sql().await?;
        sql.run(
            "drop index spa.stay_order_once; alter table spa.stay drop constraint stay_room_once;
             alter table spa.stay drop constraint stay_therapist_once",
        )
        .await?;
        let claimed = rush(&bed, &spa, CROWD / 2, &therapists).await?;
        let distinct: HashSet<_> = claimed.iter().collect();
        if claimed.len() > distinct.len() {
            assert!(spa.check_invariants().await.is_err(), "and the checks do not find it");
            return Ok(());
        }
    }
    bail!(
        "all claims were of different customers: the other test proves nothing. Was the worker \
         built with `--features controls`?"
    )
}

/// The walls behind the locks: with those forgotten, PostgreSQL itself refuses the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_locks_the_walls_alone_give_each_customer_away_once() -> Result<()> {
    let (bed, spa, therapists) = crowd(Some("row_locks")).await?;
    let claimed = rush(&bed, &spa, CROWD / 2, &therapists).await?;
    let distinct: HashSet<_> = claimed.iter().collect();
    assert_eq!(claimed.len(), distinct.len());
    assert!(!claimed.is_empty());
    spa.check_invariants().await
}

/// The control: without the sweep of leases a customer whose therapist's phone died waits for ever.
#[tokio::test]
async fn without_leases_a_dead_phone_keeps_its_customer() -> Result<()> {
    let bed = Bed::with().env("ROWLOCK_CONTROLS", "leases").start().await?;
    let spa = Spa::of(&bed, 2).await?;
    spa.set(json!({"claimLeaseSecs": 2})).await?;
    let (mai, ben) = (spa.therapist("Mai").await?, spa.therapist("Ben").await?);
    spa.order(&bed).await?;
    let id = spa.claim(&mai).await?;
    sleep(DEAD_FOR).await;
    assert_eq!(spa.look(&id).await?["status"], "therapist_confirmed");
    assert_eq!(spa.next(&ben).await?.expect(200)?["outcome"], "nobody_waiting");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_100_orders_at_once_no_two_have_the_same_code() -> Result<()> {
    const AT_ONCE: usize = 100;
    let bed = Bed::start(WORKERS).await?;
    let spa = Spa::of(&bed, 1).await?;
    let start = Arc::new(Barrier::new(AT_ONCE));
    let mut all = JoinSet::new();
    for n in 0..AT_ONCE {
        let (anyone, spa, start) = (bed.anyone().at(n % WORKERS), spa.clone(), start.clone());
        all.spawn(async move {
            start.wait().await;
            // The day's row is locked by one after the other: under load some are told to come
            // again, or that the first of their requests still runs.
            let placed = persist(anyone.post(spa.path("/orders"), spa.cart())).await?;
            anyhow::Ok(Placed::of(&placed.expect(201)?)?.code)
        });
    }
    let mut codes = HashSet::new();
    while let Some(code) = all.join_next().await {
        codes.insert(code??);
    }
    assert_eq!(codes.len(), AT_ONCE);
    assert!(codes.contains("A-001") && codes.contains("A-100"), "none is left out");
    Ok(())
}
