//! What a payment comes to: of which part of the bill, with how much change. Pure.

use edge::Input;
use edge::body::Errors;
use kernel::money::Money;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::PaymentError;
use crate::bill::Bill;
use crate::model::{BillStatus, Method};
use crate::money::change;

/// How somebody pays, and how much.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TakePayment {
    /// Cash, card or voucher.
    pub method: Method,
    /// What it pays of the bill; all that is left of it unless given. Several payments make a split.
    #[schema(nullable = false)]
    pub amount: Option<Money>,
    /// On top of it.
    #[schema(nullable = false)]
    pub tip: Option<Money>,
    /// What the customer hands over: with cash, and only with it.
    #[schema(nullable = false)]
    pub tendered: Option<Money>,
    /// What is written on the voucher: with a voucher, and only with one.
    #[schema(nullable = false, max_length = 60, example = "K7MP-X2QH-93TB-WNAC")]
    pub voucher: Option<String>,
}

impl Input for TakePayment {
    fn check(&self, errors: &mut Errors) {
        let amount = self.amount.is_none_or(|money| money.amount > 0);
        errors.require(amount, "/amount", "range", "Give more than nothing.");
        let tip = self.tip.is_none_or(|money| money.amount >= 0);
        errors.require(tip, "/tip", "range", "A tip is not less than nothing.");
        let cash = (self.method == Method::Cash) == self.tendered.is_some();
        errors.require(cash, "/tendered", "tendered", "Say what was handed over, with cash only.");
        let voucher = (self.method == Method::Voucher) == self.voucher.is_some();
        errors.require(voucher, "/voucher", "voucher", "Give its code, with a voucher only.");
        if let Some(code) = &self.voucher {
            errors.text(code, "/voucher", (1, 60));
        }
    }
}

/// What a payment comes to, in minor units of the bill's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// What it pays of the bill.
    pub amount: i64,
    /// On top of it.
    pub tip: i64,
    /// Cash that was handed over.
    pub tendered: Option<i64>,
    /// And what goes back of it.
    pub change: Option<i64>,
}

