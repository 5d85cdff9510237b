//! Issue tickets from a table: every bad row is named, and nothing is issued unless told otherwise.

use std::collections::HashMap;

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::sheet::Format;
use edge::{
    Actor, Answer, App, Created, OnceIfGiven, Path, Query, Rejection, Upload, WriteRefusals, can,
};
use kernel::ids::ShowId;
use kernel::problem::FieldError;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::TicketsError;
use crate::issue_tickets::{NewTicket, TICKETS_PER_ISSUE_MAX, issue_tickets};
use crate::reads::ShowPath;
use crate::store::{rules, tickets};

/// The columns there are; `number` or `name` at least.
const COLUMNS: [&str; 6] = ["number", "name", "email", "type", "seat", "paid"];

/// What becomes of bad rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// Nothing is issued: 422 names each.
    #[default]
    Refuse,
    /// The others are issued, and the answer names the bad ones.
    Skip,
}

/// How to import.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ImportOptions {
    /// `refuse`, unless given.
    #[serde(default)]
    #[param(inline)]
    pub bad_rows: BadRows,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BadRow {
    /// Its line in the file; the head is line 1.
    pub line: usize,
    /// The column, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub column: Option<String>,
    /// What is wrong.
    #[schema(example = "There is no type \"Vip\" at this show.")]
    pub detail: String,
}

/// What came of an import.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Tickets that were issued.
    pub issued: usize,
    /// Rows that were skipped.
    pub skipped: Vec<BadRow>,
}

impl Versioned for Imported {}

/// Import tickets
///
/// A CSV table (UTF-8; commas, semicolons or tabs) with a head: `number`, `name`, `email`, `type`
/// (its name or class; the only one there is, unless given), `seat`, `paid`. 1 to 1000 rows.
#[utoipa::path(
    operation_id = "importTickets", tag = "tickets", params(ShowPath, ImportOptions),
    request_body(content = String, content_type = "text/csv"),
    security(("bearer" = [])), responses((status = 201, body = Imported), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/tickets/import")]
pub(crate) async fn post_import(
    actor: Actor<can::IssueTickets>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    options: Query<ImportOptions>,
    table: Upload,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, bad_rows) = (at.show, options.bad_rows);
    if table.format != Format::Csv {
        return Err(TicketsError::NotCsv.into());
    }
    let rows = read(&table.bytes).map_err(TicketsError::BadRows)?;
    app.write(&actor, once.of_upload(&table), async move |tx| {
        import(tx, show, &rows, bad_rows).await.map(Created)
    })
    .await
}

/// A row of the table, as far as the table alone can say.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    line: usize,
    cells: HashMap<&'static str, String>,
}

impl Row {
    fn get(&self, column: &'static str) -> Option<String> {
        self.cells.get(column).cloned().filter(|cell| !cell.is_empty())
    }
}

async fn import(
    tx: &mut Tx,
    show: ShowId,
    rows: &[Row],
    bad_rows: BadRows,
) -> Result<Imported, TicketsError> {
    let (known, _) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
    let types: Vec<(i16, &str)> =
        known.types.iter().map(|kind| (kind.class, kind.name.as_str())).collect();
    let numbers: Vec<String> = rows.iter().filter_map(|row| row.get("number")).collect();
    let taken = tickets::taken_numbers(tx, show, &numbers).await?;
    let (good, bad) = judge(rows, &types, &taken);
    if good.is_empty() || (bad_rows == BadRows::Refuse && !bad.is_empty()) {
        return Err(TicketsError::BadRows(bad.iter().map(BadRow::as_error).collect()));
    }
    let issued = issue_tickets(tx, show, None, &good).await?;
    Ok(Imported { issued: issued.len(), skipped: bad })
}

impl BadRow {
    fn as_error(&self) -> FieldError {
        let column = self.column.as_deref().map_or(String::new(), |name| format!("/{name}"));
        let pointer = format!("/{}{column}", self.line);
        FieldError { pointer, code: "row", detail: format!("Line {}: {}", self.line, self.detail) }
    }
}

/// The table's rows, or why it is none.
fn read(bytes: &[u8]) -> Result<Vec<Row>, Vec<FieldError>> {
    let broken = |line: usize, detail: String| {
        vec![FieldError { pointer: format!("/{line}"), code: "table", detail }]
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| broken(1, "The table is not UTF-8. Save it as CSV UTF-8.".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.lines().next().unwrap_or_default();
    let delimiter = [b';', b'\t', b','].into_iter().find(|it| head.as_bytes().contains(it));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let head = reader.headers().map_err(|error| broken(1, error.to_string()))?;
    let mut columns = Vec::new();
    for name in head {
        let known = COLUMNS.iter().find(|column| column.eq_ignore_ascii_case(name));
        columns.push(*known.ok_or_else(|| {
            let names = COLUMNS.join(", ");
            broken(1, format!("There is no column {name:?}. The columns are {names}."))
        })?);
    }
    let mut rows = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| broken(at + 2, error.to_string()))?;
        let line = record.position().map_or(at + 2, |it| usize::try_from(it.line()).unwrap_or(0));
        if record.len() > columns.len() {
            return Err(broken(line, format!("Line {line} has more cells than the head.")));
        }
        if record.iter().all(str::is_empty) {
            continue;
        }
        let cells = columns.iter().copied().zip(record.iter().map(undefused)).collect();
        rows.push(Row { line, cells });
    }
    if rows.is_empty() || rows.len() > TICKETS_PER_ISSUE_MAX {
        let many = format!("The table has {} rows. Give 1 to {TICKETS_PER_ISSUE_MAX}.", rows.len());
        return Err(broken(1, many));
    }
    Ok(rows)
}

