//! Which of the free seats a party gets: together, in the best row, leaving nobody a single seat.
//! Pure: what was seen goes in, what to lock comes out.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

/// Choices that a split party is given to try.
const SPLITS_MAX: usize = 16;

/// Seats side by side in one block (or anywhere in one loose block) that are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) seats: Vec<i32>,
    pub(crate) block_rank: i32,
    pub(crate) place: i32,
    /// How far its seats are from where one sees best, summed up.
    pub(crate) off_focus: i64,
    /// How many of them a wheelchair reaches.
    pub(crate) accessible: i64,
    /// Seats that would be left alone beside it.
    pub(crate) singles: i32,
}

/// A free seat and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FreeSeat {
    pub(crate) seat: i32,
    pub(crate) block_rank: i32,
    pub(crate) place: i32,
    pub(crate) loose: bool,
    pub(crate) accessible: bool,
}

/// How close the seats come to what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Closeness {
    /// All of them are side by side in one row, or at one table.
    pub adjacent: bool,
    /// In how many rows or tables they are.
    pub rows: u32,
    /// In how many groups of neighbours they are.
    pub groups: u32,
    /// How many single seats are left beside them.
    pub singles: u32,
}

/// Seats to lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) seats: Vec<i32>,
    pub(crate) closeness: Closeness,
}

/// Runs that share no seat with each other nor with `contended`, best first.
///
/// Leaving no single seat comes before the row, as long as the look has found such a run: it
/// reaches over a few rows only. Then the best row, no wheelchair place that nobody asked for, and
/// the seats from which one sees best.
pub(crate) fn rank(mut runs: Vec<Run>, contended: &HashSet<i32>) -> Vec<Pick> {
    runs.sort_by_key(|run| {
        (run.singles > 0, run.block_rank, run.accessible, run.off_focus, run.place)
    });
    let mut used = contended.clone();
    let mut picks = Vec::new();
    for run in runs {
        if run.seats.iter().any(|seat| used.contains(seat)) {
            continue;
        }
        used.extend(&run.seats);
        let singles = u32::try_from(run.singles).unwrap_or(0);
        let closeness = Closeness { adjacent: true, rows: 1, groups: 1, singles };
        picks.push(Pick { seats: run.seats, closeness });
    }
    picks
}

/// Choices of `split` that share no seat with each other, best first.
pub(crate) fn splits(mut free: Vec<FreeSeat>, quantity: usize, accessible: usize) -> Vec<Pick> {
    let mut picks = Vec::new();
    while picks.len() < SPLITS_MAX {
        let Some(pick) = split(&free, quantity, accessible) else { break };
        free.retain(|seat| !pick.seats.contains(&seat.seat));
        picks.push(pick);
    }
    picks
}

/// Seats for a party that fits nowhere together: few groups, near each other, nobody alone where
/// that can be. `free` comes best first.
pub(crate) fn split(free: &[FreeSeat], quantity: usize, accessible: usize) -> Option<Pick> {
    let chosen = if accessible > 0 {
        around_accessible(free, quantity, accessible)?
    } else {
        in_few_groups(free, quantity)?
    };
    let closeness = closeness(free, &chosen);
    Some(Pick { seats: chosen.iter().map(|seat| seat.seat).collect(), closeness })
}

/// The best accessible seats, and the others as near to the first of them as can be.
fn around_accessible(
    free: &[FreeSeat],
    quantity: usize,
    accessible: usize,
) -> Option<Vec<&FreeSeat>> {
    let mut chosen: Vec<_> = free.iter().filter(|seat| seat.accessible).take(accessible).collect();
    let first = *chosen.first().filter(|_| chosen.len() == accessible)?;
    let mut others: Vec<_> = free.iter().filter(|seat| !chosen.contains(seat)).collect();
    others.sort_by_key(|seat| {
        let rows = seat.block_rank.abs_diff(first.block_rank);
        (rows, seat.accessible, seat.place.abs_diff(first.place), seat.place)
    });
    chosen.extend(others.into_iter().take(quantity - accessible));
    (chosen.len() == quantity).then_some(chosen)
}

fn in_few_groups(free: &[FreeSeat], quantity: usize) -> Option<Vec<&FreeSeat>> {
    let mut groups = groups(free.iter().collect());
    let mut chosen: Vec<&FreeSeat> = Vec::new();
    while chosen.len() < quantity {
        let missing = quantity - chosen.len();
        let first = chosen.first().map(|seat| seat.block_rank);
        let near = |group: &[&FreeSeat]| {
            let rank = group.first().map_or(0, |seat| seat.block_rank);
            first.map_or(0, |first| rank.abs_diff(first))
        };
        // `min_by_key` takes the first of equals: the best.
        let (at, _) = groups
            .iter()
            .enumerate()
            .min_by_key(|(_, group)| (missing.saturating_sub(group.len()), near(group)))?;
        let group = groups.remove(at);
        let all = group.len().min(missing);
        // One fewer here, so that nobody of the party sits alone elsewhere, if two fit there.
        let pair = groups.iter().any(|group| group.len() > 1);
        let take = if missing - all == 1 && all > 2 && pair { all - 1 } else { all };
        chosen.extend(group.into_iter().take(take));
    }
    Some(chosen)
}

/// Neighbours together; all of a loose block are neighbours. The order of the first seats stays.
fn groups(mut seats: Vec<&FreeSeat>) -> Vec<Vec<&FreeSeat>> {
    seats.sort_by_key(|seat| (seat.block_rank, seat.place));
    let mut groups: Vec<Vec<&FreeSeat>> = Vec::new();
    for seat in seats {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| is_next(last, seat)) => group.push(seat),
            _ => groups.push(vec![seat]),
        }
    }
    groups
}

