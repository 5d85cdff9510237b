//! Drawers, what was put in and taken out of them, and their counts.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{DrawerId, UserId};
use kernel::money::Money;
use pg::{Columns, DbError, Json, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::close_drawer::{DrawerCount, DrawerReport};
use crate::model::{Drawer, DrawerStatus, MoveKind};
use crate::store::bills::currency;

pg::statements! {
    INSERT_DRAWER = "insert into payments.drawer
            (venue_id, id, name, opened_by, float, currency, day, opened_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    LOCK_DRAWER = "select id, name, status, opened_by, float, currency::text, opened_at, day
        from payments.drawer where venue_id = $1 and id = $2 for update";
    LOCK_DRAWER_OF_CASHIER = "select id, name, status, opened_by, float, currency::text, opened_at,
            day
        from payments.drawer where venue_id = $1 and opened_by = $2 and status = 'open' for update";
    LOCK_DRAWER_OF_PAYMENT = "select d.id, d.name, d.status, d.opened_by, d.float,
            d.currency::text, d.opened_at, d.day
        from payments.payment p
        join payments.drawer d on d.venue_id = p.venue_id and d.id = p.drawer_id
        where p.venue_id = $1 and p.id = $2 for update of d";
    CLOSE_DRAWER = "with over as (
            update payments.drawer set status = 'closed' where venue_id = $1 and id = $2)
        insert into payments.drawer_close
            (venue_id, drawer_id, report, expected, counted, note, closed_by, closed_at, day, figures)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    INSERT_MOVE = "insert into payments.drawer_move
            (venue_id, id, drawer_id, kind, amount, reason, made_by, made_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    FIND_DRAWER = "select id, name, status, opened_by, float, currency::text, opened_at, day
        from payments.drawer where venue_id = $1 and id = $2";
    LIST_DRAWERS = "select id, name, status, opened_by, float, currency::text, opened_at, day
        from payments.drawer
        where venue_id = $1 and id > $2 and ($4::text is null or status = $4)
        order by id limit $3";
    FIND_CLOSE = "select figures from payments.drawer_close where venue_id = $1 and drawer_id = $2";
    // What moved through a drawer: its own cash, and nothing else.
    FIGURES_OF_DRAWER = "select
            (select coalesce(sum(p.amount + p.tip), 0)::bigint from payments.payment p
             where p.venue_id = $1 and p.drawer_id = $2) as taken,
            (select count(*) from payments.payment p
             where p.venue_id = $1 and p.drawer_id = $2) as payments,
            (select coalesce(sum(r.amount + r.tip), 0)::bigint
             from payments.refund_outcome x
             join payments.refund r on r.venue_id = x.venue_id and r.id = x.refund_id
             where x.venue_id = $1 and x.drawer_id = $2 and x.status = 'succeeded') as given_back,
            (select coalesce(sum(m.amount) filter (where m.kind = 'in'), 0)::bigint
             from payments.drawer_move m where m.venue_id = $1 and m.drawer_id = $2) as paid_in,
            (select coalesce(sum(m.amount) filter (where m.kind = 'out'), 0)::bigint
             from payments.drawer_move m where m.venue_id = $1 and m.drawer_id = $2) as paid_out";
    // What its cashier took in any way while it was open, by method.
    METHODS_OF_DRAWER = "select p.method, count(*) as payments,
            sum(p.amount)::bigint as amount, sum(p.tip)::bigint as tip
        from payments.drawer d
        join payments.payment p on p.venue_id = d.venue_id and p.taken_by = d.opened_by
            and p.taken_at >= d.opened_at
        join payments.outcome o on o.venue_id = p.venue_id and o.payment_id = p.id
            and o.status = 'succeeded'
        left join payments.drawer_close c on c.venue_id = d.venue_id and c.drawer_id = d.id
        where d.venue_id = $1 and d.id = $2 and (c.closed_at is null or p.taken_at <= c.closed_at)
        group by p.method order by p.method";
}

pub(crate) fn drawer(row: &Row) -> Result<Drawer, DbError> {
    let currency = currency(row)?;
    Ok(Drawer {
        id: row.col("id")?,
        name: row.col("name")?,
        status: DrawerStatus::from_name(row.col("status")?).unwrap_or(DrawerStatus::Closed),
        opened_by: row.col("opened_by")?,
        float: Money { amount: row.col("float")?, currency },
        opened_at: row.col("opened_at")?,
        day: row.col("day")?,
    })
}

pub(crate) fn insert_drawer(tx: &mut Tx, new: &Drawer) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.name.clone(),
        new.opened_by,
        new.float.amount,
        new.float.currency.as_str().to_owned(),
        new.day,
        new.opened_at,
    ];
    tx.change(INSERT_DRAWER, row);
    Ok(())
}

