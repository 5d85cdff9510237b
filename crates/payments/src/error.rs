//! What can be wrong with money, and how the API says it.

mod words;

use kernel::money::{Currency, Money};
use kernel::problem::Problem;
use pg::DbError;
use pg::write::Refusal;

use crate::model::{BillStatus, PaymentStatus};

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// Nothing is to be paid for that subject in this venue.
    #[error("there is no such bill")]
    NoSuchBill,
    /// No such payment in this venue.
    #[error("there is no such payment")]
    NoSuchPayment,
    /// No such refund in this venue.
    #[error("there is no such refund")]
    NoSuchRefund,
    /// No such drawer in this venue.
    #[error("there is no such drawer")]
    NoSuchDrawer,
    /// No such voucher in this venue.
    #[error("there is no such voucher")]
    NoSuchVoucher,
    /// No card provider of that name.
    #[error("there is no such provider")]
    NoSuchProvider,
    /// The bill is settled or closed.
    #[error("the bill is over")]
    BillOver(BillStatus),
    /// The rest of the bill is on its way by card.
    #[error("the rest is being paid")]
    BeingPaid(Money),
    /// More than is left to be paid.
    #[error("that is more than is to be paid")]
    MoreThanRest(Money),
    /// The cash does not cover what it should pay.
    #[error("that is too little")]
    TooLittle(Money),
    /// The bill would come to less than was paid for it.
    #[error("more was paid already")]
    AlreadyPaid(Money),
    /// More lines than a bill may have.
    #[error("too many lines")]
    TooManyLines(usize),
    /// A sum that no amount can hold, or one below zero.
    #[error("the sum is out of range")]
    TooMuch,
    /// An amount in another currency.
    #[error("the amount is in another currency")]
    OtherCurrency(Currency, Currency),
    /// The voucher has not so much left.
    #[error("the voucher is worth less")]
    VoucherSpent(Money),
    /// The voucher's time is over.
    #[error("the voucher has expired")]
    VoucherExpired,
    /// A customer cannot hand cash to a server.
    #[error("cash is paid at the desk")]
    CashAtTheDesk,
    /// The secret is not the bill's.
    #[error("the bill's token is wrong")]
    WrongToken,
    /// This server has no card provider.
    #[error("cards are not set up")]
    NoCards,
    /// The card provider does not answer.
    #[error("the card provider is away")]
    ProviderAway,
    /// The card provider refused.
    #[error("the card provider refused")]
    ProviderRefused(String),
    /// The notice of a provider is not signed as it should be.
    #[error("the notice cannot be believed")]
    BadSignature,
    /// The notice of a provider cannot be read.
    #[error("the notice cannot be read")]
    BadNotice,
    /// The payment is not where it has to be.
    #[error("the payment does not allow this")]
    WrongStatus(PaymentStatus),
    /// More than is left of the payment.
    #[error("that is more than is left of the payment")]
    MoreThanPaid(Money),
    /// A refund of this payment waits or is on its way.
    #[error("a refund is under way")]
    RefundUnderWay,
    /// Only all of a payment that nothing has been given back of can be voided.
    #[error("the payment cannot be voided")]
    NotVoidable,
    /// It was voided, and the bank sent the money back.
    #[error("the payment was voided before")]
    Voided,
    /// Whoever asked cannot decide.
    #[error("a second person has to decide")]
    SamePerson,
    /// It was decided, or handed out, before.
    #[error("it was decided before")]
    Decided,
    /// A discount above what the role may give.
    #[error("a manager has to give this discount")]
    DiscountTooLarge(u32),
    /// The cashier has an open drawer already.
    #[error("a drawer is open already")]
    DrawerOpen,
    /// The cashier has no open drawer, and the venue wants one.
    #[error("no drawer is open")]
    NoOpenDrawer,
    /// The drawer was closed.
    #[error("the drawer is closed")]
    DrawerClosed,
    /// It is somebody else's drawer.
    #[error("the drawer is somebody else's")]
    OthersDrawer,
    /// The settings were changed meanwhile.
    #[error("the settings were changed meanwhile")]
    StaleSettings(Box<crate::settings::Settings>),
    /// What is paid for refuses.
    #[error("what is paid for refuses: {0}")]
    Subject(Box<Problem>),
    /// No slice knows subjects of that kind: a bug of the binary.
    #[error("nobody settles bills of that kind")]
    NobodySettles,
    /// The random generator failed.
    #[error("no random bytes")]
    NoRandom,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for PaymentError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            // The walls behind the lock on the bill: they never speak as long as it is taken.
            Some("bill_never_overpaid") => Self::BillOver(BillStatus::Settled),
            Some(
                "outcome_pkey"
                | "refund_outcome_pkey"
                | "refund_bounce_pkey"
                | "refund_decision_pkey",
            ) => Self::Decided,
            Some("voucher_never_below_zero") => Self::NoSuchVoucher,
            Some("refund_decided_by_another") => Self::SamePerson,
            Some("drawer_of_cashier") => Self::DrawerOpen,
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for PaymentError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for PaymentError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::NoRandom
    }
}

/// Status, code, title and detail of a problem.
type Words = (u16, &'static str, &'static str, String);

impl Refusal for PaymentError {
    fn problem(&self) -> Problem {
        match self {
            Self::Db(error) => return error.problem(),
            Self::Subject(problem) => return problem.as_ref().clone(),
            Self::NoRandom | Self::NobodySettles => return DbError::Replay.problem(),
            _ => {}
        }
        let words = self
            .absent()
            .or_else(|| self.about_the_bill())
            .or_else(|| self.about_amounts())
            .or_else(|| self.about_cards())
            .or_else(|| self.about_refunds())
            .unwrap_or_else(|| self.about_drawers());
        let (status, code, title, detail) = words;
        let problem = Problem::new(status, code, title, detail);
        match self {
            Self::BillOver(status) => {
                problem.with_current(&serde_json::json!({ "status": status }))
            }
            Self::BeingPaid(money) | Self::AlreadyPaid(money) => {
                problem.with_current(&serde_json::json!({ "pending": money }))
            }
            Self::MoreThanRest(rest) | Self::MoreThanPaid(rest) => {
                problem.with_current(&serde_json::json!({ "rest": rest }))
            }
            Self::TooLittle(missing) => {
                problem.with_current(&serde_json::json!({ "missing": missing }))
            }
            Self::VoucherSpent(balance) => {
                problem.with_current(&serde_json::json!({ "balance": balance }))
            }
            Self::WrongStatus(status) => {
                problem.with_current(&serde_json::json!({ "status": status }))
            }
            Self::StaleSettings(settings) => problem.with_current(settings),
            Self::ProviderAway => problem.retry_after(2),
            _ => problem,
        }
    }
}
