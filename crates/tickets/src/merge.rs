//! What happened with one ticket, from all that its scans say. Pure, and the same whatever order the
//! scans became known in: it is a function of the set of them.
//!
//! - Whoever was let in while the house was asked (`online`) counts, always.
//! - Of those who were let in without a network, by doors that could not see each other, the earlier
//!   counts, by the corrected time; at the same time the lower (scanner, nonce).
//! - The other is a second entry: kept, and told to the gates and the supervisors.
//! - Between two who count there is an exit, or a door to another zone, or a list that lets in again.

use std::cmp::Ordering;

use jiff::Timestamp;
use kernel::ids::ZoneId;
use uuid::Uuid;

use crate::model::{Kind, Reentry};

/// One time that somebody went through a door with the ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) scanner: Uuid,
    pub(crate) nonce: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) kind: Kind,
    /// The house was asked and said yes.
    pub(crate) online: bool,
    /// Where the door leads to.
    pub(crate) zone: Option<ZoneId>,
    pub(crate) reentry: Reentry,
}

impl Pass {
    fn order(&self, other: &Self) -> Ordering {
        (self.at, self.scanner, self.nonce).cmp(&(other.at, other.scanner, other.nonce))
    }
}

/// What came of one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It moved the ticket.
    Counts,
    /// Somebody else was let in with the same ticket: the place of the one that counts.
    Second(usize),
    /// Somebody left who was not inside, as far as is known.
    Idle,
}

/// Where the ticket is after all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) inside: bool,
    pub(crate) zone: Option<ZoneId>,
    pub(crate) entries: i32,
}

/// Sorts the passes, and says what came of each and of the ticket.
pub(crate) fn settle(passes: &mut [Pass]) -> (Vec<Standing>, Whereabouts) {
    passes.sort_by(Pass::order);
    let mut standings = vec![Standing::Idle; passes.len()];
    let mut now = Whereabouts::default();
    // The entry that is open, and the one that a list which lets in once has let in.
    let (mut open, mut only): (Option<usize>, Option<usize>) = (None, None);
    for (at, pass) in passes.iter().enumerate() {
        if pass.kind == Kind::Exit {
            // What the house was asked about is so, whatever the clocks of others say.
            if now.inside || pass.online {
                set(&mut standings, at, Standing::Counts);
                (now.inside, now.zone, open) = (false, None, None);
            }
            continue;
        }
        let moves = now.inside && pass.zone.zip(now.zone).is_some_and(|(to, from)| to != from);
        let first = match pass.reentry {
            Reentry::Always => None,
            _ if moves => None,
            Reentry::AfterExit => open,
            Reentry::Never => only.or(open),
        };
        match first {
            None => {}
            Some(first) if !pass.online => {
                set(&mut standings, at, Standing::Second(first));
                continue;
            }
            // The house let this one in and did not know of the other.
            Some(first) => lose(passes, &mut standings, first, at),
        }
        set(&mut standings, at, Standing::Counts);
        now.inside = true;
        now.zone = pass.zone.or(now.zone);
        open = Some(at);
        if pass.reentry == Reentry::Never {
            only = Some(at);
        }
    }
    let counted = standings.iter().zip(passes.iter());
    let entries = counted
        .filter(|(standing, pass)| **standing == Standing::Counts && pass.kind == Kind::Entry)
        .count();
    now.entries = i32::try_from(entries).unwrap_or(i32::MAX);
    (standings, now)
}

/// The pass at `first` loses against the one at `at`, unless the house was asked about it too.
fn lose(passes: &[Pass], standings: &mut [Standing], first: usize, at: usize) {
    if passes.get(first).is_some_and(|pass| !pass.online) {
        set(standings, first, Standing::Second(at));
        // Whoever lost against the loser has lost against the winner.
        for standing in standings.iter_mut() {
            if *standing == Standing::Second(first) {
                *standing = Standing::Second(at);
            }
        }
    }
}

fn set(standings: &mut [Standing], at: usize, standing: Standing) {
    if let Some(slot) = standings.get_mut(at) {
        *slot = standing;
    }
}

#[cfg(test)]
mod tests;
