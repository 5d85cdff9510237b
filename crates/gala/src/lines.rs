//! A list that came as a file: its rows by the names of their columns. CSV or a workbook.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use calamine::{Data, Reader as _, Xlsx};
use edge::limits::GALA_ROWS_MAX as ROWS_MAX;
use edge::sheet::Format;
use zip::ZipArchive;

/// Columns that are looked at.
const COLUMNS_MAX: usize = 40;
/// What a workbook may be unpacked: a small file can be a large one.
const UNPACKED_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One row: its line in the file, and what stands under each heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) row: usize,
    cells: HashMap<String, String>,
}

impl Line {
    /// What stands under the heading, without spaces around; nothing where there is no such column.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(|cell| cell.trim())
    }
}

/// The rows of the file.
///
/// # Errors
/// In words for people.
pub(crate) fn read(format: Format, bytes: &[u8]) -> Result<Vec<Line>, String> {
    let rows = match format {
        Format::Csv => csv_rows(bytes)?,
        Format::Xlsx => xlsx_rows(bytes)?,
    };
    lines(rows)
}

fn lines(rows: Vec<Vec<String>>) -> Result<Vec<Line>, String> {
    let mut rows = rows.into_iter();
    let head = rows.next().unwrap_or_default();
    let head: Vec<String> = head.iter().map(|name| name.trim().to_lowercase()).collect();
    if !head.iter().any(|name| name == "number") {
        return Err("The first row has to name the columns, and one of them is number.".into());
    }
    let filled = rows.enumerate().filter(|(_, row)| row.iter().any(|cell| !cell.trim().is_empty()));
    let lines: Vec<Line> = filled
        .map(|(at, row)| Line {
            row: at + 2,
            cells: head.iter().cloned().zip(row).filter(|(name, _)| !name.is_empty()).collect(),
        })
        .collect();
    if lines.len() > ROWS_MAX {
        return Err(format!("A file has at most {ROWS_MAX} rows; split it into several."));
    }
    Ok(lines)
}

fn csv_rows(bytes: &[u8]) -> Result<Vec<Vec<String>>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| "The file is not UTF-8: save it as CSV UTF-8.".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    // A spreadsheet of half of Europe writes semicolons.
    let head = text.lines().next().unwrap_or_default();
    let semicolons = head.matches(';').count() > head.matches(',').count();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if semicolons { b';' } else { b',' })
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("The file is no CSV: {error}."))?;
        rows.push(record.iter().take(COLUMNS_MAX).map(|cell| armed(cell).to_owned()).collect());
        if rows.len() > ROWS_MAX * 2 {
            break;
        }
    }
    Ok(rows)
}

/// Takes away the `'` that an export puts before what a spreadsheet would take for a formula.
fn armed(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => cell,
    }
}

fn xlsx_rows(bytes: &[u8]) -> Result<Vec<Vec<String>>, String> {
    let broken = || "The file is no workbook: save it as XLSX or as CSV.".to_owned();
    check_size(bytes).map_err(|_| broken())?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| broken())?;
    let sheet = book.worksheet_range_at(0).ok_or_else(broken)?.map_err(|_| broken())?;
    // Where the sheet begins is where its heading is; rows above it are empty.
    let above = usize::try_from(sheet.start().map_or(0, |(row, _)| row)).unwrap_or(0);
    let rows = sheet.rows().take(ROWS_MAX * 2 + 1);
    let rows = rows.map(|row| row.iter().take(COLUMNS_MAX).map(cell).collect::<Vec<String>>());
    if above > 0 {
        Err("The first row of the sheet has to name the columns.".into())
    } else {
        Ok(rows.collect())
    }
}

/// Unpacks all of it once into nothing, with a limit: what the file says of its size may be a lie.
fn check_size(bytes: &[u8]) -> io::Result<()> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::other)?;
    let mut left = UNPACKED_MAX_BYTES;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(io::Error::other)?;
        let unpacked = io::copy(&mut part.take(left + 1), &mut io::sink())?;
        left = left.checked_sub(unpacked).ok_or_else(|| io::Error::other("too large"))?;
    }
    Ok(())
}

fn cell(data: &Data) -> String {
    match data {
        Data::String(text) => text.clone(),
        Data::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        // A number of a ticket that a spreadsheet has taken for one has no digits behind a point.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use edge::sheet::{Cell, Sheet};

    use super::*;

    #[test]
    fn what_was_exported_is_read_again() {
        let mut sheet = Sheet::new("Guests", &["number", "note", "children"]);
        sheet.push([
            Cell::text("=1+1"),
            Cell::text("no \"nuts\", please\nand -2"),
            Cell::Number(2),
        ]);
        sheet.push([Cell::text("0042"), Cell::text("'quoted'"), Cell::Number(0)]);
        for format in [Format::Csv, Format::Xlsx] {
            let bytes = sheet.write(format).unwrap();
            let lines = read(format, &bytes).unwrap();
            assert_eq!(lines.len(), 2, "{format:?}");
            assert_eq!(lines[0].row, 2);
            assert_eq!(lines[0].get("number"), Some("=1+1"), "{format:?}");
            assert_eq!(lines[0].get("note"), Some("no \"nuts\", please\nand -2"));
            assert_eq!(lines[0].get("children"), Some("2"), "{format:?}");
            assert_eq!(lines[1].get("number"), Some("0042"));
            assert_eq!(lines[1].get("note"), Some("'quoted'"));
            assert_eq!(lines[1].get("table"), None);
        }
    }

    #[test]
    fn spreadsheets_write_bytes_before_and_semicolons_between() {
        let file = "\u{feff}Number ;Table\r\nG-1; T5 \r\n;\r\nG-2;\r\n";
        let lines = read(Format::Csv, file.as_bytes()).unwrap();
        assert_eq!(lines.iter().map(|line| line.row).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((lines[0].get("table"), lines[1].get("table")), (Some("T5"), Some("")));
    }

    #[test]
    fn what_is_no_list_is_refused_in_words() {
        assert!(read(Format::Csv, b"a,b\n1,2\n").unwrap_err().contains("number"));
        assert!(read(Format::Csv, b"\xff\xfe").unwrap_err().contains("UTF-8"));
        assert!(read(Format::Xlsx, b"PK\x03\x04 and nothing").is_err());
        let long = format!("number\n{}", "G-1\n".repeat(ROWS_MAX + 1));
        assert!(read(Format::Csv, long.as_bytes()).unwrap_err().contains("1000"));
    }

    #[test]
    fn a_small_file_that_is_a_large_one_is_refused() {
        use std::io::Write as _;
        let mut bomb = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let packed = zip::write::SimpleFileOptions::default();
        bomb.start_file("xl/workbook.xml", packed).unwrap();
        let blank = vec![b' '; 1024 * 1024];
        for _ in 0..=UNPACKED_MAX_BYTES / 1024 / 1024 {
            bomb.write_all(&blank).unwrap();
        }
        let bytes = bomb.finish().unwrap().into_inner();
        assert!(bytes.len() < 1024 * 1024, "{}", bytes.len());
        assert!(check_size(&bytes).is_err());
    }
}
