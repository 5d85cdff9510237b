//! Tables moved per second: with sixty screens that hear each move, without any, and in turns with
//! PostgreSQL doing the same update and event alone, as one statement.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::rig::{Rig, watched};
use crate::cpu::{Spent, Watch, load_average};
use crate::disk;
use crate::house::{Owner, open_venues, refresh, register, text};
use crate::http::{Connection, head};
use crate::latency::{figure, median, span};
use crate::load::{self, Plan, Source, Tally};
use crate::pgbench;
use crate::sql::Client;
use crate::ws::{Frame, WebSocket};

/// Tables of one venue.
const TABLES: usize = 100;
/// Screens that hear each move. One user has eight sockets at most.
const SCREENS: usize = 60;
const SCREENS_PER_HOST: usize = 8;
const HOSTS: usize = SCREENS.div_ceil(SCREENS_PER_HOST);
/// Before the first run: connections are opened, statements prepared, pages read.
const WARM_UP: Duration = Duration::from_secs(2);
/// After the last move of a run: what is under way is heard.
const HEARING: Duration = Duration::from_secs(2);
/// How often it is looked whether all was heard.
const READING: Duration = Duration::from_millis(50);
/// The code with which a screen is closed that does not keep up.
const TOO_SLOW: &str = "4001";
const MICROS_PER_SEC: f64 = 1e6;
const MICROS_PER_MS: f64 = 1e3;
/// As the ceiling of bookings: the plan is made once and kept.
const SESSION: &[(&str, &str)] = &[("plan_cache_mode", "force_generic_plan")];

/// What to measure, and where.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long one run of one side lasts, in seconds.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often each side runs.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pairs: u32,
    /// Connections of the generator, and of pgbench.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=250))]
    clients: u16,
    /// How many venues; the tables of one share one row of the log. A screen listens to all.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=32))]
    venues: u16,
    #[command(flatten)]
    rig: Rig,
    /// A folder on the same disk as the database.
    #[arg(long)]
    disk: PathBuf,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    WithoutSockets,
    WithSockets,
    OneStatement,
}

impl Side {
    const ALL: [Self; 3] = [Self::WithoutSockets, Self::WithSockets, Self::OneStatement];

    fn name(self) -> &'static str {
        match self {
            Self::WithoutSockets => "no sockets",
            Self::WithSockets => "60 sockets",
            Self::OneStatement => "one statement",
        }
    }
}

/// One run of one side.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    side: Side,
    moves_per_sec: f64,
    p50_ms: f64,
    p99_ms: f64,
    heard: u64,
    /// Screens that did not keep up and were closed: then fewer moves were heard.
    dark: usize,
    workers_micros: f64,
    postgres_micros: f64,
    load_average: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    setting: String,
    fdatasync_ms: f64,
    cores: usize,
    runs: Vec<Run>,
}

struct Stage {
    connection: Connection,
    owner: Owner,
    hosts: Vec<Owner>,
    venues: Vec<String>,
    /// The tables of each venue.
    tables: Vec<Vec<String>>,
    plan: Plan,
    watch: Watch,
    superuser: Client,
    folder: pgbench::Folder,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let mut stage = Stage::open(&options).await?;
    let mut report = Report {
        setting: options.rig.setting.clone(),
        fdatasync_ms: disk::fdatasync_ms(&options.disk)?,
        cores: std::thread::available_parallelism()?.get(),
        runs: Vec::new(),
    };
    println!(
        "floor      {} venues of {TABLES} tables; {} clients, {} workers; {}; a flush takes {:.2} ms",
        options.venues,
        options.clients,
        options.rig.workers.len(),
        report.setting,
        report.fdatasync_ms,
    );
    stage.moves(WARM_UP).await?;
    println!(
        "side             moves/s   p50 ms   p99 ms      heard   worker µs  postgres µs  load"
    );
    for pair in 1..=options.pairs {
        for side in Side::ALL {
            let run = stage.run(side, pair).await?;
            run.print();
            report.runs.push(run);
        }
    }
    report.print_ratios();
    options.rig.write(&report)
}

impl Stage {
    async fn open(options: &Options) -> Result<Self> {
        let rig = &options.rig;
        let mut connection = Connection::open(rig.first()?).await?;
        let mut owner = register(&mut connection, 0).await?;
        let venues = open_venues(&mut connection, &mut owner, 0..options.venues.into()).await?;
        let mut hosts = Vec::new();
        for number in 1..=HOSTS {
            hosts.push(register(&mut connection, number).await?);
        }
        let mut tables = Vec::new();
        for venue in &venues {
            tables.push(open_floor(&mut connection, &owner, venue).await?);
            employ(&mut connection, &owner, venue, &hosts).await?;
        }
        let (watch, superuser) = (rig.watch(), rig.superuser());
        let folder = pgbench::Folder::make()?;
        let plan = rig.plan(options.clients, options.seconds);
        let stage =
            Self { connection, owner, hosts, venues, tables, plan, watch, superuser, folder };
        let prepare = include_str!("../../pgbench/floor_prepare.sql");
        let prepare = stage.folder.put("floor_prepare.sql", prepare)?;
        stage.superuser.script(&prepare, &stage.to_csv()?)?;
        Ok(stage)
    }

