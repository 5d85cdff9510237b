//! Scanners that have no network for a while, and what the house makes of it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use loadgen::scanner::{Door, Scanner};
use serde_json::{Value, json};
use testkit::{Bed, Client, PATIENCE, Socket};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::devices::Device;
use crate::doors::{Coded, Doors};
use crate::sale::text;

#[expect(clippy::disallowed_methods, reason = "a scanner has a clock of its own")]
fn right_time() -> Timestamp {
    Timestamp::now()
}

/// A scanner with a clock of its own.
struct Phone {
    scanner: Scanner,
    client: Client,
    id: String,
    /// How far its clock is ahead of the right time.
    ahead: SignedDuration,
}

impl Phone {
    async fn new(bed: &Bed, doors: &Doors, ahead_secs: i64) -> Result<Self> {
        let device = Device::approved(bed, &doors.house, "scanner").await?;
        let client = device.signed_in(bed).await?;
        let scanner = Scanner::new(&doors.show);
        let ahead = SignedDuration::from_secs(ahead_secs);
        Ok(Self { scanner, client, id: device.id, ahead })
    }

    fn clock(&self) -> Timestamp {
        right_time() + self.ahead
    }

    async fn fetch(&mut self, doors: &Doors) -> Result<()> {
        loop {
            let since = self.scanner.since().map(|since| format!("?since={since}"));
            let path = doors.path(&format!("/offline-bundle{}", since.unwrap_or_default()));
            let bundle = self.client.get(path).await?.expect(200)?;
            let now = self.clock();
            if !self.scanner.take(&bundle, now)? {
                return Ok(());
            }
        }
    }

    /// A scan that was made `ago` seconds ago by the right time.
    fn scan(&mut self, doors: &Doors, code: &str, ago: i64) -> (&'static str, &'static str, Uuid) {
        let door = Door { list: doors.list.clone(), gate: self.id.clone(), kind: "entry" };
        let (nonce, at) = (Uuid::new_v4(), self.clock() - SignedDuration::from_secs(ago));
        let shown = self.scanner.scan(code, &door, nonce, at);
        (shown.verdict, shown.reason, nonce)
    }

    async fn send(&mut self, doors: &Doors, most: usize) -> Result<()> {
        if let Some(batch) = self.scanner.batch(most, self.clock()) {
            let path = doors.house.path("/scans/batch");
            let answer = self.client.post(path, batch).without_key().settled().await?;
            self.scanner.settle(&answer.expect(200)?);
        }
        Ok(())
    }
}

/// Bundles may be older than scans of the past: a test scans minutes ago.
const AGED: &str = "update tickets.show set lease_secs = 43200";

#[tokio::test]
async fn a_scanner_works_without_a_network_and_is_told_what_the_house_knows() -> Result<()> {
    let bed = Bed::start(2).await?;
    let doors = Doors::open(&bed).await?;
    let tickets = doors.issue(json!({"class": 1, "name": "Ana Lopes"}), 4).await?;
    let mut phone = Phone::new(&bed, &doors, 120).await?;
    phone.fetch(&doors).await?;
    assert_eq!(phone.scanner.known(), 4);
    let door = Door { list: doors.list.clone(), gate: "South".to_owned(), kind: "entry" };
    let now = phone.clock();
    let shown = phone.scanner.scan(&tickets[0].code, &door, Uuid::new_v4(), now);
    assert_eq!((shown.verdict, shown.name.as_deref()), ("admit", Some("Ana Lopes")));
    assert_eq!(phone.scan(&doors, &tickets[0].code, 0).1, "already_admitted");
    assert_eq!(phone.scan(&doors, "RL1000", 0).1, "forged");
    // Another gate, with a network, lets in with two of them.
    let scanner = doors.house.member("scanner").await?;
    doors.scan(scanner.client(), &tickets[1].code).await?.expect(200)?;
    let (shown, _, nonce) = phone.scan(&doors, &tickets[1].code, 0);
    assert_eq!(shown, "admit", "it cannot know");
    let late = one(&doors).await?;
    assert_eq!(phone.scan(&doors, &late.code, 0).0, "admit", "issued after its bundle");

    phone.send(&doors, 1000).await?;
    assert_eq!(phone.scanner.waiting(), 0);
    let verdict = phone.scanner.verdict(&nonce.to_string()).context("no verdict")?;
    assert_eq!(verdict["reason"], "already_admitted");
    assert_eq!(verdict["conflict"], "second_entry");
    assert_eq!(verdict["firstScan"]["gate"], "North");
    // The delta knows of all of it, and of nothing else.
    doors.scan(scanner.client(), &tickets[2].code).await?.expect(200)?;
    phone.fetch(&doors).await?;
    assert_eq!(phone.scan(&doors, &tickets[2].code, 0).1, "already_admitted");
    assert_eq!(phone.scan(&doors, &tickets[3].code, 0).0, "admit");
    Ok(())
}

