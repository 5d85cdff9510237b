//! Tables as files: CSV and XLSX, from the same rows.

use kernel::problem::Problem;
use rust_xlsxwriter::{Format as Style, Workbook, XlsxError};

use crate::rejection::Rejection;

/// Characters of one cell of a workbook: no spreadsheet takes more.
const CELL_MAX_CHARS: usize = 32_767;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with commas, UTF-8, RFC 4180.
    Csv,
    /// A workbook of Office Open XML.
    Xlsx,
}

impl Format {
    /// As in a file's name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// As in `Content-Type`, without parameters.
    #[must_use]
    pub fn essence(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// As in `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A number.
    Number(i64),
    /// Text as it is to be read, never as a formula.
    Text(String),
}

impl Cell {
    /// Text, whoever wrote it.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// The text.
    #[error("the CSV could not be written")]
    Csv(#[from] csv::Error),
    /// The workbook.
    #[error("the workbook could not be written")]
    Xlsx(#[from] XlsxError),
}

/// A table with a head.
#[derive(Clone, Debug)]
pub struct Sheet {
    name: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// An empty one.
    #[must_use]
    pub fn new(name: &'static str, head: &[&'static str]) -> Self {
        Self { name, head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The file. Takes a while for thousands of rows: not on a thread that serves.
    ///
    /// # Errors
    /// When it cannot be written, which is a bug.
    pub fn write(&self, format: Format) -> Result<Vec<u8>, SheetError> {
        match format {
            Format::Csv => self.csv(),
            Format::Xlsx => self.xlsx(),
        }
    }

    fn csv(&self) -> Result<Vec<u8>, SheetError> {
        let mut out =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        out.write_record(&self.head)?;
        for row in &self.rows {
            out.write_record(row.iter().map(|cell| match cell {
                Cell::Number(number) => number.to_string(),
                Cell::Text(text) => defused(text),
            }))?;
        }
        out.into_inner().map_err(|error| csv::Error::from(error.into_error()).into())
    }

    /// A workbook has types: its text is never a formula, so nothing is put before it.
    fn xlsx(&self) -> Result<Vec<u8>, SheetError> {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.set_name(self.name)?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = Style::new().set_bold();
        for (column, name) in (0..).zip(&self.head) {
            sheet.write_string_with_format(0, column, *name, &bold)?;
        }
        for (at, row) in (1..).zip(&self.rows) {
            for (column, cell) in (0..).zip(row) {
                match cell {
                    Cell::Number(number) => {
                        // Beyond 2^53 a spreadsheet's numbers lose their end: text keeps it.
                        match i32::try_from(*number) {
                            Ok(number) => sheet.write_number(at, column, number)?,
                            Err(_) => sheet.write_string(at, column, number.to_string())?,
                        };
                    }
                    Cell::Text(text) => {
                        let text: String = text.chars().take(CELL_MAX_CHARS).collect();
                        sheet.write_string(at, column, text)?;
                    }
                }
            }
        }
        Ok(book.save_to_buffer()?)
    }
}

/// What a spreadsheet would take for a formula is text with a `'` before it.
fn defused(text: &str) -> String {
    let loaded = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if loaded { format!("'{text}") } else { text.to_owned() }
}

/// 500: the file could not be written.
#[must_use]
pub fn failed() -> Rejection {
    let detail = "Nothing was changed. The mistake is logged under this requestId.";
    Problem::new(500, "internal", "The server made a mistake", detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new("People", &["name", "seats"]);
        sheet.push([Cell::text("=cmd|' /C calc'!A0"), Cell::Number(2)]);
        sheet.push([Cell::text("Ana, \"the\" Lopes"), Cell::Number(-1)]);
        sheet
    }

    #[test]
    fn formulas_are_defused_and_quotes_doubled() {
        let text = String::from_utf8(sheet().write(Format::Csv).unwrap()).unwrap();
        let rows = ["name,seats", "'=cmd|' /C calc'!A0,2", "\"Ana, \"\"the\"\" Lopes\",-1", ""];
        assert_eq!(text, rows.join("\r\n"));
        for loaded in ["+1", "-1", "@a", "\tx", "\rx"] {
            assert_eq!(defused(loaded), format!("'{loaded}"));
        }
    }

    #[test]
    fn a_workbook_is_a_zip_that_begins_like_one() {
        let bytes = sheet().write(Format::Xlsx).unwrap();
        assert_eq!(bytes.get(..4), Some(&b"PK\x03\x04"[..]));
    }
}
