//! Payments and how they ended. Rows are only added.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{DrawerId, PaymentId, UserId, VoucherId};
use kernel::money::{Currency, Money};
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::model::{Method, Payment, PaymentStatus};
use crate::store::bills::currency;
use crate::subject::Subject;

pg::statements! {
    INSERT_PAYMENT = "insert into payments.payment
            (venue_id, id, kind, subject_id, method, amount, tip, tendered, change, currency,
             drawer_id, voucher_id, provider, taken_by, taken_at, day)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    INSERT_OUTCOME = "insert into payments.outcome
            (venue_id, payment_id, status, receipt, reference, reason, at, day)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    FIND_PAYMENT = "select * from payments.payment_state where venue_id = $1 and id = $2";
    LIST_OF_BILL = "select * from payments.payment_state
        where venue_id = $1 and kind = $2 and subject_id = $3 order by id";
    LIST_PAYMENTS = "select * from payments.payment_state
        where venue_id = $1 and id > $2
          and ($4::date is null or day = $4)
          and ($5::text is null or kind = $5)
          and ($6::uuid is null or subject_id = $6)
          and ($7::uuid is null or drawer_id = $7)
          and ($8::text is null or method = $8)
          and ($9::text is null or coalesce(outcome, 'pending') = $9)
        order by id limit $3";
}

/// A payment with how it ended, as the rows say it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "who took it and when is what they are")]
pub(crate) struct Taken {
    pub(crate) id: PaymentId,
    pub(crate) subject: Subject,
    pub(crate) method: Method,
    pub(crate) amount: i64,
    pub(crate) tip: i64,
    pub(crate) tendered: Option<i64>,
    pub(crate) change: Option<i64>,
    pub(crate) currency: Currency,
    pub(crate) drawer: Option<DrawerId>,
    pub(crate) voucher: Option<VoucherId>,
    pub(crate) provider: Option<String>,
    pub(crate) taken_by: Option<UserId>,
    pub(crate) taken_at: Timestamp,
    pub(crate) day: Date,
    /// Succeeded, or not; nothing while it is pending.
    pub(crate) outcome: Option<bool>,
    pub(crate) receipt: Option<i64>,
    pub(crate) reference: Option<String>,
    pub(crate) reason: Option<String>,
    /// Given back or on its way back.
    pub(crate) back_amount: i64,
    pub(crate) back_tip: i64,
    /// Refunds of it that have not ended.
    pub(crate) under_way: i64,
    /// Its bill counts it no more. If the bank has sent the money back, there is something left of it.
    pub(crate) voided: bool,
}

impl Taken {
    pub(crate) fn status(&self) -> PaymentStatus {
        match self.outcome {
            None => PaymentStatus::Pending,
            Some(false) => PaymentStatus::Failed,
            Some(true) if self.left_amount() == 0 && self.left_tip() == 0 => {
                PaymentStatus::Refunded
            }
            Some(true) => PaymentStatus::Succeeded,
        }
    }

    /// What has not gone back of what it paid.
    pub(crate) fn left_amount(&self) -> i64 {
        self.amount - self.back_amount
    }

    /// What has not gone back of the tip.
    pub(crate) fn left_tip(&self) -> i64 {
        self.tip - self.back_tip
    }

    pub(crate) fn money(&self, amount: i64) -> Money {
        Money { amount, currency: self.currency }
    }

    pub(crate) fn view(&self) -> Payment {
        Payment {
            id: self.id,
            subject_kind: self.subject.kind.clone().into_owned(),
            subject_id: self.subject.id,
            method: self.method,
            status: self.status(),
            amount: self.money(self.amount),
            tip: self.money(self.tip),
            tendered: self.tendered.map(|amount| self.money(amount)),
            change: self.change.map(|amount| self.money(amount)),
            refunded: self.money(self.back_amount + self.back_tip),
            receipt: self.receipt,
            voucher_id: self.voucher,
            drawer_id: self.drawer,
            reason: self.reason.clone(),
            taken_by: self.taken_by,
            taken_at: self.taken_at,
            day: self.day,
        }
    }
}

