//! How long customers will wait, for a therapist, for a room and for a cashier together: the line is
//! replayed on what is expected of everybody who is busy. Pure; nothing of it is kept but what a
//! customer was promised.
//!
//! Each therapist and each room is free when the present customer is expected to be done. The line
//! is gone through in its order; each customer takes the therapist and the room that are free first
//! among those that serve, and joins the cashiers' line at the end.

use jiff::{SignedDuration, Timestamp};
use kernel::ids::{OrderId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::covers;
use crate::settings::SpaRules;

/// So many of the line are replayed one by one; who stands behind waits in proportion.
pub const LINE_REPLAYED_MAX: i64 = 200;
/// Somebody who takes longer than expected is thought to take so much longer still.
const OVERTIME: SignedDuration = SignedDuration::from_mins(5);
/// A promise has room for at least so much.
const SPREAD_MIN: SignedDuration = SignedDuration::from_mins(5);
/// And for this part of the wait.
const SPREAD_PART: i32 = 3;

/// A wait that is quoted, in minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SpaQuote)]
pub struct Quote {
    /// Orders before it.
    pub ahead: i64,
    /// Whether anybody on shift, and a room, can serve it at all.
    pub possible: bool,
    /// Until a therapist is free.
    #[schema(example = 20)]
    pub therapist_minutes: i64,
    /// And from then on until a room is.
    #[schema(example = 5)]
    pub room_minutes: i64,
    /// The least wait for the treatment: both together.
    #[schema(example = 25)]
    pub from_minutes: i64,
    /// The longest.
    #[schema(example = 35)]
    pub to_minutes: i64,
    /// After the treatment, for a cashier.
    #[schema(example = 3)]
    pub payment_minutes: i64,
}

/// A therapist on shift.
#[derive(Clone, Debug)]
pub(crate) struct FreeTherapist {
    pub(crate) id: UserId,
    pub(crate) skills: Vec<String>,
    pub(crate) free_at: Timestamp,
}

/// A room in service.
#[derive(Clone, Debug)]
pub(crate) struct FreeRoom {
    pub(crate) offers: Vec<String>,
    pub(crate) free_at: Timestamp,
    pub(crate) turnover_minutes: i32,
}

/// Somebody who waits, or would.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: Option<OrderId>,
    pub(crate) skills: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) requested: Option<UserId>,
    pub(crate) before: i32,
    pub(crate) minutes: i32,
    pub(crate) after: i32,
}

/// Everything that a quote depends on, as of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub(crate) now: Timestamp,
    pub(crate) rules: SpaRules,
    pub(crate) therapists: Vec<FreeTherapist>,
    pub(crate) rooms: Vec<FreeRoom>,
    /// The first of the line.
    pub(crate) line: Vec<Waiter>,
    /// All of the line.
    pub(crate) waiting: i64,
    /// Those who pay or wait to pay.
    pub(crate) to_pay: i64,
    /// Those who took payments lately.
    pub(crate) cashiers: i64,
    /// When those who are being treated are expected to be done, and those replayed.
    pub(crate) ends: Vec<Timestamp>,
}

/// When each stage is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stages {
    therapist_at: Timestamp,
    start: Timestamp,
    end: Timestamp,
}

fn minutes(minutes: i32) -> SignedDuration {
    SignedDuration::from_mins(minutes.into())
}

/// Full minutes, never less than none.
fn whole(wait: SignedDuration) -> i64 {
    (wait.as_secs().max(0) + 59) / 60
}

impl Outlook {
    /// When whoever is busy until `expected` is free.
    pub(crate) fn free_after(now: Timestamp, expected: Timestamp) -> Timestamp {
        if expected > now { expected } else { now + OVERTIME }
    }

    /// Quotes for the first of the line, in its order, and for one more behind all of it.
    pub(crate) fn quotes(
        mut self,
        next: Option<&Waiter>,
    ) -> (Vec<(OrderId, Quote)>, Option<Quote>) {
        let line = std::mem::take(&mut self.line);
        let mut stages = Vec::with_capacity(line.len());
        for waiter in &line {
            stages.push((waiter.id, self.place(waiter)));
        }
        let last = next.map(|waiter| {
            let ahead = self.waiting;
            let replayed = i64::try_from(line.len()).unwrap_or(i64::MAX);
            // Whoever stands behind those replayed waits as much longer as the line is.
            let behind = self.now_behind(ahead, replayed);
            let placed = self.place(waiter).map(|it| it.later(behind));
            self.told(ahead, placed)
        });
        let told = stages
            .iter()
            .zip(0..)
            .filter_map(|((id, stage), ahead)| id.map(|id| (id, self.told(ahead, *stage))));
        (told.collect(), last)
    }

