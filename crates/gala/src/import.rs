//! Take a list in: who sits where and what they would like. Every bad row is reported, and nothing
//! is taken in as long as there is one, unless it is told to leave bad rows out.

use std::collections::{HashMap, HashSet};

use actix_web::{post, web};
use booking::reads::ShowPath;
use booking::tables::{ChairOwner, Tables};
use edge::answer::Versioned;
use edge::{Actor, Answer, App, Done, Once, Path, Query, Rejection, Upload, WriteRefusals, can};
use kernel::ids::{ShowId, TicketId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use tickets::holders::{self, Holder, plain_number};
use utoipa::{IntoParams, ToSchema};

use crate::chairs::Wish;
use crate::error::BadRow;
use crate::lines::{self, Line};
use crate::model::{By, CHILDREN_MAX, DIETARY_CHARS_MAX, DIETARY_MAX, NOTE_CHARS_MAX, Preferences};
use crate::seating::{Locked, booked_chair, lock_tables};
use crate::store::{galas, guests};
use crate::{GalaError, event, names};

/// What to do with bad rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct ImportOptions {
    /// Leave bad rows out and take the others; all or nothing, unless given.
    #[param(required = false)]
    pub skip_bad: bool,
    /// Only look: nothing is taken in, whatever the rows are.
    #[param(required = false)]
    pub dry_run: bool,
}

/// What came of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SeatingReport)]
pub struct ImportReport {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that were taken, or would be.
    pub taken: usize,
    /// Guests who got another place by it, or would.
    pub moved: usize,
    /// Rows that were left out.
    pub refused: Vec<BadRow>,
    /// Nothing was written: it was only looked at.
    pub dry_run: bool,
}

impl Versioned for ImportReport {}