    /// One line a table: number, venue, table, owner.
    fn to_csv(&self) -> Result<String> {
        let (mut csv, mut number) = (String::new(), 0);
        for (venue, tables) in self.venues.iter().zip(&self.tables) {
            for table in tables {
                writeln!(csv, "{number},{venue},{table},{}", self.owner.user)?;
                number += 1;
            }
        }
        Ok(csv)
    }

    fn count(&self) -> Result<u64> {
        let text = include_str!("../../pgbench/floor_count.sql");
        let script = self.folder.put("floor_count.sql", text)?;
        let line = self.superuser.script(&script, "")?;
        line.trim().parse().with_context(|| format!("the moves can't be counted: `{line}`"))
    }

    async fn run(&mut self, side: Side, pair: u32) -> Result<Run> {
        refresh(&mut self.connection, &mut self.owner).await?;
        let screens = match side {
            Side::WithSockets => Some(self.screens().await?),
            _ => None,
        };
        let before = self.count()?;
        let (mut tally, spent) = match side {
            Side::OneStatement => self.one_statement(pair)?,
            _ => self.watched().await?,
        };
        let moved = self.count()? - before;
        if side != Side::OneStatement {
            ensure!(tally.errors == 0 && tally.refused == 0, "{:?}", tally.samples);
            ensure!(tally.ok == moved, "said yes {} times and moved {moved} times", tally.ok);
        }
        let (heard, dark) = match screens {
            Some(screens) => screens.heard(moved).await?,
            None => (0, 0),
        };
        let per_sec = figure(moved) / self.plan.time.as_secs_f64();
        Ok(Run { heard, dark, ..Run::new(side, &mut tally, per_sec, &spent) })
    }

    async fn moves(&mut self, time: Duration) -> Result<Tally> {
        refresh(&mut self.connection, &mut self.owner).await?;
        let tally = load::run(&Plan { time, ..self.plan.clone() }, Moves::of(self)).await?;
        match tally.samples.first() {
            Some(sample) => bail!("a move was answered with {sample}"),
            None => Ok(tally),
        }
    }

    async fn watched(&self) -> Result<(Tally, Spent)> {
        watched(&self.plan, &self.watch, Moves::of(self)).await
    }

    fn one_statement(&self, pair: u32) -> Result<(Tally, Spent)> {
        let text = include_str!("../../pgbench/floor_one_statement.sql");
        let script = self.folder.put("floor_one_statement.sql", text)?;
        let tables = self.venues.len() * TABLES;
        let variables =
            [("n", "-1".to_owned()), ("tables", tables.to_string()), ("seed", pair.to_string())];
        let run = pgbench::Run {
            script: &script,
            clients: self.plan.clients,
            time: self.plan.time,
            variables: &variables,
            session: SESSION,
        };
        let (latencies, spent) = pgbench::run(&self.superuser, &self.folder, &run, &self.watch)?;
        Ok((Tally { latencies, ..Tally::default() }, spent))
    }

    /// Sixty screens, spread over the workers, each of which hears every move.
    async fn screens(&mut self) -> Result<Screens> {
        for host in &mut self.hosts {
            refresh(&mut self.connection, host).await?;
        }
        let (heard, mut listening) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        let workers = self.plan.workers.iter().cycle();
        for (number, worker) in (0..SCREENS).zip(workers) {
            let host = self.hosts.get(number % HOSTS).context("no host")?;
            let mut socket = WebSocket::open(*worker).await?;
            let auth = json!({"op": "auth", "id": 1, "token": host.access});
            socket.send(&auth.to_string()).await?;
            answer(&mut socket).await?;
            for venue in &self.venues {
                let sub = json!({"op": "sub", "id": 2, "venue": venue, "topics": ["floor"]});
                socket.send(&sub.to_string()).await?;
                answer(&mut socket).await?;
                // Twenty frames a second are one client's share.
                sleep(Duration::from_millis(1)).await;
            }
            let heard = Arc::clone(&heard);
            listening.spawn(async move {
                while let Ok(frame) = socket.next().await {
                    match frame {
                        Frame::Text(text) if text.starts_with(br#"{"type":"table_updated""#) => {
                            heard.fetch_add(1, Ordering::Relaxed);
                        }
                        Frame::Close(code, reason) => return format!("{code} {reason}"),
                        _ => {}
                    }
                }
                "the connection broke".to_owned()
            });
        }
        Ok(Screens { heard, listening })
    }
}

