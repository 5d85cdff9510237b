//! Where those who sit nowhere could sit: parties whole, friends together, wheelchairs where they
//! can be reached. A rule without a database; nobody is seated by it.

use std::collections::{HashMap, HashSet};

use booking::tables::{Chair, ChairOwner, Tables};
use kernel::ids::TicketId;

use crate::model::TableNote;
use crate::roster::Entry;

/// Where one guest could sit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) guest: TicketId,
    pub(crate) table: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposed {
    pub(crate) placed: Vec<Placed>,
    /// Parties for which no table has so many chairs.
    pub(crate) left: Vec<TicketId>,
}

/// A table with room for guests.
#[derive(Debug)]
struct Room {
    name: String,
    /// Its place in the plan.
    at: usize,
    free: usize,
    accessible: usize,
}

/// Guests who came together, and all who want to sit with them.
#[derive(Debug, Default)]
struct Party<'a> {
    guests: Vec<&'a Entry>,
    /// Everybody who is linked by "with" has the same circle.
    circle: usize,
}

impl Party<'_> {
    fn needs(&self) -> usize {
        self.guests.iter().filter(|entry| entry.guest.preferences.accessible).count()
    }
}

/// Seats all unseated: circles of friends at one table where that can be, else party by party as
/// near as can be, never a party at two tables. Those who need a chair that a wheelchair reaches
/// choose first, then the largest.
pub(crate) fn propose(tables: &Tables, notes: &[TableNote], entries: &[Entry]) -> Proposed {
    let mut rooms = rooms(tables, notes);
    let parties = parties(entries);
    // Where a circle already sits, as far as it does.
    let mut sitting: HashMap<usize, Vec<usize>> = HashMap::new();
    let codes = circles(entries);
    for entry in entries {
        if let (Some(table), Some(circle)) = (&entry.guest.table, circle_of(entry, &codes))
            && let Some(at) = tables.names.iter().position(|name| name == table)
        {
            sitting.entry(circle).or_default().push(at);
        }
    }
    let mut found = Proposed::default();
    for circle in by_circle(parties) {
        let number = circle.first().map_or(0, |party| party.circle);
        let near = sitting.entry(number).or_default();
        let all: Vec<&Entry> = circle.iter().flat_map(|party| party.guests.clone()).collect();
        let needs = circle.iter().map(Party::needs).sum();
        if let Some(room) = choose(&mut rooms, all.len(), needs, near) {
            seat(room, &all, needs, near, &mut found);
            continue;
        }
        for party in &circle {
            match choose(&mut rooms, party.guests.len(), party.needs(), near) {
                Some(room) => seat(room, &party.guests, party.needs(), near, &mut found),
                None => found.left.extend(party.guests.iter().map(|entry| entry.guest.id)),
            }
        }
    }
    found
}

fn rooms(tables: &Tables, notes: &[TableNote]) -> Vec<Room> {
    let shut: HashSet<&str> = notes
        .iter()
        .filter(|note| note.withheld || note.kept)
        .map(|note| note.name.as_str())
        .collect();
    let open = tables.names.iter().enumerate().filter(|(_, name)| !shut.contains(name.as_str()));
    open.map(|(at, name)| {
        let free: Vec<&Chair> =
            tables.of(name).filter(|chair| chair.owner == ChairOwner::Free).collect();
        let accessible = free.iter().filter(|chair| chair.accessible).count();
        Room { name: name.clone(), at, free: free.len(), accessible }
    })
    .collect()
}

/// The number of each party code's circle: codes that are linked by "with" share one.
fn circles(entries: &[Entry]) -> HashMap<&str, usize> {
    let mut codes: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        for code in [&entry.guest.party, &entry.guest.with].into_iter().flatten() {
            let next = codes.len() + 1;
            codes.entry(code.as_str()).or_insert(next);
        }
    }
    for entry in entries {
        let (Some(own), Some(with)) = (&entry.guest.party, &entry.guest.with) else { continue };
        let (one, other) = (codes.get(own.as_str()).copied(), codes.get(with.as_str()).copied());
        if let Some((one, other)) = one.zip(other).filter(|(one, other)| one != other) {
            let kept = one.min(other);
            codes.values_mut().filter(|n| **n == one || **n == other).for_each(|n| *n = kept);
        }
    }
    codes
}

