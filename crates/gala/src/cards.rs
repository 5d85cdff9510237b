//! Cards for the tables, to be printed: one page each, with the names of who sits there.

use std::fmt::Write as _;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};
use booking::reads::ShowPath;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};

use crate::model::GalaGuest;
use crate::roster::Roster;

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Table cards</title>
<style>
@page { size: A5; margin: 16mm }
body { font-family: Georgia, "Times New Roman", serif; margin: 0; color: #111 }
section { break-after: page; text-align: center; padding: 8mm 0 }
section:last-child { break-after: auto }
h1 { font-size: 44pt; margin: 0 0 2mm }
p { margin: 0 0 8mm; font-size: 12pt; color: #555 }
ol { list-style: none; margin: 0; padding: 0; font-size: 17pt; line-height: 1.7 }
small { font-size: 11pt; color: #555; display: block; line-height: 1.2 }
@media screen { section { border: 1px solid #ccc; max-width: 148mm; margin: 8mm auto } }
</style></head><body>
"#;

/// Print table cards
///
/// A page for the browser to print: a card for each table where somebody sits, with what the
/// kitchen has to know.
#[utoipa::path(
    operation_id = "printTableCards", tag = "gala", params(ShowPath),
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "text/html"), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/gala/cards")]
pub(crate) async fn get_cards(
    actor: Actor<can::ReadGala>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<HttpResponse, Rejection> {
    let offset = app.clock().offset_micros();
    let roster = app.read(&actor, async |q| Roster::read(q, at.show, offset).await).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        // Names are other people's words: nothing in them may run or load anything.
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(page(&roster)))
}

fn page(roster: &Roster) -> String {
    let mut page = HEAD.to_owned();
    for table in &roster.tables.names {
        let here = roster.entries.iter().map(|entry| &entry.guest);
        let mut guests: Vec<&GalaGuest> =
            here.filter(|guest| guest.table.as_ref() == Some(table)).collect();
        if guests.is_empty() {
            continue;
        }
        guests.sort_by_key(|guest| guest.name.as_ref().map(|name| name.to_lowercase()));
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<section><h1>{}</h1><p>{}</p><ol>",
            escaped(table),
            escaped(&roster.tables.show.name)
        );
        for guest in guests {
            let name = guest.name.as_deref().unwrap_or(&guest.number);
            let _ = writeln!(page, "<li>{}{}</li>", escaped(name), wishes(guest));
        }
        page.push_str("</ol></section>\n");
    }
    page.push_str("</body></html>\n");
    page
}

/// What the kitchen and the waiters have to know; a note is for the house, not for the table.
fn wishes(guest: &GalaGuest) -> String {
    let wishes = &guest.preferences;
    let mut words: Vec<String> = wishes.dietary.clone();
    if wishes.accessible {
        words.push("wheelchair".to_owned());
    }
    match wishes.children {
        0 => {}
        1 => words.push("1 child".to_owned()),
        many => words.push(format!("{many} children")),
    }
    if words.is_empty() {
        return String::new();
    }
    format!("<small>{}</small>", escaped(&words.join(" · ")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_html() {
        assert_eq!(escaped("<b>\"A&B\"</b>"), "&lt;b&gt;&quot;A&amp;B&quot;&lt;/b&gt;");
    }
}