/// `$1` venue, `$2` cashier: their open drawer.
pub(crate) fn lock_of_cashier<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(LOCK_DRAWER_OF_CASHIER, params)
}

/// `$1` venue, `$2` payment: the drawer that it went into.
pub(crate) fn lock_of_payment<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(LOCK_DRAWER_OF_PAYMENT, params)
}

/// `$1` venue, `$2` drawer.
pub(crate) fn lock_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(LOCK_DRAWER, params)
}

/// `$1` venue, `$2` drawer.
pub(crate) fn figures_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(FIGURES_OF_DRAWER, params)
}

/// `$1` venue, `$2` drawer.
pub(crate) fn methods_query<'a>(params: &'a [&'a (dyn ToSql + Sync); 2]) -> Query<'a> {
    Query::new(METHODS_OF_DRAWER, params)
}

/// What moved through a drawer, in minor units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) taken: i64,
    pub(crate) payments: i64,
    pub(crate) given_back: i64,
    pub(crate) paid_in: i64,
    pub(crate) paid_out: i64,
}

pub(crate) fn figures(rows: &[Row]) -> Result<Figures, DbError> {
    let Some(row) = rows.first() else { return Ok(Figures::default()) };
    Ok(Figures {
        taken: row.col("taken")?,
        payments: row.col("payments")?,
        given_back: row.col("given_back")?,
        paid_in: row.col("paid_in")?,
        paid_out: row.col("paid_out")?,
    })
}

/// Cash that came in or went out for another reason than a payment.
pub(crate) struct NewMove {
    pub(crate) id: Uuid,
    pub(crate) drawer: DrawerId,
    pub(crate) kind: MoveKind,
    pub(crate) amount: i64,
    pub(crate) reason: String,
    pub(crate) by: UserId,
    pub(crate) at: Timestamp,
}

pub(crate) fn insert_move(tx: &mut Tx, new: NewMove) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        new.id,
        new.drawer,
        new.kind.as_str(),
        new.amount,
        new.reason,
        new.by,
        new.at,
    ];
    tx.change(INSERT_MOVE, row);
    Ok(())
}

pub(crate) fn close_drawer(
    tx: &mut Tx,
    report: &DrawerReport,
    count: &DrawerCount,
    day: Date,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        report.drawer.id,
        count.report,
        report.expected.amount,
        count.counted.amount,
        count.note.clone(),
        count.closed_by,
        count.closed_at,
        day,
        Json(report.clone()),
    ];
    tx.change(CLOSE_DRAWER, row);
    Ok(())
}

pub(crate) async fn find_drawer(q: &mut Reader, id: DrawerId) -> Result<Option<Drawer>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_DRAWER, &[&venue, &id]).await?.first().map(drawer).transpose()
}

pub(crate) async fn list_drawers(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
    status: Option<DrawerStatus>,
) -> Result<Vec<Drawer>, DbError> {
    let (venue, limit, status) = (q.venue()?, limit + 1, status.map(DrawerStatus::as_str));
    let rows = q.query(LIST_DRAWERS, &[&venue, &after, &limit, &status]).await?;
    rows.iter().map(drawer).collect()
}

/// The Z report as it was when the drawer was closed.
pub(crate) async fn find_close(
    q: &mut Reader,
    id: DrawerId,
) -> Result<Option<DrawerReport>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(FIND_CLOSE, &[&venue, &id]).await?;
    let found: Option<Json<DrawerReport>> =
        rows.first().map(|row| row.col("figures")).transpose()?;
    Ok(found.map(|found| found.0))
}
