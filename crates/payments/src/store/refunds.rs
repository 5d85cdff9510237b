//! Refunds, what was asked for as one, and who decided. Rows are only added.

use jiff::civil::Date;
use kernel::ids::{DrawerId, PaymentId, RefundId, UserId};
use kernel::money::Money;
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::model::{Method, Refund, RefundKind, RefundStatus};
use crate::store::bills::currency;

pg::statements! {
    INSERT_REQUEST = "insert into payments.refund_request
            (venue_id, id, payment_id, kind, amount, tip, reason, asked_by, asked_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    INSERT_DECISION = "insert into payments.refund_decision
            (venue_id, request_id, approved, asked_by, decided_by, decided_at)
        values ($1, $2, $3, $4, $5, $6)";
    INSERT_REFUND = "insert into payments.refund
            (venue_id, id, payment_id, kind, amount, tip, reason, made_by, approved_by, made_at, day)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    INSERT_REFUND_OUTCOME = "insert into payments.refund_outcome
            (venue_id, refund_id, status, receipt, reference, reason, drawer_id, given_by, at, day)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    INSERT_BOUNCE = "insert into payments.refund_bounce
            (venue_id, refund_id, receipt, reference, reason, at, day)
        values ($1, $2, $3, $4, $5, $6, $7)";
    FIND_REFUND = "select * from payments.refund_state where venue_id = $1 and id = $2";
    WAITING_OF_PAYMENT = "select count(*) as waiting from payments.refund_state
        where venue_id = $1 and payment_id = $2 and status = 'waiting'";
    LIST_REFUNDS = "select * from payments.refund_state
        where venue_id = $1 and id > $2
          and ($4::text is null or status = $4)
          and ($5::uuid is null or payment_id = $5)
        order by id limit $3";
}

pub(crate) fn refund(row: &Row) -> Result<Refund, DbError> {
    let currency = currency(row)?;
    let money = |amount| Money { amount, currency };
    Ok(Refund {
        id: row.col("id")?,
        payment_id: row.col("payment_id")?,
        kind: RefundKind::from_name(row.col("kind")?).unwrap_or(RefundKind::Refund),
        status: RefundStatus::from_name(row.col("status")?).unwrap_or(RefundStatus::Pending),
        method: Method::from_name(row.col("method")?).unwrap_or(Method::Cash),
        amount: money(row.col("amount")?),
        tip: money(row.col("tip")?),
        reason: row.col("reason")?,
        failure: row.col("failure")?,
        receipt: row.col("receipt")?,
        made_by: row.col("made_by")?,
        decided_by: row.col("decided_by")?,
        made_at: row.col("made_at")?,
    })
}

pub(crate) fn insert_request(tx: &mut Tx, new: &Refund) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.payment_id,
        new.kind.as_str(),
        new.amount.amount,
        new.tip.amount,
        new.reason.clone(),
        new.made_by,
        new.made_at,
    ];
    tx.change(INSERT_REQUEST, row);
    Ok(())
}

pub(crate) fn insert_decision(
    tx: &mut Tx,
    request: &Refund,
    by: UserId,
    approved: bool,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, request.id, approved, request.made_by, by, tx.now()];
    tx.change(INSERT_DECISION, row);
    Ok(())
}

pub(crate) fn insert_refund(tx: &mut Tx, new: &Refund, day: Date) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.payment_id,
        new.kind.as_str(),
        new.amount.amount,
        new.tip.amount,
        new.reason.clone(),
        new.made_by,
        new.decided_by,
        new.made_at,
        day,
    ];
    tx.change(INSERT_REFUND, row);
    Ok(())
}

/// How a refund has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefundEnd {
    pub(crate) reference: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) drawer: Option<DrawerId>,
    pub(crate) given_by: Option<UserId>,
}

pub(crate) fn insert_refund_outcome(
    tx: &mut Tx,
    refund: &Refund,
    end: RefundEnd,
    day: Date,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        refund.id,
        refund.status.as_str(),
        refund.receipt,
        end.reference,
        end.reason,
        end.drawer,
        end.given_by,
        tx.now(),
        day,
    ];
    tx.change(INSERT_REFUND_OUTCOME, row);
    Ok(())
}

/// Writes down that a bank has sent it back, as `refund` says of itself.
pub(crate) fn insert_bounce(
    tx: &mut Tx,
    refund: &Refund,
    reference: String,
    day: Date,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        refund.id,
        refund.receipt,
        reference,
        refund.failure.clone(),
        tx.now(),
        day,
    ];
    tx.change(INSERT_BOUNCE, row);
    Ok(())
}

/// `$1` venue, `$2` refund.
pub(crate) fn find_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(FIND_REFUND, params)
}

/// `$1` venue, `$2` payment.
pub(crate) fn waiting_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(WAITING_OF_PAYMENT, params)
}

pub(crate) async fn find_refund(q: &mut Reader, id: RefundId) -> Result<Option<Refund>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_REFUND, &[&venue, &id]).await?.first().map(refund).transpose()
}

pub(crate) async fn list_refunds(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    status: Option<RefundStatus>,
    payment: Option<PaymentId>,
) -> Result<Vec<Refund>, DbError> {
    let (venue, limit, status) = (q.venue()?, limit + 1, status.map(RefundStatus::as_str));
    let rows = q.query(LIST_REFUNDS, &[&venue, &after, &limit, &status, &payment]).await?;
    rows.iter().map(refund).collect()
}
