//! Payments, refunds, drawers and vouchers as the API shows them: states and shapes. Pure.

use edge::answer::Versioned;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{DrawerId, PaymentId, RefundId, UserId, VoucherId};
use kernel::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::bill::{Bill, Line};

kernel::names! {
    /// Where a bill stands.
    BillStatus {
        /// Something is to be paid, or waited for.
        Open = "open",
        /// All of it is paid.
        Settled = "settled",
        /// What it was for is over: nobody pays it any more.
        Closed = "closed",
    }
    /// How somebody pays.
    Method {
        /// Coins and notes.
        Cash = "cash",
        /// Through the card provider.
        Card = "card",
        /// With a voucher of the house.
        Voucher = "voucher",
    }
    /// Where a payment stands.
    PaymentStatus {
        /// The card provider has not decided.
        Pending = "pending",
        /// The money is there.
        Succeeded = "succeeded",
        /// It never came.
        Failed = "failed",
        /// It was there and all of it went back.
        Refunded = "refunded",
    }
    /// How money goes back.
    RefundKind {
        /// It was right and goes back, in part or whole.
        Refund = "refund",
        /// It was a mistake: the bill is open again.
        Void = "void",
    }
    /// Where a refund stands.
    RefundStatus {
        /// A second person has to approve it.
        Waiting = "waiting",
        /// A second person did not.
        Denied = "denied",
        /// On its way: at the card provider, or as cash that nobody has handed out yet.
        Pending = "pending",
        /// The customer has it.
        Succeeded = "succeeded",
        /// The provider refused, or the bank sent it back later: the venue has it.
        Failed = "failed",
    }
    /// What moved cash in a drawer besides payments.
    MoveKind {
        /// Put in.
        In = "in",
        /// Taken out.
        Out = "out",
    }
    /// Where a drawer stands.
    DrawerStatus {
        /// Cash goes in and out.
        Open = "open",
        /// It was counted.
        Closed = "closed",
    }
}

/// What is to be paid for a subject.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Bill)]
pub struct BillView {
    /// What it is for: `order`, `booking`.
    #[schema(example = "order")]
    pub subject_kind: String,
    /// Which one.
    pub subject_id: Uuid,
    /// What people call it.
    #[schema(example = "Order A17")]
    pub title: String,
    /// What is to be paid for.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub due: Money,
    /// Taken off it.
    pub discount: Money,
    /// Paid and not voided.
    pub paid: Money,
    /// Kept free for cards that are on their way.
    pub pending: Money,
    /// Given back of what was paid.
    pub refunded: Money,
    /// Was to go back and did not, because a bank or the provider refused: refund it again. Without
    /// tips.
    pub owed: Money,
    /// What nobody has paid or is paying.
    pub rest: Money,
    /// Where it stands.
    pub status: BillStatus,
    /// The rest in equal shares, where `ways` asked for them; the first ones bear the odd cents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub shares: Vec<Money>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for BillView {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl From<&Bill> for BillView {
    fn from(bill: &Bill) -> Self {
        Self {
            subject_kind: bill.subject.kind.clone().into_owned(),
            subject_id: bill.subject.id,
            title: bill.title.clone(),
            lines: bill.lines.clone(),
            due: bill.money(bill.due),
            discount: bill.money(bill.discount),
            paid: bill.money(bill.paid),
            pending: bill.money(bill.pending),
            refunded: bill.money(bill.refunded),
            owed: bill.money(bill.owed),
            rest: bill.money(bill.rest()),
            status: bill.status,
            shares: Vec::new(),
            version: bill.version,
        }
    }
}

/// Money taken for a bill.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// What it was for: `order`, `booking`.
    #[schema(example = "order")]
    pub subject_kind: String,
    /// Which one.
    pub subject_id: Uuid,
    /// How.
    pub method: Method,
    /// Where it stands.
    pub status: PaymentStatus,
    /// What it pays of the bill.
    pub amount: Money,
    /// On top of it.
    pub tip: Money,
    /// What the customer handed over, in cash.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tendered: Option<Money>,
    /// What the customer gets back of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub change: Option<Money>,
    /// Given back, or on its way back, of amount and tip.
    pub refunded: Money,
    /// The number of its receipt, once it has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1042)]
    pub receipt: Option<i64>,
    /// The voucher, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub voucher_id: Option<VoucherId>,
    /// The drawer that the cash went into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub drawer_id: Option<DrawerId>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Who took it; absent where the customer paid for themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub taken_by: Option<UserId>,
    /// When.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub taken_at: Timestamp,
    /// The venue's business day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
}

/// A payment as the one who pays sees it: with the bill, and with what a card needs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenPayment {
    /// The payment.
    pub payment: Payment,
    /// The bill after it.
    pub bill: BillView,
    /// For a card: what the provider's own form or terminal wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub card: Option<CardStep>,
}

impl Versioned for TakenPayment {}

/// How a card payment goes on, at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardStep {
    /// The provider.
    #[schema(example = "stripe")]
    pub provider: String,
    /// The provider's name for the payment.
    #[schema(example = "pi_3PqWwV2eZvKYlo2C1x8bQx0k")]
    pub intent: String,
    /// What the provider's form needs to take the card. Shown only to whoever pays.
    pub client_secret: String,
    /// The key that the provider's form is loaded with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub publishable_key: Option<String>,
}

/// Money that goes back.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// Its id.
    pub id: RefundId,
    /// The payment that it belongs to.
    pub payment_id: PaymentId,
    /// Whether it gives back or takes the payment back.
    pub kind: RefundKind,
    /// Where it stands.
    pub status: RefundStatus,
    /// How it goes: as it came.
    pub method: Method,
    /// Of what was paid for the bill.
    pub amount: Money,
    /// Of the tip.
    pub tip: Money,
    /// Why.
    #[schema(example = "The sauna was cold")]
    pub reason: String,
    /// Why it failed, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "the refund failed: lost_or_stolen_card")]
    pub failure: Option<String>,
    /// The number of its receipt, once it has succeeded; of the one that says that the bank sent it
    /// back, once that has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub receipt: Option<i64>,
    /// Who asked for it; absent where the server gives back what came too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub made_by: Option<UserId>,
    /// Who decided, where it took two people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub decided_by: Option<UserId>,
    /// When it was asked for.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
}

impl Versioned for Refund {}

/// Money that was paid in before.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voucher {
    /// Its id.
    pub id: VoucherId,
    /// What is written on it. Shown only where it is issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "K7MP-X2QH-93TB-WNAC")]
    pub code: Option<String>,
    /// The last four characters of the code.
    #[schema(example = "WNAC")]
    pub hint: String,
    /// What it was worth when it was issued.
    pub worth: Money,
    /// What is left of it.
    pub balance: Money,
    /// Until when it can be redeemed; for ever unless given.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    pub expires_at: Option<Timestamp>,
    /// Why it was issued.
    #[schema(example = "Sold at the counter")]
    pub reason: String,
    /// When.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub issued_at: Timestamp,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Voucher {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A till between two counts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drawer {
    /// Its id.
    pub id: DrawerId,
    /// What people call it.
    #[schema(example = "Front desk")]
    pub name: String,
    /// Where it stands.
    pub status: DrawerStatus,
    /// Whose it is.
    pub opened_by: UserId,
    /// What was in it at first.
    pub float: Money,
    /// When it was opened.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// The venue's business day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
}

impl Versioned for Drawer {}
