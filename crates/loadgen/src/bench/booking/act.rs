//! The two writes, as requests.

use std::fmt::{self, Display, Write as _};

use clap::ValueEnum;

use crate::house::{House, PAIRS_PER_SHOW, SEATS_PER_ROW};
use crate::http::head;
use crate::load::Source;

/// Pairs side by side in one row.
const PAIRS_PER_ROW: usize = SEATS_PER_ROW / 2;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Act {
    /// Two seats are held.
    Hold,
    /// Two free seats are booked at once.
    Book,
}

impl Act {
    fn path(self) -> &'static str {
        match self {
            Self::Hold => "holds",
            Self::Book => "bookings",
        }
    }

    /// What a body has after the seats.
    fn rest(self) -> &'static str {
        match self {
            Self::Hold => "}",
            Self::Book => r#","customer":{"name":"Ana Lopes","email":"ana@example.org"}}"#,
        }
    }
}

impl Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hold => "hold",
            Self::Book => "book",
        })
    }
}

/// Every pair of neighbours of every show once, in a random order: two clients never want the same
/// seats, so that all that is measured are writes. Refusals are another measurement.
pub(crate) struct Pairs {
    act: Act,
    heads: Vec<String>,
    order: Vec<usize>,
}

impl Pairs {
    pub(crate) fn shuffled(act: Act, house: &House) -> Self {
        let token =
            |owner: usize| house.owners.get(owner).map_or("", |owner| owner.access.as_str());
        let head_of = |show: &crate::house::Show| {
            let path = format!("/api/v1/venues/{}/shows/{}/{}", show.venue, show.id, act.path());
            head("POST", &path, token(show.owner))
        };
        let heads: Vec<String> = house.for_sale.iter().map(head_of).collect();
        let mut order: Vec<usize> = (0..heads.len() * PAIRS_PER_SHOW).collect();
        shuffle(&mut order);
        Self { act, heads, order }
    }
}

impl Source for Pairs {
    fn next<'a>(&'a mut self, body: &mut String) -> Option<&'a str> {
        let pair = self.order.pop()?;
        let (show, at) = (pair / PAIRS_PER_SHOW, pair % PAIRS_PER_SHOW);
        let (row, left) = (at / PAIRS_PER_ROW + 1, at % PAIRS_PER_ROW * 2 + 1);
        // Writing to a string does not fail.
        let _ =
            write!(body, r#"{{"seats":["{row}-{left}","{row}-{}"]{}"#, left + 1, self.act.rest());
        self.heads.get(show).map(String::as_str)
    }
}

/// Fisher and Yates, with random ids for dice.
pub(in crate::bench) fn shuffle(order: &mut [usize]) {
    for at in (1..order.len()).rev() {
        let die = uuid::Uuid::new_v4().as_u64_pair().1;
        // The high two bits of it are fixed; what is left is plenty.
        let other = usize::try_from(die % (1 << 40)).unwrap_or(0) % (at + 1);
        order.swap(at, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_seat_is_drawn_exactly_once() {
        let mut pairs = Pairs {
            act: Act::Hold,
            heads: vec!["head".to_owned()],
            order: (0..PAIRS_PER_SHOW).collect(),
        };
        shuffle(&mut pairs.order);
        let (mut seen, mut body) = (HashSet::new(), String::new());
        while pairs.next(&mut body).is_some() {
            let json: serde_json::Value = serde_json::from_str(&body).unwrap();
            for seat in json["seats"].as_array().unwrap() {
                assert!(seen.insert(seat.as_str().unwrap().to_owned()), "{seat} twice");
            }
            body.clear();
        }
        assert_eq!(seen.len(), 200);
        assert!(seen.contains("1-1") && seen.contains("20-10"));
    }

    #[test]
    fn a_booking_says_whose_it_is() {
        let mut pairs = Pairs { act: Act::Book, heads: vec!["head".to_owned()], order: vec![0] };
        let mut body = String::new();
        pairs.next(&mut body);
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["customer"]["name"], "Ana Lopes");
    }
}
