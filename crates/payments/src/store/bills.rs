//! Bills and discounts.

use kernel::money::Currency;
use pg::{Columns, DbError, Json, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::bill::{Bill, Line, NewBill};
use crate::model::BillStatus;
use crate::subject::Subject;

pub(crate) type Params<'a> = [&'a (dyn ToSql + Sync); 3];

pg::statements! {
    // The venue's own currency stands beside the bill's: a check compares them.
    INSERT_BILL = "insert into payments.bill
            (venue_id, kind, id, title, lines, due, currency, house_currency, secret_hash, opened_at)
        select $1, $2, $3, $4, $5, $6, $7, v.currency, $8, $9
        from payments.venue v where v.venue_id = $1";
    LOCK_BILL = "select kind, id, title, lines, due, discount, paid, pending, refunded, owed,
            currency::text, status, secret_hash, version
        from payments.bill where venue_id = $1 and kind = $2 and id = $3 for update";
    // The payment leads to its bill; the bill is what is locked.
    LOCK_BILL_OF_PAYMENT = "select b.kind, b.id, b.title, b.lines, b.due, b.discount, b.paid,
            b.pending, b.refunded, b.owed, b.currency::text, b.status, b.secret_hash, b.version
        from payments.payment p join payments.bill b
            on b.venue_id = p.venue_id and b.kind = p.kind and b.id = p.subject_id
        where p.venue_id = $1 and p.id = $2 for update of b";
    LOCK_BILL_OF_REFUND = "select b.kind, b.id, b.title, b.lines, b.due, b.discount, b.paid,
            b.pending, b.refunded, b.owed, b.currency::text, b.status, b.secret_hash, b.version
        from payments.payment p join payments.bill b
            on b.venue_id = p.venue_id and b.kind = p.kind and b.id = p.subject_id
        where p.venue_id = $1
          and p.id in (select r.payment_id from payments.refund r
                       where r.venue_id = $1 and r.id = $2
                       union all
                       select q.payment_id from payments.refund_request q
                       where q.venue_id = $1 and q.id = $2)
        for update of b";
    FIND_BILL = "select kind, id, title, lines, due, discount, paid, pending, refunded, owed,
            currency::text, status, secret_hash, version
        from payments.bill where venue_id = $1 and kind = $2 and id = $3";
    UPDATE_BILL = "update payments.bill
        set lines = $4, due = $5, discount = $6, paid = $7, pending = $8, refunded = $9,
            status = $10, version = $11, owed = $12
        where venue_id = $1 and kind = $2 and id = $3";
    INSERT_DISCOUNT = "insert into payments.discount
            (venue_id, id, kind, subject_id, amount, basis_points, reason, given_by, given_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
}

pub(crate) fn bill(row: &Row) -> Result<Bill, DbError> {
    let lines: Json<Vec<Line>> = row.col("lines")?;
    Ok(Bill {
        subject: Subject::new(row.col::<String>("kind")?, row.col("id")?),
        title: row.col("title")?,
        lines: lines.0,
        due: row.col("due")?,
        discount: row.col("discount")?,
        paid: row.col("paid")?,
        pending: row.col("pending")?,
        refunded: row.col("refunded")?,
        owed: row.col("owed")?,
        currency: currency(row)?,
        status: BillStatus::from_name(row.col("status")?).unwrap_or(BillStatus::Closed),
        secret_hash: row.col("secret_hash")?,
        version: row.col("version")?,
    })
}

pub(crate) fn currency(row: &Row) -> Result<Currency, DbError> {
    // The column has a check; a code that is none would be a bug of the migration.
    row.col::<&str>("currency")?.parse().map_err(|_| DbError::Forbidden)
}

pub(crate) fn insert_bill(tx: &mut Tx, new: &NewBill, due: i64) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.subject.kind.clone().into_owned(),
        new.subject.id,
        new.title.clone(),
        Json(new.lines.clone()),
        due,
        new.currency.as_str().to_owned(),
        new.secret_hash.clone(),
        tx.now(),
    ];
    tx.change(INSERT_BILL, row);
    Ok(())
}

pub(crate) fn lock_query<'a>(params: &'a Params<'a>) -> Query<'a> {
    Query::new(LOCK_BILL, params)
}

/// `$1` venue, `$2` payment.
pub(crate) fn lock_of_payment<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(LOCK_BILL_OF_PAYMENT, params)
}

/// `$1` venue, `$2` refund or what was asked for as one.
pub(crate) fn lock_of_refund<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(LOCK_BILL_OF_REFUND, params)
}

pub(crate) async fn lock_bill(tx: &mut Tx, subject: &Subject) -> Result<Option<Bill>, DbError> {
    let (venue, kind) = (tx.venue()?, subject.kind.as_ref());
    let rows = tx.query(LOCK_BILL, &[&venue, &kind, &subject.id]).await?;
    rows.first().map(bill).transpose()
}

pub(crate) async fn find_bill(
    q: &mut Reader,
    kind: &str,
    id: Uuid,
) -> Result<Option<Bill>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_BILL, &[&venue, &kind, &id]).await?.first().map(bill).transpose()
}

/// Writes what a locked bill has become.
pub(crate) fn update_bill(tx: &mut Tx, bill: &mut Bill) -> Result<(), DbError> {
    bill.version += 1;
    let row = params![
        tx.venue()?,
        bill.subject.kind.clone().into_owned(),
        bill.subject.id,
        Json(bill.lines.clone()),
        bill.due,
        bill.discount,
        bill.paid,
        bill.pending,
        bill.refunded,
        bill.status.as_str(),
        bill.version,
        bill.owed,
    ];
    tx.change(UPDATE_BILL, row);
    Ok(())
}

/// A discount that was given on a bill.
pub(crate) struct Discount {
    pub(crate) id: Uuid,
    pub(crate) amount: i64,
    pub(crate) basis_points: Option<i32>,
    pub(crate) reason: String,
    pub(crate) given_by: Uuid,
}

pub(crate) fn insert_discount(
    tx: &mut Tx,
    subject: &Subject,
    new: Discount,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        subject.kind.clone().into_owned(),
        subject.id,
        new.amount,
        new.basis_points,
        new.reason,
        new.given_by,
        tx.now(),
    ];
    tx.change(INSERT_DISCOUNT, row);
    Ok(())
}
