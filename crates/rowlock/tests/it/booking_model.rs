//! Random commands against the real API and a small model of a show: every answer and the final
//! map agree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use testkit::{Answered, Bed, House, Person};
use tokio::runtime::Handle;

use crate::booking_best::{best, rows, seats};
use crate::sale::{Sale, text};

const ROWS: usize = 3;
const SEATS: usize = 6;
const CASES: u32 = 200;
const COMMANDS_MAX: usize = 25;
/// After so long the cases that are left are not run.
const TIME_MAX: Duration = Duration::from_secs(40);

/// What a client may do. An index points into what there is, round and round.
#[derive(Clone, Debug)]
enum Command {
    Hold(Vec<usize>),
    HoldBest(usize),
    Book(Vec<usize>),
    BookHold(usize),
    Release(usize),
    Cancel(usize),
    Withhold(usize),
    GiveFree(usize),
    LayOut(usize),
}

fn command() -> impl Strategy<Value = Command> {
    let seat = || 0..ROWS * SEATS;
    let some = move || proptest::collection::vec(seat(), 1..4);
    prop_oneof![
        3 => some().prop_map(Command::Hold),
        5 => (1..6_usize).prop_map(Command::HoldBest),
        1 => some().prop_map(Command::Book),
        3 => any::<usize>().prop_map(Command::BookHold),
        3 => any::<usize>().prop_map(Command::Release),
        2 => any::<usize>().prop_map(Command::Cancel),
        1 => seat().prop_map(Command::Withhold),
        1 => seat().prop_map(Command::GiveFree),
        1 => (SEATS - 1..SEATS + 2).prop_map(Command::LayOut),
    ]
}

/// A hold that was made, and whether it is over.
struct Held {
    answer: Value,
    over: Option<&'static str>,
}

/// What the show should be.
struct Model {
    sale: Sale,
    clerk: Person,
    map: BTreeMap<String, &'static str>,
    holds: Vec<Held>,
    bookings: Vec<(Value, bool)>,
    /// Seats came free or moved: a better row may be overlooked for two seconds.
    stirred: bool,
}

fn name(seat: usize) -> String {
    format!("R{}-{}", seat / SEATS + 1, seat % SEATS + 1)
}

