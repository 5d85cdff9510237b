//! A dinner service: 200 tables, 60 screens, ten hours of a clock that is moved. At the end every
//! screen shows what the database has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{Bed, Client, Heard, Person, Socket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::floor_room::Room;
use crate::sale::{at, text};

const TABLES: usize = 200;
const SCREENS: usize = 60;
/// One user has eight sockets at most.
const HOSTS: usize = 8;
const WORKERS: usize = 2;
/// Ten hours, a quarter at a time.
const QUARTERS: i64 = 40;
const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;
/// Nobody comes in the last two hours.
const LAST_ARRIVALS: i64 = 32;
/// Parties that come in a quarter.
const PARTIES: usize = 4;
/// Writes that are under way at once.
const HANDS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// The floor as a screen has it: each thing by its id.
#[derive(Clone, Debug, Default, PartialEq)]
struct Screen(BTreeMap<&'static str, BTreeMap<String, Value>>);

const PARTS: [(&str, &str); 4] = [
    ("section", "sections"),
    ("table", "tables"),
    ("guest", "guests"),
    ("reservation", "reservations"),
];

impl Screen {
    fn of(floor: &Value) -> Result<Self> {
        let mut screen = Self::default();
        for (entity, list) in PARTS {
            let all = floor.get(list).and_then(Value::as_array);
            let all = all.with_context(|| format!("no {list}"))?;
            let by_id = all.iter().map(|it| Ok((text(it, "/id")?, it.clone())));
            screen.0.insert(entity, by_id.collect::<Result<_>>()?);
        }
        Ok(screen)
    }

    fn apply(&mut self, event: &Value) {
        let (kind, entity) = (at(event, "/type").as_str(), at(event, "/entity").as_str());
        let Some(kept) = entity.and_then(|entity| self.0.get_mut(entity)) else { return };
        let Some(id) = at(event, "/entity_id").as_str() else { return };
        if kind.is_some_and(|kind| kind.ends_with("_deleted")) {
            kept.remove(id);
        } else {
            kept.insert(id.to_owned(), at(event, "/data").clone());
        }
    }

    /// What a screen shows: who has left is not there.
    fn live(mut self) -> Self {
        let live = ["waiting", "notified", "seated", "held", "booked", "arrived"];
        let is_live = |it: &Value| at(it, "/status").as_str().is_some_and(|is| live.contains(&is));
        for entity in ["guest", "reservation"] {
            let of = |_: &String, it: &mut Value| {
                is_live(it) && !(entity == "reservation" && *at(it, "/status") == "seated")
            };
            if let Some(kept) = self.0.get_mut(entity) {
                kept.retain(of);
            }
        }
        self
    }
}

/// Listens until it has heard the number that is told at the end, and shows what was up to there:
/// the rules' own clock goes on, and what it brings after the end is in no snapshot of the end.
async fn watch_floor(
    mut socket: Socket,
    mut screen: Screen,
    mut end: watch::Receiver<Option<i64>>,
) -> Result<Screen> {
    let end = loop {
        if let Some(Heard::Closed(code, reason)) = socket.hear(LOOK).await? {
            bail!("closed with {code} {reason} at {}", socket.pos());
        }
        match *end.borrow_and_update() {
            Some(end) if socket.seq() >= end => break end,
            _ => {}
        }
    };
    ensure!(socket.resyncs().is_empty(), "{:?}", socket.resyncs());
    let until = |event: &&Value| at(event, "/seq").as_i64().is_some_and(|seq| seq <= end);
    for event in socket.events().iter().filter(until) {
        screen.apply(event);
    }
    Ok(screen.live())
}

/// The time of the rules.
struct Hands {
    file: PathBuf,
    micros: i64,
}

impl Hands {
    fn set(&mut self, micros: i64) -> Result<()> {
        self.micros = micros;
        // Whole or not at all: somebody is reading it.
        let new = self.file.with_extension("new");
        std::fs::write(&new, micros.to_string())?;
        Ok(std::fs::rename(new, &self.file)?)
    }
}

/// What the hosts do in a quarter, as `floor` was at its beginning.
fn plan(room: &Room, floor: &Value, quarter: i64) -> Vec<(String, Value)> {
    let all = |list: &str| floor.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let id = |it: &Value| at(it, "/id").as_str().unwrap_or_default().to_owned();
    let guests = all("guests");
    let of = |status: &'static str| guests.iter().filter(move |it| *at(it, "/status") == status);
    let mut steps = Vec::new();
    let guest = |id: String, step: &str| room.path(&format!("/guests/{id}/{step}"));
    if quarter < LAST_ARRIVALS {
        for n in 0..PARTIES {
            let size = 1 + (usize::try_from(quarter).unwrap_or(0) + n) % 4;
            let body = json!({"guestName": format!("Party {quarter}-{n}"), "partySize": size});
            steps.push((room.path("/guests"), body));
        }
    }
    // Whoever has sat for an hour and a half leaves, those who came first.
    let full = of("seated").count();
    let leaving = if quarter >= LAST_ARRIVALS { full.div_ceil(3) } else { full.saturating_sub(24) };
    steps.extend(of("seated").take(leaving).map(|it| (guest(id(it), "complete"), json!({}))));
    // Some are called first, one does not come; the others get a table that is free.
    let mut free = all("tables").into_iter().filter(|it| *at(it, "/status") == "available");
    for (n, waiting) in of("waiting").enumerate() {
        let step = match n % 9 {
            7 => "notify",
            8 => "no-show",
            _ => "seat",
        };
        let table =
            free.find(|it| at(it, "/maxSeats").as_i64() >= at(waiting, "/partySize").as_i64());
        let body = match table.filter(|_| step == "seat") {
            Some(table) => json!({"tables": [id(&table)]}),
            None => json!({}),
        };
        steps.push((guest(id(waiting), step), body));
    }
    steps.extend(of("notified").map(|it| (guest(id(it), "seat"), json!({}))));
    if let (Some(one), Some(other)) = (of("seated").nth_back(0), of("seated").nth_back(1)) {
        steps.push((guest(id(one), "swap"), json!({"with": id(other), "anyway": true})));
        steps.push((guest(id(other), "undo"), json!({})));
    }
    // Somebody calls for later; who has reserved comes.
    let reserved = all("reservations");
    if let Some(first) = reserved.iter().find(|it| *at(it, "/status") == "booked") {
        let step = if quarter % 3 == 0 { "cancel" } else { "arrive" };
        steps.push((room.path(&format!("/reservations/{}/{step}", id(first))), json!({})));
    }
    steps
}

/// Does them, a few at a time. Hosts who are in each other's way are told so; that is no failure.
async fn serve(hosts: &[Person], steps: Vec<(String, Value)>) -> Result<usize> {
    let (mut doing, mut done) = (JoinSet::new(), 0);
    let settle = |answer: testkit::Answered| -> Result<usize> {
        let fair = [200, 201, 409, 412, 404].contains(&answer.status);
        ensure!(fair, "{} gave {}: {}", answer.asked, answer.status, answer.text);
        Ok(usize::from(answer.status < 300))
    };
    for (n, (path, body)) in steps.into_iter().enumerate() {
        let host: Client = hosts.get(n % hosts.len()).context("no host")?.client().clone();
        doing.spawn(async move { host.post(path, body).settled().await });
        if doing.len() == HANDS {
            done += settle(doing.join_next().await.context("nothing")???)?;
        }
    }
    while let Some(answer) = doing.join_next().await {
        done += settle(answer??)?;
    }
    Ok(done)
}

async fn reserve_later(room: &Room, host: &Person, floor: &Value, n: i64) -> Result<usize> {
    let now = at(floor, "/guests/0/createdAt").as_str();
    let Some(now) = now else { return Ok(0) };
    // Two hours after the first party that is here came.
    let at: jiff::Timestamp = now.parse()?;
    let at = at + jiff::SignedDuration::from_mins(150 + 15 * (n % 4));
    let body = json!({"startsAt": format!("{at:.6}"), "partySize": 2, "guestName": "Caller"});
    let answer = host.post(room.path("/reservations"), body).settled().await?;
    Ok(usize::from(answer.status == 201))
}

fn folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("rowlock-clock-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// How far it is to two in the afternoon of the house's tomorrow: ten hours from there are one day
/// of service, whenever the test runs.
fn until_service() -> Result<i64> {
    let (now, zone) = (jiff::Timestamp::now(), jiff::tz::TimeZone::get("Europe/Lisbon")?);
    let tomorrow = now.to_zoned(zone.clone()).date().tomorrow()?;
    let service = tomorrow.at(14, 0, 0, 0).to_zoned(zone)?.timestamp();
    Ok(service.as_microsecond() - now.as_microsecond())
}

async fn evening(file: &Path) -> Result<()> {
    let ahead = file.to_str().context("no text")?;
    let bed = Bed::with().workers(WORKERS).env("RULES_AHEAD", ahead).start().await?;
    let seats: Vec<i32> = (0..TABLES).map(|n| if n % 3 == 0 { 2 } else { 4 }).collect();
    let room = Room::with(&bed, &seats).await?;
    let owner = room.house.owner();
    let settings = room.path("/floor/settings");
    let seen = owner.get(&settings).await?.expect(200)?;
    let mut rules = at(&seen, "/rules").clone();
    let cleared = rules.pointer_mut("/clearedTo").context("no clearedTo")?;
    *cleared = json!("available");
    owner.put(&settings, rules).await?.expect(200)?;
    let mut hosts = Vec::new();
    for _ in 0..HOSTS {
        hosts.push(room.house.member("host").await?);
    }
    let mut hands = Hands { file: file.to_owned(), micros: 0 };
    hands.set(until_service()?)?;
    tokio::time::sleep(LOOK).await;
    let first = room.floor(owner).await?;
    let (start, pos) = (Screen::of(&first)?, text(&first, "/pos")?);
    let (end, told) = watch::channel(None);
    let mut screens = JoinSet::new();
    for n in 0..SCREENS {
        let host = hosts.get(n % HOSTS).context("no host")?;
        // One after the other: few sockets of an address may be without a name at once.
        let mut socket = Socket::open(&bed.worker(n % WORKERS)?.address(), host.token()).await?;
        socket.listen(room.house.venue(), &["floor", "guests"], Some(&pos)).await?;
        screens.spawn(watch_floor(socket, start.clone(), told.clone()));
    }
    let mut written = 0;
    for quarter in 0..QUARTERS {
        let floor = room.floor(owner).await?;
        written += serve(&hosts, plan(&room, &floor, quarter)).await?;
        if quarter < LAST_ARRIVALS {
            let host = hosts.first().context("no host")?;
            written += reserve_later(&room, host, &floor, quarter).await?;
        }
        hands.set(hands.micros + QUARTER_MICROS)?;
        tokio::time::sleep(LOOK).await;
    }
    // No host writes any more; whatever the rules still tell comes after this.
    let last = room.floor(owner).await?;
    let seq = text(&last, "/pos")?.split('-').next().and_then(|seq| seq.parse().ok());
    end.send(seq)?;
    let all = tokio::time::timeout(PATIENCE, screens.join_all()).await?;
    ensure!(all.len() == SCREENS);
    let floor = Screen::of(&last)?;
    for (n, screen) in all.into_iter().enumerate() {
        let screen = screen.with_context(|| format!("screen {n}"))?;
        for (entity, _) in PARTS {
            ensure!(screen.0.get(entity) == floor.0.get(entity), "screen {n}: its {entity} differ");
        }
    }
    let dashboard = owner.get(room.path("/dashboard")).await?.expect(200)?;
    let parties = at(&dashboard, "/totals/parties").as_i64().context("no parties")?;
    println!("{written} writes, {parties} parties seated, {SCREENS} screens equal");
    ensure!(written > 300 && parties > 80, "a quiet evening proves nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_ten_hours_of_dinner_sixty_screens_show_what_the_database_has() -> Result<()> {
    let folder = folder()?;
    let done = evening(&folder.join("ahead")).await;
    std::fs::remove_dir_all(folder)?;
    done
}