    fn now_behind(&self, ahead: i64, replayed: i64) -> SignedDuration {
        if ahead <= replayed || replayed == 0 {
            return SignedDuration::ZERO;
        }
        let free = self.therapists.iter().map(|it| it.free_at).min().unwrap_or(self.now);
        let pace = free.duration_since(self.now).as_secs() / replayed;
        SignedDuration::from_secs(pace.saturating_mul(ahead - replayed))
    }

    /// Gives the customer the therapist and the room that are free first.
    fn place(&mut self, waiter: &Waiter) -> Option<Stages> {
        let asked = waiter.requested.filter(|id| self.therapists.iter().any(|it| it.id == *id));
        let able = |it: &&mut FreeTherapist| {
            asked.is_none_or(|id| it.id == id) && covers(&it.skills, &waiter.skills)
        };
        let therapist = self.therapists.iter_mut().filter(able).min_by_key(|it| it.free_at)?;
        let serves = |it: &&mut FreeRoom| covers(&it.offers, &waiter.needs);
        let room = self.rooms.iter_mut().filter(serves).min_by_key(|it| it.free_at)?;
        let therapist_at = therapist.free_at.max(self.now);
        let start = therapist_at.max(room.free_at);
        let end = start + minutes(waiter.before + waiter.minutes);
        therapist.free_at = end;
        room.free_at = end + minutes(waiter.after + room.turnover_minutes);
        self.ends.push(end);
        Some(Stages { therapist_at, start, end })
    }

    /// How long somebody who is done at `end` waits for a cashier: all who are done before go first.
    pub(crate) fn payment_wait(&self, end: Timestamp) -> SignedDuration {
        let each = minutes(self.rules.payment_minutes);
        let cashiers = usize::try_from(self.cashiers.max(1)).unwrap_or(1);
        let mut free: Vec<Timestamp> = vec![self.now; cashiers];
        let mut serve = |from: Timestamp| {
            let first = free.iter_mut().min();
            first.map_or(from, |at| {
                let begun = from.max(*at);
                *at = begun + each;
                begun
            })
        };
        for _ in 0..self.to_pay.clamp(0, LINE_REPLAYED_MAX) {
            serve(self.now);
        }
        let mut before: Vec<_> = self.ends.iter().copied().filter(|it| *it < end).collect();
        before.sort_unstable();
        for other in before {
            serve(other);
        }
        serve(end).duration_since(end)
    }

    fn told(&self, ahead: i64, stages: Option<Stages>) -> Quote {
        let Some(stages) = stages else {
            return Quote {
                ahead,
                possible: false,
                therapist_minutes: 0,
                room_minutes: 0,
                from_minutes: 0,
                to_minutes: 0,
                payment_minutes: 0,
            };
        };
        let wait = stages.start.duration_since(self.now);
        Quote {
            ahead,
            possible: true,
            therapist_minutes: whole(stages.therapist_at.duration_since(self.now)),
            room_minutes: whole(stages.start.duration_since(stages.therapist_at)),
            from_minutes: whole(wait),
            to_minutes: whole(wait + spread(wait)),
            payment_minutes: whole(self.payment_wait(stages.end)),
        }
    }
}

impl Stages {
    fn later(self, by: SignedDuration) -> Self {
        Self { therapist_at: self.therapist_at + by, start: self.start + by, end: self.end + by }
    }
}

fn spread(wait: SignedDuration) -> SignedDuration {
    (wait / SPREAD_PART).max(SPREAD_MIN)
}