/// Waits for the answer to what was asked.
async fn answer(socket: &mut WebSocket) -> Result<()> {
    loop {
        match socket.next().await? {
            Frame::Text(text) if text.starts_with(br#"{"op":"ok""#) => return Ok(()),
            Frame::Text(text) if text.starts_with(br#"{"op":"err""#) => {
                bail!("a screen was told {}", String::from_utf8_lossy(text))
            }
            Frame::Close(code, reason) => bail!("a screen was closed with {code} {reason}"),
            _ => {}
        }
    }
}

struct Screens {
    heard: Arc<AtomicU64>,
    listening: JoinSet<String>,
}

impl Screens {
    /// How many moves were heard in all, each by each screen, and how many screens went dark because
    /// this machine did not keep up with reading.
    async fn heard(mut self, moved: u64) -> Result<(u64, usize)> {
        let wanted = moved * u64::try_from(SCREENS)?;
        for _ in 0..HEARING.as_millis() / READING.as_millis() {
            if self.heard.load(Ordering::Relaxed) >= wanted {
                break;
            }
            sleep(READING).await;
        }
        let mut dark = 0;
        while let Some(ended) = self.listening.try_join_next() {
            let why = ended?;
            ensure!(why.starts_with(TOO_SLOW), "a screen went dark: {why}");
            dark += 1;
        }
        let heard = self.heard.load(Ordering::Relaxed);
        ensure!(dark > 0 || heard == wanted, "{heard} of {wanted} were heard");
        Ok((heard, dark))
    }
}

async fn open_floor(
    connection: &mut Connection,
    owner: &Owner,
    venue: &str,
) -> Result<Vec<String>> {
    let table = |n: usize| {
        json!({"op": "create_table",
            "body": {"name": n.to_string(), "x": n, "y": 0, "maxSeats": 4}})
    };
    let body = json!({"operations": (0..TABLES).map(table).collect::<Vec<_>>()});
    let path = format!("/api/v1/venues/{venue}/floor/batch");
    let done = connection.call(("POST", &path), &owner.access, &body).await?;
    let changed = done.get("changed").and_then(serde_json::Value::as_array);
    changed.context("no tables")?.iter().map(|it| text(it, "/id")).collect()
}

async fn employ(
    connection: &mut Connection,
    owner: &Owner,
    venue: &str,
    hosts: &[Owner],
) -> Result<()> {
    for host in hosts {
        let me = connection.call(("GET", "/api/v1/auth/me"), &host.access, &json!({})).await?;
        let body = json!({"email": text(&me, "/user/email")?, "role": "host"});
        let path = format!("/api/v1/venues/{venue}/members");
        connection.call(("POST", &path), &owner.access, &body).await?;
    }
    Ok(())
}

/// Every move: any table of any venue, to any place.
struct Moves {
    heads: Vec<String>,
    next: usize,
}

impl Moves {
    fn of(stage: &Stage) -> Self {
        let mut heads = Vec::new();
        for (venue, tables) in stage.venues.iter().zip(&stage.tables) {
            for table in tables {
                let path = format!("/api/v1/venues/{venue}/tables/{table}");
                heads.push(head("PATCH", &path, &stage.owner.access));
            }
        }
        Self { heads, next: 0 }
    }
}

impl Source for Moves {
    fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
        // A step that shares no factor with the number of tables meets all of them, venue by venue.
        self.next = (self.next + TABLES + 1) % self.heads.len().max(1);
        // Writing to a string does not fail.
        let _ = write!(body, r#"{{"x":{},"y":{}}}"#, self.next % 900, self.next / 900);
        self.heads.get(self.next).map(String::as_str)
    }
}

impl Run {
    fn new(side: Side, tally: &mut Tally, per_sec: f64, spent: &Spent) -> Self {
        let per_move = |secs_per_sec: f64| secs_per_sec / per_sec * MICROS_PER_SEC;
        let mut percentile_ms =
            |percent| f64::from(tally.latencies.percentile(percent)) / MICROS_PER_MS;
        Self {
            side,
            moves_per_sec: per_sec,
            p50_ms: percentile_ms(50),
            p99_ms: percentile_ms(99),
            heard: 0,
            dark: 0,
            workers_micros: per_move(spent.workers),
            postgres_micros: per_move(spent.postgres),
            load_average: load_average().unwrap_or(f64::NAN),
        }
    }

    fn print(&self) {
        println!(
            "{:<14} {:>9.0} {:>8.2} {:>8.2} {:>10} {:>11.0} {:>12.0} {:>5.1}",
            self.side.name(),
            self.moves_per_sec,
            self.p50_ms,
            self.p99_ms,
            self.heard,
            self.workers_micros,
            self.postgres_micros,
            self.load_average,
        );
        if self.dark > 0 {
            println!("               {} of {SCREENS} screens did not keep up", self.dark);
        }
    }
}

impl Report {
    /// The product next to the one statement, by adjacent runs.
    fn print_ratios(&self) {
        let rates = |side: Side| {
            let runs = self.runs.iter().filter(move |run| run.side == side);
            runs.map(|run| run.moves_per_sec).collect::<Vec<_>>()
        };
        let ceiling = rates(Side::OneStatement);
        for side in [Side::WithoutSockets, Side::WithSockets] {
            let each: Vec<f64> =
                rates(side).iter().zip(&ceiling).map(|(mine, most)| mine / most).collect();
            let (lowest, highest) = span(&each);
            let middle = median(each);
            println!(
                "{:<14} / one statement: {middle:.2}   (pairs {lowest:.2} to {highest:.2})",
                side.name()
            );
        }
    }
}