fn names(wanted: &[usize]) -> Vec<String> {
    wanted.iter().copied().map(name).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Model {
    fn new(sale: Sale, clerk: Person) -> Self {
        let map = (0..ROWS * SEATS).map(|seat| (name(seat), "free")).collect();
        Self { sale, clerk, map, holds: Vec::new(), bookings: Vec::new(), stirred: false }
    }

    async fn run(&mut self, command: &Command) -> Result<()> {
        match command {
            Command::Hold(wanted) => self.hold(names(wanted)).await,
            Command::HoldBest(quantity) => self.hold_best(*quantity).await,
            Command::Book(wanted) => self.book(names(wanted)).await,
            Command::BookHold(at) => self.book_hold(*at).await,
            Command::Release(at) => self.release(*at).await,
            Command::Cancel(at) => self.cancel(*at).await,
            Command::Withhold(seat) => self.keep("withhold", name(*seat), "withheld").await,
            Command::GiveFree(seat) => self.keep("release", name(*seat), "free").await,
            Command::LayOut(seats) => self.lay_out(*seats).await,
        }
    }

    fn set<'a>(&mut self, seats: impl IntoIterator<Item = &'a String>, status: &'static str) {
        for seat in seats {
            self.map.insert(seat.clone(), status);
        }
    }

    /// What stands in the way of taking these seats.
    fn check_taking(&self, wanted: &[String], answer: &Answered) -> Result<bool> {
        if wanted.iter().any(|seat| !self.map.contains_key(seat)) {
            answer.refused(404, "booking.no_such_seats")?;
            return Ok(false);
        }
        let taken: Vec<_> = wanted
            .iter()
            .filter_map(|seat| Some((seat, *self.map.get(seat)?)))
            .filter(|(_, status)| *status != "free")
            .map(|(seat, status)| json!({"id": seat, "status": status}))
            .collect();
        if taken.is_empty() {
            ensure!(answer.status == 201, "all are free: {}", answer.text);
            return Ok(true);
        }
        answer.refused(409, "booking.seats_taken")?;
        let mut told = answer.json.pointer("/current/seats").cloned().unwrap_or_default();
        if let Some(told) = told.as_array_mut() {
            told.sort_by_key(|seat| text(seat, "/id").unwrap_or_default());
        }
        ensure!(told == json!(taken), "{told} should be {taken:?}");
        Ok(false)
    }

    async fn hold(&mut self, wanted: Vec<String>) -> Result<()> {
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let answer = self.sale.hold(&self.clerk, &names).settled().await?;
        if self.check_taking(&wanted, &answer)? {
            self.set(&wanted, "held");
            self.holds.push(Held { answer: answer.json, over: None });
        }
        Ok(())
    }

    async fn hold_best(&mut self, quantity: usize) -> Result<()> {
        let answer = best(&self.sale, &self.clerk, quantity).settled().await?;
        let free = self.map.values().filter(|status| **status == "free").count();
        if free < quantity {
            return answer.refused(409, "booking.not_enough_seats");
        }
        let hold = answer.expect(201)?;
        let given = seats(&hold);
        let all_free = given.iter().all(|seat| self.map.get(seat) == Some(&"free"));
        ensure!(all_free && given.len() == quantity, "{hold} of {:?}", self.map);
        let adjacent = hold.pointer("/best/adjacent") == Some(&true.into());
        ensure!(adjacent == are_neighbours(&given)?, "{hold}");
        ensure!(adjacent || self.stirred || !self.has_run(quantity), "{hold} of {:?}", self.map);
        self.set(&given, "held");
        self.holds.push(Held { answer: hold, over: None });
        Ok(())
    }

    /// Whether so many free seats are side by side.
    fn has_run(&self, quantity: usize) -> bool {
        (1..=ROWS).any(|row| {
            let free = |seat: usize| self.map.get(&format!("R{row}-{seat}")) == Some(&"free");
            (1..=SEATS + 1).any(|first| (first..first + quantity).all(free))
        })
    }

    async fn book(&mut self, wanted: Vec<String>) -> Result<()> {
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let answer = self.sale.book(&self.clerk, &names).settled().await?;
        if self.check_taking(&wanted, &answer)? {
            self.set(&wanted, "sold");
            self.bookings.push((answer.json, false));
        }
        Ok(())
    }

    async fn book_hold(&mut self, at: usize) -> Result<()> {
        let count = self.holds.len().max(1);
        let Some(hold) = self.holds.get_mut(at % count) else { return Ok(()) };
        let body = json!({"hold": hold.answer.get("id"), "token": hold.answer.get("token"),
            "customer": {"name": "Ana Lopes"}});
        let answer = self.clerk.post(self.sale.path("/bookings"), body).settled().await?;
        if hold.over.is_some() {
            return answer.refused(410, "booking.hold_over");
        }
        hold.over = Some("booked");
        let given = seats(&hold.answer);
        self.bookings.push((answer.expect(201)?, false));
        self.set(&given, "sold");
        Ok(())
    }

    async fn release(&mut self, at: usize) -> Result<()> {
        let count = self.holds.len().max(1);
        let Some(hold) = self.holds.get_mut(at % count) else { return Ok(()) };
        let path = self.sale.house.path(&format!("/holds/{}", text(&hold.answer, "/id")?));
        let ask = self.clerk.delete(path).header("Hold-Token", &text(&hold.answer, "/token")?);
        let answer = ask.settled().await?;
        if hold.over == Some("booked") {
            return answer.refused(410, "booking.hold_over");
        }
        ensure!(answer.status == 204, "{}", answer.text);
        if hold.over.replace("released").is_none() {
            let given = seats(&hold.answer);
            self.set(&given, "free");
            self.stirred = true;
        }
        Ok(())
    }

    async fn cancel(&mut self, at: usize) -> Result<()> {
        let count = self.bookings.len().max(1);
        let Some((booking, over)) = self.bookings.get_mut(at % count) else { return Ok(()) };
        let path = self.sale.house.path(&format!("/bookings/{}/cancel", text(booking, "/id")?));
        let answer = self.clerk.post(path, json!({})).settled().await?;
        if std::mem::replace(over, true) {
            return answer.refused(409, "booking.booking_over");
        }
        let given: Vec<String> =
            serde_json::from_value(booking.get("seats").cloned().context("no seats")?)?;
        answer.expect(200)?;
        self.set(&given, "free");
        self.stirred = true;
        Ok(())
    }

    async fn keep(&mut self, verb: &str, seat: String, status: &'static str) -> Result<()> {
        let path = self.sale.path(&format!("/{verb}"));
        let answer = self.clerk.post(path, json!({"seats": [seat]})).settled().await?;
        match self.map.get(&seat) {
            None => answer.refused(404, "booking.no_such_seats"),
            Some(&("held" | "sold")) => answer.refused(409, "booking.seats_taken"),
            Some(_) => {
                answer.expect(200)?;
                self.set([&seat], status);
                self.stirred = true;
                Ok(())
            }
        }
    }

    /// Rows of so many seats: a seat at the end comes or goes.
    async fn lay_out(&mut self, per_row: usize) -> Result<()> {
        let category = json!({"code": "gala", "name": "Gala", "price": {"amount": 12_000,
            "currency": "EUR"}});
        let plan = json!({"plan": {"categories": [category], "blocks": rows(ROWS, per_row)}});
        let ask = self.sale.house.owner().put(self.sale.path("/layout"), plan);
        let answer = ask.settled().await?;
        let wanted: BTreeSet<_> =
            (1..=ROWS).flat_map(|row| (1..=per_row).map(move |n| format!("R{row}-{n}"))).collect();
        let lost = |(seat, status): (&String, &&str)| {
            !wanted.contains(seat) && ["held", "sold"].contains(status)
        };
        if self.map.iter().any(lost) {
            return answer.refused(409, "booking.seats_in_use");
        }
        answer.expect(200)?;
        self.map.retain(|seat, _| wanted.contains(seat));
        for seat in wanted {
            self.map.entry(seat).or_insert("free");
        }
        self.stirred = true;
        Ok(())
    }

    async fn check_map(&self) -> Result<()> {
        let map = self.sale.map(&self.clerk).await?;
        let same = map.seats.iter().map(|(seat, status)| (seat, status.as_str()));
        let wanted = self.map.iter().map(|(seat, status)| (seat, *status));
        ensure!(same.clone().eq(wanted), "{:?} should be {:?}", map.seats, self.map);
        Ok(())
    }
}