impl Quote {
    /// The moments that are promised: from, to.
    pub(crate) fn promise(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let at = |minutes: i64| now + SignedDuration::from_mins(minutes);
        self.possible.then(|| (at(self.from_minutes), at(self.to_minutes)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::tests::at;

    fn in_minutes(minutes: i64) -> Timestamp {
        at("2027-01-01T10:00:00Z") + SignedDuration::from_mins(minutes)
    }

    fn waiter(n: u128, minutes: i32) -> Waiter {
        Waiter {
            id: Some(OrderId(Uuid::from_u128(n))),
            skills: vec!["thai".into()],
            needs: vec!["bed".into()],
            requested: None,
            before: 0,
            minutes,
            after: 0,
        }
    }

    fn outlook(therapists: &[i64], rooms: &[i64]) -> Outlook {
        let therapist = |(free, n): (&i64, u128)| FreeTherapist {
            id: UserId(Uuid::from_u128(n)),
            skills: vec!["thai".into()],
            free_at: in_minutes(*free),
        };
        let room = |free: &i64| FreeRoom {
            offers: vec!["bed".into()],
            free_at: in_minutes(*free),
            turnover_minutes: 10,
        };
        Outlook {
            now: in_minutes(0),
            rules: SpaRules::default(),
            therapists: therapists.iter().zip(1..).map(therapist).collect(),
            rooms: rooms.iter().map(room).collect(),
            line: Vec::new(),
            waiting: 0,
            to_pay: 0,
            cashiers: 1,
            ends: Vec::new(),
        }
    }

    fn quote(mut outlook: Outlook, line: Vec<Waiter>, next: &Waiter) -> Quote {
        outlook.waiting = i64::try_from(line.len()).unwrap();
        outlook.line = line;
        outlook.quotes(Some(next)).1.unwrap()
    }

    #[test]
    fn therapist_and_room_are_waited_for_together() {
        let told = quote(outlook(&[20], &[25, 40]), Vec::new(), &waiter(1, 60));
        let stages =
            (told.therapist_minutes, told.room_minutes, told.from_minutes, told.to_minutes);
        assert_eq!(stages, (20, 5, 25, 34));
        let free = quote(outlook(&[0], &[0]), Vec::new(), &waiter(1, 60));
        assert_eq!((free.from_minutes, free.to_minutes, free.payment_minutes), (0, 5, 0));
    }

    #[test]
    fn the_line_is_replayed_in_its_order() {
        // Two therapists, two rooms with ten minutes of turnover.
        let line = vec![waiter(1, 60), waiter(2, 30)];
        let told = quote(outlook(&[0, 0], &[0, 0]), line.clone(), &waiter(3, 60));
        assert_eq!((told.ahead, told.therapist_minutes, told.room_minutes), (2, 30, 10));
        let mut both = outlook(&[0, 0], &[0, 0]);
        (both.line, both.waiting) = (line, 2);
        let all: Vec<_> =
            both.quotes(None).0.iter().map(|(_, q)| (q.ahead, q.from_minutes)).collect();
        assert_eq!(all, [(0, 0), (1, 0)]);
    }

    #[test]
    fn whoever_asked_for_a_therapist_waits_for_them() {
        let mine = Waiter { requested: Some(UserId(Uuid::from_u128(2))), ..waiter(1, 60) };
        assert_eq!(quote(outlook(&[0, 45], &[0]), Vec::new(), &mine).from_minutes, 45);
        let gone = Waiter { requested: Some(UserId(Uuid::from_u128(9))), ..waiter(1, 60) };
        assert_eq!(quote(outlook(&[0, 45], &[0]), Vec::new(), &gone).from_minutes, 0);
    }

    #[test]
    fn what_nobody_can_do_is_not_quoted() {
        let laser = Waiter { skills: vec!["laser".into()], ..waiter(1, 60) };
        assert!(!quote(outlook(&[0], &[0]), Vec::new(), &laser).possible);
        assert!(!quote(outlook(&[0], &[]), Vec::new(), &waiter(1, 60)).possible);
        assert_eq!(
            quote(outlook(&[], &[0]), Vec::new(), &waiter(1, 60)).promise(in_minutes(0)),
            None
        );
    }

    #[test]
    fn those_who_are_done_at_the_same_time_wait_for_one_cashier() {
        let mut two = outlook(&[0, 0], &[0, 0]);
        two.ends = vec![in_minutes(59), in_minutes(59)];
        // Two begin to pay at 59, three minutes each: the third, done at 60, begins at 65.
        assert_eq!(quote(two, Vec::new(), &waiter(1, 60)).payment_minutes, 5);
    }

    #[test]
    fn far_behind_the_wait_is_in_proportion() {
        let mut long = outlook(&[0], &[0]);
        (long.line, long.waiting) = ((1..=10).map(|n| waiter(n, 30)).collect(), 100);
        let told = long.quotes(Some(&waiter(11, 30))).1.unwrap();
        assert!(told.from_minutes > 3000, "{told:?}");
    }
}
