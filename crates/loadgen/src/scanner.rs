//! A reference scanner: takes a bundle along, verifies codes and judges without a network, keeps
//! every scan, and hands them in until each has its verdict.
//!
//! It speaks no HTTP: whoever uses it fetches `…/offline-bundle`, posts `…/scans/batch` and gives the
//! answers in. A real scanner keeps `Scanner` on its disk, written before a verdict is shown.

mod code;

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub use code::{Broken, Read, read};

const BUNDLE_DOMAIN: &[u8] = b"rowlock-bundle-v1\0";

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    venue_id: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
    lease: String,
    keys: Vec<Key>,
    rules: Rules,
    tickets: Vec<Ticket>,
    next: String,
    more: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Key {
    kid: u8,
    #[serde(rename = "publicKey")]
    public: String,
    /// Opens the names in the codes.
    #[serde(rename = "nameKey")]
    opener: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Rules {
    doors: Value,
    types: Vec<Value>,
    lists: Vec<Value>,
    questions: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    id: String,
    status: String,
    serial: u32,
    #[serde(default = "yes")]
    paid: bool,
    #[serde(default)]
    blocked: bool,
    entries: u32,
}

fn yes() -> bool {
    true
}

/// The door that a scan is made at.
#[derive(Clone, Debug)]
pub struct Door {
    /// The list.
    pub list: String,
    /// The gate.
    pub gate: String,
    /// `entry` or `exit`.
    pub kind: &'static str,
}

/// What the screen shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `admit`, `deny` or `ask`.
    pub verdict: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The name in the code, where there is one.
    pub name: Option<String>,
}

/// A scanner and what it carries.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    venue: String,
    show: String,
    keys: HashMap<u8, (Vec<u8>, Option<Vec<u8>>)>,
    rules: Rules,
    tickets: HashMap<String, Ticket>,
    lease: String,
    expires_at: Option<Timestamp>,
    next: Option<String>,
    /// How far the house's clock is ahead of this one.
    ahead: SignedDuration,
    queue: Vec<Value>,
    /// What the house said of each scan.
    verdicts: HashMap<String, Value>,
}

impl Scanner {
    /// A scanner for that show that has nothing yet.
    #[must_use]
    pub fn new(show: &str) -> Self {
        Self { show: show.to_owned(), ..Self::default() }
    }

