//! All guests of a show with their places, as of one moment: what lists, files, cards, figures and
//! proposals are made of.

use std::collections::HashMap;

use booking::tables::Tables;
use kernel::ids::{ShowId, TicketId};
use pg::Reader;
use tickets::holders::{self, Holder};

use crate::GalaError;
use crate::list_tables::find_gala;
use crate::model::{GalaGuest, GuestRow, TableNote};
use crate::seating::{booked_chair, told};
use crate::store::{guests, tables};

/// A guest with the ticket that makes them one.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) guest: GalaGuest,
    pub(crate) holder: Holder,
}

/// A show's tables and guests.
pub(crate) struct Roster {
    pub(crate) tables: Tables,
    pub(crate) notes: Vec<TableNote>,
    /// In the order of the tickets.
    pub(crate) entries: Vec<Entry>,
}

impl Roster {
    pub(crate) async fn read(
        q: &mut Reader,
        show: ShowId,
        offset_micros: i64,
    ) -> Result<Self, GalaError> {
        let (_, tables) = find_gala(q, show, offset_micros).await?;
        let notes = tables::list_notes(q, show).await?;
        let rows = guests::list_guests(q, show).await?;
        let holders = holders::list_of_show(q, show).await?;
        let entries = entries(&tables, rows, holders);
        Ok(Self { tables, notes, entries })
    }
}

/// Revoked tickets are guests only as long as they have a chair, so that somebody takes it away.
fn entries(tables: &Tables, rows: Vec<GuestRow>, holders: Vec<Holder>) -> Vec<Entry> {
    let rows: HashMap<TicketId, GuestRow> = rows.into_iter().map(|row| (row.ticket, row)).collect();
    let labels: HashMap<i32, &str> =
        tables.chairs.iter().map(|chair| (chair.number, chair.label.as_str())).collect();
    holders
        .into_iter()
        .filter_map(|holder| {
            let row = rows.get(&holder.id);
            let label = row.and_then(|row| row.chair).and_then(|number| labels.get(&number));
            let mut guest = told(&holder, row, label.copied());
            if guest.table.is_none()
                && let Some(chair) = booked_chair(&holder, tables).filter(|_| !holder.revoked)
            {
                guest.table = chair.rsplit_once('-').map(|(table, _)| table.to_owned());
                guest.chair = Some(chair.to_owned());
                guest.by_booking = true;
            }
            let counts = !holder.revoked || guest.table.is_some();
            counts.then_some(Entry { guest, holder })
        })
        .collect()
}
