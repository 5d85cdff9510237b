//! `rowlock demo`: a venue to try things with. What is there already is kept.

use std::fs;
use std::path::Path;

use anyhow::Context;
use booking::BookingError;
use booking::change_show::{ChangeShow, change_show};
use booking::create_show::{CreateShow, create_show};
use booking::lay_out_show::{LayOutShow, lay_out_show};
use booking::model::{Show, ShowStatus};
use booking::plan::{Block, BlockKind, BlockMode, Category, Plan};
use floor::apply_layout::{ApplyLayout, apply_layout};
use floor::model::TableShape;
use floor::plan::{FloorPlan, PlannedLevel, PlannedSection, PlannedTable};
use identity::{OpenVenue, Passwords, Person};
use kernel::clock::Clock;
use kernel::ids::{ShowId, UserId, VenueId};
use kernel::money::Money;
use kernel::role::Role;
use kernel::scope::Scope;
use pg::write::Refusal;
use pg::{Db, Outcome, Tx, WriteTask};
use serde::{Deserialize, Serialize};

use crate::config::Demo;
use crate::demo_spa;

const VENUE: &str = "Aurora Hall";
const SHOW: &str = "Winter Gala";
/// The accounts: name, the part of the address before the @, role; none is a customer.
const PEOPLE: &[(&str, &str, Option<Role>)] = &[
    ("Olivia Owner", "owner", Some(Role::Owner)),
    ("Max Manager", "manager", Some(Role::Manager)),
    ("Hanna Host", "host", Some(Role::Host)),
    ("Bo Office", "boxoffice", Some(Role::BoxOffice)),
    ("Gus Guest", "guest", None),
    ("Mai Mori", "mai", Some(Role::Therapist)),
    ("Noi Nabar", "noi", Some(Role::Therapist)),
    ("Cass Cashier", "cashier", Some(Role::Cashier)),
];
/// How far ahead the demo's show is.
const AHEAD_DAYS: i64 = 60;
/// Bytes of a generated password.
const PASSWORD_BYTES: usize = 15;

/// What was made, for people and scripts.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    accounts: Vec<Account>,
    venue: VenueId,
    venue_name: String,
    show: ShowId,
    show_name: String,
    seats: Vec<String>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Account {
    email: String,
    password: String,
    role: String,
}

/// Makes what is missing.
pub(crate) async fn run(demo: Demo) -> anyhow::Result<()> {
    let config = demo.database.config()?;
    let db = Db::new(&config, Clock::default()).map_err(anyhow::Error::msg)?;
    let earlier = earlier(&demo.out);
    let accounts = accounts(earlier.as_ref())?;
    let (owner, venue, staff) = people(&db, &accounts).await?;
    let show = match earlier {
        Some(earlier) if earlier.venue == venue => earlier.show,
        _ => {
            restaurant(&db, venue, owner).await?;
            let [.., mai, noi, cashier] = staff.as_slice() else {
                anyhow::bail!("nobody works in the demo's spa");
            };
            let therapists = [(*mai, "Mai"), (*noi, "Noi")];
            let crew = demo_spa::Crew { owner, therapists, cashier: *cashier };
            demo_spa::open(&db, venue, &crew).await?;
            show(&db, venue, owner).await?
        }
    };
    let made = Made {
        accounts,
        venue,
        venue_name: VENUE.to_owned(),
        show,
        show_name: SHOW.to_owned(),
        seats: vec!["T1-1".to_owned(), "T1-2".to_owned()],
    };
    write(&demo.out, &made)?;
    println!("demo: {VENUE} with {SHOW}, written to {}", demo.out.display());
    Ok(())
}

fn earlier(file: &Path) -> Option<Made> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}

/// The accounts with the passwords that they have, or fresh ones.
fn accounts(earlier: Option<&Made>) -> anyhow::Result<Vec<Account>> {
    PEOPLE
        .iter()
        .map(|(_, local, role)| {
            let email = format!("{local}@aurora.example");
            let kept = earlier.and_then(|made| made.accounts.iter().find(|a| a.email == email));
            if let Some(kept) = kept {
                return Ok(kept.clone());
            }
            let role = role.map_or("customer", Role::as_str).to_owned();
            Ok(Account { email, password: password()?, role })
        })
        .collect()
}

