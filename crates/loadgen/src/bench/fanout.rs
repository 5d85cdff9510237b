//! `bench fanout`: what it costs to tell many sockets, and how late they hear.

mod crowd;
pub(crate) mod stock;
mod storm;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use tokio::task::LocalSet;
use tokio::time::{interval, sleep};

use self::crowd::{Crowd, Greeting, SOCKETS_PER_USER};
use self::stock::Way;
use crate::chaos::people::{Person, Venue};
use crate::cpu;
use crate::http::{Connection, head, write_request};
use crate::latency::figure;
use crate::sql::{Client, Login};

/// One flush each.
const TICK: Duration = Duration::from_millis(100);
const SETTLE: Duration = Duration::from_secs(3);
const EVENTS_PER_FLUSH: [u64; 4] = [1, 4, 16, 64];
const EMIT: &str = include_str!("../../fanout/emit.sql");
const MICROS: f64 = 1e6;

/// Where the servers are, and how much of everything.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Writes go to the first, sockets listen at the second; the third has no Redis and looks at
    /// the log every 100 ms, so that what a flush holds is ours to say.
    #[arg(long = "worker", required = true)]
    workers: Vec<SocketAddr>,
    #[arg(long = "worker-pid", required = true)]
    worker_pids: Vec<u32>,
    #[arg(long)]
    programs: PathBuf,
    /// Idle sockets, and sockets that lose their worker.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Sockets whose deliveries are counted in CPU.
    #[arg(long, default_value_t = 1_000)]
    sockets: usize,
    /// Sockets that hear writes from next door, over all venues.
    #[arg(long, default_value_t = 2_000)]
    late: usize,
    #[arg(long, default_value_t = 20)]
    venues: usize,
    #[arg(long, default_value_t = 200)]
    writes_per_second: u32,
    /// Of those, sockets that read nothing.
    #[arg(long, default_value_t = 100)]
    stalled: usize,
    /// How long each measurement lasts.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only these, in this order.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = What::ALL)]
    what: Vec<What>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Memory of sockets that do nothing: in a worker that has done nothing else.
    Idle,
    /// CPU per delivery, ours and theirs.
    Cpu,
    /// From the event's instant to a socket at another worker, without and with stalled ones.
    Late,
    /// A worker is killed under its sockets.
    Storm,
}

impl What {
    const ALL: [Self; 4] = [Self::Idle, Self::Cpu, Self::Late, Self::Storm];
}

pub(crate) async fn run(options: Options) -> Result<()> {
    // The password stays out of the process list.
    let url = std::env::vars().find(|(name, _)| name == "LOADGEN_SUPERUSER_URL");
    let login: Login = url.context("LOADGEN_SUPERUSER_URL is not set")?.1.parse()?;
    LocalSet::new().run_until(Box::pin(measure(options, login))).await
}

async fn measure(options: Options, login: Login) -> Result<()> {
    let at = |number: usize| options.workers.get(number).copied().context("three workers");
    println!("load average {} at the beginning", cpu::load_average()?);
    let mut venues = Vec::new();
    for _ in 0..options.venues {
        venues.push(Venue::open(at(0)?).await?);
    }
    let most = options.idle.max(options.sockets).max(options.late);
    let mut people = Vec::new();
    for number in 0..most.div_ceil(SOCKETS_PER_USER) {
        // Hashing their passwords takes memory that the worker of the idle sockets must not have.
        let mut connection = Connection::open(at(number % 2 * 2)?).await?;
        people.push(Person::register(&mut connection).await?);
    }
    println!("people     {} with {SOCKETS_PER_USER} sockets each", people.len());
    for what in &options.what {
        match what {
            What::Idle => idle(&options, &venues, &people).await?,
            What::Cpu => {
                deliveries(&options, &venues, &people, login.clone()).await?;
                for way in Way::value_variants() {
                    stock_deliveries(&options, *way).await?;
                }
            }
            What::Late => storm::stalled(&options, &venues, &people).await?,
            What::Storm => storm::killed(&options, &venues, &people).await?,
        }
    }
    println!("load average {} at the end", cpu::load_average()?);
    Ok(())
}

fn greetings(count: usize, venues: &[Rc<Venue>], people: &[Rc<Person>]) -> Vec<Option<Greeting>> {
    let of = |number: usize| {
        let venue = venues.get(number % venues.len().max(1))?;
        let token = people.get(number / SOCKETS_PER_USER)?.token();
        Some(Greeting { token, venue: venue.id.clone(), since: None })
    };
    (0..count).map(of).collect()
}

