//! For a printer with 80 mm paper: 42 or 48 characters a line, nothing but text.

use super::{Receipt, amount, currency, heading, sums};

/// Characters of a line.
pub(crate) const COLUMNS_USUAL: u16 = 42;
pub(crate) const COLUMNS_MIN: u16 = 24;
pub(crate) const COLUMNS_MAX: u16 = 64;

/// The receipt, each line at most `columns` characters wide.
pub(crate) fn print(receipt: &Receipt, columns: u16) -> String {
    let width = usize::from(columns.clamp(COLUMNS_MIN, COLUMNS_MAX));
    let mut lines = Vec::new();
    let middle = std::iter::once(&receipt.venue).chain(&receipt.header);
    lines.extend(middle.flat_map(|text| wrap(text, width)).map(|line| centre(&line, width)));
    lines.push(String::new());
    lines.push(pair(&heading(receipt), &receipt.local_time, width));
    lines.extend(wrap(&receipt.title, width));
    lines.push("-".repeat(width));
    for line in &receipt.lines {
        let text = match line.quantity {
            1 => line.text.clone(),
            many => format!("{many} x {}", line.text),
        };
        lines.extend(row(&text, &amount(line.amount), width));
    }
    lines.push("-".repeat(width));
    for (name, money) in sums(receipt) {
        let name = format!("{name} {}", currency(receipt).as_str());
        lines.push(pair(&name, &amount(money), width));
    }
    if let Some(reason) = &receipt.reason {
        lines.extend(wrap(reason, width));
    }
    lines.push(String::new());
    let below = receipt.footer.iter().flat_map(|text| wrap(text, width));
    lines.extend(below.map(|line| centre(&line, width)));
    lines.push(String::new());
    lines.join("\n")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// What a printer would take for a command is not printed.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The text in lines of at most `width`, broken at spaces where that can be.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(text).split_whitespace() {
        let mut rest: Vec<char> = word.chars().collect();
        if let Some(last) = lines.last_mut()
            && length(last) + 1 + rest.len() <= width
        {
            last.push(' ');
            last.push_str(word);
            continue;
        }
        while rest.len() > width {
            let tail = rest.split_off(width);
            lines.push(rest.into_iter().collect());
            rest = tail;
        }
        lines.push(rest.into_iter().collect());
    }
    lines
}

fn centre(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(length(text)) / 2))
}

/// Left and right in one line; the left gives way.
fn pair(left: &str, right: &str, width: usize) -> String {
    let room = width.saturating_sub(length(right) + 1);
    let left: String = left.chars().take(room).collect();
    let gap = width.saturating_sub(length(&left) + length(right));
    format!("{left}{}{right}", " ".repeat(gap))
}

/// A text with its amount: what does not fit beside the amount stands above it.
fn row(text: &str, amount: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(length(amount) + 1).max(1);
    let mut lines = wrap(text, room);
    let last = lines.pop().unwrap_or_default();
    lines.push(pair(&last, amount, width));
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::example;
    use super::*;

    #[test]
    fn a_receipt_fits_42_columns() {
        let printed = print(&example(), 42);
        let wanted = "              Teatro Aurora
          Rua do Cais 7, Lisboa

Receipt 1042              2026-11-21 14:05
Order A17
------------------------------------------
Hot stone massage, 60 min            95.00
2 x A very long name of a very
special treatment with <oils>        55.80
------------------------------------------
Discount EUR                        -15.08
Total EUR                           135.72
Cash EUR                            135.72
Tip EUR                               4.28
Received EUR                        200.00
Change EUR                           60.00

                Obrigado!
";
        assert_eq!(printed, wanted);
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_the_paper(text in "\\PC{0,300}", columns in 0_u16..100) {
            let mut receipt = example();
            receipt.lines[0].text = text.clone();
            receipt.title = text;
            let width = usize::from(columns.clamp(COLUMNS_MIN, COLUMNS_MAX));
            for line in print(&receipt, columns).lines() {
                prop_assert!(length(line) <= width, "{line:?}");
            }
        }
    }
}
