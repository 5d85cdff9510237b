//! What staff wrote about people whom money was taken from, to be erased, and what these paid. Found by
//! what was paid for.

use pg::{Columns, DbError, Reader, Tx};
use uuid::Uuid;

use crate::model::Payment;
use crate::store::payments::taken;

pg::statements! {
    ERASE_DISCOUNTS = "update payments.discount set reason = 'Erased' where subject_id = any($1)
        returning id";
    ERASE_REQUESTS = "update payments.refund_request r set reason = 'Erased'
        from payments.payment p
        where p.subject_id = any($1) and r.venue_id = p.venue_id and r.payment_id = p.id
        returning r.id";
    ERASE_REFUNDS = "update payments.refund r set reason = 'Erased'
        from payments.payment p
        where p.subject_id = any($1) and r.venue_id = p.venue_id and r.payment_id = p.id
        returning r.id";
    // A receipt keeps its number, its day, its lines and its sums.
    ERASE_RECEIPTS = "update payments.receipt c set body = (c.body::jsonb - 'reason')::json
        from payments.payment p
        join payments.refund r on r.venue_id = p.venue_id and r.payment_id = p.id
        where p.subject_id = any($1) and c.venue_id = r.venue_id and c.refund_id = r.id";
    LIST_OF_SUBJECTS = "select * from payments.payment_state
        where subject_id = any($1) and id > $2 order by id limit $3";
}

pub(crate) async fn erase(tx: &mut Tx, subjects: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    let mut told = Vec::new();
    for statement in [ERASE_DISCOUNTS, ERASE_REQUESTS, ERASE_REFUNDS] {
        for row in &tx.execute(statement, &[&subjects]).await? {
            told.push(row.col("id")?);
        }
    }
    tx.execute(ERASE_RECEIPTS, &[&subjects]).await?;
    Ok(told)
}

pub(crate) async fn list_of_subjects(
    q: &mut Reader,
    subjects: &[Uuid],
    (after, limit): (Uuid, i64),
) -> Result<Vec<Payment>, DbError> {
    let rows = q.query(LIST_OF_SUBJECTS, &[&subjects, &after, &limit]).await?;
    rows.iter().map(|row| taken(row).map(|taken| taken.view())).collect()
}
