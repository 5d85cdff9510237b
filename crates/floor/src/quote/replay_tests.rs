//! An evening as its log has it, replayed: what was promised at the door against what came of it.
//!
//! `evening.txt`: the minute after six at which a party came, how many they were, and how long they
//! stayed once they sat. The quotes know nothing of the third number.

use jiff::{SignedDuration, Timestamp};
use kernel::ids::GuestId;

use super::{Quote, quote_next};
use crate::floor::Floor;
use crate::model::TableStatus;
use crate::model::tests::{at, party, table};
use crate::seating::Care;

const EVENING: &str = include_str!("evening.txt");
/// Seats of the house's tables.
const SEATS: [i32; 24] = [2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 6, 6, 6, 6, 8, 8];
/// How long a table is made, in minutes.
const MADE_MINUTES: i64 = 5;
/// Until everybody has gone home.
const MINUTES: i64 = 10 * 60;

struct Came {
    id: GuestId,
    at: i64,
    stays: i64,
    promised: Quote,
    seated: Option<i64>,
}

fn minute(number: i64) -> Timestamp {
    at("2026-02-13T18:00:00Z") + SignedDuration::from_mins(number)
}

/// Those whose time is over leave; tables that were left are made.
fn clear(floor: &mut Floor, all: &[Came], now: i64, left: &mut [Option<i64>]) {
    for came in all.iter().filter(|it| it.seated.is_some_and(|at| at + it.stays == now)) {
        let sat = floor.guest(came.id).unwrap().guest.table_ids.clone();
        floor.complete(came.id).unwrap();
        for id in sat {
            floor.occupied_until.remove(&id);
            let number = usize::try_from(id.0.as_u128()).unwrap();
            left[number - 1] = Some(now);
        }
    }
    for table in floor.tables.values_mut().filter(|table| table.status == TableStatus::Dirty) {
        let number = usize::try_from(table.id.0.as_u128()).unwrap();
        if left[number - 1].is_some_and(|since| since + MADE_MINUTES <= now) {
            table.status = TableStatus::Available;
        }
    }
}

/// A host seats whoever finds a table, first come first.
fn seat(floor: &mut Floor, all: &mut [Came], now: i64) {
    for came in all.iter_mut().filter(|it| it.seated.is_none()) {
        let Ok(choice) = floor.choose_for(came.id) else { continue };
        floor.seat(came.id, &choice.tables, Care::Strict).unwrap();
        let size = floor.guest(came.id).unwrap().guest.party_size;
        let until = floor.now + floor.settings.rules.turn(size);
        floor.occupied_until.extend(choice.tables.iter().map(|table| (*table, until)));
        came.seated = Some(now);
    }
}

fn replay() -> Vec<Came> {
    let mut floor = Floor::new(minute(0));
    for (number, seats) in (1..).zip(SEATS) {
        let table = table(number, seats);
        floor.tables.insert(table.id, table);
    }
    let mut coming: Vec<Vec<i64>> = EVENING
        .lines()
        .map(|line| line.split(' ').map(|number| number.parse().unwrap()).collect())
        .collect();
    coming.reverse();
    let (mut all, mut left): (Vec<Came>, _) = (Vec::new(), [None; SEATS.len()]);
    for now in 0..MINUTES {
        floor.now = minute(now);
        clear(&mut floor, &all, now, &mut left);
        seat(&mut floor, &mut all, now);
        while let Some(row) = coming.pop_if(|row| row[0] <= now) {
            let number = 1_000 + u128::try_from(all.len()).unwrap();
            let mut came = party(number, i32::try_from(row[1]).unwrap());
            came.guest.created_at = floor.now;
            let promised = quote_next(&floor, came.guest.party_size);
            let id = came.guest.id;
            floor.guests.insert(id, came);
            all.push(Came { id, at: now, stays: row[2], promised, seated: None });
        }
        seat(&mut floor, &mut all, now);
        floor.told.clear();
    }
    all
}

fn percentile(mut numbers: Vec<i64>, percent: usize) -> i64 {
    numbers.sort_unstable();
    numbers[(numbers.len() - 1) * percent / 100]
}

#[test]
fn promised_waits_are_near_the_real_ones() {
    let all = replay();
    let real = |it: &Came| it.seated.expect("everybody was seated") - it.at;
    // How many minutes the real wait was outside of what was promised.
    let off = |it: &Came| {
        let Quote { from_minutes, to_minutes, .. } = it.promised;
        (from_minutes - real(it)).max(real(it) - to_minutes).max(0)
    };
    let of =
        |each: &dyn Fn(&Came) -> i64, percent| percentile(all.iter().map(each).collect(), percent);
    let promised = |it: &Came| it.promised.to_minutes;
    println!("{} parties, minutes at p50 and p90:", all.len());
    println!("promised at most  {:>3} {:>3}", of(&promised, 50), of(&promised, 90));
    println!("really waited     {:>3} {:>3}", of(&real, 50), of(&real, 90));
    println!("outside by        {:>3} {:>3}", of(&off, 50), of(&off, 90));
    assert!(of(&real, 90) >= 20, "an evening without a line proves nothing");
    assert!(of(&off, 50) <= 5, "half of the promises were kept or nearly so");
    assert!(of(&off, 90) <= 20, "nine of ten were not far off");
}
