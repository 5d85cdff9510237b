//! `loadgen chaos`: writes and listens while somebody else breaks things, then judges.
//!
//! Whoever breaks things says what to do on our standard input: `cut 50` cuts half of the sockets,
//! `warm` begins to count attempts, `finish` ends the writes; the next line says that all is healed.

mod check;
mod courier;
mod dice;
mod host;
mod listener;
pub(crate) mod people;
mod record;
mod report;
mod state;
mod writer;

use std::cell::{Cell, RefCell};
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use self::check::Truth;
use self::dice::Dice;
use self::host::Host;
use self::listener::{Listener, Progress, snapshot};
use self::people::Venue;
use self::record::Record;
use self::writer::Writer;
use crate::http::Connection;
use crate::sql::{Client, Login};

/// How long writers may take to end what they have begun.
const SETTLE_MAX: Duration = Duration::from_secs(45);
/// How long listeners may take to hear the end of the log when all is healed: a head check and a
/// few attempts to connect.
const WHOLE_MAX: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);
/// Tokens last ten minutes.
const SIGN_IN_EVERY: Duration = Duration::from_mins(5);
const VIOLATIONS_MAX: usize = 200;

/// Who takes part, and where the servers are.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where clients connect to: the balancer, or every worker.
    #[arg(long = "address", required = true)]
    addresses: Vec<SocketAddr>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 3)]
    venues: usize,
    #[arg(long, default_value_t = 12)]
    writers: usize,
    /// Those that seat parties.
    #[arg(long, default_value_t = 6)]
    hosts: usize,
    #[arg(long, default_value_t = 24)]
    listeners: usize,
    /// The folder with psql.
    #[arg(long)]
    programs: PathBuf,
    /// Where the dump's statements are.
    #[arg(long)]
    scripts: PathBuf,
    /// What was noted, and what came of it.
    #[arg(long)]
    out: PathBuf,
}

/// What everybody here shares.
#[derive(Debug)]
pub(crate) struct Shared {
    addresses: Vec<SocketAddr>,
    begun: Instant,
    pub(crate) record: RefCell<Record>,
    pub(crate) writers_stop: Cell<bool>,
    pub(crate) listeners_stop: Cell<bool>,
}

impl Shared {
    /// Any of the addresses: clients come back wherever there is room.
    pub(crate) fn address(&self, dice: &mut Dice) -> SocketAddr {
        courier::any(&self.addresses, dice)
    }

    pub(crate) fn millis(&self) -> u128 {
        self.begun.elapsed().as_millis()
    }

    /// Notes what may never be; the first ones are enough.
    pub(crate) fn violation(&self, what: String) {
        let mut record = self.record.borrow_mut();
        if record.violations.len() < VIOLATIONS_MAX {
            record.violations.push(format!("{} ms: {what}", self.millis()));
        }
    }
}

pub(crate) async fn run(options: Options) -> Result<()> {
    // The password stays out of the process list.
    let url = std::env::vars().find(|(name, _)| name == "LOADGEN_SUPERUSER_URL");
    let login: Login = url.context("LOADGEN_SUPERUSER_URL is not set")?.1.parse()?;
    LocalSet::new().run_until(carry_out(options, login)).await
}

async fn carry_out(options: Options, login: Login) -> Result<()> {
    let mut commands = commands();
    let first = *options.addresses.first().context("no address")?;
    let mut venues = Vec::new();
    for _ in 0..options.venues {
        venues.push(Venue::open(first).await?);
    }
    let shared = Rc::new(Shared {
        addresses: options.addresses.clone(),
        begun: Instant::now(),
        record: RefCell::default(),
        writers_stop: Cell::new(false),
        listeners_stop: Cell::new(false),
    });
    let mut dice = Dice::new(options.seed);
    let (cut, cuts) = watch::channel(0);
    let (progress, mut listeners) = listen(&options, &shared, &venues, &mut dice, &cuts);
    let mut writers = JoinSet::new();
    for venue in venues.iter().cycle().take(options.writers) {
        let dice = Dice::new(dice.roll());
        let writer = Writer::new(Rc::clone(&shared), Rc::clone(venue), dice);
        writers.spawn_local(writer.run());
    }
    for venue in venues.iter().cycle().take(options.hosts) {
        let dice = Dice::new(dice.roll());
        writers.spawn_local(Host::new(Rc::clone(&shared), Rc::clone(venue), dice).run());
    }
    tokio::task::spawn_local(keep_signed_in(Rc::clone(&shared), venues.clone()));
    println!("ready");
    let mut round = 0;
    while let Some(command) = commands.recv().await {
        match command.split_once(' ') {
            Some(("cut", share)) => {
                round += 1;
                cut.send_replace(round * 1000 + share.parse::<u64>()?);
            }
            _ if command == "warm" => shared.record.borrow_mut().warm_ms = shared.millis(),
            _ => break,
        }
    }
    shared.writers_stop.set(true);
    let settled = async { while writers.join_next().await.is_some() {} };
    timeout(SETTLE_MAX, settled).await.context("writers do not end")?;
    println!("settled");
    // The balancer's and our own side know that all is healed; from now on the clock runs.
    commands.recv().await;
    let client = Client { programs: options.programs.clone(), login };
    let script = options.scripts.join("dump.sql");
    let truth = Truth::parse(&client.script(&script, "")?)?;
    whole(&shared, &progress, &truth).await;
    compare(&shared, &progress, &mut dice).await?;
    shared.listeners_stop.set(true);
    cut.send_replace((round + 1) * 1000 + 100);
    let ended = async { while listeners.join_next().await.is_some() {} };
    timeout(SETTLE_MAX, ended).await.context("listeners do not end")?;
    // Listeners' last positions may be of events that were committed after the first dump.
    let truth = Truth::parse(&client.script(&script, "")?)?;
    let violations = check::check(&shared.record.borrow(), &truth);
    report::write(&options.out, &shared.record.borrow(), &violations)
}