async fn one(doors: &Doors) -> Result<Coded> {
    doors.issue(json!({"class": 1}), 1).await?.pop().context("no ticket")
}

#[tokio::test]
async fn a_bundle_that_was_changed_is_not_taken() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    one(&doors).await?;
    let mut phone = Phone::new(&bed, &doors, 0).await?;
    let path = doors.path("/offline-bundle");
    let bundle = phone.client.get(&path).await?.expect(200)?;
    let mut changed = bundle.clone();
    changed["payload"] = json!(text(&bundle, "/payload")?.replace("issued\"", "revoked\""));
    let now = phone.clock();
    assert!(phone.scanner.take(&changed, now).is_err());
    assert_eq!(phone.scanner.known(), 0);
    phone.scanner.take(&bundle, now)?;
    phone.client.get(format!("{path}?since=x")).await?.refused(400, "tickets.bad_since")?;
    // After its lease it says no to everybody.
    phone.ahead = SignedDuration::from_hours(13);
    let ticket = one(&doors).await?;
    assert_eq!(phone.scan(&doors, &ticket.code, 0).1, "too_late");
    Ok(())
}

#[tokio::test]
async fn what_was_revoked_before_is_flagged_and_what_was_revoked_after_counts() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    let tickets = doors.issue(json!({"class": 1}), 4).await?;
    let sql = bed.sql().await?;
    let mut phone = Phone::new(&bed, &doors, -200).await?;
    phone.fetch(&doors).await?;
    let nonces: Vec<_> =
        tickets.iter().map(|ticket| phone.scan(&doors, &ticket.code, 0).2.to_string()).collect();
    let at = |n: usize, set: &str| {
        format!("update tickets.ticket set {set} where id = '{}'", tickets[n].id)
    };
    sql.run(&at(0, "status = 'revoked', revoked_at = now() - interval '1 minute'")).await?;
    sql.run(&at(1, "serial = 2, reissued_at = now() - interval '1 minute'")).await?;
    sql.run(&at(2, "serial = 2, reissued_at = now() + interval '1 minute'")).await?;
    phone.send(&doors, 1000).await?;
    let said = |n: usize| phone.scanner.verdict(&nonces[n]).cloned().unwrap_or_default();
    assert_eq!(
        (&said(0)["reason"], &said(0)["conflict"]),
        (&json!("revoked"), &json!("after_revocation"))
    );
    assert_eq!(
        (&said(1)["reason"], &said(1)["conflict"]),
        (&json!("reissued"), &json!("after_revocation"))
    );
    assert_eq!((&said(2)["verdict"], &said(2)["reason"]), (&json!("admit"), &json!("ok")));
    assert_eq!(said(3)["verdict"], "admit");
    Ok(())
}

