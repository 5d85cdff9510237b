//! Bring a party to where it is to stand: the one step that leads there. Pure.
//!
//! For clients that hold a party as it should be and send the whole of it. Where more than one step
//! leads there, or none, nothing is guessed.

use std::collections::BTreeSet;

use kernel::ids::{GuestId, TableId};

use crate::FloorError;
use crate::floor::Floor;
use crate::model::GuestStatus;
use crate::seating::Care;

impl Floor {
    /// Takes the step from where the party stands to `to`, at `tables`.
    pub(crate) fn bring(
        &mut self,
        id: GuestId,
        to: Option<GuestStatus>,
        tables: Option<&[TableId]>,
        care: Care,
    ) -> Result<(), FloorError> {
        use GuestStatus::{Cancelled, Completed, NoShow, Notified, Seated, Waiting};
        let guest = self.guest(id)?.guest.clone();
        let named = tables.filter(|tables| !tables.is_empty());
        let from = guest.status;
        let to = to.unwrap_or(match tables {
            Some([]) if from == Seated => Waiting,
            Some([_, ..]) => Seated,
            _ => from,
        });
        match (from, to) {
            (Seated, Seated) => match named {
                Some(tables) if !are_the_same(tables, &guest.table_ids) => {
                    self.move_to(id, tables, care)
                }
                _ => Ok(()),
            },
            (Waiting | Notified, Seated) => {
                let tables = match named {
                    Some(tables) => tables.to_vec(),
                    None => self.choose_for(id)?.tables,
                };
                self.seat(id, &tables, care)
            }
            // A table for a party that is to wait: nobody knows which of the two was meant.
            (Waiting | Notified, Waiting | Notified) if named.is_some() => {
                Err(FloorError::NoWay(Box::new(guest)))
            }
            (Seated, Waiting) => self.unseat(id),
            (Seated, Completed) => self.complete(id),
            (Waiting, Notified) => self.dismiss(id, Notified, "notified"),
            (Notified, Waiting) => {
                self.dismiss(id, Waiting, "recalled")?;
                self.change_guest(id, "recalled")?.guest.notified_at = None;
                Ok(())
            }
            (Waiting | Notified, Cancelled) => self.dismiss(id, Cancelled, "cancelled"),
            (Waiting | Notified, NoShow) => self.dismiss(id, NoShow, "no_show"),
            (from, to) if from == to => Ok(()),
            _ => Err(FloorError::NoWay(Box::new(guest))),
        }
    }
}

fn are_the_same(one: &[TableId], other: &[TableId]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableStatus;
    use crate::model::tests::{at, party, table};

    fn floor() -> (Floor, GuestId) {
        let mut floor = Floor::new(at("2026-01-01T20:00:00Z"));
        for table in [table(1, 4), table(2, 4)] {
            floor.tables.insert(table.id, table);
        }
        let ana = party(7, 2);
        let id = ana.guest.id;
        floor.guests.insert(id, ana);
        (floor, id)
    }

    fn bring(floor: &mut Floor, id: GuestId, to: GuestStatus, tables: &[TableId]) -> bool {
        floor.bring(id, Some(to), Some(tables), Care::Strict).is_ok()
    }

    #[test]
    fn a_party_goes_where_it_is_to_be_and_twice_is_once() {
        let (mut floor, ana) = floor();
        let (one, two) = (table(1, 4).id, table(2, 4).id);
        for _ in 0..2 {
            assert!(bring(&mut floor, ana, GuestStatus::Seated, &[one]));
            assert_eq!(floor.table(one).unwrap().guest_id, Some(ana));
        }
        assert!(bring(&mut floor, ana, GuestStatus::Seated, &[two]), "it moves");
        assert_eq!(floor.table(one).unwrap().status, TableStatus::Dirty);
        assert!(bring(&mut floor, ana, GuestStatus::Completed, &[two]));
        assert_eq!(floor.table(two).unwrap().guest_id, None);
        assert_eq!(floor.guest(ana).unwrap().guest.version, 2, "one write, one version");
    }

    #[test]
    fn nothing_is_guessed() {
        let (mut floor, ana) = floor();
        let one = [table(1, 4).id];
        assert!(!bring(&mut floor, ana, GuestStatus::Waiting, &one), "sit or wait?");
        assert!(!bring(&mut floor, ana, GuestStatus::Completed, &[]), "it never sat");
        assert!(bring(&mut floor, ana, GuestStatus::NoShow, &[]));
        assert!(!bring(&mut floor, ana, GuestStatus::Seated, &one), "undo it first");
    }
}