fn circle_of(entry: &Entry, codes: &HashMap<&str, usize>) -> Option<usize> {
    codes.get(entry.guest.party.as_deref()?).copied()
}

/// The unseated by party: those of one session, of one booking, of one address, or alone.
fn parties(entries: &[Entry]) -> Vec<Party<'_>> {
    let codes = circles(entries);
    let mut order: Vec<String> = Vec::new();
    let mut parties: HashMap<String, Party<'_>> = HashMap::new();
    let unseated = entries.iter().filter(|one| one.guest.table.is_none() && !one.guest.revoked);
    for entry in unseated {
        let key = match (&entry.guest.party, entry.holder.booking, &entry.holder.email) {
            (Some(code), _, _) => format!("party {code}"),
            (None, Some(booking), _) => format!("booking {booking}"),
            (None, None, Some(email)) => format!("mail {}", email.to_lowercase()),
            (None, None, None) => format!("ticket {}", entry.holder.id),
        };
        let party = parties.entry(key.clone()).or_insert_with(|| {
            order.push(key);
            // A party without a code is a circle of its own, beyond the numbers of the codes.
            let alone = codes.len() + order.len();
            Party { guests: Vec::new(), circle: circle_of(entry, &codes).unwrap_or(alone) }
        });
        party.guests.push(entry);
    }
    order.into_iter().filter_map(|key| parties.remove(&key)).collect()
}

/// Circles in the order in which they choose, with their parties, largest first.
fn by_circle(parties: Vec<Party<'_>>) -> Vec<Vec<Party<'_>>> {
    let mut circles: Vec<Vec<Party<'_>>> = Vec::new();
    for party in parties {
        match circles.iter_mut().find(|all| all.first().is_some_and(|p| p.circle == party.circle)) {
            Some(circle) => circle.push(party),
            None => circles.push(vec![party]),
        }
    }
    for circle in &mut circles {
        circle.sort_by_key(|party| std::cmp::Reverse(party.guests.len()));
    }
    circles.sort_by_key(|circle| {
        let needs: usize = circle.iter().map(Party::needs).sum();
        let guests: usize = circle.iter().map(|party| party.guests.len()).sum();
        (std::cmp::Reverse(needs), std::cmp::Reverse(guests))
    });
    circles
}

/// The table for so many: nearest to their friends, then with chairs enough that a wheelchair
/// reaches, then where the fewest stay empty, then the first.
fn choose<'a>(
    rooms: &'a mut [Room],
    guests: usize,
    needs: usize,
    near: &[usize],
) -> Option<&'a mut Room> {
    let distance = |room: &Room| near.iter().map(|at| at.abs_diff(room.at)).min().unwrap_or(0);
    rooms.iter_mut().filter(|room| room.free >= guests).min_by_key(|room| {
        let missing = needs.saturating_sub(room.accessible);
        // Who needs none of these chairs takes none of them away, if there are others.
        let spoilt = room
            .accessible
            .saturating_sub(needs)
            .min(guests.saturating_sub(room.free.saturating_sub(room.accessible)));
        (missing, distance(room), spoilt, room.free - guests, room.at)
    })
}

fn seat(
    room: &mut Room,
    guests: &[&Entry],
    needs: usize,
    near: &mut Vec<usize>,
    found: &mut Proposed,
) {
    room.free -= guests.len();
    room.accessible = room.accessible.saturating_sub(needs).min(room.free);
    near.push(room.at);
    let placed =
        guests.iter().map(|entry| Placed { guest: entry.guest.id, table: room.name.clone() });
    found.placed.extend(placed);
}

#[cfg(test)]
mod tests {
    use booking::model::{Show, ShowStatus};
    use jiff::Timestamp;
    use kernel::ids::ShowId;
    use tickets::holders::Holder;

    use super::*;
    use crate::chairs::tests::ticket;
    use crate::model::{GalaGuest, Preferences};

    fn entry(n: u128, party: &str, with: Option<&str>, table: Option<&str>) -> Entry {
        let holder = Holder {
            id: ticket(n),
            number: format!("G-{n}"),
            name: None,
            email: None,
            seat: None,
            booking: None,
            revoked: false,
        };
        let guest = GalaGuest {
            id: ticket(n),
            number: holder.number.clone(),
            name: None,
            table: table.map(str::to_owned),
            chair: None,
            party: Some(party.to_owned()),
            with: with.map(str::to_owned),
            by_booking: false,
            revoked: false,
            preferences: Preferences::default(),
        };
        Entry { guest, holder }
    }