#[tokio::test]
async fn scans_of_a_device_after_it_was_revoked_are_handed_in_by_a_manager_and_not_trusted()
-> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    let tickets = doors.issue(json!({"class": 1}), 2).await?;
    let device = Device::approved(&bed, &doors.house, "scanner").await?;
    device.act(&doors.house, "revoke").await?.expect(200)?;
    let manager = doors.house.member("manager").await?;
    let scanner = doors.house.member("scanner").await?;
    let now = right_time();
    let scan = |ticket: &Coded, at: Timestamp| {
        json!({"nonce": Uuid::new_v4(), "code": ticket.code, "list": doors.list, "scannedAt": at,
            "verdict": "admit", "device": device.id})
    };
    let minute = SignedDuration::from_mins(1);
    let batch = json!({"show": doors.show, "scans":
        [scan(&tickets[0], now - minute), scan(&tickets[1], now)]});
    let path = doors.house.path("/scans/batch");
    scanner.post(&path, batch.clone()).await?.refused(403, "tickets.not_your_device")?;
    let told = manager.post(&path, batch).await?.expect(200)?;
    assert_eq!(told["results"][0]["verdict"], "admit");
    assert_eq!(told["results"][1]["conflict"], "untrusted_device");
    Ok(())
}

/// A die that falls as its seed says.
struct Die(u64);

impl Die {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides.max(1)
    }
}

/// What came of it: for each ticket its status, and each scan's place by time, whether it counts
/// and is flagged.
type Outcome = BTreeMap<usize, (String, Vec<(i64, bool, bool)>)>;

const TICKETS: usize = 200;
/// Of a hundred codes so many are copied, and shown at other doors too.
const CLONES_OF_100: usize = 5;

/// Five phones with wrong clocks scan for ten minutes without a network; then they hand in what they
/// have, in pieces, in any order, again and again, over a network that breaks.
async fn evening(bed: &Bed, order: u64) -> Result<Outcome> {
    let doors = Doors::open(bed).await?;
    bed.sql().await?.run(AGED).await?;
    let tickets = doors.issue(json!({"class": 1}), TICKETS).await?;
    let mut phones = Vec::new();
    for ahead in [-300, -120, 0, 180, 300] {
        let mut phone = Phone::new(bed, &doors, ahead).await?;
        phone.fetch(&doors).await?;
        phones.push(phone);
    }
    // The same evening every time: what happened does not depend on how it is handed in.
    let (mut die, mut shown) = (Die(7), 0);
    for (n, ticket) in tickets.iter().enumerate() {
        let first = die.below(phones.len());
        let copies = if n % 100 < CLONES_OF_100 { 1 + die.below(3) } else { 0 };
        for copy in 0..=copies {
            // Ten seconds apart at least: how long a request takes says nothing.
            let ago = i64::try_from(600 - (n % 50) - copy * 60)?;
            let len = phones.len();
            let phone = phones.get_mut((first + copy) % len).context("no phone")?;
            let (verdict, reason, _) = phone.scan(&doors, &ticket.code, ago);
            ensure!(verdict == "admit", "{verdict} {reason}");
            shown += 1;
        }
    }
    hand_in(bed, &doors, &mut phones, order).await?;
    let sql = bed.sql().await?;
    let scans = "select count(*) from tickets.scan s join tickets.show h using (show_id)
        where s.show_id = $1";
    let show: Uuid = doors.show.parse()?;
    assert_eq!(sql.value::<i64>(scans, &[&show]).await?, shown, "each scan is there once");
    outcome(&doors, &tickets).await
}

/// Sends the head of a batch and so many bytes of its body; then the connection is reset.
async fn cut(bed: &Bed, client: &Client, (path, body): (&str, &str), sent: usize) -> Result<()> {
    let mut wire = TcpStream::connect(bed.worker(0)?.address()).await?;
    let token = client.token().context("nobody is signed in")?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: doors\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    wire.write_all(head.as_bytes()).await?;
    wire.write_all(body.as_bytes().get(..sent).context("beyond the body")?).await?;
    wire.flush().await?;
    Ok(wire.set_zero_linger()?)
}

