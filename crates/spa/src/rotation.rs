//! Whose turn it is among the therapists on shift, and the ledger that explains it. Pure.
//!
//! Whoever has had fewer turns comes first; among those with as many, whoever had theirs longer
//! ago. A customer who asks for a therapist is nobody's turn. Whoever joins has as many turns as
//! whoever has had the fewest, so nobody catches up on a morning at home. A turn that came to
//! nothing by the customer's fault is given back; one that the therapist lost stays counted.

use jiff::Timestamp;
use kernel::ids::{OrderId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::TherapistRow;

kernel::names! {
    /// What happened to somebody's place in the rotation.
    TurnKind {
        /// The shift began.
        Began = "began",
        /// Had a turn: took the next customer.
        Took = "took",
        /// Took a customer who asked for them, or whom a manager gave them: no turn.
        TookRequested = "took_requested",
        /// The customer left before the treatment: the turn is given back.
        Returned = "returned",
        /// Gave the customer back or was not heard of: the turn stays counted.
        Lost = "lost",
        /// Went on a break.
        Break = "break",
        /// Came back from it.
        Back = "back",
        /// The shift ended.
        Ended = "ended",
    }
}

/// Why it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// Those who stood before them, were ready and could have served this customer, but had not
    /// taken them in their time.
    #[serde(default)]
    pub ahead: Vec<UserId>,
    /// How long the customer had waited for this turn, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub waited_secs: Option<i64>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub detail: Option<String>,
}

impl Why {
    pub(crate) fn because(detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..Self::default() }
    }
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Its id: the ledger's order among lines of one moment.
    pub id: Uuid,
    /// When.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Whose.
    pub therapist_id: UserId,
    /// What happened.
    pub what: TurnKind,
    /// The customer's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// How many turns they have had after it.
    pub turns: i32,
    /// Since when they stand among those with as many turns.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub turn_at: Option<Timestamp>,
    /// Why.
    pub why: Why,
}

/// A therapist's place, as the ledger tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Who.
    pub therapist: UserId,
    /// Turns of this shift.
    pub turns: i32,
    /// Since when they stand among those with as many turns.
    pub turn_at: Timestamp,
    /// Whether they are on a break.
    pub on_break: bool,
    before: Timestamp,
}

/// The ledger says something that does not follow from what it says before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the ledger gives {told} turns, what stands before it {found}")]
pub struct Contradiction {
    /// The line, from 0.
    pub line: usize,
    /// What it says.
    pub told: i32,
    /// What follows from the others.
    pub found: i32,
}

/// Plays a day's ledger from its first line: those on shift, whose turn comes first standing first.
///
/// # Errors
/// `Contradiction` where a line does not follow from those before it.
pub fn replay(ledger: &[Turn]) -> Result<Vec<Stand>, Contradiction> {
    let mut stands: Vec<Stand> = Vec::new();
    for (line, turn) in ledger.iter().enumerate() {
        if turn.what == TurnKind::Began {
            stands.retain(|stand| stand.therapist != turn.therapist_id);
            stands.push(Stand {
                therapist: turn.therapist_id,
                turns: turn.turns,
                turn_at: turn.at,
                on_break: false,
                before: turn.at,
            });
            continue;
        }
        // A shift that began on an earlier day stands in that day's ledger.
        let found = stands.iter_mut().find(|stand| stand.therapist == turn.therapist_id);
        let Some(stand) = found else { continue };
        stand.take(turn);
        if turn.what == TurnKind::Ended {
            stands.retain(|stand| stand.therapist != turn.therapist_id);
        } else if stand.turns != turn.turns {
            return Err(Contradiction { line, told: turn.turns, found: stand.turns });
        }
    }
    stands.sort_by_key(|stand| (stand.turns, stand.turn_at, stand.therapist));
    Ok(stands)
}

impl Stand {
    fn take(&mut self, turn: &Turn) {
        match turn.what {
            TurnKind::Took => {
                self.before = self.turn_at;
                self.turns += 1;
                self.turn_at = turn.at;
            }
            TurnKind::Returned => {
                self.turns = (self.turns - 1).max(0);
                self.turn_at = self.before;
            }
            TurnKind::Break => self.on_break = true,
            TurnKind::Back => self.on_break = false,
            TurnKind::Began | TurnKind::TookRequested | TurnKind::Lost | TurnKind::Ended => {}
        }
    }
}

impl TherapistRow {
    /// The last turn did not count.
    pub(crate) fn give_back_turn(&mut self) {
        self.turns = (self.turns - 1).max(0);
        self.turn_at = self.turn_before.or(self.turn_at);
    }

    /// The shift begins; `fewest` is how many turns the others on shift have had at least.
    pub(crate) fn begin_shift(&mut self, now: Timestamp, fewest: i32) {
        self.began_at = Some(now);
        self.break_at = None;
        self.turns = fewest;
        self.turn_at = Some(now);
        self.turn_before = Some(now);
        self.ready_at = None;
    }

    /// A line of the ledger, as this therapist stands now.
    pub(crate) fn turn(&self, what: TurnKind, now: Timestamp, why: Why) -> Turn {
        Turn {
            id: kernel::ids::fresh(now),
            at: now,
            therapist_id: self.id,
            what,
            order_id: self.order,
            turns: self.turns,
            turn_at: self.turn_at,
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn line(n: u128, minute: i32, what: TurnKind, turns: i32) -> Turn {
        Turn {
            id: Uuid::from_u128(0),
            at: format!("2027-01-01T10:{minute:02}:00Z").parse().unwrap(),
            therapist_id: who(n),
            what,
            order_id: None,
            turns,
            turn_at: None,
            why: Why::default(),
        }
    }

    fn order(ledger: &[Turn]) -> Vec<u128> {
        replay(ledger).unwrap().iter().map(|stand| stand.therapist.0.as_u128()).collect()
    }

    #[test]
    fn fewer_turns_come_first_and_then_whoever_waits_longer() {
        use TurnKind::{Began, Returned, Took, TookRequested};
        let mut ledger = vec![line(1, 0, Began, 0), line(2, 1, Began, 0), line(3, 2, Began, 0)];
        assert_eq!(order(&ledger), [1, 2, 3]);
        ledger.push(line(1, 3, Took, 1));
        assert_eq!(order(&ledger), [2, 3, 1]);
        ledger.push(line(2, 4, TookRequested, 0));
        assert_eq!(order(&ledger), [2, 3, 1], "a customer of one's own is no turn");
        ledger.push(line(2, 5, Took, 1));
        ledger.push(line(2, 6, Returned, 0));
        assert_eq!(order(&ledger), [2, 3, 1], "back in the old place");
    }

    #[test]
    fn whoever_joins_late_does_not_catch_up() {
        use TurnKind::{Began, Ended, Took};
        let mut ledger = vec![line(1, 0, Began, 0), line(1, 1, Took, 1), line(2, 2, Began, 1)];
        assert_eq!(order(&ledger), [1, 2]);
        ledger.push(line(1, 3, Ended, 1));
        assert_eq!(order(&ledger), [2]);
    }

    #[test]
    fn a_ledger_that_lies_is_found() {
        let ledger = [line(1, 0, TurnKind::Began, 0), line(1, 1, TurnKind::Took, 2)];
        assert_eq!(replay(&ledger), Err(Contradiction { line: 1, told: 2, found: 1 }));
    }
}
