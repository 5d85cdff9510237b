//! What a card provider is still to be asked, and what it told us.

use jiff::Timestamp;
use kernel::ids::{PaymentId, VenueId};
use kernel::money::Money;
use pg::{Columns, DbError, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::Refund;
use crate::store::bills::currency;
use crate::store::payments::Taken;

pg::statements! {
    INSERT_ERRAND = "insert into payments.errand
            (venue_id, id, what, payment_id, provider, reference, sum, currency, next_at, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    // Leased: whoever dies with it, somebody else runs it after the lease.
    CLAIM_DUE = "with due as (
            select venue_id, id from payments.errand
            where next_at <= clock_timestamp() + make_interval(secs => $1::bigint / 1e6)
            order by next_at limit $2 for update skip locked)
        update payments.errand e
        set tries = e.tries + 1,
            next_at = clock_timestamp() + make_interval(secs => $1::bigint / 1e6 + $3::int)
        from due where e.venue_id = due.venue_id and e.id = due.id
        returning e.venue_id, e.id, e.what, e.payment_id, e.provider, e.reference,
            e.refund_reference, e.sum, e.currency::text, e.cancel, e.tries, e.created_at";
    FIND_ERRAND = "select venue_id, id, what, payment_id, provider, reference, refund_reference,
            sum, currency::text, cancel, tries, created_at
        from payments.errand where venue_id = $1 and id = $2";
    NAME_CHARGE = "update payments.errand set reference = $3 where venue_id = $1 and id = $2";
    NAME_REFUND = "update payments.errand set refund_reference = $3
        where venue_id = $1 and id = $2";
    PUT_OFF = "update payments.errand set next_at = $3, last_error = $4
        where venue_id = $1 and id = $2";
    ASK_TO_CANCEL = "update payments.errand set cancel = true, next_at = $3
        where venue_id = $1 and id = $2";
    DELETE_ERRAND = "delete from payments.errand where venue_id = $1 and id = $2";
    INSERT_NOTICE = "insert into payments.notice
            (venue_id, provider, event_id, kind, payment_id, at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning 1 as fresh";
}

/// What is to be asked of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) venue: VenueId,
    /// The payment or the refund.
    pub(crate) id: Uuid,
    /// Give back, or charge.
    pub(crate) gives_back: bool,
    pub(crate) payment: PaymentId,
    pub(crate) provider: String,
    /// The provider's name for the charge.
    pub(crate) reference: Option<String>,
    /// Its name for a refund that it has taken on.
    pub(crate) refund_reference: Option<String>,
    pub(crate) sum: Money,
    pub(crate) cancel: bool,
    pub(crate) tries: i32,
    pub(crate) created_at: Timestamp,
}

fn errand(row: &Row) -> Result<Errand, DbError> {
    Ok(Errand {
        venue: row.col("venue_id")?,
        id: row.col("id")?,
        gives_back: row.col::<&str>("what")? == "refund",
        payment: row.col("payment_id")?,
        provider: row.col("provider")?,
        reference: row.col("reference")?,
        refund_reference: row.col("refund_reference")?,
        sum: Money { amount: row.col("sum")?, currency: currency(row)? },
        cancel: row.col("cancel")?,
        tries: row.col("tries")?,
        created_at: row.col("created_at")?,
    })
}

/// The customer's answer is waited for first: a job looks at it `after` that.
pub(crate) fn insert_charge(tx: &mut Tx, taken: &Taken, after: Timestamp) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        taken.id,
        "charge",
        taken.id,
        taken.provider.clone(),
        None::<String>,
        taken.amount + taken.tip,
        taken.currency.as_str().to_owned(),
        after,
        tx.now(),
    ];
    tx.change(INSERT_ERRAND, row);
    Ok(())
}

pub(crate) fn insert_refund(
    tx: &mut Tx,
    taken: &Taken,
    (refund, sum): (&Refund, i64),
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        refund.id,
        "refund",
        taken.id,
        taken.provider.clone(),
        taken.reference.clone(),
        sum,
        taken.currency.as_str().to_owned(),
        tx.now(),
        tx.now(),
    ];
    tx.change(INSERT_ERRAND, row);
    Ok(())
}

/// Errands of all venues whose time has come, for this worker to run within the lease.
pub(crate) async fn claim_due(
    tx: &mut Tx,
    limit: i64,
    lease_secs: i32,
) -> Result<Vec<Errand>, DbError> {
    let offset = tx.clock_offset_micros();
    tx.execute(CLAIM_DUE, &[&offset, &limit, &lease_secs]).await?.iter().map(errand).collect()
}

pub(crate) async fn find_errand(q: &mut Reader, id: Uuid) -> Result<Option<Errand>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_ERRAND, &[&venue, &id]).await?.first().map(errand).transpose()
}

pub(crate) fn name_charge(tx: &mut Tx, id: Uuid, reference: String) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, reference];
    tx.change(NAME_CHARGE, row);
    Ok(())
}

pub(crate) fn name_refund(tx: &mut Tx, id: Uuid, reference: String) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, reference];
    tx.change(NAME_REFUND, row);
    Ok(())
}

pub(crate) fn put_off(
    tx: &mut Tx,
    id: Uuid,
    until: Timestamp,
    error: Option<String>,
) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, until, error];
    tx.change(PUT_OFF, row);
    Ok(())
}

pub(crate) fn ask_to_cancel(tx: &mut Tx, id: Uuid) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, tx.now()];
    tx.change(ASK_TO_CANCEL, row);
    Ok(())
}

pub(crate) fn delete_errand(tx: &mut Tx, id: Uuid) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_ERRAND, row);
    Ok(())
}

/// Whether the notice is told for the first time. Two of the same wait for each other here.
pub(crate) async fn insert_notice(
    tx: &mut Tx,
    provider: &str,
    (id, kind, payment): (&str, &str, PaymentId),
) -> Result<bool, DbError> {
    let (venue, now) = (tx.venue()?, tx.now());
    let fresh = tx.execute(INSERT_NOTICE, &[&venue, &provider, &id, &kind, &payment, &now]).await?;
    Ok(!fresh.is_empty())
}
