//! How often numbers and names may be tried: growing delays per ticket and per address, less
//! patience while a show is guessed at from many of them.
//!
//! A pair is counted before it is looked at and forgiven when it was right, so that a hundred
//! guesses at once are a hundred guesses. Whose ticket was right from an address is counted apart
//! there, so that strangers cannot make them wait. And each ticket that was right earns its address
//! patience: a hall behind one network address has mistakes in it, and somebody who guesses is not
//! right.

use edge::ClientAddress;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use tickets::holders::{self, plain_number};

use crate::GalaError;
use crate::model::TicketPair;
use crate::store::attempts::{self, Forgiven};

/// Wrong pairs of an address that cost nothing: a family that mistypes, or the first of a hall.
const FREE_OF_ADDRESS: i32 = 20;
/// Wrong names for a ticket that cost nothing, wherever they come from.
const FREE_OF_TICKET: i32 = 10;
/// Both while the show is guessed at.
const FREE_UNDER_ATTACK: i32 = 2;
/// More wrong pairs that cost an address nothing, for each ticket that was right there.
const EARNED_BY_TICKET: i32 = 2;
/// So many of them it can have earned and not used.
const EARNED_MAX: i32 = 200;
/// Wrong pairs of all addresses within the window from which on a show is guessed at.
const SHOW_FAILURES_MAX: i32 = 300;
/// What they are counted in.
const SHOW_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// The longest delay after a failure, in seconds.
const DELAY_MAX_SECS: i64 = 900;
/// Failures this long ago are forgotten.
const FORGET_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What was tried under a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Below 0: what an address has earned.
    pub(crate) failures: i32,
    /// From when on the next is free; for a show, when its window ends.
    pub(crate) free_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Pairs that were counted and are to be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    show: String,
    /// Nothing where all tickets were right at this address before.
    address: Option<String>,
    /// The ticket of each pair; nothing for a number that the show does not have.
    tickets: Vec<Option<Ticket>>,
}

#[derive(Clone, Debug)]
struct Ticket {
    subject: String,
    /// The same at this address, once it was right there.
    known: String,
    is_known: bool,
}

impl Ticket {
    fn counted(&self) -> &str {
        if self.is_known { &self.known } else { &self.subject }
    }
}

/// What the rule gives that counts; nobody is sent it.
impl pg::Reply for Tried {
    fn status(&self) -> u16 {
        204
    }

    fn json(&self) -> Result<String, serde_json::Error> {
        Ok(String::new())
    }
}

/// Counts what an address is about to try, in a transaction of its own: it stands whatever comes of
/// it. Numbers that are not there have no rows of their own: those would be a stranger's to fill.
///
/// # Errors
/// `TooManyAttempts`, and then nothing is counted.
pub(crate) async fn admit(
    tx: &mut Tx,
    show: ShowId,
    from: ClientAddress,
    pairs: &[TicketPair],
) -> Result<Tried, GalaError> {
    let house = from.household();
    let numbers: Vec<String> = pairs.iter().map(|pair| pair.number.clone()).collect();
    let there = holders::find_by_numbers(tx, show, &numbers).await?;
    let ids = pairs.iter().map(|pair| {
        let number = plain_number(&pair.number);
        there.iter().find(|one| plain_number(&one.number) == number).map(|one| one.id)
    });
    let ticket = |id: TicketId| Ticket {
        subject: format!("ticket:{id}"),
        known: format!("known:{id}@{house}"),
        is_known: false,
    };
    let mut tickets: Vec<Option<Ticket>> = ids.map(|id| id.map(ticket)).collect();
    let (address, of_show) = (format!("address:{house}@{show}"), format!("show:{show}"));
    let named: Vec<&Ticket> = tickets.iter().flatten().collect();
    let mut sure: Vec<&str> = named.iter().map(|ticket| &*ticket.subject).collect();
    sure.push(&address);
    let known = named.iter().map(|ticket| &*ticket.known);
    let all: Vec<&str> = sure.iter().copied().chain(known).collect();
    let (rows, guessed) = attempts::lock_attempts(tx, &sure, &all, &of_show).await?;
    let find = |subject: &str| rows.iter().find(|(name, _)| name == subject).map(|(_, row)| *row);
    for ticket in tickets.iter_mut().flatten() {
        ticket.is_known = find(&ticket.known).is_some();
    }
    let now = tx.now();
    let under_attack = is_guessed_at(guessed, now);
    let address = Some(address).filter(|_| !all_known(&tickets));
    let one = |ticket: &Ticket| {
        (ticket.counted().to_owned(), count_ticket(find(ticket.counted()), under_attack, now))
    };
    let count = i32::try_from(pairs.len()).unwrap_or(i32::MAX);
    let of_address = address
        .as_ref()
        .map(|address| (address.clone(), count_address(find(address), under_attack, now, count)));
    let counted = tickets.iter().flatten().map(one).chain(of_address);
    attempts::update_attempts(tx, all_free(counted, now)?)?;
    Ok(Tried { show: of_show, address, tickets })
}

