//! A confirmation as an iCalendar file (RFC 5545): one event, few properties. Pure.

use jiff::Timestamp;

use crate::confirmation::GalaConfirmation;

/// Bytes of a line without its end; longer ones are folded.
const LINE_MAX_BYTES: usize = 75;

/// The event. The same party has the same `UID`, so that another table replaces the first.
pub(crate) fn calendar(confirmed: &GalaConfirmation, now: Timestamp) -> String {
    let names = confirmed.guests.iter().filter_map(|guest| {
        let name = guest.name.as_deref()?;
        Some(format!("{name}: {}", guest.chair.as_deref().unwrap_or("no chair yet")))
    });
    let words = [format!("Confirmation {}", confirmed.code)];
    let description: Vec<String> = words.into_iter().chain(names).collect();
    let tables = format!("Table {}", confirmed.tables.join(", "));
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Rowlock//gala//EN".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:gala-{}-{}@rowlock", confirmed.show_id, confirmed.code),
        format!("DTSTAMP:{}", stamp(now)),
        format!("DTSTART:{}", stamp(confirmed.starts_at)),
        format!("SUMMARY:{}", escaped(&confirmed.show_name)),
        format!("LOCATION:{}", escaped(&tables)),
        format!("DESCRIPTION:{}", escaped(&description.join("\n"))),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,");
    text.replace("\r\n", "\n").replace(['\n', '\r'], "\\n")
}

/// A line with its end, broken where it is too long, and never inside a character.
fn folded(line: &str) -> String {
    let (mut out, mut bytes) = (String::with_capacity(line.len() + 2), 0);
    for letter in line.chars() {
        if bytes + letter.len_utf8() > LINE_MAX_BYTES {
            out.push_str("\r\n ");
            bytes = 1;
        }
        out.push(letter);
        bytes += letter.len_utf8();
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use kernel::ids::ShowId;

    use super::*;

    #[test]
    fn the_file_is_what_calendars_read() {
        let confirmed = GalaConfirmation {
            code: "K7MPX2QH".into(),
            show_id: ShowId(uuid::Uuid::nil()),
            show_name: "Winter Gala; with dinner, and much more than fits into one line of it"
                .into(),
            starts_at: "2027-02-01T19:00:00Z".parse().unwrap(),
            tables: vec!["T5".into()],
            guests: Vec::new(),
            qr: "GALA K7MPX2QH".into(),
        };
        let file = calendar(&confirmed, "2026-11-21T12:00:00.5Z".parse().unwrap());
        assert!(file.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"));
        assert!(file.ends_with("END:VEVENT\r\nEND:VCALENDAR\r\n"));
        assert!(file.contains("DTSTART:20270201T190000Z\r\n"), "{file}");
        assert!(file.contains("SUMMARY:Winter Gala\\; with dinner\\, and"), "{file}");
        assert!(file.contains("LOCATION:Table T5\r\n"));
        assert!(file.split("\r\n").all(|line| line.len() <= LINE_MAX_BYTES));
        assert_eq!(escaped("a\r\nb\nc\\d"), "a\\nb\\nc\\\\d");
    }
}