fn is_next(last: &FreeSeat, seat: &FreeSeat) -> bool {
    last.block_rank == seat.block_rank && (seat.loose || last.place + 1 == seat.place)
}

fn closeness(free: &[FreeSeat], chosen: &[&FreeSeat]) -> Closeness {
    let groups = groups(chosen.to_vec()).len();
    let rows: HashSet<_> = chosen.iter().map(|seat| seat.block_rank).collect();
    let left: HashSet<_> = free
        .iter()
        .filter(|seat| !seat.loose && !chosen.contains(seat))
        .map(|seat| (seat.block_rank, seat.place))
        .collect();
    let alone = |(rank, place): &(i32, i32)| {
        let beside = [place - 1, place + 1];
        !beside.iter().any(|place| left.contains(&(*rank, *place)))
            && chosen.iter().any(|seat| seat.block_rank == *rank && beside.contains(&seat.place))
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Closeness {
        adjacent: groups == 1,
        rows: count(rows.len()),
        groups: count(groups),
        singles: count(left.iter().filter(|seat| alone(seat)).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: i32, block_rank: i32, singles: i32, off_focus: i64) -> Run {
        let place = first % 100;
        Run { seats: vec![first, first + 1], block_rank, place, off_focus, accessible: 0, singles }
    }

    fn free(seats: &[(i32, i32)]) -> Vec<FreeSeat> {
        let seat = |(n, (block_rank, place)): (i32, &(i32, i32))| FreeSeat {
            seat: n,
            block_rank: *block_rank,
            place: *place,
            loose: false,
            accessible: false,
        };
        (0..).zip(seats).map(seat).collect()
    }

    fn first(runs: Vec<Run>) -> Vec<i32> {
        rank(runs, &HashSet::new()).remove(0).seats
    }

    #[test]
    fn the_best_row_comes_first_and_the_middle_of_it() {
        assert_eq!(
            first(vec![run(200, 2, 0, 0), run(100, 1, 0, 9), run(110, 1, 0, 4)]),
            [110, 111]
        );
    }

    #[test]
    fn no_single_seat_is_left_where_another_run_fits_and_the_last_fit_is_never_refused() {
        assert_eq!(first(vec![run(100, 1, 1, 0), run(200, 2, 0, 9)]), [200, 201]);
        let last = rank(vec![run(100, 1, 1, 0)], &HashSet::new());
        assert_eq!(last[0].closeness.singles, 1);
    }

    #[test]
    fn a_wheelchair_place_that_nobody_asked_for_is_left_free() {
        let wheelchair = Run { accessible: 1, ..run(100, 1, 0, 0) };
        assert_eq!(first(vec![wheelchair, run(110, 1, 0, 30)]), [110, 111]);
    }

    #[test]
    fn what_somebody_has_locked_and_what_overlaps_it_is_left_out() {
        let runs = vec![run(100, 1, 0, 0), run(101, 1, 0, 0), run(102, 1, 0, 0)];
        let picks = rank(runs.clone(), &HashSet::from([101]));
        assert_eq!(picks.iter().map(|pick| &pick.seats).collect::<Vec<_>>(), [&[102, 103]]);
        assert_eq!(rank(runs, &HashSet::new()).len(), 2);
    }

    #[test]
    fn a_party_that_fits_nowhere_is_split_into_few_groups_near_each_other() {
        // Row 1 has two and two, row 2 three, row 9 three.
        let seats =
            [(1, 1), (1, 2), (1, 5), (1, 6), (2, 1), (2, 2), (2, 3), (9, 1), (9, 2), (9, 3)];
        let free = free(&seats);
        let pick = split(&free, 5, 0).unwrap();
        assert_eq!((pick.closeness.groups, pick.closeness.rows), (2, 2));
        assert_eq!(pick.seats, [4, 5, 6, 0, 1]);
        assert!(!pick.closeness.adjacent);
        assert_eq!(split(&free, 10, 0).unwrap().closeness.rows, 3);
        assert!(split(&free, 11, 0).is_none());
    }

    #[test]
    fn split_parties_that_come_at_once_have_other_seats_to_try() {
        let seats: Vec<_> = (0..20).map(|row| [(row, 1), (row, 2)]).collect::<Vec<_>>().concat();
        let picks = splits(free(&seats), 4, 0);
        let mut given: Vec<_> = picks.iter().flat_map(|pick| pick.seats.clone()).collect();
        given.sort_unstable();
        given.dedup();
        assert_eq!((picks.len(), given.len()), (10, 40));
    }

    #[test]
    fn nobody_of_a_split_party_sits_alone_where_that_can_be() {
        let free = free(&[(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]);
        let pick = split(&free, 4, 0).unwrap();
        assert_eq!(pick.seats, [0, 1, 3, 4], "two and two, not three and one");
        let pick = split(&free[..4], 4, 0).unwrap();
        assert_eq!(pick.seats, [0, 1, 2, 3], "three and one, where that is all there is");
    }

    #[test]
    fn a_wheelchair_gets_a_place_that_it_reaches_and_company_beside_it() {
        let mut free = free(&[(1, 1), (1, 2), (1, 3), (2, 4), (2, 5)]);
        free[3].accessible = true;
        let pick = split(&free, 2, 1).unwrap();
        assert_eq!(pick.seats, [3, 4]);
        assert!(split(&free, 2, 2).is_none());
    }

    #[test]
    fn all_places_of_a_round_table_are_neighbours() {
        let mut free = free(&[(1, 1), (1, 4), (1, 9)]);
        for seat in &mut free {
            seat.loose = true;
        }
        assert!(split(&free, 3, 0).unwrap().closeness.adjacent);
    }
}