async fn hand_in(bed: &Bed, doors: &Doors, phones: &mut [Phone], order: u64) -> Result<()> {
    let (mut die, mut cuts) = (Die(order), 0);
    while phones.iter().any(|phone| phone.scanner.waiting() > 0) {
        let turn = die.below(phones.len());
        let phone = phones.get_mut(turn).context("no phone")?;
        let size = 1 + die.below(40);
        let Some(batch) = phone.scanner.batch(size, phone.clock()) else { continue };
        let path = doors.house.path("/scans/batch");
        // One of three uploads breaks off: somewhere in its body, or when all of it is sent and the
        // house is at work. It comes again, perhaps among others.
        if die.below(3) == 0 {
            let body = batch.to_string();
            let sent = if die.below(2) == 0 { body.len() } else { die.below(body.len()) };
            cut(bed, &phone.client, (&path, &body), sent).await?;
            cuts += 1;
        }
        let answer = phone
            .client
            .at(die.below(2))
            .post(&path, batch.clone())
            .without_key()
            .settled()
            .await?;
        let first = answer.expect(200)?;
        match die.below(3) {
            // The answer was lost: the same scans come again, perhaps among others.
            0 => {}
            // It is sent again at once, and has to be told the same.
            1 => {
                let again = phone.client.post(&path, batch).without_key().settled().await?;
                assert_eq!(again.expect(200)?["results"], first["results"]);
                phone.scanner.settle(&first);
            }
            _ => phone.scanner.settle(&first),
        }
    }
    ensure!(cuts >= 3, "only {cuts} uploads broke off");
    Ok(())
}

