//! A day of the app of the earlier system, which is told nothing but a new host: a few hundred
//! calls of several devices at several workers, drawn from a seed, so that every run is the same.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Answered, Ask, Bed, Client, House, OldSocket, PATIENCE};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::sale::{at, text};

/// Calls of the day.
const CALLS: usize = 320;
const TABLES: usize = 12;

/// A die that falls the same way in every run.
struct Die(u64);

impl Die {
    fn to(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.to(from.len());
        from.get(at)
    }
}

/// What the app believes: each party with its status and table, each table with its status.
#[derive(Default)]
struct Belief {
    guests: BTreeMap<String, (String, Option<String>)>,
    tables: BTreeMap<String, String>,
}

impl Belief {
    fn guests(&self, status: &str) -> Vec<String> {
        let found = self.guests.iter().filter(|(_, (is, _))| is == status);
        found.map(|(id, _)| id.clone()).collect()
    }

    fn tables(&self, status: &str) -> Vec<String> {
        self.tables.iter().filter(|(_, is)| *is == status).map(|(id, _)| id.clone()).collect()
    }

    fn seat(&mut self, guest: &str, table: &str) {
        if let Some((_, Some(left))) = self.guests.get(guest) {
            self.tables.insert(left.clone(), "dirty".into());
        }
        self.guests.insert(guest.into(), ("seated".into(), Some(table.into())));
        self.tables.insert(table.into(), "occupied".into());
    }

    fn finish(&mut self, guest: &str) {
        if let Some((_, Some(table))) = self.guests.remove(guest) {
            self.tables.insert(table, "dirty".into());
        }
    }
}

/// The app on one device.
struct Device {
    client: Client,
    restaurant: String,
    /// Its screen, that hears what the others do.
    screen: JoinHandle<Result<BTreeMap<String, Value>>>,
}

/// How often a screen looks whether the day is over.
const LOOK: Duration = Duration::from_millis(50);

/// What a screen knows when it has heard the event of that number: each thing by its id.
async fn watch_day(
    mut socket: OldSocket,
    restaurant: String,
    mut end: watch::Receiver<Option<i64>>,
) -> Result<BTreeMap<String, Value>> {
    let (mut known, mut seq) = (BTreeMap::new(), 0);
    while end.borrow_and_update().is_none_or(|end| seq < end) {
        let Some(event) = socket.next(LOOK).await? else { continue };
        let Some(kind) = at(&event, "/type").as_str() else { continue };
        if kind == "pong" {
            continue;
        }
        ensure!(*at(&event, "/restaurant_id") == restaurant, "{event}");
        seq = at(&event, "/seq").as_i64().context("no seq")?;
        let id = text(&event, "/entity_id")?;
        let named = format!("{}_id", text(&event, "/entity")?);
        ensure!(*at(&event, &format!("/{named}")) == id, "the message format of the app");
        if kind.ends_with("_deleted") {
            known.remove(&id);
        } else if kind.starts_with("guest") || kind.starts_with("table") {
            known.insert(id, at(&event, "/data").clone());
        }
    }
    Ok(known)
}

impl Device {
    /// Signs in as the app does.
    async fn of(
        bed: &Bed,
        house: &House,
        n: usize,
        end: watch::Receiver<Option<i64>>,
    ) -> Result<Self> {
        let person = house.member("host").await?;
        let anyone = bed.anyone().at(n % bed.workers().len());
        let body = json!({"email": person.email(), "password": person.password()});
        let answer = anyone.post("/auth/login", body).without_key().settled().await?;
        check_old(&answer, "/api/v1/auth/login")?;
        let tokens = answer.expect(200)?;
        ensure!(
            *at(&tokens, "/token_type") == "bearer"
                && *at(&tokens, "/accessToken") == *at(&tokens, "/access_token")
        );
        let restaurant = text(&tokens, "/restaurant_id")?;
        ensure!(restaurant == house.venue(), "the one where the host works");
        let token = text(&tokens, "/access_token")?;
        // The screen is at another worker than the calls.
        let address = bed.worker((n + 1) % bed.workers().len())?.address();
        let mut socket = OldSocket::open(&address, &restaurant, &token).await?;
        socket.say(&json!({"type": "ping"})).await?;
        let pong = socket.next(PATIENCE).await?;
        ensure!(pong == Some(json!({"type": "pong"})), "{pong:?}");
        let screen = tokio::spawn(watch_day(socket, restaurant.clone(), end));
        Ok(Self { client: anyone.with_token(&token), restaurant, screen })
    }