/// Whether the seats are one behind the other in one row.
fn are_neighbours(given: &[String]) -> Result<bool> {
    let mut places = Vec::new();
    for seat in given {
        let (row, place) = seat.split_once('-').context("no place")?;
        places.push((row, place.parse::<usize>()?));
    }
    places.sort_unstable();
    Ok(places.iter().zip(places.iter().skip(1)).all(|(a, b)| a.0 == b.0 && a.1 + 1 == b.1))
}

async fn run(house: &House, clerk: &Person, commands: &[Command]) -> Result<()> {
    let sale = Sale::of(house.clone(), rows(ROWS, SEATS)).await?;
    let mut model = Model::new(sale, clerk.clone());
    for command in commands {
        model.run(command).await.with_context(|| format!("{command:?}"))?;
    }
    model.check_map().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_does_what_its_model_does() -> Result<()> {
    let bed = Bed::start(1).await?;
    let house = bed.house().await?;
    let clerk = house.member("box_office").await?;
    let (begun, handle) = (Instant::now(), Handle::current());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let commands = proptest::collection::vec(command(), 1..COMMANDS_MAX);
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&commands, |commands| {
            if begun.elapsed() > TIME_MAX {
                return Ok(());
            }
            let done = handle.block_on(run(&house, &clerk, &commands));
            done.map_err(|error| TestCaseError::fail(format!("{error:#}")))
        })
    });
    println!("{CASES} shows in {:?}", begun.elapsed());
    outcome.map_err(|error| anyhow::anyhow!("{error}"))
}
