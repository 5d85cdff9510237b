//! A business day in figures.

use jiff::civil::Date;
use kernel::money::{Currency, Money};
use pg::{Columns, DbError, Query, Reader, Row, ToSql};

use crate::model::Method;
use crate::report::{CashierSum, DayReport, MethodSum, RefundSum};
use crate::store::house::House;

pg::statements! {
    METHODS_OF_DAY = "select p.method, count(*) as payments, sum(p.amount)::bigint as amount,
            sum(p.tip)::bigint as tip
        from payments.outcome o
        join payments.payment p on p.venue_id = o.venue_id and p.id = o.payment_id
        where o.venue_id = $1 and o.day = $2 and o.status = 'succeeded'
        group by p.method order by p.method";
    CASHIERS_OF_DAY = "select p.taken_by, count(*) as payments, sum(p.amount)::bigint as amount,
            sum(p.tip)::bigint as tip
        from payments.outcome o
        join payments.payment p on p.venue_id = o.venue_id and p.id = o.payment_id
        where o.venue_id = $1 and o.day = $2 and o.status = 'succeeded'
        group by p.taken_by order by p.taken_by limit 500";
    REFUNDS_OF_DAY = "select p.method, count(*) as refunds, sum(r.amount + r.tip)::bigint as sum
        from payments.refund_outcome o
        join payments.refund r on r.venue_id = o.venue_id and r.id = o.refund_id
        join payments.payment p on p.venue_id = r.venue_id and p.id = r.payment_id
        where o.venue_id = $1 and o.day = $2 and o.status = 'succeeded'
        group by p.method order by p.method";
    BOUNCES_OF_DAY = "select p.method, count(*) as refunds, sum(r.amount + r.tip)::bigint as sum
        from payments.refund_bounce b
        join payments.refund r on r.venue_id = b.venue_id and r.id = b.refund_id
        join payments.payment p on p.venue_id = r.venue_id and p.id = r.payment_id
        where b.venue_id = $1 and b.day = $2
        group by p.method order by p.method";
    RECEIPTS_OF_DAY = "select min(number) as first, max(number) as last from payments.receipt
        where venue_id = $1 and day = $2 having count(*) > 0";
}

fn method(row: &Row) -> Result<Method, DbError> {
    Ok(Method::from_name(row.col("method")?).unwrap_or(Method::Cash))
}

pub(crate) fn method_sums(rows: &[Row], currency: Currency) -> Result<Vec<MethodSum>, DbError> {
    let money = |amount| Money { amount, currency };
    let sum = |row: &Row| {
        Ok(MethodSum {
            method: method(row)?,
            payments: row.col("payments")?,
            amount: money(row.col("amount")?),
            tip: money(row.col("tip")?),
        })
    };
    rows.iter().map(sum).collect()
}

pub(crate) async fn day_report(
    q: &mut Reader,
    house: &House,
    day: Date,
) -> Result<DayReport, DbError> {
    let venue = q.venue()?;
    let params: [&(dyn ToSql + Sync); 2] = [&venue, &day];
    let [methods, cashiers, refunds, bounced, receipts] = q
        .pipeline([
            Query::new(METHODS_OF_DAY, &params),
            Query::new(CASHIERS_OF_DAY, &params),
            Query::new(REFUNDS_OF_DAY, &params),
            Query::new(BOUNCES_OF_DAY, &params),
            Query::new(RECEIPTS_OF_DAY, &params),
        ])
        .await?;
    let currency = house.currency;
    let money = |amount| Money { amount, currency };
    let methods = method_sums(&methods, currency)?;
    let cashier = |row: &Row| {
        Ok::<_, DbError>(CashierSum {
            cashier: row.col("taken_by")?,
            payments: row.col("payments")?,
            amount: money(row.col("amount")?),
            tip: money(row.col("tip")?),
        })
    };
    let back = |row: &Row| {
        let (refunds, sum) = (row.col("refunds")?, money(row.col("sum")?));
        Ok::<_, DbError>(RefundSum { method: method(row)?, refunds, sum })
    };
    let refunds = refunds.iter().map(back).collect::<Result<Vec<_>, _>>()?;
    let bounced = bounced.iter().map(back).collect::<Result<Vec<_>, _>>()?;
    let taken: i64 = methods.iter().map(|sum| sum.amount.amount + sum.tip.amount).sum();
    let sum = |sums: &[RefundSum]| sums.iter().map(|sum| sum.sum.amount).sum::<i64>();
    let given = sum(&refunds) - sum(&bounced);
    let numbers = receipts.first();
    Ok(DayReport {
        day,
        methods,
        cashiers: cashiers.iter().map(cashier).collect::<Result<_, _>>()?,
        refunds,
        bounced,
        net: money(taken - given),
        first_receipt: numbers.map_or(Ok(None), |row| row.col("first"))?,
        last_receipt: numbers.map_or(Ok(None), |row| row.col("last"))?,
    })
}
