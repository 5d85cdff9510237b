//! The pace of a line: fewer passes while writes wait for locks, more when they do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use testkit::{Bed, BedOptions, Sql, wait_until};
use tokio::task::JoinSet;

use crate::sale::{Sale, blocks};

const WORKERS: usize = 2;
/// Who waits in the line: more than are called in any of these tests.
const WAITING: i64 = 4_000;
/// Who hold seats at once: so many more than may wait for locks before the line slows down, that
/// those who were just told to come again do not matter.
const WRITERS: usize = 40;
/// Passes a second, at most.
const FASTEST: i64 = 40;
/// A line moves once a second, and in a few steps it is as slow, or as fast again, as it gets.
const SETTLED_WITHIN: Duration = Duration::from_secs(40);
/// Moves of a line in which a pace that changes would have changed.
const MOVES: usize = 4;

/// Fills the line, so that places are given from first to last.
async fn fill(sql: &Sql, sale: &Sale) -> Result<()> {
    let show: uuid::Uuid = sale.show.parse()?;
    let people = "with people as (
            insert into identity.user (id, email, name, created_at)
            select gen_random_uuid(), 'guest-' || n || '@example.org', 'Guest', now()
            from generate_series(1, $2::bigint) n returning id),
        standing as (
            insert into booking.line_place (venue_id, show_id, place, user_id, status, joined_at)
            select s.venue_id, s.id, row_number() over (), p.id, 'waiting', now()
            from people p, booking.show s where s.id = $1)
        update booking.line set joined = $2 where show_id = $1";
    anyhow::ensure!(sql.execute(people, &[&show, &WAITING]).await? == 1, "there is no line");
    Ok(())
}

/// A sale with a long line, and its clerk.
async fn evening(bed: &Bed) -> Result<Sale> {
    let sale = Sale::of(bed.house().await?, blocks(2, 4_000)).await?;
    let open = json!({"open": true, "passesPerSec": FASTEST, "passSecs": 1_800});
    sale.house.owner().put(sale.path("/line"), open).await?.expect(200)?;
    fill(&bed.sql().await?, &sale).await?;
    Ok(sale)
}

async fn line(bed: &Bed, sale: &Sale) -> Result<Value> {
    bed.anyone().get(sale.path("/line")).settled().await?.expect(200)
}

fn number(line: &Value, name: &str) -> Result<i64> {
    line[name].as_i64().with_context(|| format!("no {name} in {line}"))
}

/// The line as soon as its pace fits.
async fn pace(bed: &Bed, sale: &Sale, fits: impl Fn(i64) -> bool) -> Result<Value> {
    wait_until("the pace of the line", SETTLED_WITHIN, async || {
        let line = line(bed, sale).await?;
        Ok(fits(number(&line, "perSec")?).then_some(line))
    })
    .await
}

/// How many were called in so many moves of the line, and the paces that it had.
async fn moves(bed: &Bed, sale: &Sale, count: usize) -> Result<(i64, Vec<i64>)> {
    let first = line(bed, sale).await?;
    let (mut last, mut paces) = (first.clone(), Vec::new());
    while paces.len() < count {
        let seen = last["movedAt"].clone();
        last = wait_until("the line moves", SETTLED_WITHIN, async || {
            Ok(Some(line(bed, sale).await?).filter(|line| line["movedAt"] != seen))
        })
        .await?;
        paces.push(number(&last, "perSec")?);
    }
    Ok((number(&last, "served")? - number(&first, "served")?, paces))
}

/// Many who want the same seats, again and again, until they are told to go.
struct Crowd {
    going: Arc<AtomicBool>,
    writers: JoinSet<Result<()>>,
}

impl Crowd {
    async fn come(bed: &Bed, sale: &Sale) -> Result<Self> {
        let clerk = sale.house.member("box_office").await?;
        let (going, mut writers) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for n in 0..WRITERS {
            let (sale, going) = (sale.clone(), Arc::clone(&going));
            let client = clerk.client().at(n % bed.workers().len());
            writers.spawn(async move {
                while !going.load(Ordering::Relaxed) {
                    // Whatever comes of it.
                    sale.hold(&client, &["T1-1", "T1-2"]).await?;
                }
                Ok(())
            });
        }
        Ok(Self { going, writers })
    }

    async fn go(self) -> Result<()> {
        self.going.store(true, Ordering::Relaxed);
        self.writers.join_all().await.into_iter().collect()
    }
}

/// Somebody has the seats, as long as they like: whoever wants them waits.
async fn take_the_seats(bed: &Bed) -> Result<Sql> {
    let sql = bed.sql().await?;
    let take = "begin; select count(*) from (
            select from booking.seat where label in ('T1-1', 'T1-2') for update) s";
    sql.run(take).await?;
    Ok(sql)
}

fn bed() -> BedOptions {
    Bed::with().workers(WORKERS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_slows_down_while_writes_wait_and_is_fast_again_when_they_do_not() -> Result<()> {
    let bed = bed().start().await?;
    let sale = evening(&bed).await?;
    pace(&bed, &sale, |pace| pace >= 14).await?;
    let (fast, paces) = moves(&bed, &sale, MOVES).await?;
    assert!(paces.is_sorted() && fast >= 14, "{fast} were called at {paces:?}");

    let holder = take_the_seats(&bed).await?;
    let crowd = Crowd::come(&bed, &sale).await?;
    pace(&bed, &sale, |pace| pace <= 3).await?;
    let (slow, paces) = moves(&bed, &sale, MOVES).await?;
    // A worker may look at the moment at which many were just told to come again.
    assert!(paces.iter().all(|pace| *pace <= 8), "it is busy and goes at {paces:?}");
    assert!(0 < slow && slow < fast, "{slow} were called, and {fast} before");

    holder.run("commit").await?;
    crowd.go().await?;
    let line = pace(&bed, &sale, |pace| pace >= 14).await?;
    assert_eq!(line["soldOut"], false);
    let (again, paces) = moves(&bed, &sale, MOVES).await?;
    assert!(again > slow, "{again} were called at {paces:?}, and {slow} before");
    let passed = "select count(*) from booking.line_place where status = 'passed'";
    let passed = bed.sql().await?.value::<i64>(passed, &[]).await?;
    assert!(passed < WAITING, "there was always somebody to call");
    Ok(())
}

/// The control: with one pace, however busy the server is, the line goes on as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_pace_a_line_goes_on_as_if_nobody_waited() -> Result<()> {
    let bed = bed().env("ROWLOCK_CONTROLS", "pace").start().await?;
    let sale = evening(&bed).await?;
    let (before, paces) = moves(&bed, &sale, MOVES).await?;
    let holder = take_the_seats(&bed).await?;
    let crowd = Crowd::come(&bed, &sale).await?;
    let (during, busy) = moves(&bed, &sale, MOVES).await?;
    assert_eq!(busy, paces);
    assert!(during >= before, "{during} were called, and {before} before");
    holder.run("commit").await?;
    crowd.go().await
}
