//! What guests and captains are written. One mail per party: to the first address that is known.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::qr::Qr;
use jiff::Timestamp;
use notify::{Attachment, Mail, queue_mail};
use pg::Tx;
use tickets::holders::Holder;

use crate::GalaError;
use crate::calendar::calendar;
use crate::confirmation::GalaConfirmation;

/// Why a party is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Seated,
    Changed,
}

/// Queues the party's confirmation, if anybody of it has an address.
///
/// # Errors
/// The database's failures.
pub(crate) fn queue_confirmation(
    tx: &mut Tx,
    confirmed: &GalaConfirmation,
    holders: &[Holder],
    occasion: Occasion,
) -> Result<(), GalaError> {
    let Some(to) = holders.iter().find_map(|holder| holder.email.clone()) else {
        return Ok(());
    };
    let (subject, text) = words(confirmed, occasion);
    let attachments = files(confirmed, tx.now());
    let mail = Mail { to, subject, text, html: None, attachments, kind: "gala_confirmation" };
    queue_mail(tx, mail)?;
    Ok(())
}

/// The QR code to be shown, and the evening for the calendar.
fn files(confirmed: &GalaConfirmation, now: Timestamp) -> Vec<Attachment> {
    let file = |name: &str, content_type: &str, bytes: &[u8]| Attachment {
        name: name.to_owned(),
        content_type: content_type.to_owned(),
        base64: STANDARD.encode(bytes),
        content_id: None,
    };
    let ics = file("gala.ics", "text/calendar", calendar(confirmed, now).as_bytes());
    // A mail without its picture is better than none: the code is in the words as well.
    let qr = Qr::of(&confirmed.qr).and_then(|qr| qr.png());
    let qr = qr.ok().map(|picture| file("gala.png", "image/png", &picture));
    qr.into_iter().chain([ics]).collect()
}

fn words(confirmed: &GalaConfirmation, occasion: Occasion) -> (String, String) {
    let tables = confirmed.tables.join(", ");
    let show = one_line(&confirmed.show_name);
    let subject = match occasion {
        Occasion::Seated => format!("Your table at {show}: {tables}"),
        Occasion::Changed => format!("Your new table at {show}: {tables}"),
    };
    let guests = confirmed.guests.iter().map(|guest| {
        let name = guest.name.as_deref().unwrap_or(&guest.number);
        format!("  {}: {}", one_line(name), guest.chair.as_deref().unwrap_or("no chair yet"))
    });
    let guests: Vec<String> = guests.collect();
    let text = format!(
        "{show}\n{}\n\nTable {tables}\n{}\n\nYour confirmation code is {}. Show it to the house to \
         be led to your table, and give it to friends who want to sit with you.\n",
        confirmed.starts_at.strftime("%-d %B %Y, %H:%M UTC"),
        guests.join("\n"),
        confirmed.code,
    );
    (subject, text)
}

/// Queues an invitation to a captain's table.
///
/// # Errors
/// The database's failures.
pub(crate) fn queue_invitation(
    tx: &mut Tx,
    to: &str,
    (show, table): (&str, &str),
    (code, seats): (&str, i32),
) -> Result<(), GalaError> {
    let show = one_line(show);
    let places = if seats == 1 { "a place".to_owned() } else { format!("{seats} places") };
    let text = format!(
        "You are invited to table {table} at {show}.\n\nThe code {code} keeps {places} for you. \
         Choose table {table} with your tickets and this code.\n"
    );
    let mail = Mail {
        to: to.to_owned(),
        subject: format!("You are invited to table {table} at {show}"),
        text,
        html: None,
        attachments: Vec::new(),
        kind: "gala_invitation",
    };
    queue_mail(tx, mail)?;
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use kernel::ids::ShowId;

    use super::*;

    #[test]
    fn the_words_name_the_table_and_no_secret() {
        let confirmed = GalaConfirmation {
            code: "K7MPX2QH".into(),
            show_id: ShowId(uuid::Uuid::nil()),
            show_name: "Winter\r\nGala".into(),
            starts_at: "2027-02-01T19:00:00Z".parse().unwrap(),
            tables: vec!["T5".into()],
            guests: Vec::new(),
            qr: String::new(),
        };
        let (subject, text) = words(&confirmed, Occasion::Changed);
        assert_eq!(subject, "Your new table at Winter Gala: T5");
        assert!(text.contains("1 February 2027, 19:00 UTC") && text.contains("K7MPX2QH"));
    }
}