pub(crate) fn taken(row: &Row) -> Result<Taken, DbError> {
    Ok(Taken {
        id: row.col("id")?,
        subject: Subject::new(row.col::<String>("kind")?, row.col("subject_id")?),
        method: Method::from_name(row.col("method")?).unwrap_or(Method::Cash),
        amount: row.col("amount")?,
        tip: row.col("tip")?,
        tendered: row.col("tendered")?,
        change: row.col("change")?,
        currency: currency(row)?,
        drawer: row.col("drawer_id")?,
        voucher: row.col("voucher_id")?,
        provider: row.col("provider")?,
        taken_by: row.col("taken_by")?,
        taken_at: row.col("taken_at")?,
        day: row.col("day")?,
        outcome: row.col::<Option<&str>>("outcome")?.map(|word| word == "succeeded"),
        receipt: row.col("receipt")?,
        reference: row.col("reference")?,
        reason: row.col("reason")?,
        back_amount: row.col("back_amount")?,
        back_tip: row.col("back_tip")?,
        under_way: row.col("under_way")?,
        voided: row.col("voided")?,
    })
}

pub(crate) fn insert_payment(tx: &mut Tx, new: &Taken) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.subject.kind.clone().into_owned(),
        new.subject.id,
        new.method.as_str(),
        new.amount,
        new.tip,
        new.tendered,
        new.change,
        new.currency.as_str().to_owned(),
        new.drawer,
        new.voucher,
        new.provider.clone(),
        new.taken_by,
        new.taken_at,
        new.day,
    ];
    tx.change(INSERT_PAYMENT, row);
    Ok(())
}

/// Writes how `taken` has ended, as it says of itself.
pub(crate) fn insert_outcome(tx: &mut Tx, taken: &Taken, day: Date) -> Result<(), DbError> {
    let status = if taken.outcome == Some(true) { "succeeded" } else { "failed" };
    let row = params![
        tx.venue()?,
        taken.id,
        status,
        taken.receipt,
        taken.reference.clone(),
        taken.reason.clone(),
        tx.now(),
        day,
    ];
    tx.change(INSERT_OUTCOME, row);
    Ok(())
}

/// `$1` venue, `$2` payment.
pub(crate) fn find_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(FIND_PAYMENT, params)
}

pub(crate) async fn list_of_bill(tx: &mut Tx, subject: &Subject) -> Result<Vec<Taken>, DbError> {
    let (venue, kind) = (tx.venue()?, subject.kind.as_ref());
    let rows = tx.query(LIST_OF_BILL, &[&venue, &kind, &subject.id]).await?;
    rows.iter().map(taken).collect()
}

pub(crate) async fn one(tx: &mut Tx, id: PaymentId) -> Result<Option<Taken>, DbError> {
    let venue = tx.venue()?;
    tx.query(FIND_PAYMENT, &[&venue, &id]).await?.first().map(taken).transpose()
}

pub(crate) async fn find_payment(q: &mut Reader, id: PaymentId) -> Result<Option<Taken>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_PAYMENT, &[&venue, &id]).await?.first().map(taken).transpose()
}

/// Which payments; what is absent is any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) day: Option<Date>,
    pub(crate) kind: Option<String>,
    pub(crate) subject: Option<Uuid>,
    pub(crate) drawer: Option<DrawerId>,
    pub(crate) method: Option<Method>,
    pub(crate) status: Option<PaymentStatus>,
}

pub(crate) async fn list_payments(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    wanted: &Wanted,
) -> Result<Vec<Taken>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    let method = wanted.method.map(Method::as_str);
    let status = wanted.status.map(PaymentStatus::as_str);
    let row: [&(dyn ToSql + Sync); 9] = [
        &venue,
        &after,
        &limit,
        &wanted.day,
        &wanted.kind,
        &wanted.subject,
        &wanted.drawer,
        &method,
        &status,
    ];
    q.query(LIST_PAYMENTS, &row).await?.iter().map(taken).collect()
}
