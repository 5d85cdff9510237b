//! What the API says of each refusal: status, code, title, and what to do.

use edge::limits::BILL_LINES_MAX;
use kernel::money::Money;

use super::{PaymentError, Words};
use crate::model::BillStatus;

impl PaymentError {
    pub(super) fn absent(&self) -> Option<Words> {
        let (code, title, detail) = match self {
            Self::NoSuchBill => (
                "payments.no_such_bill",
                "There is no such bill",
                "Nothing is to be paid for this. It does not exist here, or has no price yet.",
            ),
            Self::NoSuchPayment => (
                "payments.no_such_payment",
                "There is no such payment",
                "GET …/payments lists those of this venue.",
            ),
            Self::NoSuchRefund => (
                "payments.no_such_refund",
                "There is no such refund",
                "GET …/refunds lists those of this venue.",
            ),
            Self::NoSuchDrawer => (
                "payments.no_such_drawer",
                "There is no such drawer",
                "GET …/drawers lists those of this venue.",
            ),
            Self::NoSuchVoucher => (
                "payments.no_such_voucher",
                "There is no such voucher",
                "No voucher of this venue has this code. Read it again, letter by letter.",
            ),
            Self::NoSuchProvider => (
                "payments.no_such_provider",
                "There is no such provider",
                "This server takes no cards through a provider of that name.",
            ),
            _ => return None,
        };
        Some((404, code, title, detail.to_owned()))
    }

    pub(super) fn about_the_bill(&self) -> Option<Words> {
        Some(match self {
            Self::BillOver(status) => (
                409,
                "payments.bill_over",
                "The bill is over",
                match status {
                    BillStatus::Closed => "What it was for is over. Nothing was taken.",
                    _ => "It is paid already. Nothing was taken.",
                }
                .to_owned(),
            ),
            Self::BeingPaid(_) => (
                409,
                "payments.being_paid",
                "The rest is being paid",
                "A card payment for it is on its way. Wait for it, or cancel it with POST \
                 …/payments/{id}/cancel; nothing was taken."
                    .to_owned(),
            ),
            Self::MoreThanRest(rest) => (
                409,
                "payments.more_than_rest",
                "That is more than is to be paid",
                format!("{} is left to be paid. Nothing was taken.", text(*rest)),
            ),
            Self::TooLittle(missing) => (
                422,
                "payments.too_little",
                "The cash is too little",
                format!(
                    "{} is missing. Take more, or give the part that it should pay as `amount`.",
                    text(*missing)
                ),
            ),
            Self::AlreadyPaid(_) => (
                409,
                "payments.already_paid",
                "More was paid already",
                "The bill cannot come to less than was paid for it. Refund first.".to_owned(),
            ),
            _ => return None,
        })
    }

    pub(super) fn about_amounts(&self) -> Option<Words> {
        Some(match self {
            Self::TooManyLines(count) => (
                422,
                "payments.too_many_lines",
                "The bill is too long",
                format!("A bill has at most {BILL_LINES_MAX} lines; this would have {count}."),
            ),
            Self::TooMuch => (
                422,
                "payments.out_of_range",
                "The sum is out of range",
                "Sums are between 0 and 9,223,372,036,854,775,807 minor units.".to_owned(),
            ),
            Self::OtherCurrency(given, wanted) => (
                422,
                "payments.other_currency",
                "The currency is another",
                format!("This is in {}; {} was given.", wanted.as_str(), given.as_str()),
            ),
            Self::DiscountTooLarge(most) => (
                403,
                "payments.discount_too_large",
                "A manager has to give this discount",
                format!("Your role gives discounts of up to {most} % of a bill in all."),
            ),
            Self::VoucherSpent(balance) => (
                409,
                "payments.voucher_spent",
                "The voucher has not so much left",
                format!(
                    "It has {} left. Redeem that, and pay the rest another way.",
                    text(*balance)
                ),
            ),
            Self::CashAtTheDesk => (
                422,
                "payments.cash_at_the_desk",
                "Cash is paid at the desk",
                "Here a bill is paid by card or voucher.".to_owned(),
            ),
            Self::WrongToken => (
                403,
                "payments.wrong_token",
                "The bill's token is wrong",
                "Send the secret that came with the order or booking as the header Bill-Token."
                    .to_owned(),
            ),
            Self::VoucherExpired => (
                410,
                "payments.voucher_expired",
                "The voucher has expired",
                "It cannot be redeemed any more.".to_owned(),
            ),
            _ => return None,
        })
    }