    /// `since` of the next bundle.
    #[must_use]
    pub fn since(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// How many scans wait to be handed in.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Tickets that it knows.
    #[must_use]
    pub fn known(&self) -> usize {
        self.tickets.len()
    }

    /// What the house said of the scan of this nonce.
    #[must_use]
    pub fn verdict(&self, nonce: &str) -> Option<&Value> {
        self.verdicts.get(nonce)
    }

    /// Takes a bundle in. True when more waits: ask for the next at once.
    ///
    /// # Errors
    /// When it was not signed by the show's key: nothing of it is taken.
    pub fn take(&mut self, signed: &Value, now: Timestamp) -> Result<bool> {
        let text = |name: &str| signed.get(name).and_then(Value::as_str).context("no bundle");
        let payload = text("payload")?;
        let kid = signed.get("kid").and_then(Value::as_u64).context("a bundle without a key")?;
        let signature = STANDARD.decode(text("signature")?)?;
        let bundle: Bundle = serde_json::from_str(payload)?;
        let named = bundle.keys.iter().find(|key| u64::from(key.kid) == kid);
        // The first key comes with the first bundle over a connection that proves whose it is;
        // after that a bundle has to be by a key that is known, unless the show has a new one.
        let known = self.keys.iter().find(|(known, _)| u64::from(**known) == kid);
        let key = match (known, named) {
            (Some((_, (key, _))), _) => key.clone(),
            (None, Some(named)) => STANDARD.decode(&named.public)?,
            (None, None) => bail!("the bundle is by a key that it does not name"),
        };
        let signed = [BUNDLE_DOMAIN, payload.as_bytes()].concat();
        let good = UnparsedPublicKey::new(&ED25519, &key).verify(&signed, &signature).is_ok();
        ensure!(good, "the bundle's signature is wrong");
        self.keys.clear();
        for key in bundle.keys {
            let opener = key.opener.map(|key| STANDARD.decode(key)).transpose()?;
            self.keys.insert(key.kid, (STANDARD.decode(key.public)?, opener));
        }
        self.venue = bundle.venue_id;
        self.rules = bundle.rules;
        (self.lease, self.expires_at) = (bundle.lease, Some(bundle.expires_at));
        self.ahead = bundle.issued_at.duration_since(now);
        for ticket in bundle.tickets {
            self.tickets.insert(ticket.id.clone(), ticket);
        }
        self.next = Some(bundle.next);
        Ok(bundle.more)
    }

    /// Scans without a network. The screen has to say what it cannot know: whom doors let in
    /// meanwhile that this one cannot see.
    pub fn scan(&mut self, code: &str, door: &Door, nonce: Uuid, now: Timestamp) -> Shown {
        let (verdict, reason, name) = match self.judge(code, door, now) {
            Ok(name) => ("admit", "ok", name),
            Err(("questions", name)) => ("ask", "questions", name),
            Err((reason, name)) => ("deny", reason, name),
        };
        if verdict == "admit" {
            self.note(code, door.kind);
        }
        self.queue.push(json!({
            "nonce": nonce, "code": code, "list": door.list, "type": door.kind, "gate": door.gate,
            "scannedAt": now, "verdict": verdict, "reason": reason,
        }));
        Shown { verdict, reason, name }
    }

    fn judge(
        &self,
        text: &str,
        door: &Door,
        now: Timestamp,
    ) -> Result<Option<String>, (&'static str, Option<String>)> {
        let at = now.checked_add(self.ahead).unwrap_or(now);
        // A lease that is over: nothing that it says can be trusted any more.
        if self.expires_at.is_none_or(|expires| at >= expires) {
            return Err(("too_late", None));
        }
        let read = read(text).map_err(|broken| match broken {
            Broken::Stranger => ("unknown", None),
            Broken::Broken => ("forged", None),
        })?;
        let Some((key, names)) = self.keys.get(&read.kid) else { return Err(("forged", None)) };
        if read.venue != self.venue || !read.is_by(key) {
            return Err(("forged", None));
        }
        if read.show != self.show {
            return Err(("wrong_show", None));
        }
        let name = names.as_deref().and_then(|names| read.name(names));
        self.allow(&read, door, at).map(|()| name.clone()).map_err(|reason| (reason, name))
    }

    fn allow(&self, read: &Read, door: &Door, at: Timestamp) -> Result<(), &'static str> {
        // One that was issued after the bundle is proved by its signature alone.
        let ticket = self.tickets.get(&read.ticket);
        let is = |status: &str| ticket.is_some_and(|ticket| ticket.status == status);
        if door.kind == "exit" {
            return if is("admitted") { Ok(()) } else { Err("not_inside") };
        }
        if is("revoked") {
            return Err("revoked");
        }
        if ticket.is_some_and(|ticket| ticket.serial > read.serial) {
            return Err("reissued");
        }
        let lists = &self.rules.lists;
        let list = lists.iter().find(|list| word(list, "id") == Some(&door.list));
        let list = list.ok_or("wrong_list")?;
        let classes = list.get("classes").and_then(Value::as_array);
        let takes = |all: &Vec<Value>| all.is_empty() || all.contains(&json!(read.class));
        if !classes.is_none_or(takes) {
            return Err("wrong_list");
        }
        let kind = |kind: &&Value| kind.get("class") == Some(&json!(read.class));
        let kind = self.rules.types.iter().find(kind);
        let blocked = kind.is_some_and(|kind| kind.get("blocked").is_some());
        if blocked || ticket.is_some_and(|ticket| ticket.blocked) {
            return Err("blocked");
        }
        let takes_unpaid = list.get("takesUnpaid") == Some(&Value::Bool(true));
        if ticket.is_some_and(|ticket| !ticket.paid) && !takes_unpaid {
            return Err("unpaid");
        }
        let again = word(list, "reentry").unwrap_or("never");
        if (is("admitted") && again != "always") || (is("left") && again == "never") {
            return Err("already_admitted");
        }
        let most = list.get("entriesMax").and_then(Value::as_u64);
        let entries = ticket.map_or(0, |ticket| u64::from(ticket.entries));
        if most.is_some_and(|most| entries >= most) {
            return Err("no_entries_left");
        }
        let doors = Some(&self.rules.doors);
        let time = |of: Option<&Value>, name| {
            of.and_then(|of| word(of, name)).and_then(|text| text.parse::<Timestamp>().ok())
        };
        let opens = [(doors, "opensAt"), (Some(list), "opensAt"), (kind, "validFrom")];
        if opens.into_iter().filter_map(|(of, name)| time(of, name)).any(|opens| at < opens) {
            return Err("too_early");
        }
        let closes = [(doors, "closesAt"), (Some(list), "closesAt"), (kind, "validUntil")];
        if closes.into_iter().filter_map(|(of, name)| time(of, name)).any(|closes| at >= closes) {
            return Err("too_late");
        }
        let asks = self.rules.questions.iter().any(|question| {
            let class = question.get("class").is_none_or(|class| *class == json!(read.class));
            class && question.get("listId").is_none_or(|list| *list == json!(door.list))
        });
        if asks { Err("questions") } else { Ok(()) }
    }

    /// What was just done at this door counts for its next scans.
    fn note(&mut self, text: &str, kind: &str) {
        let Ok(read) = read(text) else { return };
        let fresh = Ticket {
            id: read.ticket.clone(),
            status: String::new(),
            serial: read.serial,
            paid: true,
            blocked: false,
            entries: 0,
        };
        let ticket = self.tickets.entry(read.ticket).or_insert(fresh);
        if kind == "entry" {
            "admitted".clone_into(&mut ticket.status);
            ticket.entries += 1;
        } else {
            "left".clone_into(&mut ticket.status);
        }
    }

    /// What is to be handed in, at most so many. The same ones again until they are settled.
    #[must_use]
    pub fn batch(&self, most: usize, now: Timestamp) -> Option<Value> {
        let scans: Vec<_> = self.queue.iter().take(most.max(1)).collect();
        let batch =
            || json!({ "show": self.show, "sentAt": now, "lease": self.lease, "scans": scans });
        (!scans.is_empty()).then(batch)
    }

    /// Forgets what the house has judged; a scan without a verdict stays.
    pub fn settle(&mut self, answer: &Value) {
        let results = answer.get("results").and_then(Value::as_array);
        for result in results.into_iter().flatten() {
            let Some(nonce) = word(result, "nonce") else { continue };
            self.queue.retain(|scan| word(scan, "nonce") != Some(nonce));
            self.verdicts.insert(nonce.to_owned(), result.clone());
        }
    }
}

fn word<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    json.get(name).and_then(Value::as_str)
}