/// Server CPU per delivery, the idle server's own subtracted.
async fn deliveries(
    options: &Options,
    venues: &[Rc<Venue>],
    people: &[Rc<Person>],
    login: Login,
) -> Result<()> {
    let address = *options.workers.get(2).context("three workers")?;
    let pid = *options.worker_pids.get(2).context("three workers")?;
    let venue = venues.first().context("a venue")?;
    let one = std::slice::from_ref(venue);
    let crowd = greetings(options.sockets, one, people);
    let (crowd, _) = Crowd::open((address, "/api/v1/realtime"), crowd).await?;
    let client = Client { programs: options.programs.clone(), login };
    let mut psql = client.command("psql");
    let mut psql = psql.args(["-X", "-q"]).stdout(Stdio::null()).spawn()?;
    let mut input = psql.stdin.take().context("psql listens")?;
    for count in EVENTS_PER_FLUSH {
        let statement = EMIT.replace(":venue", &venue.id).replace(":count", &count.to_string());
        let emitted = cpu_per_delivery(options.seconds, pid, &crowd, async || {
            Ok(input.write_all(statement.as_bytes())?)
        });
        print_cpu("rowlock", count, emitted.await?);
    }
    drop(input);
    psql.wait()?;
    crowd.end();
    Ok(())
}

/// The same by others' means, in a process of its own.
async fn stock_deliveries(options: &Options, way: Way) -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    let mut server = Stock::start(address, way)?;
    let crowd = vec![None; options.sockets];
    let (crowd, _) = Crowd::open((address, "/ws"), crowd).await?;
    let mut connection = Connection::open(address).await?;
    for count in EVENTS_PER_FLUSH {
        let mut request = Vec::new();
        let path = format!("/emit/{count}");
        write_request(&mut request, &head("POST", &path, ""), "none", "");
        let emitted = cpu_per_delivery(options.seconds, server.0.id(), &crowd, async || {
            connection.send(&request).await.map(drop)
        });
        print_cpu(way.to_possible_value().context("a name")?.get_name(), count, emitted.await?);
    }
    crowd.end();
    server.0.kill()?;
    Ok(())
}

struct Stock(Child);

impl Stock {
    fn start(address: SocketAddr, way: Way) -> Result<Self> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        let way = way.to_possible_value().context("every way has a name")?;
        command.args(["stock", "--address", &address.to_string(), "--way", way.get_name()]);
        command.stdin(Stdio::null());
        let child = Self(command.spawn()?);
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() && begun.elapsed() < SETTLE {
            std::thread::sleep(TICK);
        }
        Ok(child)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // It has mostly been killed by now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU in µs per delivery, and deliveries per second of the server's CPU time at that price.
async fn cpu_per_delivery(
    seconds: u64,
    pid: u32,
    crowd: &Crowd,
    mut emit: impl AsyncFnMut() -> Result<()>,
) -> Result<(f64, u64)> {
    sleep(SETTLE).await;
    let idle = cpu::seconds(pid)?;
    sleep(SETTLE).await;
    let (begun, before) = (cpu::seconds(pid)?, crowd.frames());
    let idle_share = (begun - idle) / SETTLE.as_secs_f64();
    let (mut ticks, clock) = (interval(TICK), Instant::now());
    while clock.elapsed() < Duration::from_secs(seconds) {
        ticks.tick().await;
        emit().await?;
    }
    // What was emitted last has to arrive.
    sleep(SETTLE).await;
    let (spent, heard) = (cpu::seconds(pid)? - begun, crowd.frames() - before);
    let own = spent - idle_share * clock.elapsed().as_secs_f64();
    Ok((own * MICROS / figure(heard.max(1)), heard))
}

fn print_cpu(name: &str, count: u64, (micros, heard): (f64, u64)) {
    println!(
        "cpu        {name:<18} {count:>3} events a flush: {micros:.2} µs per delivery, {heard} deliveries"
    );
}

/// Memory of sockets that do nothing.
async fn idle(options: &Options, venues: &[Rc<Venue>], people: &[Rc<Person>]) -> Result<()> {
    let pid = *options.worker_pids.get(1).context("three workers")?;
    let address = *options.workers.get(1).context("three workers")?;
    sleep(SETTLE).await;
    let before = cpu::resident_kib(pid)?;
    let crowd = greetings(options.idle, venues, people);
    let (crowd, took) = Crowd::open((address, "/api/v1/realtime"), crowd).await?;
    sleep(SETTLE).await;
    let grown = cpu::resident_kib(pid)?.saturating_sub(before);
    let count = u64::try_from(options.idle)?;
    println!(
        "memory     {count} idle sockets: {:.1} KiB each ({before} KiB without them); opened in {:.1} s",
        figure(grown) / figure(count),
        took.as_secs_f64()
    );
    crowd.end();
    Ok(())
}
