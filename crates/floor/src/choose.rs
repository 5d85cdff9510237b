//! Which tables a party gets when nobody named any. Pure; runs under the locks.
//!
//! The smallest single table that fits; among equals the section whose turn it is. Tables are
//! pushed together only when no single one is left, the fewest seats first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kernel::ids::{SectionId, TableId};

use crate::model::Table;

/// Tables that are pushed together without being told, at most.
const JOINED_MAX: usize = 3;

/// Where a section stands in the rotation of the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Guests that sit there now.
    pub(crate) covers: i64,
    /// When a party was last seated there.
    pub(crate) last_seated: Option<Timestamp>,
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) tables: Vec<TableId>,
    pub(crate) why: String,
}

/// The order in which free tables are offered: made for parties of that size, small, then the
/// section whose turn it is.
type Rank = (bool, i32, Option<Timestamp>, i64, TableId);

fn rank(table: &Table, size: i32, turns: &BTreeMap<SectionId, Turn>) -> Rank {
    let turn = table.section_id.and_then(|id| turns.get(&id)).copied().unwrap_or_default();
    let too_small_a_party = size < table.min_seats;
    (too_small_a_party, table.max_seats, turn.last_seated, turn.covers, table.id)
}

/// The tables for `size` guests among `free` ones.
pub(crate) fn choose(
    free: &[&Table],
    size: i32,
    turns: &BTreeMap<SectionId, Turn>,
) -> Option<Choice> {
    let single = free.iter().filter(|table| table.max_seats >= size);
    // A table for more than the party is kept for a larger one while another is free.
    let single = single.min_by_key(|table| rank(table, size, turns));
    if let Some(table) = single {
        let section =
            if table.section_id.is_some() { ", in the section whose turn it is" } else { "" };
        let (name, seats) = (&table.name, table.max_seats);
        let why =
            format!("Table {name} with {seats} seats: the smallest free one that fits{section}.");
        return Some(Choice { tables: vec![table.id], why });
    }
    let joined = joined(free, size)?;
    let names: Vec<_> = joined.iter().map(|table| table.name.as_str()).collect();
    let seats: i32 = joined.iter().map(|table| table.max_seats).sum();
    let why = format!(
        "Tables {} pushed together, {seats} seats: no single free table is large enough.",
        names.join(" and ")
    );
    Some(Choice { tables: joined.iter().map(|table| table.id).collect(), why })
}

/// The smallest group of tables that can be pushed together: fewest tables, then fewest seats.
fn joined<'a>(free: &[&'a Table], size: i32) -> Option<Vec<&'a Table>> {
    let mut groups: Vec<Vec<&'a Table>> = free.iter().map(|table| vec![*table]).collect();
    for _ in 1..JOINED_MAX {
        let mut seen = BTreeSet::new();
        groups = groups
            .iter()
            .flat_map(|group| {
                let next = free.iter().filter(|table| {
                    !group.iter().any(|other| other.id == table.id)
                        && group.iter().any(|other| combinable(other, table))
                });
                next.map(|table| [group.as_slice(), &[*table]].concat()).collect::<Vec<_>>()
            })
            .filter(|group| seen.insert(group.iter().map(|it| it.id).collect::<BTreeSet<_>>()))
            .collect();
        let seats = |group: &Vec<&Table>| group.iter().map(|it| it.max_seats).sum::<i32>();
        let fits = groups.iter().filter(|group| seats(group) >= size);
        if let Some(best) = fits.min_by_key(|group| (seats(group), group.first().map(|it| it.id))) {
            return Some(best.clone());
        }
    }
    None
}

/// Whether two tables can be pushed together: one of them says so.
pub(crate) fn combinable(one: &Table, other: &Table) -> bool {
    one.combinable_with.contains(&other.id) || other.combinable_with.contains(&one.id)
}

/// Whether these tables make one: each can be reached from the first.
pub(crate) fn make_one(tables: &[&Table]) -> bool {
    let Some((first, mut rest)) = tables.split_first().map(|(first, rest)| (first, rest.to_vec()))
    else {
        return false;
    };
    let mut reached = vec![*first];
    while let Some(next) =
        rest.iter().position(|table| reached.iter().any(|other| combinable(other, table)))
    {
        reached.push(rest.swap_remove(next));
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, table};

    fn ids(choice: Option<Choice>) -> Vec<u128> {
        choice.map(|it| it.tables.iter().map(|id| id.0.as_u128()).collect()).unwrap_or_default()
    }

    #[test]
    fn the_smallest_table_that_fits_is_given() {
        let tables = [table(1, 8), table(2, 4), table(3, 2)];
        let free: Vec<_> = tables.iter().collect();
        assert_eq!(ids(choose(&free, 3, &BTreeMap::new())), [2]);
        assert_eq!(ids(choose(&free, 9, &BTreeMap::new())), Vec::<u128>::new());
    }

    #[test]
    fn among_equals_the_section_that_was_seated_longest_ago_is_next() {
        let section = |n: u128| SectionId(uuid::Uuid::from_u128(n));
        let of = |number, n| Table { section_id: Some(section(n)), ..table(number, 4) };
        let tables = [of(1, 1), of(2, 2)];
        let turn = |text| Turn { covers: 0, last_seated: Some(at(text)) };
        let turns = BTreeMap::from([
            (section(1), turn("2026-01-01T19:30:00Z")),
            (section(2), turn("2026-01-01T19:00:00Z")),
        ]);
        let free: Vec<_> = tables.iter().collect();
        let choice = choose(&free, 4, &turns).unwrap();
        assert!(choice.why.contains("turn"), "{}", choice.why);
        assert_eq!(ids(Some(choice)), [2]);
    }

    #[test]
    fn tables_are_pushed_together_only_when_no_single_one_is_left() {
        let joins = |number, seats, with: u128| Table {
            combinable_with: vec![TableId(uuid::Uuid::from_u128(with))],
            ..table(number, seats)
        };
        let tables = [joins(1, 4, 2), table(2, 4), joins(3, 2, 2), table(4, 9)];
        let all: Vec<_> = tables.iter().collect();
        assert_eq!(ids(choose(&all, 6, &BTreeMap::new())), [4]);
        let small = all.get(..3).unwrap();
        assert_eq!(ids(choose(small, 6, &BTreeMap::new())).len(), 2);
        assert_eq!(ids(choose(small, 10, &BTreeMap::new())).len(), 3);
        assert!(make_one(small) && !make_one(&[&tables[0], &tables[3]]));
    }
}