fn password() -> anyhow::Result<String> {
    use base64::Engine;
    let mut bytes = [0; PASSWORD_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).ok().context("the machine gives no random bytes")?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// The accounts and the venue. Somebody whose account is there keeps its password, so the file of
/// the run that made it has to be kept as well. Gives the owner, the venue, and its other staff.
async fn people(db: &Db, accounts: &[Account]) -> anyhow::Result<(UserId, VenueId, Vec<UserId>)> {
    let passwords = Passwords::default();
    let person = |n: usize| {
        let ((name, ..), account) = PEOPLE.get(n).zip(accounts.get(n))?;
        Some(Person {
            email: account.email.clone(),
            name: (*name).to_owned(),
            password: account.password.clone().into(),
        })
    };
    let venue = OpenVenue {
        name: VENUE.to_owned(),
        time_zone: "Europe/Lisbon".to_owned(),
        currency: "EUR".parse()?,
    };
    let owner = person(0).context("the demo has an owner")?;
    let (owner, venue) = identity::create_owner(db, &passwords, &owner, &venue).await?;
    let mut staff = Vec::new();
    for (n, (_, _, role)) in PEOPLE.iter().enumerate().skip(1) {
        let Some(person) = person(n) else { continue };
        match role {
            Some(role) => {
                let ensured =
                    identity::ensure_member(db, &passwords, venue, &person, *role).await?;
                staff.push(ensured);
            }
            None => {
                identity::ensure_user(db, &passwords, &person).await?;
            }
        }
    }
    Ok((owner, venue, staff))
}

/// A small restaurant: a hall with two servers and eight tables.
async fn restaurant(db: &Db, venue: VenueId, owner: UserId) -> anyhow::Result<()> {
    let task = WriteTask::job("demo", Scope::venue(venue, Some(owner)));
    let plan = ApplyLayout { plan: Some(floor_plan()), layout: None };
    let laid = db.write(&task, async |tx| apply_layout(tx, &plan).await.map(edge::Done)).await;
    laid.map(drop).map_err(|error| anyhow::anyhow!("{}", error.problem()))
}

fn floor_plan() -> FloorPlan {
    let section = |name: &str, server: &str| PlannedSection {
        name: name.to_owned(),
        server: Some(server.to_owned()),
        level: Some("Ground floor".to_owned()),
    };
    let table = |n: u8| PlannedTable {
        name: n.to_string(),
        section: Some(if n <= 4 { "Window" } else { "Hall" }.to_owned()),
        x: 120.0 * f64::from((n - 1) % 4),
        y: if n <= 4 { 0.0 } else { 140.0 },
        width: 80.0,
        height: 80.0,
        rotation: 0.0,
        shape: if n.is_multiple_of(2) { TableShape::Circle } else { TableShape::Rectangle },
        min_seats: 1,
        max_seats: if n <= 4 { 2 } else { 4 },
        // Neighbours at the window can be pushed together.
        combinable_with: if n <= 3 { vec![(n + 1).to_string()] } else { Vec::new() },
        walk_in_only: n == 8,
    };
    FloorPlan {
        levels: vec![PlannedLevel { name: "Ground floor".to_owned(), storey: 0 }],
        sections: vec![section("Window", "Sam"), section("Hall", "Kim")],
        tables: (1..=8).map(table).collect(),
    }
}

/// A gala of 25 tables of 10, and two rows at the side, on sale.
async fn show(db: &Db, venue: VenueId, owner: UserId) -> anyhow::Result<ShowId> {
    let task = WriteTask::job("demo", Scope::venue(venue, Some(owner)));
    let made = db.write(&task, async |tx| create(tx).await).await;
    let id = shown(made)?;
    let plan = Some(gala()?);
    let lay = LayOutShow { plan, layout: None };
    shown(db.write(&task, async |tx| lay_out_show(tx, id, &lay).await.map(edge::Done)).await)?;
    let sell = ChangeShow {
        name: None,
        description: None,
        starts_at: None,
        status: Some(ShowStatus::OnSale),
        hold_secs: None,
        tickets: None,
        payment: None,
        pay_secs: None,
        version: None,
    };
    shown(db.write(&task, async |tx| change_show(tx, id, None, &sell).await.map(edge::Done)).await)
}

async fn create(tx: &mut Tx) -> Result<edge::Done<Show>, BookingError> {
    let cmd = CreateShow {
        name: SHOW.to_owned(),
        description: Some("Twenty-five tables of ten and two rows at the side.".to_owned()),
        starts_at: tx.now() + jiff::SignedDuration::from_hours(24 * AHEAD_DAYS),
        currency: "EUR".parse().map_err(|_| BookingError::NoSuchShow)?,
        hold_secs: None,
        payment: None,
        pay_secs: None,
    };
    create_show(tx, &cmd).await.map(edge::Done)
}

fn shown(result: Result<Outcome<edge::Done<Show>>, BookingError>) -> anyhow::Result<ShowId> {
    match result {
        Ok(Outcome::Done { value, .. }) => Ok(value.0.id),
        Ok(Outcome::Replayed(_)) => anyhow::bail!("the demo has no keys to replay"),
        Err(error) => anyhow::bail!("{}", error.problem()),
    }
}

fn gala() -> anyhow::Result<Plan> {
    let category = |code: &str, name: &str, amount: i64| {
        anyhow::Ok(Category {
            code: code.to_owned(),
            name: name.to_owned(),
            price: Money { amount, currency: "EUR".parse()? },
        })
    };
    let block = |name: String, kind, mode, category: &str, seats| Block {
        name,
        kind,
        mode,
        category: category.to_owned(),
        seats,
        accessible: vec![1],
    };
    let tables =
        (1..=25).map(|n| block(format!("T{n}"), BlockKind::Table, BlockMode::AnySeat, "gala", 10));
    let rows = ["A", "B"]
        .map(|name| block(name.to_owned(), BlockKind::Row, BlockMode::BySeat, "side", 20));
    Ok(Plan {
        categories: vec![category("gala", "Table", 12_000)?, category("side", "Side row", 4_500)?],
        blocks: tables.chain(rows).collect(),
        focus: None,
    })
}

/// Readable for its owner alone: there are passwords in it.
fn write(file: &Path, made: &Made) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let text = serde_json::to_string_pretty(made)?;
    let mut open = fs::OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600);
    let mut opened = open.open(file).with_context(|| format!("cannot write {}", file.display()))?;
    opened.write_all(text.as_bytes())?;
    Ok(())
}
