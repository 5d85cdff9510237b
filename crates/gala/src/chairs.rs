//! Which guest gets which chair, and which tables are left: rules without a database.

use std::collections::HashSet;

use booking::tables::{Chair, ChairOwner, Tables};
use kernel::ids::TicketId;

use crate::error::Lack;
use crate::model::{GalaTable, GuestRow, TableNote};

/// Tables that are offered instead of a full one.
const NEAREST_MAX: usize = 3;

/// Where a guest is to be afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) guest: TicketId,
    /// Nowhere, without one.
    pub(crate) table: Option<String>,
}

/// A guest's way from chair to chair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    pub(crate) guest: TicketId,
    pub(crate) from: Option<&'a Chair>,
    pub(crate) to: Option<&'a Chair>,
}

/// The changes that fulfil all wishes at once: who leaves makes room for who comes, so a swap of
/// two full tables and a round of three fit. `chairs` are those of all tables that are involved.
///
/// # Errors
/// The tables that are too small for all of it.
pub(crate) fn plan<'a>(
    chairs: &'a [Chair],
    guests: &[GuestRow],
    wishes: &[Wish],
) -> Result<Vec<Change<'a>>, Vec<Lack>> {
    let row = |guest: TicketId| guests.iter().find(|row| row.ticket == guest);
    let moving = wishes
        .iter()
        .filter(|wish| row(wish.guest).is_some_and(|guest| guest.table != wish.table))
        .collect::<Vec<_>>();
    let seat_of = |guest: TicketId| {
        let number = row(guest).and_then(|guest| guest.chair);
        chairs.iter().find(|chair| Some(chair.number) == number)
    };
    let leaving: HashSet<i32> =
        moving.iter().filter_map(|wish| seat_of(wish.guest)).map(|chair| chair.number).collect();
    let free = |chair: &&Chair| chair.owner == ChairOwner::Free || leaving.contains(&chair.number);

    let mut names: Vec<&str> = moving.iter().filter_map(|wish| wish.table.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let (mut changes, mut lacks) = (Vec::new(), Vec::new());
    for name in names {
        let arriving: Vec<TicketId> =
            moving.iter().filter(|w| w.table.as_deref() == Some(name)).map(|w| w.guest).collect();
        let open: Vec<&Chair> = chairs.iter().filter(|c| c.table == name).filter(free).collect();
        if open.len() < arriving.len() {
            let table = name.to_owned();
            lacks.push(Lack { table, free: open.len(), guests: arriving.len() });
            continue;
        }
        let needs = |guest: &TicketId| row(*guest).is_some_and(|row| row.preferences.accessible);
        let given = give(open, arriving, needs);
        let change = |(guest, to)| Change { guest, from: seat_of(guest), to: Some(to) };
        changes.extend(given.into_iter().map(change));
    }
    let standing = moving.iter().filter(|wish| wish.table.is_none());
    changes.extend(standing.map(|wish| Change {
        guest: wish.guest,
        from: seat_of(wish.guest),
        to: None,
    }));
    if lacks.is_empty() { Ok(changes) } else { Err(lacks) }
}

/// Who needs a chair that a wheelchair reaches gets one of them as long as there are; all others
/// leave those for whoever comes later. There are chairs enough.
fn give(
    open: Vec<&Chair>,
    guests: Vec<TicketId>,
    needs: impl Fn(&TicketId) -> bool,
) -> Vec<(TicketId, &Chair)> {
    let (reachable, plain): (Vec<&Chair>, Vec<&Chair>) =
        open.into_iter().partition(|chair| chair.accessible);
    let (first, others): (Vec<TicketId>, Vec<TicketId>) = guests.into_iter().partition(needs);
    let (mut reachable, mut plain) = (reachable.into_iter(), plain.into_iter());
    let mut given = Vec::new();
    for guest in first {
        given.extend(reachable.next().or_else(|| plain.next()).map(|chair| (guest, chair)));
    }
    for guest in others {
        given.extend(plain.next().or_else(|| reachable.next()).map(|chair| (guest, chair)));
    }
    given
}