    fn path(&self, rest: &str) -> String {
        format!("/restaurants/{}{rest}", self.restaurant)
    }

    /// Without keys: the app has none.
    fn put(&self, rest: &str, body: Value) -> Ask {
        self.client.put(self.path(rest), body).without_key()
    }

    fn post(&self, rest: &str, body: Value) -> Ask {
        self.client.post(self.path(rest), body).without_key()
    }

    async fn list(&self, of: &str) -> Result<Vec<Value>> {
        let answer = self.client.get(self.path(&format!("/{of}"))).await?;
        check_old(&answer, &format!("/api/v1/venues/{}/floor", self.restaurant))?;
        answer.expect(200)?.as_array().cloned().context("no list")
    }
}

/// Every answer of an old path says that it is one, and what takes its place.
fn check_old(answer: &Answered, successor: &str) -> Result<()> {
    let link = format!("<{successor}>; rel=\"successor-version\"");
    ensure!(answer.header("Deprecation").is_some_and(|since| since.starts_with('@')));
    ensure!(answer.header("Link") == Some(&link), "{:?}", answer.header("Link"));
    Ok(())
}

/// One call of the day, as it comes about.
async fn call(device: &Device, belief: &mut Belief, die: &mut Die, n: usize) -> Result<()> {
    let (waiting, seated) = (belief.guests("waiting"), belief.guests("seated"));
    let (free, dirty) = (belief.tables("available"), belief.tables("dirty"));
    match die.to(12) {
        0..=2 => {
            let body = match die.to(2) {
                0 => json!({"first_name": "Guest", "last_name": n.to_string(),
                    "party_size": 1 + die.to(4), "status": "Waitlist", "phone": ""}),
                _ => json!({"guestName": format!("Party {n}"), "partySize": 1 + die.to(4),
                    "status": "waiting", "tableId": null, "dietaryRestrictions": ["nuts"]}),
            };
            let guest = device.post("/guests", body).await?.expect(201)?;
            belief.guests.insert(text(&guest, "/id")?, ("waiting".into(), None));
        }
        3 | 4 => {
            if let (Some(guest), Some(table)) = (die.pick(&waiting), die.pick(&free)) {
                seat(device, die, guest, table).await?;
                belief.seat(guest, table);
            }
        }
        5 => {
            // The app sends the whole party when only its name was changed.
            if let Some(guest) = die.pick(&seated) {
                let path = format!("/guests/{guest}");
                let mut whole = device.client.get(device.path(&path)).await?.expect(200)?;
                let name = whole.pointer_mut("/guestName").context("no name")?;
                *name = json!(format!("Renamed {n}"));
                let changed = device.put(&path, whole).await?.expect(200)?;
                ensure!(*at(&changed, "/guestName") == format!("Renamed {n}"));
                ensure!(*at(&changed, "/status") == "seated", "nothing else was changed");
            }
        }
        6 => {
            if let (Some(guest), Some(table)) = (die.pick(&seated), die.pick(&free)) {
                let body = json!({"status": "Seated", "table_id": table});
                device.put(&format!("/guests/{guest}"), body).await?.expect(200)?;
                belief.seat(guest, table);
            }
        }
        7 => {
            if let Some(guest) = die.pick(&seated) {
                finish(device, belief, die, guest).await?;
            }
        }
        8 => {
            if let Some(guest) = die.pick(&waiting) {
                let body = json!({"id": guest, "status": "No Show"});
                device.put(&format!("/guests/{guest}"), body).await?.expect(200)?;
                belief.guests.remove(guest);
            }
        }
        9 => {
            if let Some(table) = die.pick(&dirty) {
                let body = json!({"status": "available", "currentGuestId": null});
                device.put(&format!("/tables/{table}"), body).await?.expect(200)?;
                belief.tables.insert(table.clone(), "available".into());
            }
        }
        10 => {
            if let Some(guest) = die.pick(&waiting) {
                let path = device.path(&format!("/guests/{guest}"));
                let gone = device.client.delete(path).without_key().await?;
                ensure!(gone.status == 204, "{}", gone.text);
                belief.guests.remove(guest);
            }
        }
        _ => look(device, belief).await?,
    }
    Ok(())
}