fn all_known(tickets: &[Option<Ticket>]) -> bool {
    tickets.iter().all(|ticket| ticket.as_ref().is_some_and(|ticket| ticket.is_known))
}

/// The counts, where none of the subjects has to wait; else the longest wait.
fn all_free(
    counted: impl Iterator<Item = (String, Result<Attempts, Timestamp>)>,
    now: Timestamp,
) -> Result<Vec<(String, Attempts)>, GalaError> {
    let (mut all, mut wait) = (Vec::new(), None);
    for (subject, counted) in counted {
        match counted {
            Ok(counted) => all.push((subject, counted)),
            Err(free_at) => wait = wait.max(Some(free_at)),
        }
    }
    let Some(free_at) = wait else { return Ok(all) };
    let secs = free_at.duration_since(now).as_secs().saturating_add(1);
    Err(GalaError::TooManyAttempts(u32::try_from(secs).unwrap_or(1)))
}

/// All pairs were right: they are forgiven, and their tickets are known at this address.
pub(crate) fn welcome(tx: &mut Tx, tried: &Tried) -> Result<(), GalaError> {
    let new: Vec<String> = tried.tickets.iter().flatten().map(|it| it.known.clone()).collect();
    attempts::know(tx, new)?;
    let fresh = tried.tickets.iter().flatten().filter(|ticket| !ticket.is_known).count();
    let earned = i32::try_from(fresh).unwrap_or(0).saturating_mul(EARNED_BY_TICKET);
    forgive(tx, tried, earned, |_| true)
}

/// Nobody has looked at the pairs, or all were right and nothing came of it.
pub(crate) fn forgive_all(tx: &mut Tx, tried: &Tried) -> Result<(), GalaError> {
    forgive(tx, tried, 0, |_| true)
}

/// These pairs were wrong: they stay counted, and the show remembers them.
pub(crate) fn note_failures(tx: &mut Tx, tried: &Tried, wrong: &[usize]) -> Result<(), GalaError> {
    forgive(tx, tried, 0, |at| !wrong.contains(&at))?;
    let ends_at = tx.now() + SHOW_WINDOW;
    let count = i32::try_from(wrong.len()).unwrap_or(i32::MAX);
    Ok(attempts::count_show(tx, &tried.show, count, ends_at)?)
}

/// Forgives the pairs that were right, and gives the address what it has earned.
fn forgive(
    tx: &mut Tx,
    tried: &Tried,
    earned: i32,
    right: impl Fn(usize) -> bool,
) -> Result<(), GalaError> {
    let of_tickets = tried.tickets.iter().enumerate().filter_map(|(at, ticket)| {
        let subject = ticket.as_ref().filter(|_| right(at))?.counted().to_owned();
        Some(Forgiven { subject, pairs: 1, least: 0 })
    });
    let count = (0..tried.tickets.len()).filter(|at| right(*at)).count();
    let pairs = i32::try_from(count).unwrap_or(0).saturating_add(earned);
    let of_address = tried.address.iter().map(|address| Forgiven {
        subject: address.clone(),
        pairs,
        least: -EARNED_MAX,
    });
    let all: Vec<Forgiven> = of_tickets.chain(of_address).filter(|it| it.pairs > 0).collect();
    Ok(attempts::forgive(tx, all)?)
}

fn is_guessed_at(show: Option<Attempts>, now: Timestamp) -> bool {
    show.is_some_and(|row| now < row.free_at && row.failures >= SHOW_FAILURES_MAX)
}

/// One more name for a ticket; or when it may be tried again.
fn count_ticket(
    row: Option<Attempts>,
    under_attack: bool,
    now: Timestamp,
) -> Result<Attempts, Timestamp> {
    let failures = failures(row, now)?.saturating_add(1);
    let free = if under_attack { FREE_UNDER_ATTACK } else { FREE_OF_TICKET };
    Ok(Attempts { failures, free_at: now + delay(failures - free), updated_at: now })
}