    pub(super) fn about_cards(&self) -> Option<Words> {
        Some(match self {
            Self::NoCards => (
                409,
                "payments.no_cards",
                "Cards are not set up",
                "This server has no card provider: it takes cash and vouchers only. The operator \
                 sets STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET to take cards."
                    .to_owned(),
            ),
            Self::ProviderAway => (
                503,
                "payments.provider_away",
                "The card provider does not answer",
                "Nothing was charged. Send the same request again with the same Idempotency-Key."
                    .to_owned(),
            ),
            Self::ProviderRefused(why) => (
                409,
                "payments.provider_refused",
                "The card provider refused",
                format!("It said: {why}. Nothing was charged."),
            ),
            Self::BadSignature => (
                400,
                "payments.bad_signature",
                "The notice cannot be believed",
                "Its signature is not that of the provider, or it is too old.".to_owned(),
            ),
            Self::BadNotice => (
                400,
                "payments.bad_notice",
                "The notice cannot be read",
                "It is not what the provider sends.".to_owned(),
            ),
            _ => return None,
        })
    }

    pub(super) fn about_refunds(&self) -> Option<Words> {
        Some(match self {
            Self::WrongStatus(status) => (
                409,
                "payments.wrong_status",
                "The payment does not allow this",
                format!("It is {}.", status.as_str()),
            ),
            Self::MoreThanPaid(rest) => (
                409,
                "payments.more_than_paid",
                "That is more than is left of the payment",
                format!("{} of it can be given back.", text(*rest)),
            ),
            Self::RefundUnderWay => (
                409,
                "payments.refund_under_way",
                "A refund is under way",
                "One for this payment waits for a decision or for the provider.".to_owned(),
            ),
            Self::NotVoidable => (
                409,
                "payments.not_voidable",
                "The payment cannot be voided",
                "Some of it was given back, its drawer was counted, or what was paid for has gone \
                 on. Refund it instead."
                    .to_owned(),
            ),
            Self::Voided => (
                409,
                "payments.voided",
                "The payment was voided before",
                "The bank sent the money back. Void it once more to give it back: all of it goes."
                    .to_owned(),
            ),
            Self::SamePerson => (
                403,
                "payments.same_person",
                "A second person has to decide",
                "You asked for it yourself. Another manager approves or denies it.".to_owned(),
            ),
            Self::Decided => (
                409,
                "payments.decided",
                "It was decided before",
                "Somebody was faster. Read it again.".to_owned(),
            ),
            _ => return None,
        })
    }

    pub(super) fn about_drawers(&self) -> Words {
        match self {
            Self::DrawerOpen => (
                409,
                "payments.drawer_open",
                "A drawer is open already",
                "A cashier has one drawer at a time. Count and close it first.".to_owned(),
            ),
            Self::DrawerClosed => (
                409,
                "payments.drawer_closed",
                "The drawer is closed",
                "It was counted; nothing goes in or out of it any more.".to_owned(),
            ),
            Self::OthersDrawer => (
                403,
                "payments.others_drawer",
                "The drawer is somebody else's",
                "Whose it is, or a manager, does this.".to_owned(),
            ),
            Self::StaleSettings(_) => (
                412,
                "payments.stale",
                "The settings were changed meanwhile",
                "Look at `current`, decide anew and send its version.".to_owned(),
            ),
            _ => (
                409,
                "payments.no_open_drawer",
                "No drawer is open",
                "This venue takes cash into drawers only. Open yours with POST …/drawers first."
                    .to_owned(),
            ),
        }
    }
}

/// Minor units and a code, for the words of a problem: programs read `current`.
fn text(money: Money) -> String {
    crate::money::text(money)
}