/// What we are told, line by line; an end of the input is a `finish`.
fn commands() -> mpsc::UnboundedReceiver<String> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    told
}

type Listeners = (Vec<Rc<Progress>>, JoinSet<()>);

/// Each person of each venue in turn; every third listener names its topics.
fn listen(
    options: &Options,
    shared: &Rc<Shared>,
    venues: &[Rc<Venue>],
    dice: &mut Dice,
    cuts: &watch::Receiver<u64>,
) -> Listeners {
    let (mut progress, mut listeners) = (Vec::new(), JoinSet::new());
    for number in 0..options.listeners {
        let Some(venue) = venues.get(number % venues.len().max(1)) else { break };
        let round = number / venues.len().max(1);
        let Some(person) = venue.people.get(round % venue.people.len().max(1)) else { break };
        let known = Rc::new(Progress {
            venue: Rc::clone(venue),
            person: Rc::clone(person),
            topics: (number % 3 == 2).then_some(&["seats", "shows"]),
            seq: Cell::default(),
            state: RefCell::default(),
        });
        let listener = Listener {
            shared: Rc::clone(shared),
            number,
            dice: Dice::new(dice.roll()),
            progress: Rc::clone(&known),
            cuts: cuts.clone(),
            connections: 0,
            pos: None,
            granted: None,
        };
        listeners.spawn_local(listener.run());
        progress.push(known);
    }
    (progress, listeners)
}

async fn keep_signed_in(shared: Rc<Shared>, venues: Vec<Rc<Venue>>) {
    let mut dice = Dice::new(0);
    loop {
        sleep(SIGN_IN_EVERY).await;
        for person in venues.iter().flat_map(|venue| &venue.people) {
            // Through every fault: without a token nobody can do anything.
            loop {
                let signed_in = async {
                    let mut connection = Connection::open(shared.address(&mut dice)).await?;
                    person.sign_in(&mut connection).await
                };
                if timeout(Duration::from_secs(5), signed_in).await.is_ok_and(|done| done.is_ok()) {
                    break;
                }
                sleep(LOOK).await;
            }
        }
    }
}

/// Waits until every listener has heard the end of its venue's log.
async fn whole(shared: &Shared, progress: &[Rc<Progress>], truth: &Truth) {
    let missing = |one: &Progress| {
        let head = truth.heads.get(&one.venue.id).copied().unwrap_or(0);
        (one.seq.get() < head).then_some((one.seq.get(), head))
    };
    let deadline = Instant::now() + WHOLE_MAX;
    while progress.iter().any(|one| missing(one).is_some()) && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    for (number, one) in progress.iter().enumerate() {
        if let Some((seq, head)) = missing(one) {
            let within = WHOLE_MAX.as_secs();
            shared.violation(format!(
                "listener {number} is at {seq}, its venue's log at {head}, {within} s after all was healed"
            ));
        }
    }
}

/// What every listener has made of its events is what the snapshot says; holds that run out
/// meanwhile get a moment.
async fn compare(shared: &Shared, progress: &[Rc<Progress>], dice: &mut Dice) -> Result<()> {
    let deadline = Instant::now() + WHOLE_MAX;
    for (number, one) in progress.iter().enumerate() {
        loop {
            let (_, state) = snapshot(shared, dice, one).await?;
            let Some(differs) = one.state.borrow().differs(&state) else { break };
            if Instant::now() > deadline {
                shared.violation(format!(
                    "listener {number} of {} has another state than its snapshot: {differs}",
                    one.venue.id
                ));
                break;
            }
            sleep(LOOK).await;
        }
    }
    Ok(())
}