/// So many more pairs from an address; or when it may try again.
fn count_address(
    row: Option<Attempts>,
    under_attack: bool,
    now: Timestamp,
    pairs: i32,
) -> Result<Attempts, Timestamp> {
    let failures = failures(row, now)?.saturating_add(pairs);
    let free = if under_attack { FREE_UNDER_ATTACK } else { FREE_OF_ADDRESS };
    // A party that is tried for the first time is let through whole, whatever its size.
    let beyond = if failures == pairs && !under_attack { 0 } else { failures - free };
    Ok(Attempts { failures, free_at: now + delay(beyond), updated_at: now })
}

fn failures(row: Option<Attempts>, now: Timestamp) -> Result<i32, Timestamp> {
    match row {
        Some(row) if now < row.free_at => Err(row.free_at),
        Some(row) if now.duration_since(row.updated_at) < FORGET_AFTER => Ok(row.failures),
        _ => Ok(0),
    }
}

/// None up to 0, then 1, 2, 4 … 900 seconds.
fn delay(beyond: i32) -> SignedDuration {
    if beyond <= 0 {
        return SignedDuration::ZERO;
    }
    let doubled = u32::try_from(beyond - 1).ok().and_then(|n| 1_i64.checked_shl(n));
    let secs = doubled.filter(|secs| (1..DELAY_MAX_SECS).contains(secs)).unwrap_or(DELAY_MAX_SECS);
    SignedDuration::from_secs(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs)
    }

    #[test]
    fn the_delay_of_a_ticket_doubles_after_ten_wrong_names() {
        let mut row = None;
        for n in 1..=10 {
            let counted = count_ticket(row, false, at(n)).unwrap();
            assert_eq!(counted.free_at, at(n), "{n}");
            row = Some(counted);
        }
        let counted = count_ticket(row, false, at(11)).unwrap();
        assert_eq!(counted.free_at, at(12));
        assert_eq!(count_ticket(Some(counted), false, at(11)), Err(at(12)));
        assert_eq!(delay(5).as_secs(), 16);
        assert_eq!(delay(i32::MAX).as_secs(), DELAY_MAX_SECS);
    }

    #[test]
    fn many_pairs_at_once_are_many_attempts() {
        let first = count_address(None, false, at(0), 20).unwrap();
        assert_eq!(first.free_at, at(0), "a large party is no attack");
        let second = count_address(Some(first), false, at(1), 20).unwrap();
        assert!(second.free_at >= at(900), "but forty wrong pairs were forty");
    }

    #[test]
    fn while_a_show_is_guessed_at_patience_is_short() {
        let attack = Attempts { failures: 300, free_at: at(600), updated_at: at(0) };
        assert!(is_guessed_at(Some(attack), at(599)) && !is_guessed_at(Some(attack), at(600)));
        let failed = Attempts { failures: 2, free_at: at(0), updated_at: at(0) };
        assert_eq!(count_address(Some(failed), true, at(1), 1).unwrap().free_at, at(2));
        assert_eq!(count_ticket(Some(failed), true, at(1)).unwrap().free_at, at(2));
        let first = count_address(None, true, at(1), 2).unwrap();
        assert_eq!(first.free_at, at(1), "nobody is locked out");
    }

    #[test]
    fn what_an_address_has_earned_is_patience() {
        let earned = Attempts { failures: -EARNED_MAX, free_at: at(0), updated_at: at(0) };
        let counted = count_address(Some(earned), true, at(1), EARNED_MAX + 2).unwrap();
        assert_eq!(counted.free_at, at(1));
        let counted = count_address(Some(counted), true, at(1), 1).unwrap();
        assert_eq!(counted.free_at, at(2));
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let row = Attempts { failures: 30, free_at: at(900), updated_at: at(0) };
        assert_eq!(count_address(Some(row), false, at(24 * 3600), 1).unwrap().failures, 1);
    }

    #[test]
    fn whoever_has_to_wait_for_several_is_told_the_longest() {
        let fine = Attempts { failures: 1, free_at: at(0), updated_at: at(0) };
        let counted = [("a", Ok(fine)), ("b", Err(at(9))), ("c", Err(at(5)))];
        let counted = counted.map(|(subject, counted)| (subject.to_owned(), counted));
        let refused = all_free(counted.into_iter(), at(0));
        assert!(matches!(refused, Err(GalaError::TooManyAttempts(10))), "{refused:?}");
    }
}
