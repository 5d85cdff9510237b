//! The mail with a ticket. Pure.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::qr::Qr;
use notify::{Attachment, Mail};

use crate::TicketsError;
use crate::model::Ticket;
use crate::rules::Rules;
use crate::store::changes::Place;

/// What holders should know.
const CARE: &str = "Whoever has this link or its code has the ticket.";

/// The mail for the holder of `ticket`: its words, its code as a picture, its page.
pub(crate) fn letter(
    to: &str,
    (place, rules): (&Place, &Rules),
    ticket: &Ticket,
    (code, link): (&str, &str),
) -> Result<Mail, TicketsError> {
    let doors = &rules.doors;
    let kind = rules.of_class(ticket.class).map_or("", |kind| kind.name.as_str());
    let facts = [
        ("Where", Some(place.name.clone())),
        ("Doors open", Some(place.local(doors.opens_at))),
        ("Ticket", Some(format!("{} {}", ticket.number, kind).trim().to_owned())),
        ("Name", ticket.name.clone()),
        ("Seat", ticket.seat.clone()),
    ];
    let facts: Vec<(&str, String)> =
        facts.into_iter().filter_map(|(what, fact)| Some((what, fact?))).collect();
    let mut text = format!("Your ticket for {}\n\n", doors.name);
    let mut html = format!("<h1>Your ticket for {}</h1><table>", escaped(&doors.name));
    for (what, fact) in &facts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{what}: {fact}");
        let _ = write!(html, "<tr><td>{what}</td><td>{}</td></tr>", escaped(fact));
    }
    let _ = writeln!(text, "\nShow it at the door: {link}\n\n{CARE}");
    let _ = write!(
        html,
        "</table><p><img src=\"cid:code\" alt=\"The code of ticket {0}\" width=\"320\"></p>\
         <p><a href=\"{1}\">Show it at the door</a></p>\
         <p>{CARE}</p>",
        escaped(&ticket.number),
        escaped(link),
    );
    let picture = Qr::of(code).and_then(|qr| qr.png()).map_err(|_| TicketsError::Crypto)?;
    let picture = Attachment {
        name: "ticket.png".to_owned(),
        content_type: "image/png".to_owned(),
        base64: STANDARD.encode(picture),
        content_id: Some("code".to_owned()),
    };
    Ok(Mail {
        to: to.to_owned(),
        subject: format!("Your ticket for {}", one_line(&doors.name)),
        text,
        html: Some(html),
        attachments: vec![picture],
        kind: "ticket",
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use kernel::ids::ShowId;
    use uuid::Uuid;

    use super::*;
    use crate::model::tests::ticket;
    use crate::rules::Doors;

    #[test]
    fn a_mail_has_the_facts_the_picture_and_no_markup_of_strangers() {
        let doors = Doors {
            show_id: ShowId(Uuid::from_u128(2)),
            name: "Winter <b>Gala</b>".to_owned(),
            opens_at: "2027-02-01T18:00:00Z".parse().unwrap(),
            closes_at: "2027-02-01T23:00:00Z".parse().unwrap(),
            seals_names: false,
            lease_secs: 600,
            rules: 1,
            version: 1,
        };
        let (types, lists, zones, questions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let rules = Rules { doors, types, lists, zones, questions };
        let place = Place { name: "Hall".to_owned(), time_zone: "Europe/Lisbon".to_owned() };
        let link = "https://example.org/ticket#a.b.c";
        let mail =
            letter("ana@example.org", (&place, &rules), &ticket(), ("RL1ABC", link)).unwrap();
        let html = mail.html.unwrap();
        for wanted in ["Monday, 1 February 2027, 18:00", "Ana Lopes", "T1-2", link] {
            assert!(mail.text.contains(wanted) && html.contains(wanted), "{wanted} in {html}");
        }
        assert!(html.contains("Winter &lt;b&gt;Gala") && html.contains("cid:code"), "{html}");
        assert!(!html.contains("<b>") && mail.attachments.len() == 1);
    }
}