/// What `cmd` comes to for a locked bill; `balance` is what the voucher has left, if it is one.
///
/// # Errors
/// `BillOver`, `BeingPaid`, `MoreThanRest`, `TooLittle`, `VoucherSpent`, `OtherCurrency`, `TooMuch`.
pub fn parts(bill: &Bill, cmd: &TakePayment, balance: Option<i64>) -> Result<Parts, PaymentError> {
    if bill.status != BillStatus::Open {
        return Err(PaymentError::BillOver(bill.status));
    }
    let in_house = |money: Option<Money>| match money {
        Some(money) if money.currency != bill.currency => {
            Err(PaymentError::OtherCurrency(money.currency, bill.currency))
        }
        money => Ok(money.map(|money| money.amount)),
    };
    let (asked, tip, tendered) =
        (in_house(cmd.amount)?, in_house(cmd.tip)?.unwrap_or(0), in_house(cmd.tendered)?);
    let rest = bill.rest();
    if rest <= 0 {
        return Err(match bill.pending {
            0 => PaymentError::BillOver(BillStatus::Settled),
            pending => PaymentError::BeingPaid(bill.money(pending)),
        });
    }
    // A voucher that does not reach pays what it can, unless somebody said how much.
    let reach = balance.map_or(rest, |balance| rest.min(balance - tip));
    let amount = asked.unwrap_or(reach);
    if amount > rest {
        return Err(PaymentError::MoreThanRest(bill.money(rest)));
    }
    let sum = amount.checked_add(tip).ok_or(PaymentError::TooMuch)?;
    if let Some(balance) = balance
        && (amount <= 0 || sum > balance)
    {
        return Err(PaymentError::VoucherSpent(bill.money(balance)));
    }
    let back = match tendered {
        Some(tendered) => Some(
            change(amount, tip, tendered)
                .ok_or_else(|| PaymentError::TooLittle(bill.money(sum.saturating_sub(tendered))))?,
        ),
        None => None,
    };
    Ok(Parts { amount, tip, tendered, change: back })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::subject::Subject;

    fn euro(amount: i64) -> Money {
        Money { amount, currency: "EUR".parse().unwrap() }
    }

    fn bill(due: i64, discount: i64) -> Bill {
        Bill {
            subject: Subject::new("order", uuid::Uuid::nil()),
            title: "Order A17".into(),
            lines: Vec::new(),
            due,
            discount,
            paid: 0,
            pending: 0,
            refunded: 0,
            owed: 0,
            currency: euro(0).currency,
            status: BillStatus::Open,
            version: 1,
            secret_hash: None,
        }
    }

    fn cash(amount: Option<i64>, tip: i64, tendered: i64) -> TakePayment {
        TakePayment {
            method: Method::Cash,
            amount: amount.map(euro),
            tip: Some(euro(tip)),
            tendered: Some(euro(tendered)),
            voucher: None,
        }
    }

    #[test]
    fn cash_that_is_too_little_says_what_is_missing() {
        let refused = parts(&bill(15_080, 0), &cash(None, 500, 15_000), None);
        assert!(matches!(refused, Err(PaymentError::TooLittle(missing)) if missing == euro(580)));
        let taken = parts(&bill(15_080, 0), &cash(None, 500, 20_000), None).unwrap();
        assert_eq!(
            taken,
            Parts { amount: 15_080, tip: 500, tendered: Some(20_000), change: Some(4_420) }
        );
    }

    #[test]
    fn what_a_card_is_paying_nobody_else_pays() {
        let waiting = Bill { pending: 1_000, ..bill(1_000, 0) };
        let refused = parts(&waiting, &cash(None, 0, 1_000), None);
        assert!(matches!(refused, Err(PaymentError::BeingPaid(pending)) if pending == euro(1_000)));
    }

    #[test]
    fn a_voucher_pays_what_it_can() {
        let voucher = |amount: Option<i64>| TakePayment {
            method: Method::Voucher,
            tendered: None,
            ..cash(amount, 0, 0)
        };
        assert_eq!(parts(&bill(900, 0), &voucher(None), Some(600)).unwrap().amount, 600);
        assert_eq!(parts(&bill(900, 0), &voucher(None), Some(2_000)).unwrap().amount, 900);
        for (amount, balance) in [(Some(700), 600), (None, 0)] {
            let refused = parts(&bill(900, 0), &voucher(amount), Some(balance));
            assert!(matches!(refused, Err(PaymentError::VoucherSpent(_))));
        }
    }

    #[test]
    fn another_currency_is_refused() {
        let dollars = Money { amount: 900, currency: "USD".parse().unwrap() };
        let cmd = TakePayment { tendered: Some(dollars), ..cash(None, 0, 0) };
        assert!(matches!(parts(&bill(900, 0), &cmd, None), Err(PaymentError::OtherCurrency(..))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12_500))]

        /// Eight payments each of 12,500 bills: whatever people hand over, what was taken less what
        /// went back is what was paid and tipped, no bill is overpaid, and each ends paid.
        #[test]
        fn of_100_000_payments_every_cent_is_accounted_for(
            due in 1_i64..5_000_000,
            off in 0_u32..=10_000,
            tries in prop::collection::vec(
                (prop::option::of(1_i64..6_000_000), 0_i64..5_000, 0_i64..8_000_000), 8),
        ) {
            let discount = crate::money::share(due, off).unwrap();
            let mut bill = bill(due, discount);
            let (mut in_hand, mut tips) = (0, 0);
            for (amount, tip, tendered) in tries {
                let before = bill.paid;
                match parts(&bill, &cash(amount, tip, tendered), None) {
                    Ok(part) => {
                        prop_assert!(part.amount > 0 && part.amount <= bill.rest());
                        prop_assert_eq!(part.amount, amount.unwrap_or(bill.rest()));
                        in_hand += part.tendered.unwrap() - part.change.unwrap();
                        tips += part.tip;
                        bill.paid += part.amount;
                    }
                    Err(PaymentError::MoreThanRest(rest)) => {
                        prop_assert_eq!(rest.amount, bill.rest());
                        prop_assert!(amount.unwrap() > rest.amount);
                    }
                    Err(PaymentError::TooLittle(missing)) => {
                        let wanted = amount.unwrap_or(bill.rest()) + tip;
                        prop_assert_eq!(missing.amount, wanted - tendered);
                    }
                    Err(PaymentError::BillOver(BillStatus::Settled)) => prop_assert_eq!(bill.rest(), 0),
                    Err(error) => prop_assert!(false, "{error}"),
                }
                prop_assert!(bill.paid >= before && bill.paid <= due - discount);
                prop_assert_eq!(in_hand, bill.paid + tips);
                if bill.is_paid() {
                    bill.status = BillStatus::Settled;
                }
            }
            // Whoever is left pays the rest in equal shares, to the cent.
            let shares = if bill.rest() > 0 { crate::money::split(bill.rest(), 3) } else { vec![] };
            for share in shares.into_iter().filter(|share| *share > 0) {
                bill.paid += parts(&bill, &cash(Some(share), 0, share), None).unwrap().amount;
            }
            prop_assert!(bill.is_paid());
        }
    }
}