    /// Tables with so many free chairs; the first chair of each is accessible if `wheels`.
    fn hall(free: &[usize], wheels: &[usize]) -> Tables {
        let mut chairs = Vec::new();
        let mut number = 0;
        for (at, count) in free.iter().enumerate() {
            for n in 0..*count {
                number += 1;
                chairs.push(Chair {
                    number,
                    label: format!("T{}-{}", at + 1, n + 1),
                    table: format!("T{}", at + 1),
                    accessible: n == 0 && wheels.contains(&at),
                    owner: ChairOwner::Free,
                });
            }
        }
        let show = Show {
            id: ShowId(uuid::Uuid::nil()),
            name: "Gala".into(),
            description: None,
            starts_at: Timestamp::UNIX_EPOCH,
            status: ShowStatus::OnSale,
            hold_secs: 120,
            currency: "EUR".into(),
            seat_count: number,
            tickets: false,
            payment: booking::model::ShowPayment::None,
            pay_secs: 900,
            version: 1,
        };
        Tables { show, names: (1..=free.len()).map(|n| format!("T{n}")).collect(), chairs }
    }

    fn table_of(found: &Proposed, n: u128) -> Option<&str> {
        found.placed.iter().find(|one| one.guest == ticket(n)).map(|one| one.table.as_str())
    }

    #[test]
    fn a_party_sits_together_where_the_fewest_chairs_stay_empty() {
        let entries: Vec<Entry> = (1..=4).map(|n| entry(n, "A", None, None)).collect();
        let found = propose(&hall(&[10, 3, 5, 4], &[]), &[], &entries);
        assert!((1..=4).all(|n| table_of(&found, n) == Some("T4")), "{found:?}");
        assert!(found.left.is_empty());
    }

    #[test]
    fn friends_sit_together_or_near() {
        let mut entries: Vec<Entry> = (1..=3).map(|n| entry(n, "A", Some("B"), None)).collect();
        entries.extend((4..=6).map(|n| entry(n, "B", None, None)));
        let together = propose(&hall(&[4, 4, 6], &[]), &[], &entries);
        assert!((1..=6).all(|n| table_of(&together, n) == Some("T3")), "{together:?}");
        let near = propose(
            &hall(&[3, 9, 0, 0], &[]),
            &[TableNote { name: "T2".into(), withheld: true, ..TableNote::default() }],
            &entries,
        );
        assert_eq!((near.placed.len(), near.left.len()), (3, 3), "the second party waits whole");
        let split = propose(&hall(&[3, 0, 0, 3, 3], &[]), &[], &entries);
        let (one, other) = (table_of(&split, 1).unwrap(), table_of(&split, 4).unwrap());
        assert_ne!(one, other);
        assert!((1..=3).all(|n| table_of(&split, n) == Some(one)), "nobody of a party is alone");
    }

    #[test]
    fn who_comes_late_sits_near_the_friends_who_sit() {
        let mut entries = vec![entry(1, "A", None, Some("T3"))];
        entries.push(entry(2, "B", Some("A"), None));
        let found = propose(&hall(&[1, 9, 9, 9], &[]), &[], &entries);
        assert_eq!(table_of(&found, 2), Some("T3"));
    }

    #[test]
    fn wheelchairs_come_where_they_can() {
        let mut entries = vec![entry(1, "A", None, None), entry(2, "B", None, None)];
        entries[1].guest.preferences.accessible = true;
        let found = propose(&hall(&[1, 1], &[0]), &[], &entries);
        assert_eq!((table_of(&found, 2), table_of(&found, 1)), (Some("T1"), Some("T2")));
    }

    #[test]
    fn no_party_is_torn_apart() {
        let entries: Vec<Entry> = (1..=5).map(|n| entry(n, "A", None, None)).collect();
        let found = propose(&hall(&[4, 4, 4], &[]), &[], &entries);
        assert!(found.placed.is_empty());
        assert_eq!(found.left.len(), 5);
    }
}
