//! Vouchers. The row is the lock of its balance.

use kernel::ids::{UserId, VoucherId};
use kernel::money::Money;
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::model::Voucher;
use crate::store::bills::currency;

pg::statements! {
    INSERT_VOUCHER = "insert into payments.voucher
            (venue_id, id, code_hash, hint, worth, balance, currency, reason, expires_at, issued_by,
             issued_at)
        values ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10)";
    LOCK_VOUCHER = "select id, hint, worth, balance, currency::text, reason, expires_at, issued_at,
            version
        from payments.voucher where venue_id = $1 and code_hash = $2 for update";
    // What comes or goes is added to what is there, so that a forgotten lock could not lose it.
    MOVE_BALANCE = "update payments.voucher set balance = balance + $3, version = version + 1
        where venue_id = $1 and id = $2";
    FIND_BY_CODE = "select id, hint, worth, balance, currency::text, reason, expires_at, issued_at,
            version
        from payments.voucher where venue_id = $1 and code_hash = $2";
    LIST_VOUCHERS = "select id, hint, worth, balance, currency::text, reason, expires_at, issued_at,
            version
        from payments.voucher
        where venue_id = $1 and id > $2 and ($4::text is null or hint = $4)
        order by id limit $3";
}

pub(crate) fn voucher(row: &Row) -> Result<Voucher, DbError> {
    let currency = currency(row)?;
    let money = |amount| Money { amount, currency };
    Ok(Voucher {
        id: row.col("id")?,
        code: None,
        hint: row.col("hint")?,
        worth: money(row.col("worth")?),
        balance: money(row.col("balance")?),
        expires_at: row.col("expires_at")?,
        reason: row.col("reason")?,
        issued_at: row.col("issued_at")?,
        version: row.col("version")?,
    })
}

pub(crate) fn insert_voucher(
    tx: &mut Tx,
    new: &Voucher,
    code_hash: Vec<u8>,
    by: UserId,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        code_hash,
        new.hint.clone(),
        new.worth.amount,
        new.worth.currency.as_str().to_owned(),
        new.reason.clone(),
        new.expires_at,
        by,
        new.issued_at,
    ];
    tx.change(INSERT_VOUCHER, row);
    Ok(())
}

/// `$1` venue, `$2` hash of the code.
pub(crate) fn lock_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(LOCK_VOUCHER, params)
}

pub(crate) fn move_balance(tx: &mut Tx, id: VoucherId, by: i64) -> Result<(), DbError> {
    let row = params![tx.venue()?, id, by];
    tx.change(MOVE_BALANCE, row);
    Ok(())
}

pub(crate) async fn find_by_code(q: &mut Reader, hash: &[u8]) -> Result<Option<Voucher>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_BY_CODE, &[&venue, &hash]).await?.first().map(voucher).transpose()
}

pub(crate) async fn list_vouchers(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    hint: Option<&str>,
) -> Result<Vec<Voucher>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    let rows = q.query(LIST_VOUCHERS, &[&venue, &after, &limit, &hint]).await?;
    rows.iter().map(voucher).collect()
}
