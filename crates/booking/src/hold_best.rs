//! Take the best available seats: chosen under the locks, so that offer and take are one moment.

use std::collections::HashSet;

use edge::limits::LIVE_HOLDS_PER_CUSTOMER_MAX;
use pg::{DbError, Tx};

use crate::choice::{Closeness, Pick, rank, split, splits};
use crate::front::Front;
use crate::model::{Seat, Show};
use crate::pass::check_pass;
use crate::store::free::{self, Queue, Seen, Wanted};
use crate::tried::Tried;
use crate::{BookingError, secret};

/// How often other seats are tried when somebody has locked the chosen ones.
const SKIPS_MAX: u32 = 6;
/// How often one waits in the show's queue before saying that the server is busy.
const WAITS_MAX: u32 = 20;

/// The hint that a moment ago no block had so many seats together.
const NOWHERE: i32 = i32::MAX;

static FRONT: Front = Front::new();
static TRIED: Tried = Tried::new();

/// Seats that are locked, free and theirs to claim.
pub(crate) struct Taken {
    pub(crate) show: Show,
    pub(crate) seats: Vec<Seat>,
    pub(crate) closeness: Closeness,
    /// Whether the holder has a pass for the show's line; none where they need none.
    pub(crate) has_pass: Option<bool>,
    /// Claims whose time is over still stand there.
    pub(crate) stale_claims: bool,
}

/// As `take_best`, but gives up where all that fits is locked by others.
pub(crate) async fn take_if_free(
    tx: &mut Tx,
    wanted: &Wanted,
) -> Result<Option<Taken>, BookingError> {
    let Looked { show, has_pass, mut picks } =
        look(tx, wanted, Queue::Skip, &HashSet::new()).await?;
    let mut contended = HashSet::new();
    for attempt in 0..SKIPS_MAX {
        if picks.is_empty() {
            picks = look(tx, wanted, Queue::Skip, &contended).await?.picks;
        }
        if picks.is_empty() {
            break;
        }
        // The best that nobody of this worker tries. Whoever has lost them to another worker takes
        // any of the next few, or all that were skipped would meet at the next best again.
        let others = TRIED.others(wanted.show, &picks);
        let most = others.len().min(4_usize.saturating_pow(attempt));
        let pick = picks.remove(others.get(secret::below(most)?).copied().unwrap_or(0));
        tx.keep(TRIED.begin(wanted.show, &pick));
        match lock(tx, wanted, &pick, Queue::Skip).await? {
            Ok((seats, stale_claims)) => {
                let closeness = pick.closeness;
                return Ok(Some(Taken { show, seats, closeness, has_pass, stale_claims }));
            }
            Err(lost) => {
                contended.extend(&lost);
                picks.retain(|other| !other.seats.iter().any(|seat| lost.contains(seat)));
            }
        }
    }
    Ok(None)
}

/// Chooses and locks. What others have locked is skipped a few times, in the same transaction;
/// after that it gives back all locks, stands in the show's queue and waits for the best.
pub(crate) async fn take_best(tx: &mut Tx, wanted: &Wanted) -> Result<Taken, BookingError> {
    match take_if_free(tx, wanted).await? {
        Some(taken) => Ok(taken),
        None => wait(tx, wanted).await,
    }
}

/// Nobody is refused while what they asked for is there: whoever was skipped too often waits.
async fn wait(tx: &mut Tx, wanted: &Wanted) -> Result<Taken, BookingError> {
    for _ in 0..WAITS_MAX {
        // Seats that were locked before would be held while waiting for others: a circle.
        tx.start_over().await?;
        let Looked { show, has_pass, mut picks } =
            look(tx, wanted, Queue::Stand, &HashSet::new()).await?;
        if picks.is_empty() {
            return Err(BookingError::NotEnough);
        }
        let pick = picks.swap_remove(0);
        if let Ok((seats, stale_claims)) = lock(tx, wanted, &pick, Queue::Stand).await? {
            let closeness = pick.closeness;
            return Ok(Taken { show, seats, closeness, has_pass, stale_claims });
        }
    }
    Err(BookingError::Db(DbError::Busy))
}

