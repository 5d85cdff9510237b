//! How late sockets hear, what stalled ones cost the others, and what happens when a worker dies.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::crowd::Crowd;
use super::{Options, SETTLE, greetings};
use crate::chaos::people::{Person, Venue, seat, text};
use crate::http::{Connection, head, write_request};
use crate::latency::figure;

const PATH: &str = "/api/v1/realtime";
/// Bookings of a writer before it cancels one.
const BOOKINGS_MAX: usize = 50;
/// Kernel buffers have to fill before a server can notice that nobody reads.
const LATE_SECONDS: u64 = 40;
const LOOK: Duration = Duration::from_millis(50);
/// How often metrics are read while something else is measured.
const WATCH: Duration = Duration::from_millis(500);
/// How long a worker's sockets may be away.
const BACK_MAX: Duration = Duration::from_mins(1);

/// The same load and the same sockets twice; the second time some of them read nothing.
pub(super) async fn stalled(
    options: &Options,
    venues: &[Rc<Venue>],
    people: &[Rc<Person>],
) -> Result<()> {
    let alone = lateness(options, (venues, people), 0).await?;
    let beside = lateness(options, (venues, people), options.stalled).await?;
    println!(
        "stalled    {} of {}: the others' p99 is {:.2} of what it was without",
        options.stalled,
        options.late,
        f64::from(beside) / f64::from(alone.max(1))
    );
    Ok(())
}

/// From the event's instant to a socket at another worker; gives the 99th percentile.
async fn lateness(
    options: &Options,
    (venues, people): (&[Rc<Venue>], &[Rc<Person>]),
    stalled: usize,
) -> Result<u32> {
    let busy = *options.workers.first().context("three workers")?;
    let listens = *options.workers.get(1).context("three workers")?;
    let crowd = greetings(options.late, venues, people);
    let (crowd, _) = Crowd::open_at((&[listens], PATH), crowd, stalled).await?;
    let pause = Duration::from_secs(1) * u32::try_from(venues.len())? / options.writes_per_second;
    let seconds = options.seconds.max(LATE_SECONDS);
    let until = Instant::now() + SETTLE + Duration::from_secs(seconds);
    let mut writers = JoinSet::new();
    for (number, venue) in venues.iter().enumerate() {
        let (venue, lag) = (Rc::clone(venue), pause * u32::try_from(number)? / 20);
        writers.spawn_local(async move {
            sleep(lag).await;
            write(busy, &venue, pause, until).await
        });
    }
    let watched = tokio::task::spawn_local(async move {
        if stalled > 0 { watch(listens, stalled, until).await } else { Ok(()) }
    });
    sleep(SETTLE).await;
    crowd.sample(true);
    sleep(Duration::from_secs(seconds)).await;
    // The writers clean up behind themselves as fast as they can, which is not the load.
    crowd.sample(false);
    let mut written = 0;
    while let Some(count) = writers.join_next().await {
        written += count??;
    }
    watched.await??;
    let (mut late, _) = crowd.end();
    let (p50, p99) = (late.percentile(50), late.percentile(99));
    println!(
        "late       {} sockets, {stalled} of them stalled, {:.0} writes/s next door: p50 {p50} µs, \
         p99 {p99} µs from the event's instant (before the disk)",
        options.late,
        figure(written) / (SETTLE.as_secs_f64() + figure(seconds)),
    );
    Ok(p99)
}

/// When bytes first wait at the server, and when the last stalled one is given up.
async fn watch(address: SocketAddr, stalled: usize, until: Instant) -> Result<()> {
    let begun = Instant::now();
    let before = metric(address, "rowlock_slow_close_total").await?;
    let (mut first, mut last) = (None, None);
    while last.is_none() && Instant::now() < until {
        sleep(WATCH).await;
        let closed = metric(address, "rowlock_slow_close_total").await? - before;
        if first.is_none() && metric(address, "rowlock_socket_queue_bytes").await? > 0.0 {
            first = Some(begun.elapsed());
        }
        if closed >= figure(u64::try_from(stalled)?) {
            last = Some(begun.elapsed());
        }
    }
    let closed = metric(address, "rowlock_slow_close_total").await? - before;
    println!(
        "stalled    {closed:.0} of {stalled} were given up; bytes waited after {first:.1?}, the \
         last was given up after {last:.1?}"
    );
    Ok(())
}