async fn outcome(doors: &Doors, tickets: &[Coded]) -> Result<Outcome> {
    let mut scans: BTreeMap<String, Vec<(String, bool, bool)>> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = doors.path(&format!("/scans?limit=200{cursor}"));
        let page = doors.house.owner().get(path).await?.expect(200)?;
        for scan in page["items"].as_array().context("no scans")? {
            let flagged = scan["conflict"] == "second_entry";
            let counts = scan["counts"] == true;
            scans.entry(text(scan, "/ticketId")?).or_default().push((
                text(scan, "/scannedAt")?,
                counts,
                flagged,
            ));
        }
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut outcome = Outcome::new();
    for (n, ticket) in tickets.iter().enumerate() {
        let mut each = scans.remove(&ticket.id).unwrap_or_default();
        each.sort();
        let places =
            (0_i64..).zip(each).map(|(place, (_, counts, flagged))| (place, counts, flagged));
        let path = doors.house.path(&format!("/tickets/{}", ticket.id));
        let now = doors.house.owner().get(path).await?.expect(200)?;
        outcome.insert(n, (text(&now, "/status")?, places.collect()));
    }
    Ok(outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_scans_are_handed_in_the_outcome_is_the_same() -> Result<()> {
    let bed = Bed::start(2).await?;
    let first = evening(&bed, 1).await?;
    let mut clones = 0;
    for (ticket, (status, scans)) in &first {
        assert_eq!(status, "admitted", "ticket {ticket}");
        let counting: Vec<_> = scans.iter().filter(|(_, counts, _)| *counts).collect();
        assert_eq!(counting.len(), 1, "ticket {ticket} has one admission that counts: {scans:?}");
        assert_eq!(counting[0].0, 0, "the earliest");
        clones += scans.len() - 1;
        assert!(scans.iter().all(|(_, counts, flagged)| counts != flagged), "{scans:?}");
    }
    assert!(clones >= 10, "only {clones} clones were shown");
    for order in 2..5 {
        assert_eq!(evening(&bed, order).await?, first, "order {order}");
    }
    Ok(())
}

#[tokio::test]
async fn gates_and_supervisors_hear_of_a_clone_when_it_is_known() -> Result<()> {
    let bed = Bed::start(2).await?;
    let doors = Doors::open(&bed).await?;
    let ticket = one(&doors).await?;
    let mut early = Phone::new(&bed, &doors, 0).await?;
    let mut late = Phone::new(&bed, &doors, 0).await?;
    bed.sql().await?.run(AGED).await?;
    early.fetch(&doors).await?;
    late.fetch(&doors).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    early.scan(&doors, &ticket.code, 1);
    late.scan(&doors, &ticket.code, 0);
    let mut socket = Socket::open(&bed.worker(1)?.address(), early.client.token()).await?;
    socket.listen(doors.house.venue(), &["tickets"], None).await?;
    late.send(&doors, 1000).await?;
    early.send(&doors, 1000).await?;
    let told =
        |socket: &Socket| socket.events().iter().any(|event| event["type"] == "scan_conflict");
    socket.hear_until("the clone is told", PATIENCE, told).await?;
    let events = socket.events();
    let conflict = events.iter().find(|event| event["type"] == "scan_conflict").context("none")?;
    // The later one had counted until the earlier one was known.
    assert_eq!(conflict["data"]["scan"]["gate"], late.id.as_str());
    assert_eq!(conflict["data"]["scan"]["conflict"], "second_entry");
    settle(&doors, &early).await
}

/// A supervisor looks at the only conflict there is.
async fn settle(doors: &Doors, phone: &Phone) -> Result<()> {
    let owner = doors.house.owner();
    let listed = async |filter: &str| {
        owner.get(doors.path(&format!("/scans?inConflict={filter}"))).await?.expect(200)
    };
    let open = listed("true").await?;
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1));
    let nonce = text(&open, "/items/0/nonce")?;
    let path = doors.house.path(&format!("/scans/{nonce}/settle"));
    let note = json!({"note": "Spoke to both."});
    phone.client.post(&path, note.clone()).await?.refused(403, "forbidden")?;
    let settled = owner.post(&path, note.clone()).await?.expect(200)?;
    assert_eq!((&settled["conflict"], &settled["counts"]), (&json!("second_entry"), &json!(false)));
    assert!(settled["settledAt"].is_string());
    assert_eq!(owner.post(&path, note.clone()).await?.expect(200)?, settled, "once is enough");
    assert_eq!(listed("true").await?["items"], json!([]));
    let calm = listed("false").await?;
    assert_eq!(calm["items"].as_array().map(Vec::len), Some(2));
    let other = calm["items"].as_array().into_iter().flatten();
    let other = other.into_iter().find(|scan| scan["counts"] == true).context("nobody is in")?;
    let path = doors.house.path(&format!("/scans/{}/settle", text(other, "/nonce")?));
    owner.post(&path, note.clone()).await?.refused(409, "tickets.no_conflict")?;
    let path = doors.house.path(&format!("/scans/{}/settle", Uuid::new_v4()));
    owner.post(&path, note).await?.refused(404, "tickets.no_such_scan")
}

#[tokio::test]
async fn a_batch_of_1000_takes_less_than_two_seconds_and_is_done_once() -> Result<()> {
    let bed = Bed::start(1).await?;
    let doors = Doors::open(&bed).await?;
    let tickets = doors.issue(json!({"class": 1}), 1000).await?;
    let mut phone = Phone::new(&bed, &doors, 60).await?;
    phone.fetch(&doors).await?;
    for ticket in &tickets {
        phone.scan(&doors, &ticket.code, 0);
    }
    let batch = phone.scanner.batch(1000, phone.clock()).context("nothing to send")?;
    let path = doors.house.path("/scans/batch");
    let begun = std::time::Instant::now();
    let first = phone.client.post(&path, batch.clone()).without_key().await?.expect(200)?;
    println!("a batch of 1000 took {:?} in a debug build", begun.elapsed());
    let again = phone.client.post(&path, batch).without_key().await?.expect(200)?;
    assert_eq!(first["results"], again["results"]);
    let sql = bed.sql().await?;
    let admitted = "select count(*) from tickets.ticket where status = 'admitted' and entries = 1";
    assert_eq!(sql.value::<i64>(admitted, &[]).await?, 1000);
    assert_eq!(sql.value::<i64>("select count(*) from tickets.scan", &[]).await?, 1000);
    Ok(())
}