/// What a look without locks has found.
struct Looked {
    show: Show,
    has_pass: Option<bool>,
    picks: Vec<Pick>,
}

/// What could be taken, best first; nothing where only `contended` seats are left.
async fn look(
    tx: &mut Tx,
    wanted: &Wanted,
    queue: Queue,
    contended: &HashSet<i32>,
) -> Result<Looked, BookingError> {
    let seen = find_runs(tx, wanted, queue, contended.is_empty()).await?;
    let show = seen.show.ok_or(BookingError::NoSuchShow)?;
    show.check_on_sale(tx.now())?;
    let has_pass = seen.has_pass;
    check_pass(has_pass)?;
    if wanted.limited && seen.live_holds >= LIVE_HOLDS_PER_CUSTOMER_MAX {
        return Err(BookingError::TooManyHolds);
    }
    if !seen.runs.is_empty() {
        return Ok(Looked { show, has_pass, picks: rank(seen.runs, contended) });
    }
    let (quantity, accessible) = (count(wanted.quantity), count(wanted.accessible));
    let mut seats = free::find_free(tx, wanted).await?;
    if split(&seats, quantity, accessible).is_none() {
        return Err(missing(tx, wanted).await?);
    }
    seats.retain(|seat| !contended.contains(&seat.seat));
    Ok(Looked { show, has_pass, picks: splits(seats, quantity, accessible) })
}

/// Looks where free seats began a moment ago; and from the first block, where that finds nothing, and
/// where what it found is `contended`: a few small tables are soon all tried.
async fn find_runs(
    tx: &mut Tx,
    wanted: &Wanted,
    queue: Queue,
    first_look: bool,
) -> Result<Seen, BookingError> {
    // A hint is for whoever may have any seat: what a code or a wheel asks for is rare.
    let plain = !wanted.exact
        && wanted.block.is_none()
        && wanted.accessible == 0
        && wanted.access.code_hash().is_none();
    if !plain {
        return Ok(free::find_runs(tx, wanted, queue, None).await?);
    }
    let role = wanted.access.role_to_look();
    let key = || (wanted.show, wanted.category.clone(), wanted.quantity, role);
    let from = FRONT.block(&key(), tx.now()).filter(|_| first_look);
    let mut seen = free::find_runs(tx, wanted, queue, from).await?;
    let nothing = from == Some(NOWHERE);
    let whole = from.is_none() || (seen.runs.is_empty() && !nothing);
    if from.is_some() && whole {
        seen = free::find_runs(tx, wanted, queue, None).await?;
    }
    let first = seen.runs.iter().map(|run| run.block_rank).min();
    FRONT.found(key(), first.unwrap_or(NOWHERE), whole, tx.now());
    Ok(seen)
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Why nothing was found.
async fn missing(tx: &mut Tx, wanted: &Wanted) -> Result<BookingError, BookingError> {
    let Some(block) = &wanted.block else { return Ok(BookingError::NotEnough) };
    Ok(match free::find_block(tx, wanted.show, block).await? {
        None => BookingError::NoSuchBlocks(vec![block.clone()]),
        Some(true) => BookingError::WholeOnly(block.clone()),
        Some(false) => BookingError::NotEnough,
    })
}

/// The seats, and whether stale claims stand there; or, when one of them is not to be had, those
/// that are not.
async fn lock(
    tx: &mut Tx,
    wanted: &Wanted,
    pick: &Pick,
    queue: Queue,
) -> Result<Result<(Vec<Seat>, bool), HashSet<i32>>, BookingError> {
    let found = free::lock_chosen(tx, wanted, &pick.seats, queue).await?;
    let now = tx.now();
    let free = |seat: &&Seat| {
        !seat.is_withheld(now)
            && !found.claims.iter().any(|claim| claim.seat == seat.number && claim.is_live(now))
    };
    let had: HashSet<_> = found.seats.iter().filter(free).map(|seat| seat.number).collect();
    let lost: HashSet<_> = pick.seats.iter().copied().filter(|seat| !had.contains(seat)).collect();
    Ok(if lost.is_empty() { Ok((found.seats, !found.claims.is_empty())) } else { Err(lost) })
}