/// What our own exports put before a cell that looks like a formula is taken off again.
fn undefused(cell: &str) -> String {
    let rest = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@']));
    rest.unwrap_or(cell).to_owned()
}

/// The tickets to issue, and what is wrong with the other rows.
fn judge(rows: &[Row], types: &[(i16, &str)], taken: &[String]) -> (Vec<NewTicket>, Vec<BadRow>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let mut wrong = Vec::new();
        let class = class_of(row, types).unwrap_or_else(|detail| {
            wrong.push(("type", detail));
            0
        });
        let paid = paid(row).unwrap_or_else(|detail| {
            wrong.push(("paid", detail));
            None
        });
        let number = row.get("number");
        if let Some(number) = &number {
            if let Some(first) = seen.insert(number.clone(), row.line) {
                wrong.push(("number", format!("Line {first} has the same number.")));
            }
            if taken.contains(number) {
                wrong.push(("number", "A ticket of this show has this number.".to_owned()));
            }
        }
        let (name, email, seat) = (row.get("name"), row.get("email"), row.get("seat"));
        let ticket = NewTicket { number, class, name, email, seat, paid };
        let mut errors = Errors::default();
        ticket.check("", &mut errors);
        bad.extend(wrong.iter().map(|(column, detail)| bad_row(row.line, column, detail)));
        bad.extend(
            errors.iter().map(|error| {
                bad_row(row.line, error.pointer.trim_start_matches('/'), &error.detail)
            }),
        );
        if wrong.is_empty() && errors.is_empty() {
            good.push(ticket);
        }
    }
    (good, bad)
}

fn bad_row(line: usize, column: &str, detail: &str) -> BadRow {
    BadRow { line, column: Some(column.to_owned()), detail: detail.to_owned() }
}

/// The class that a row names, by its name or its number.
fn class_of(row: &Row, types: &[(i16, &str)]) -> Result<i16, String> {
    let Some(named) = row.get("type") else {
        return match types {
            [(class, _)] => Ok(*class),
            [] => Err("The show has no types. Add one first.".to_owned()),
            _ => Err("Say which type: the show has several.".to_owned()),
        };
    };
    let folded = named.to_lowercase();
    let found = types
        .iter()
        .find(|(class, name)| name.to_lowercase() == folded || class.to_string() == named);
    found
        .map(|(class, _)| *class)
        .ok_or_else(|| format!("There is no type {named:?} at this show."))
}

fn paid(row: &Row) -> Result<Option<bool>, String> {
    let Some(word) = row.get("paid") else { return Ok(None) };
    match word.to_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(Some(true)),
        "no" | "false" | "0" => Ok(Some(false)),
        _ => Err(format!("{word:?} is neither yes nor no.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [(i16, &str); 2] = [(1, "Standard"), (2, "Vip")];

    #[test]
    fn tables_of_all_tongues_are_read() {
        for table in [
            "number,name,type\nG-1,\"Lopes, Ana\",vip\n",
            "\u{feff}Number;Name;Type\r\nG-1;Lopes, Ana;Vip\r\n;;\r\n",
            "number\tname\ttype\nG-1\tLopes, Ana\t2\n",
        ] {
            let rows = read(table.as_bytes()).unwrap();
            let (good, bad) = judge(&rows, &TYPES, &[]);
            assert_eq!((good.len(), bad.len()), (1, 0), "{table}");
            assert_eq!(good[0].name.as_deref(), Some("Lopes, Ana"));
            assert_eq!((good[0].class, good[0].number.as_deref()), (2, Some("G-1")));
        }
    }

    #[test]
    fn every_bad_row_is_named_with_its_line_and_column() {
        let table = "number,name,email,type,paid\n\
            G-1,Ana,ana@example.org,vip,yes\n\
            G-1,Bo,not an address,gold,perhaps\n\
            G-3,Cy,,vip,no\n";
        let rows = read(table.as_bytes()).unwrap();
        let (good, bad) = judge(&rows, &TYPES, &["G-3".to_owned()]);
        assert_eq!(good.len(), 1);
        let at: Vec<_> = bad.iter().map(|row| (row.line, row.column.as_deref().unwrap())).collect();
        let wanted = [(3, "type"), (3, "paid"), (3, "number"), (3, "email"), (4, "number")];
        assert_eq!(at, wanted);
    }

    #[test]
    fn what_is_no_table_is_refused_whole() {
        assert!(read(b"\xff\xfe").is_err());
        assert!(read(b"number,surname\n1,2\n").is_err(), "an unknown column");
        assert!(read(b"number\n").is_err(), "no rows");
        assert!(read(b"number\n1,2\n").is_err(), "a cell too many");
        let many = format!("number\n{}", "1\n".repeat(TICKETS_PER_ISSUE_MAX + 1));
        assert!(read(many.as_bytes()).is_err());
        let quoted = read(b"number\n'=1\n").unwrap();
        assert_eq!(quoted[0].get("number").as_deref(), Some("=1"));
    }
}