/// Import a seating
///
/// A list as `listAssignments` gives it, CSV or XLSX, at most 1,000 rows: `number` names the guest;
/// `name`, where it stands, has to be theirs; `table`, `dietary`, `accessible`, `children` and
/// `note` are what is changed, as far as the columns are there, and an empty `table` unseats. Other
/// columns are left alone. Bad rows are 422, one by one, and nothing is imported, unless `skipBad`.
#[utoipa::path(
    operation_id = "importSeating", tag = "gala",
    params(ShowPath, ImportOptions,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body(content(
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    )),
    security(("bearer" = [])), responses((status = 200, body = ImportReport), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/gala/import")]
pub(crate) async fn post_import(
    actor: Actor<can::RunGala>,
    once: Once,
    at: Path<ShowPath>,
    options: Query<ImportOptions>,
    file: Upload,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, options, key) = (at.show, options.into_inner(), once.of_upload(&file));
    // Thousands of cells would keep this thread from its other requests.
    let read = web::block(move || lines::read(file.format, &file.bytes)).await;
    let read = read.map_err(|_| edge::sheet::failed())?.map_err(GalaError::BadFile);
    let lines = read.map_err(|error| Rejection::of(&error))?;
    app.write(&actor, key, async move |tx| import(tx, show, &lines, options).await.map(Done)).await
}

/// What a row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "no column, an empty cell, a table")]
struct Row {
    line: usize,
    guest: TicketId,
    /// Where to, where the column is there: nowhere, if it is empty.
    table: Option<Option<String>>,
    /// What to change of the wishes.
    wishes: Wishes,
}

/// Wishes as far as their columns are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::option_option, reason = "no column, an empty cell, words")]
struct Wishes {
    dietary: Option<Vec<String>>,
    accessible: Option<bool>,
    children: Option<i32>,
    note: Option<Option<String>>,
}

impl Wishes {
    fn over(self, before: &Preferences) -> Preferences {
        Preferences {
            dietary: self.dietary.unwrap_or_else(|| before.dietary.clone()),
            accessible: self.accessible.unwrap_or(before.accessible),
            children: self.children.unwrap_or(before.children),
            note: self.note.unwrap_or_else(|| before.note.clone()),
        }
    }
}

fn bad(row: usize, code: &'static str, detail: impl Into<String>) -> BadRow {
    BadRow { row, code, detail: detail.into() }
}

async fn import(
    tx: &mut Tx,
    show: ShowId,
    lines: &[Line],
    options: ImportOptions,
) -> Result<ImportReport, GalaError> {
    galas::look_at_gala(tx, show).await?.ok_or(GalaError::NoGala)?;
    let numbers: Vec<String> =
        lines.iter().filter_map(|line| line.get("number")).map(str::to_owned).collect();
    let holders = holders::find_by_numbers(tx, show, &numbers).await?;
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for line in lines {
        match read_row(line, &holders, &mut seen) {
            Ok(row) => rows.push(row),
            Err(bad) => refused.push(bad),
        }
    }
    let tickets: Vec<TicketId> = rows.iter().map(|row| row.guest).collect();
    let found = guests::lock_guests(tx, show, &tickets).await?;
    // Unknown tables are a row's mistake here, not the request's: they are not locked, they are not
    // there.
    let all = booking::tables::look_at_tables(tx, show).await?.ok_or(GalaError::NoGala)?;
    rows.retain(|row| match place_fault(row, &holders, &all) {
        Some(fault) => {
            refused.push(fault);
            false
        }
        None => true,
    });
    let wanted = rows.iter().filter_map(|row| row.table.as_ref()?.as_deref());
    let (tables, notes) = lock_tables(tx, show, &found, wanted).await?;
    let locked = Locked { holders, guests: found, tables, notes };
    refuse_overfull(&mut rows, &locked, &mut refused);
    refused.sort_by_key(|bad| bad.row);
    if !refused.is_empty() && !options.skip_bad && !options.dry_run {
        return Err(GalaError::BadRows(refused));
    }
    let moved = take(tx, show, locked, &rows, options.dry_run)?;
    let (rows, taken) = (lines.len(), rows.len());
    if !options.dry_run {
        let detail = serde_json::json!({ "rows": rows, "taken": taken, "moved": moved });
        tx.audit("gala_imported", ("show", show.0), &detail)?;
    }
    Ok(ImportReport { rows, taken, moved, refused, dry_run: options.dry_run })
}

/// Writes the rows, unless they are only looked at; gives how many guests move.
fn take(
    tx: &mut Tx,
    show: ShowId,
    mut locked: Locked,
    rows: &[Row],
    dry_run: bool,
) -> Result<usize, GalaError> {
    for row in rows {
        let Some(guest) = locked.guests.iter_mut().find(|guest| guest.ticket == row.guest) else {
            continue;
        };
        let after = row.wishes.clone().over(&guest.preferences);
        if after != guest.preferences {
            guest.preferences = after;
            if !dry_run {
                guests::set_preferences(tx, show, guest.ticket, &guest.preferences)?;
            }
        }
    }
    let wishes: Vec<Wish> = wishes(rows);
    let changes = locked.plan(&wishes)?;
    if dry_run {
        return Ok(changes.len());
    }
    let moved = locked.carry_out(tx, &changes, By::Import)?;
    let told: HashSet<TicketId> = moved.iter().map(|guest| guest.id).collect();
    for row in
        rows.iter().filter(|row| row.wishes != Wishes::default() && !told.contains(&row.guest))
    {
        if let Some(guest) = locked.guest_now(row.guest) {
            tx.emit(event::guest("preferences_set", show, &guest)?);
        }
    }
    Ok(moved.len())
}

fn wishes(rows: &[Row]) -> Vec<Wish> {
    let wish = |row: &Row| Some(Wish { guest: row.guest, table: row.table.clone()? });
    rows.iter().filter_map(wish).collect()
}

fn read_row(line: &Line, holders: &[Holder], seen: &mut HashSet<TicketId>) -> Result<Row, BadRow> {
    let row = line.row;
    let number = line.get("number").unwrap_or_default();
    if number.is_empty() {
        return Err(bad(row, "no_number", "The row has no number."));
    }
    let mut same = holders.iter().filter(|one| plain_number(&one.number) == plain_number(number));
    let first = same.clone().next();
    let first =
        first.ok_or_else(|| bad(row, "unknown", format!("There is no ticket {number}.")))?;
    let holder = same.find(|one| one.number == number).unwrap_or(first);
    if let Some(name) = line.get("name").filter(|name| !name.is_empty())
        && !holder.name.as_deref().is_some_and(|own| names::same(own, name))
    {
        return Err(bad(row, "name_differs", format!("Ticket {number} has another name.")));
    }
    if !seen.insert(holder.id) {
        return Err(bad(row, "twice", format!("Ticket {number} stands twice.")));
    }
    let table = line.get("table").map(|name| Some(name.to_owned()).filter(|n| !n.is_empty()));
    if holder.revoked && matches!(table, Some(Some(_))) {
        return Err(bad(row, "revoked", format!("Ticket {number} counts no more.")));
    }
    Ok(Row { line: row, guest: holder.id, table, wishes: read_wishes(line)? })
}

fn read_wishes(line: &Line) -> Result<Wishes, BadRow> {
    let row = line.row;
    let words = |cell: &str| -> Vec<String> {
        cell.split(';').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let dietary = line.get("dietary").map(words);
    let fits = dietary.as_ref().is_none_or(|words| {
        words.len() <= DIETARY_MAX && words.iter().all(|w| w.chars().count() <= DIETARY_CHARS_MAX)
    });
    if !fits {
        return Err(bad(row, "dietary", "Give at most 10 words of 40 letters, with ; between."));
    }
    let accessible = line.get("accessible").map(yes_or_no).transpose();
    let accessible =
        accessible.map_err(|()| bad(row, "accessible", "accessible is yes, no or empty."))?;
    let children = line.get("children").map(count).transpose();
    let children = children.map_err(|()| bad(row, "children", "children is 0 to 10 or empty."))?;
    let note = line.get("note").map(|note| Some(note.to_owned()).filter(|n| !n.is_empty()));
    if note.iter().flatten().any(|note| note.chars().count() > NOTE_CHARS_MAX) {
        return Err(bad(row, "note", "A note has at most 500 letters."));
    }
    Ok(Wishes { dietary, accessible, children, note })
}

fn yes_or_no(cell: &str) -> Result<bool, ()> {
    match cell.to_lowercase().as_str() {
        "yes" | "true" | "1" | "x" | "y" => Ok(true),
        "no" | "false" | "0" | "" | "n" => Ok(false),
        _ => Err(()),
    }
}

fn count(cell: &str) -> Result<i32, ()> {
    let number = if cell.is_empty() { 0 } else { cell.parse().map_err(|_| ())? };
    if (0..=CHILDREN_MAX).contains(&number) { Ok(number) } else { Err(()) }
}

/// A table that is not there, or a guest whose booking says where they sit.
fn place_fault(row: &Row, holders: &[Holder], tables: &Tables) -> Option<BadRow> {
    let wanted = row.table.as_ref()?;
    let holder = holders.iter().find(|holder| holder.id == row.guest)?;
    if let Some(chair) = booked_chair(holder, tables) {
        let own = chair.rsplit_once('-').map(|(table, _)| table);
        // As it was exported.
        let same = own == wanted.as_deref();
        let detail = format!("The booking of {} says {chair}: change it there.", holder.number);
        return (!same).then(|| bad(row.line, "seated_by_booking", detail));
    }
    let name = wanted.as_ref()?;
    let known = tables.names.contains(name);
    (!known).then(|| bad(row.line, "no_such_table", format!("There is no table {name}.")))
}

/// Leaves out the last rows of a table for which it has no chair, as it will be after all others.
/// Whoever is left out stays where they are, and so keeps their chair from somebody else.
fn refuse_overfull(rows: &mut Vec<Row>, locked: &Locked, refused: &mut Vec<BadRow>) {
    let at = |guest: TicketId| {
        let row = locked.guests.iter().find(|row| row.ticket == guest);
        row.and_then(|row| row.table.as_deref())
    };
    // Booked guests are as they were: nothing is to be done about them.
    rows.iter_mut()
        .filter(|row| {
            let holder = locked.holders.iter().find(|holder| holder.id == row.guest);
            holder.is_some_and(|holder| booked_chair(holder, &locked.tables).is_some())
        })
        .for_each(|row| row.table = None);
    loop {
        let mut free: HashMap<&str, usize> = HashMap::new();
        for chair in locked.tables.chairs.iter().filter(|c| c.owner == ChairOwner::Free) {
            *free.entry(chair.table.as_str()).or_default() += 1;
        }
        let moving =
            |row: &&Row| row.table.as_ref().is_some_and(|to| to.as_deref() != at(row.guest));
        for row in rows.iter().filter(moving) {
            if let Some(table) = at(row.guest) {
                *free.entry(table).or_default() += 1;
            }
        }
        let mut over = None;
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| moving(row)) {
            let Some(Some(table)) = &row.table else { continue };
            match free.get_mut(table.as_str()) {
                Some(left) if *left > 0 => *left -= 1,
                _ => over = Some((index, table.clone())),
            }
        }
        let Some((index, table)) = over else { return };
        let row = rows.remove(index);
        refused.push(bad(row.line, "table_full", format!("{table} has no chair left.")));
    }
}

#[cfg(test)]
mod tests {
    use edge::sheet::Format;

    use super::*;
    use crate::chairs::tests::ticket;

    fn holder(n: u128, name: &str) -> Holder {
        Holder {
            id: ticket(n),
            number: format!("G-{n}"),
            name: Some(name.to_owned()),
            email: None,
            seat: None,
            booking: None,
            revoked: n == 9,
        }
    }

    fn rows(csv: &str) -> Vec<Result<Row, &'static str>> {
        let holders = [holder(1, "Ana Lopes"), holder(2, "Bea Cruz"), holder(9, "Old Tom")];
        let mut seen = HashSet::new();
        let lines = lines::read(Format::Csv, csv.as_bytes()).unwrap();
        lines
            .iter()
            .map(|line| read_row(line, &holders, &mut seen).map_err(|bad| bad.code))
            .collect()
    }

    #[test]
    fn each_bad_row_says_what_is_wrong() {
        let found = rows(
            "number,name,table,accessible,children\n\
             g1,lopes ana,T5,yes,2\ng-1,,T5,,\nG-7,,T1,,\nG-2,Ana Lopes,T1,,\nG-2,,T1,maybe,\n\
             G-2,,T1,,11\n,Ana,T1,,\nG-9,,T1,,\n",
        );
        let codes: Vec<&str> =
            found.iter().map(|row| row.as_ref().map_or_else(|code| *code, |_| "good")).collect();
        assert_eq!(
            codes,
            [
                "good",
                "twice",
                "unknown",
                "name_differs",
                "accessible",
                "twice",
                "no_number",
                "revoked"
            ]
        );
    }

    #[test]
    fn columns_that_are_not_there_change_nothing() {
        let found = rows("number\nG-1\n");
        let row = found[0].as_ref().unwrap();
        assert_eq!((&row.table, &row.wishes), (&None, &Wishes::default()));
        let found = rows("number,table,dietary,note\nG-1,,vegan; no nuts,\n");
        let row = found[0].as_ref().unwrap();
        assert_eq!(row.table, Some(None), "an empty table unseats");
        let before =
            Preferences { children: 3, note: Some("old".into()), ..Preferences::default() };
        let after = row.wishes.clone().over(&before);
        assert_eq!(after.dietary, ["vegan", "no nuts"]);
        assert_eq!((after.children, after.note), (3, None));
    }
}
