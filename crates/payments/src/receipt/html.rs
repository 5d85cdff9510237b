//! As a page that prints: no script, nothing from elsewhere.

use std::fmt::Write as _;

use super::{Receipt, amount, currency, heading, sums};

const STYLE: &str = "body{font:16px/1.4 system-ui,sans-serif;max-width:24rem;margin:2rem auto;\
padding:0 1rem;color:#111;background:#fff}h1{font-size:1.1rem}table{width:100%;\
border-collapse:collapse}td{padding:.15rem 0;vertical-align:top}td:last-child{text-align:right;\
font-variant-numeric:tabular-nums;white-space:nowrap;padding-left:1rem}\
tbody+tbody tr:first-child td{border-top:1px solid #999}header,footer{text-align:center}";

/// The receipt as a whole page.
pub(crate) fn page(receipt: &Receipt) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{}</title><style>{STYLE}</style></head><body>",
        safe(&heading(receipt)),
    );
    // Writing to a String cannot fail.
    let _ = write!(page, "<header><strong>{}</strong>", safe(&receipt.venue));
    for line in &receipt.header {
        let _ = write!(page, "<br>{}", safe(line));
    }
    let _ = write!(
        page,
        "</header><h1>{}</h1><p>{}<br><time datetime=\"{}\">{}</time></p><table><tbody>",
        safe(&heading(receipt)),
        safe(&receipt.title),
        kernel::time::text(receipt.issued_at),
        safe(&receipt.local_time),
    );
    for line in &receipt.lines {
        let times =
            if line.quantity == 1 { String::new() } else { format!("{} × ", line.quantity) };
        let _ = write!(
            page,
            "<tr><td>{times}{}</td><td>{}</td></tr>",
            safe(&line.text),
            amount(line.amount)
        );
    }
    page.push_str("</tbody><tbody>");
    for (name, money) in sums(receipt) {
        let code = currency(receipt);
        let _ =
            write!(page, "<tr><td>{name}</td><td>{} {}</td></tr>", amount(money), code.as_str());
    }
    page.push_str("</tbody></table>");
    if let Some(reason) = &receipt.reason {
        let _ = write!(page, "<p>{}</p>", safe(reason));
    }
    page.push_str("<footer>");
    for line in &receipt.footer {
        let _ = write!(page, "<p>{}</p>", safe(line));
    }
    page.push_str("</footer></body></html>\n");
    page
}

fn safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn what_people_wrote_stays_text() {
        let page = page(&example());
        assert!(page.contains("with &lt;oils&gt;") && !page.contains("<oils>"));
        assert!(page.contains("<td>Change</td><td>60.00 EUR</td>"));
    }
}