/// The ways in which the app puts a party at a table.
async fn seat(device: &Device, die: &mut Die, guest: &str, table: &str) -> Result<()> {
    let path = |what: &str, id: &str| format!("/{what}/{id}");
    match die.to(4) {
        0 => {
            let body = json!({"id": guest, "status": "Seated", "tableId": table, "totalVisits": 3});
            let seated = device.put(&path("guests", guest), body).await?.expect(200)?;
            ensure!(*at(&seated, "/tableId") == table && at(&seated, "/seatedTime").is_string());
        }
        1 => {
            let body = json!({"status": "occupied", "currentGuestId": guest});
            let taken = device.put(&path("tables", table), body).await?.expect(200)?;
            ensure!(*at(&taken, "/currentGuestId") == guest && *at(&taken, "/id") == table);
        }
        way => {
            // Both, in the order in which the app has them; or the table alone.
            let tables = json!([{"id": table, "status": "occupied", "currentGuestId": guest}]);
            let guests = json!([{"id": guest, "status": "seated", "assignedTableId": table}]);
            let guests = if way == 2 { guests } else { json!([]) };
            let body = json!({"tables": tables, "guests": guests});
            let done = device.post("/batch-update", body).await?.expect(200)?;
            ensure!(*at(&done, "/success") == true && *at(&done, "/updated_guests/0/id") == guest);
            ensure!(*at(&done, "/updated_tables/0/status") == "occupied", "{done}");
        }
    }
    Ok(())
}

async fn finish(device: &Device, belief: &mut Belief, die: &mut Die, guest: &str) -> Result<()> {
    let table = belief.guests.get(guest).and_then(|(_, table)| table.clone());
    belief.finish(guest);
    if die.to(2) == 0 {
        let body = json!({"id": guest, "status": "Finished", "tableId": table});
        let done = device.put(&format!("/guests/{guest}"), body).await?.expect(200)?;
        ensure!(*at(&done, "/status") == "completed");
        return Ok(());
    }
    // The app frees the table itself, and names it first.
    let table = table.context("it sat somewhere")?;
    let body = json!({"tables": [{"id": table, "status": "available"}],
        "guests": [{"id": guest, "status": "completed", "finishedTime": "2026-01-01T20:00:00Z"}]});
    device.post("/batch-update", body).await?.expect(200)?;
    belief.tables.insert(table, "available".into());
    Ok(())
}

/// What every screen of the app begins with.
async fn look(device: &Device, belief: &Belief) -> Result<()> {
    let guests = device.list("guests").await?;
    ensure!(guests.len() == belief.guests.len(), "{} parties", guests.len());
    for guest in &guests {
        let known = belief.guests.get(&text(guest, "/id")?).context("an unknown party")?;
        let table = at(guest, "/tableId").as_str().map(str::to_owned);
        ensure!((text(guest, "/status")?, table) == *known, "{guest}");
        ensure!(*at(guest, "/name") == *at(guest, "/guestName"));
    }
    for table in device.list("tables").await? {
        let known = belief.tables.get(&text(&table, "/id")?).context("an unknown table")?;
        ensure!(text(&table, "/status")? == *known, "{table}");
        ensure!(*at(&table, "/capacity") == 4 && *at(&table, "/position/y") == 0.5);
    }
    let seen = device.client.get(device.path("/dashboard-data")).await?.expect(200)?;
    ensure!(*at(&seen, "/stats/total_guests") == belief.guests.len());
    ensure!(*at(&seen, "/isFullSync") == true);
    let path = format!("/api/v1/dashboard/{}", device.restaurant);
    let figures = device.client.get(path).await?.expect(200)?;
    ensure!(*at(&figures, "/totals/tables") == TABLES);
    Ok(())
}

