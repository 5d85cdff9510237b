//! Receipts: as JSON, as text for a printer, as a page.

mod html;
mod text;

use edge::answer::Versioned;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kernel::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bill::{Bill, Line};
use crate::model::Method;
use crate::store::house::House;

pub(crate) use html::page;
pub(crate) use text::{COLUMNS_MAX, COLUMNS_MIN, COLUMNS_USUAL, print};

/// What a receipt is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// Money was taken.
    Payment,
    /// Money was given back.
    Refund,
    /// A payment was taken back.
    Void,
    /// Money that was given back came back from the customer's bank.
    Bounce,
}

/// A receipt as it was handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Its number: 1, 2, 3 … per venue, without gaps.
    #[schema(example = 1042)]
    pub number: i64,
    /// What it is of.
    pub kind: ReceiptKind,
    /// The venue's name.
    pub venue: String,
    /// What stands above.
    pub header: Vec<String>,
    /// What stands below.
    pub footer: Vec<String>,
    /// When it was issued.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// The same by the venue's clock.
    #[schema(example = "2026-11-21 14:05")]
    pub local_time: String,
    /// The venue's business day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// What the bill was for.
    #[schema(example = "Order A17")]
    pub title: String,
    /// What was sold.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub due: Money,
    /// Taken off it.
    pub discount: Money,
    /// How it was paid or given back.
    pub method: Method,
    /// What was paid of the bill, or given back.
    pub amount: Money,
    /// On top of it.
    pub tip: Money,
    /// What the customer handed over, in cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tendered: Option<Money>,
    /// What the customer got back of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub change: Option<Money>,
    /// What is still to be paid after it.
    pub rest: Money,
    /// Why money was given back, or came back from a bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

impl Versioned for Receipt {}

/// What a receipt says besides what the bill and the house say.
pub(crate) struct Moved {
    pub(crate) kind: ReceiptKind,
    pub(crate) method: Method,
    pub(crate) amount: i64,
    pub(crate) tip: i64,
    pub(crate) tendered: Option<i64>,
    pub(crate) change: Option<i64>,
    pub(crate) reason: Option<String>,
}

/// The receipt `number`: `bill` is what it is after the money has moved.
pub(crate) fn receipt(
    house: &House,
    bill: &Bill,
    moved: Moved,
    number: i64,
    at: Timestamp,
) -> Receipt {
    let zone = TimeZone::get(&house.zone).unwrap_or(TimeZone::UTC);
    Receipt {
        number,
        kind: moved.kind,
        venue: house.name.clone(),
        header: house.settings.receipt_header.clone(),
        footer: house.settings.receipt_footer.clone(),
        issued_at: at,
        local_time: at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string(),
        day: house.day(at),
        title: bill.title.clone(),
        lines: bill.lines.clone(),
        due: bill.money(bill.due),
        discount: bill.money(bill.discount),
        method: moved.method,
        amount: bill.money(moved.amount),
        tip: bill.money(moved.tip),
        tendered: moved.tendered.map(|amount| bill.money(amount)),
        change: moved.change.map(|amount| bill.money(amount)),
        rest: bill.money(bill.rest() + bill.pending),
        reason: moved.reason,
    }
}

/// The rows of the lower half, with their words: the same on paper and on screen.
fn sums(receipt: &Receipt) -> Vec<(&'static str, Money)> {
    let back = receipt.kind != ReceiptKind::Payment;
    let bounced = receipt.kind == ReceiptKind::Bounce;
    let some = |name, money: Option<Money>| money.map(|money| (name, money));
    let unless_zero = |name, money: Money| (money.amount != 0).then_some((name, money));
    let total = Money { amount: receipt.due.amount - receipt.discount.amount, ..receipt.due };
    let off = Money { amount: -receipt.discount.amount, ..receipt.discount };
    let how = match (back, receipt.method) {
        (true, _) if bounced => "Sent back by the bank",
        (true, _) => "Given back",
        (false, Method::Cash) => "Cash",
        (false, Method::Card) => "Card",
        (false, Method::Voucher) => "Voucher",
    };
    [
        unless_zero("Discount", off),
        Some(("Total", total)),
        Some((how, receipt.amount)),
        unless_zero("Tip", receipt.tip),
        some("Received", receipt.tendered),
        some("Change", receipt.change),
        unless_zero("Still to pay", receipt.rest).filter(|_| !back),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `Receipt 1042`, `Refund, receipt 1043`.
fn heading(receipt: &Receipt) -> String {
    let number = receipt.number;
    match receipt.kind {
        ReceiptKind::Payment => format!("Receipt {number}"),
        ReceiptKind::Refund => format!("Refund, receipt {number}"),
        ReceiptKind::Void => format!("Void, receipt {number}"),
        ReceiptKind::Bounce => format!("Refund bounced, receipt {number}"),
    }
}

fn amount(money: Money) -> String {
    crate::money::plain(money.amount, money.currency)
}

fn currency(receipt: &Receipt) -> Currency {
    receipt.due.currency
}

#[cfg(test)]
pub(crate) fn example() -> Receipt {
    let euro = |amount| Money { amount, currency: "EUR".parse().unwrap() };
    Receipt {
        number: 1042,
        kind: ReceiptKind::Payment,
        venue: "Teatro Aurora".into(),
        header: vec!["Rua do Cais 7, Lisboa".into()],
        footer: vec!["Obrigado!".into()],
        issued_at: "2026-11-21T14:05:00Z".parse().unwrap(),
        local_time: "2026-11-21 14:05".into(),
        day: "2026-11-21".parse().unwrap(),
        title: "Order A17".into(),
        lines: vec![
            Line { text: "Hot stone massage, 60 min".into(), quantity: 1, amount: euro(9_500) },
            Line {
                text: "A very long name of a very special treatment with <oils>".into(),
                quantity: 2,
                amount: euro(5_580),
            },
        ],
        due: euro(15_080),
        discount: euro(1_508),
        method: Method::Cash,
        amount: euro(13_572),
        tip: euro(428),
        tendered: Some(euro(20_000)),
        change: Some(euro(6_000)),
        rest: euro(0),
        reason: None,
    }
}