/// Books and cancels one seat after another, at that pace.
async fn write(address: SocketAddr, venue: &Venue, pause: Duration, until: Instant) -> Result<u64> {
    let mut connection = Connection::open(address).await?;
    let (token, mut ticks, mut written) = (venue.owner.token(), interval(pause), 0);
    let path = format!("/api/v1/venues/{}/shows/{}/bookings", venue.id, venue.show);
    let mut booked = VecDeque::new();
    while Instant::now() < until {
        ticks.tick().await;
        if booked.len() < BOOKINGS_MAX {
            let number = usize::try_from(written)?;
            let body = json!({ "seats": [seat(number)], "customer": { "name": "Ana" } });
            let made = connection.call(("POST", &path), &token, &body).await?;
            booked.push_back(text(&made, "/id")?);
        } else if let Some(id) = booked.pop_front() {
            cancel(&mut connection, venue, &id).await?;
        }
        written += 1;
    }
    // The seats are for the next run.
    for id in booked {
        cancel(&mut connection, venue, &id).await?;
    }
    Ok(written)
}

async fn cancel(connection: &mut Connection, venue: &Venue, booking: &str) -> Result<()> {
    let path = format!("/api/v1/venues/{}/bookings/{booking}/cancel", venue.id);
    connection.call(("POST", &path), &venue.owner.token(), &json!({})).await.map(drop)
}

/// A worker is killed; its sockets come back to another one, each from where it was, and something
/// has happened meanwhile.
pub(super) async fn killed(
    options: &Options,
    venues: &[Rc<Venue>],
    people: &[Rc<Person>],
) -> Result<()> {
    let stays = *options.workers.first().context("three workers")?;
    let dies = *options.workers.get(1).context("three workers")?;
    let pid = *options.worker_pids.get(1).context("three workers")?;
    let crowd = greetings(options.idle, venues, people);
    let (crowd, _) = Crowd::open_at((&[dies, stays], PATH), crowd, 0).await?;
    crowd.keep_places();
    let before = reads(stays).await?;
    let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    if !killed.success() {
        bail!("worker {pid} cannot be killed");
    }
    let begun = Instant::now();
    for venue in venues {
        let until = Instant::now() + LOOK;
        write(stays, venue, LOOK, until).await?;
    }
    while crowd.live() == options.idle && begun.elapsed() < SETTLE {
        sleep(LOOK).await;
    }
    while crowd.live() < options.idle {
        if begun.elapsed() > BACK_MAX {
            bail!("only {} of {} are back", crowd.live(), options.idle);
        }
        sleep(LOOK).await;
    }
    let took = begun.elapsed();
    let (opened, repaired, history) = reads(stays).await?;
    println!(
        "storm      {} sockets of {} venues lost their worker by kill -9: all live again after \
         {:.1} s; the other worker opened {} venues, repaired {} times, read history {} times",
        options.idle,
        venues.len(),
        took.as_secs_f64(),
        opened - before.0,
        repaired - before.1,
        history - before.2
    );
    crowd.end();
    Ok(())
}

/// Reads of the log: for venues that are opened, for repairs, for resumes.
async fn reads(address: SocketAddr) -> Result<(f64, f64, f64)> {
    let repairs = "rowlock_gap_repairs_total";
    let all = metric(address, repairs).await?;
    let opened = metric(address, "rowlock_gap_repairs_total{cause=\"activate\"}").await?;
    Ok((opened, all - opened, metric(address, "rowlock_ring_misses_total").await?))
}

/// The sum of a metric's series whose names begin so; 0 before there is one.
async fn metric(address: SocketAddr, name: &str) -> Result<f64> {
    let mut environment = std::env::vars();
    let token = environment.find(|(name, _)| name == "LOADGEN_METRICS_TOKEN");
    let token = token.context("LOADGEN_METRICS_TOKEN is not set")?.1;
    let mut connection = Connection::open(address).await?;
    let mut request = Vec::new();
    write_request(&mut request, &head("GET", "/metrics", &token), "none", "");
    let reply = connection.send(&request).await?;
    if reply.status != 200 {
        bail!("the metrics of {address} gave {}", reply.status);
    }
    let lines = std::str::from_utf8(reply.body)?.lines().filter(|line| line.starts_with(name));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}