/// A table as anybody may see it, after these changes.
pub(crate) fn table_state(
    tables: &Tables,
    name: &str,
    notes: &[TableNote],
    changes: &[Change<'_>],
) -> GalaTable {
    let left: HashSet<i32> = changes.iter().filter_map(|c| c.from).map(|c| c.number).collect();
    let taken: HashSet<i32> = changes.iter().filter_map(|c| c.to).map(|c| c.number).collect();
    let is_free = |chair: &&Chair| {
        let free = chair.owner == ChairOwner::Free || left.contains(&chair.number);
        free && !taken.contains(&chair.number)
    };
    let free: Vec<&Chair> = tables.of(name).filter(is_free).collect();
    let note = notes.iter().find(|note| note.name == name);
    GalaTable {
        name: name.to_owned(),
        chairs: tables.of(name).count(),
        free: free.len(),
        free_accessible: free.iter().filter(|chair| chair.accessible).count(),
        withheld: note.is_some_and(|note| note.withheld),
        kept: note.is_some_and(|note| note.kept),
        fits: None,
        names: None,
    }
}

/// All tables, in the order of the plan.
pub(crate) fn table_states(tables: &Tables, notes: &[TableNote]) -> Vec<GalaTable> {
    tables.names.iter().map(|name| table_state(tables, name, notes, &[])).collect()
}

/// Whether guests can choose it for so many.
pub(crate) fn is_open_for(table: &GalaTable, guests: usize) -> bool {
    !table.withheld && !table.kept && table.free >= guests
}

/// The tables that fit, nearest in the plan first.
pub(crate) fn nearest(all: &[GalaTable], to: &str, guests: usize) -> Vec<GalaTable> {
    let here = all.iter().position(|table| table.name == to).unwrap_or(0);
    let mut fitting: Vec<(usize, &GalaTable)> = all
        .iter()
        .enumerate()
        .filter(|(_, table)| table.name != to && is_open_for(table, guests))
        .map(|(at, table)| (at.abs_diff(here), table))
        .collect();
    fitting.sort_by_key(|(distance, _)| *distance);
    fitting.into_iter().take(NEAREST_MAX).map(|(_, table)| table.clone()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::Preferences;

    pub(crate) fn ticket(n: u128) -> TicketId {
        TicketId(Uuid::from_u128(n))
    }

    fn chair(number: i32, table: &str, owner: ChairOwner) -> Chair {
        let label = format!("{table}-{number}");
        Chair { number, label, table: table.to_owned(), accessible: number % 10 == 1, owner }
    }

    fn guest(n: u128, place: Option<(&str, i32)>) -> GuestRow {
        GuestRow {
            ticket: ticket(n),
            party: None,
            code: None,
            with: None,
            table: place.map(|(table, _)| table.to_owned()),
            chair: place.map(|(_, chair)| chair),
            preferences: Preferences::default(),
        }
    }

    fn wish(n: u128, table: Option<&str>) -> Wish {
        Wish { guest: ticket(n), table: table.map(str::to_owned) }
    }

    fn at(n: u128) -> ChairOwner {
        ChairOwner::Guest(Uuid::from_u128(n))
    }

    #[test]
    fn three_full_tables_can_go_round() {
        let chairs = [chair(11, "A", at(1)), chair(21, "B", at(2)), chair(31, "C", at(3))];
        let guests =
            [guest(1, Some(("A", 11))), guest(2, Some(("B", 21))), guest(3, Some(("C", 31)))];
        let wishes = [wish(1, Some("B")), wish(2, Some("C")), wish(3, Some("A"))];
        let changes = plan(&chairs, &guests, &wishes).unwrap();
        let ways: Vec<_> = changes
            .iter()
            .map(|c| (c.guest, c.from.unwrap().number, c.to.unwrap().number))
            .collect();
        assert_eq!(ways, [(ticket(3), 31, 11), (ticket(1), 11, 21), (ticket(2), 21, 31)]);
        let alone = plan(&chairs, &guests, &wishes[..1]).unwrap_err();
        assert_eq!(alone, [Lack { table: "B".into(), free: 0, guests: 1 }]);
    }

    #[test]
    fn nobody_gets_what_the_house_or_a_booking_has() {
        let chairs = [
            chair(1, "A", ChairOwner::Kept),
            chair(2, "A", ChairOwner::Booked),
            chair(3, "A", ChairOwner::Free),
        ];
        let two = [guest(1, None), guest(2, None)];
        let wishes = [wish(1, Some("A")), wish(2, Some("A"))];
        assert_eq!(plan(&chairs, &two, &wishes).unwrap_err()[0].free, 1);
        assert_eq!(plan(&chairs, &two, &wishes[..1]).unwrap()[0].to.unwrap().number, 3);
    }

    #[test]
    fn reachable_chairs_are_for_those_who_need_them() {
        let chairs: Vec<Chair> = (1..=3).map(|n| chair(n, "A", ChairOwner::Free)).collect();
        let mut guests = vec![guest(1, None), guest(2, None)];
        guests[1].preferences.accessible = true;
        let wishes = [wish(1, Some("A")), wish(2, Some("A"))];
        let changes = plan(&chairs, &guests, &wishes).unwrap();
        let chair_of =
            |n| changes.iter().find(|c| c.guest == ticket(n)).unwrap().to.unwrap().number;
        assert_eq!((chair_of(1), chair_of(2)), (2, 1));
    }

    #[test]
    fn who_stays_keeps_the_chair() {
        let chairs = [chair(1, "A", at(1)), chair(2, "A", ChairOwner::Free)];
        let changes = plan(&chairs, &[guest(1, Some(("A", 1)))], &[wish(1, Some("A"))]).unwrap();
        assert!(changes.is_empty());
    }

    fn state(name: &str, free: usize) -> GalaTable {
        GalaTable {
            name: name.to_owned(),
            chairs: 10,
            free,
            free_accessible: 0,
            withheld: false,
            kept: false,
            fits: None,
            names: None,
        }
    }

    #[test]
    fn the_nearest_tables_that_fit_are_offered() {
        let mut all: Vec<GalaTable> = (1..=7).map(|n| state(&format!("T{n}"), 4)).collect();
        all[3].withheld = true;
        all[2].free = 3;
        let names: Vec<String> = nearest(&all, "T5", 4).into_iter().map(|t| t.name).collect();
        assert_eq!(names, ["T6", "T7", "T2"]);
        assert!(nearest(&all, "T5", 5).is_empty());
    }
}
