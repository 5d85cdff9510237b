//! Bills: what the slices that sell something call, inside their own transactions.

use edge::limits::BILL_LINES_MAX;
use kernel::ids::PaymentId;
use kernel::money::{Currency, Money};
use pg::{Query, Row, Tx};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::PaymentError;
use crate::model::BillStatus;
use crate::store::bills;
use crate::subject::Subject;

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What was sold.
    #[schema(example = "Hot stone massage, 60 min")]
    pub text: String,
    /// How many.
    #[schema(example = 1)]
    pub quantity: i32,
    /// For all of them together.
    pub amount: Money,
}

/// A bill to be opened.
#[derive(Clone, Debug)]
pub struct NewBill {
    /// What it is for.
    pub subject: Subject,
    /// What people call it: `Order A17`.
    pub title: String,
    /// What is to be paid for.
    pub lines: Vec<Line>,
    /// The venue's currency.
    pub currency: Currency,
    /// SHA-256 of the secret by which the customer pays for themselves.
    pub secret_hash: Option<Vec<u8>>,
}

/// A bill as its row says. Amounts are minor units of `currency`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// What it is for.
    pub subject: Subject,
    /// What people call it.
    pub title: String,
    /// What is to be paid for.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub due: i64,
    /// Taken off it.
    pub discount: i64,
    /// Paid and not voided.
    pub paid: i64,
    /// Kept free for cards that are on their way.
    pub pending: i64,
    /// Given back.
    pub refunded: i64,
    /// Was to go back and did not: a bank or a provider refused. Sent again, it is owed no more.
    pub owed: i64,
    /// Of all amounts.
    pub currency: Currency,
    /// Where it stands.
    pub status: BillStatus,
    /// Rises with every change.
    pub version: i64,
    pub(crate) secret_hash: Option<Vec<u8>>,
}

impl Bill {
    /// What nobody has paid or is paying.
    #[must_use]
    pub fn rest(&self) -> i64 {
        self.due - self.discount - self.paid - self.pending
    }

    /// Whether nothing is left to be paid or waited for.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.due - self.discount == self.paid
    }

    /// An amount in its currency.
    #[must_use]
    pub fn money(&self, amount: i64) -> Money {
        Money { amount, currency: self.currency }
    }
}

/// What becomes of what was paid when a bill is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// The venue keeps it: a fee for a late cancellation.
    Keep,
    /// It goes back, each payment the way it came. Cash waits for a cashier to hand it out.
    GiveBack,
}

/// Opens a bill. Sent with the commit; costs no round trip.
///
/// # Errors
/// `TooManyLines`, or `OtherCurrency` where the lines do not agree. That the currency is not the
/// venue's PostgreSQL says at the commit.
pub fn open_bill(tx: &mut Tx, new: &NewBill) -> Result<(), PaymentError> {
    let due = sum(&new.lines, new.currency)?;
    bills::insert_bill(tx, new, due)?;
    Ok(())
}

/// The statement that locks a bill, for the first place of a slice's own first packet: the bill is
/// locked before anything else that has to do with its money.
#[must_use]
pub fn lock_query<'a>(params: &'a [&'a (dyn pg::ToSql + Sync); 3]) -> Query<'a> {
    bills::lock_query(params)
}

/// The bill in the rows of `lock_query`, whose parameters are venue, kind and id.
///
/// # Errors
/// `NoSuchBill` where there is none.
pub fn locked_bill(rows: &[Row]) -> Result<Bill, PaymentError> {
    let row = rows.first().ok_or(PaymentError::NoSuchBill)?;
    Ok(bills::bill(row)?)
}

/// Locks a bill. One round trip: see `lock_query` for none.
///
/// # Errors
/// `NoSuchBill` where there is none.
pub async fn lock_bill(tx: &mut Tx, subject: &Subject) -> Result<Bill, PaymentError> {
    bills::lock_bill(tx, subject).await?.ok_or(PaymentError::NoSuchBill)
}

/// Gives a locked bill other lines: an item came or went.
///
/// # Errors
/// `BillOver` when it is settled or closed, `AlreadyPaid` when more has been paid, or is being paid,
/// than would be left to pay.
pub fn change_bill(tx: &mut Tx, bill: &mut Bill, lines: Vec<Line>) -> Result<(), PaymentError> {
    if bill.status != BillStatus::Open {
        return Err(PaymentError::BillOver(bill.status));
    }
    let due = sum(&lines, bill.currency)?;
    let discount = bill.discount.min(due);
    if due - discount < bill.paid + bill.pending {
        return Err(PaymentError::AlreadyPaid(bill.money(bill.paid + bill.pending)));
    }
    (bill.due, bill.discount, bill.lines) = (due, discount, lines);
    bills::update_bill(tx, bill)?;
    Ok(())
}

/// Closes a locked bill: its subject is over. A card payment that arrives after this goes back.
/// With `GiveBack` so does all that was paid; the ids are those of the payments that go back.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn close_bill(
    tx: &mut Tx,
    bill: &mut Bill,
    afterwards: Afterwards,
    reason: &str,
) -> Result<Vec<PaymentId>, PaymentError> {
    bill.status = BillStatus::Closed;
    let back = match afterwards {
        Afterwards::Keep => Vec::new(),
        Afterwards::GiveBack => crate::give_back::give_all_back(tx, bill, reason).await?,
    };
    bills::update_bill(tx, bill)?;
    Ok(back)
}

/// The currency of the venue, which all its bills are in.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn house_currency(tx: &mut Tx) -> Result<Currency, PaymentError> {
    Ok(crate::store::house::find_house(tx).await?.currency)
}

/// The state of a bill, without a lock: for a slice's own reads and checks in tests.
///
/// # Errors
/// When PostgreSQL is away or busy.
pub async fn find_bill(
    q: &mut pg::Reader,
    kind: &str,
    id: Uuid,
) -> Result<Option<Bill>, PaymentError> {
    Ok(bills::find_bill(q, kind, id).await?)
}

fn sum(lines: &[Line], currency: Currency) -> Result<i64, PaymentError> {
    if lines.len() > BILL_LINES_MAX {
        return Err(PaymentError::TooManyLines(lines.len()));
    }
    if let Some(line) = lines.iter().find(|line| line.amount.currency != currency) {
        return Err(PaymentError::OtherCurrency(line.amount.currency, currency));
    }
    let sum = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.amount.amount));
    sum.filter(|sum| *sum >= 0).ok_or(PaymentError::TooMuch)
}