#[tokio::test]
async fn a_day_of_the_old_app_goes_as_it_always_did() -> Result<()> {
    let bed = Bed::start(2).await?;
    let house = bed.house().await?;
    let (mut devices, mut belief) = (Vec::new(), Belief::default());
    let (end, told) = watch::channel(None);
    for n in 0..3 {
        devices.push(Device::of(&bed, &house, n, told.clone()).await?);
    }
    let me = devices[0].client.get("/auth/me").await?.expect(200)?;
    assert_eq!((&me["role"], &me["restaurant_id"]), (&json!("host"), &json!(house.venue())));
    for n in 0..TABLES {
        let body = json!({"table_number": n.to_string(), "capacity": 4, "shape": "round",
            "position": {"x": 0.1, "y": 0.5}, "section": "Main"});
        let table = devices[n % 3].post("/tables", body).await?.expect(201)?;
        assert_eq!(table["tableNumber"], json!(n.to_string()));
        belief.tables.insert(text(&table, "/id")?, "available".into());
    }
    let mut die = Die(7);
    for n in 0..CALLS {
        let device = devices.get(die.to(3)).context("no device")?;
        call(device, &mut belief, &mut die, n).await.with_context(|| format!("call {n}"))?;
    }
    for device in &devices {
        look(device, &belief).await?;
    }
    let last = "select max(seq) from log.venue_event";
    end.send(Some(bed.sql().await?.value::<i64>(last, &[]).await?))?;
    for device in devices {
        let known = tokio::time::timeout(PATIENCE, device.screen).await???;
        for (id, (status, table)) in &belief.guests {
            let seen = known.get(id).with_context(|| format!("nobody told of {id}"))?;
            ensure!(seen["status"] == *status && seen["tableId"].as_str() == table.as_deref());
        }
        for (id, status) in &belief.tables {
            ensure!(known.get(id).is_some_and(|seen| seen["status"] == *status), "table {id}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn old_paths_refuse_what_the_real_ones_refuse() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let (_end, told) = watch::channel(None);
    let device = Device::of(&bed, &house, 0, told).await?;
    let anyone = bed.anyone();
    anyone.get(device.path("/guests")).await?.refused(401, "no_token")?;
    let monitor = house.member("monitor").await?;
    monitor.get(device.path("/guests")).await?.refused(403, "forbidden")?;
    assert_eq!(monitor.get(device.path("/tables")).await?.status, 200, "no names there");
    let stranger = bed.person().await?;
    stranger.get(device.path("/tables")).await?.refused(404, "no_such_path")?;
    let table = |name: &str| device.post("/tables", json!({"number": name, "capacity": 2}));
    let (one, two) = (table("1").await?.expect(201)?, table("2").await?.expect(201)?);
    let guest = |name: &str| device.post("/guests", json!({"name": name, "party_size": 2}));
    let (ana, bob) = (guest("Ana").await?.expect(201)?, guest("Bob").await?.expect(201)?);
    let put = |guest: &Value, body| {
        device.put(&format!("/guests/{}", guest["id"].as_str().unwrap_or("")), body)
    };
    let at = |table: &Value| json!({"status": "Seated", "tableId": table["id"]});
    put(&ana, at(&one)).await?.expect(200)?;
    put(&bob, at(&one)).await?.refused(409, "floor.tables_taken")?;
    put(&bob, json!({"status": "Finished"})).await?.refused(409, "floor.no_way")?;
    // All or nothing, as it was promised.
    let body = json!({"guests": [{"id": bob["id"], "status": "Seated", "tableId": two["id"]},
        {"id": ana["id"], "status": "Seated", "tableId": two["id"]}]});
    device.post("/batch-update", body).await?.refused(409, "floor.tables_taken")?;
    let guests = device.list("guests").await?;
    assert_eq!(guests[1]["status"], "waiting");
    device.put("/guests", json!({})).await?.refused(405, "method_not_allowed")?;
    device.client.get(device.path("/nothing")).await?.refused(404, "no_such_path")?;
    anyone.get("/realtime").await?.refused(400, "bad_query")?;
    let address = bed.worker(0)?.address();
    let nobody = OldSocket::open(&address, house.venue(), "nonsense").await;
    ensure!(nobody.is_err(), "a token that is none opens nothing");
    let form = anyone.ask("POST".parse()?, "/auth/login").without_key();
    let form = form.raw("username=nobody%40example.org&password=wrong");
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    form.await?.refused(401, "identity.wrong_password")?;
    Ok(())
}
