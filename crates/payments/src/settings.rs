//! How a venue handles money.

use edge::answer::Versioned;
use edge::body::Errors;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rules of a venue, each with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// What one person may give back alone, in minor units. Above it a second one approves.
    #[schema(minimum = 0, example = 10_000)]
    pub refund_alone_max: i64,
    /// How much of a bill cashiers and the box office may take off, in percent; managers any.
    #[schema(minimum = 0, maximum = 100, example = 10)]
    pub discount_max_percent: u32,
    /// Cash is taken into open drawers only.
    pub drawer_required: bool,
    /// The hour at which a business day begins: 4 counts a payment at two in the morning to the
    /// day before.
    #[schema(minimum = 0, maximum = 12)]
    pub day_starts_hour: i8,
    /// What stands on receipts above everything: address, tax number.
    #[schema(max_items = 8)]
    pub receipt_header: Vec<String>,
    /// What stands below.
    #[schema(max_items = 8)]
    pub receipt_footer: Vec<String>,
    /// Rises with every change.
    pub version: i64,
}

/// Lines above and below a receipt.
const RECEIPT_LINES_MAX: usize = 8;
/// Characters of one of them.
const RECEIPT_LINE_CHARS_MAX: usize = 80;

impl Default for Settings {
    fn default() -> Self {
        Self {
            refund_alone_max: 10_000,
            discount_max_percent: 10,
            drawer_required: false,
            day_starts_hour: 0,
            receipt_header: Vec::new(),
            receipt_footer: Vec::new(),
            version: 0,
        }
    }
}

impl Versioned for Settings {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Settings {
    pub(crate) fn rules(&self, errors: &mut Errors) {
        let alone = self.refund_alone_max >= 0;
        errors.require(alone, "/refundAloneMax", "range", "Give minor units, 0 or more.");
        let percent = self.discount_max_percent <= 100;
        errors.require(percent, "/discountMaxPercent", "range", "Give 0 to 100 percent.");
        let hour = (0..=12).contains(&self.day_starts_hour);
        errors.require(hour, "/dayStartsHour", "range", "Give an hour from 0 to 12.");
        let both =
            [("/receiptHeader", &self.receipt_header), ("/receiptFooter", &self.receipt_footer)];
        for (pointer, lines) in both {
            let few = lines.len() <= RECEIPT_LINES_MAX;
            let short = lines.iter().all(|line| line.chars().count() <= RECEIPT_LINE_CHARS_MAX);
            let detail = "Give at most 8 lines of 80 characters.";
            errors.require(few && short, pointer, "length", detail);
        }
    }
}
