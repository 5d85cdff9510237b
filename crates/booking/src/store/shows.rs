//! Shows and saved layouts.

use jiff::Timestamp;
use kernel::ids::{LayoutId, ShowId};
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::model::{Layout, Show, ShowPayment, ShowStatus};
use crate::plan::Plan;

pg::statements! {
    FIND_SHOW = "select id, name, description, starts_at, status, hold_secs, currency::text,
            seat_count, tickets, payment, pay_secs, version
        from booking.show where venue_id = $1 and id = $2";
    // Whoever changes a show takes its row: two managers never overwrite each other unseen. Holds
    // and bookings never take it, or a show would be one queue; and this lock does not stand in the
    // way of rows that only name the show.
    LOCK_SHOW = "select id, name, description, starts_at, status, hold_secs, currency::text,
            seat_count, tickets, payment, pay_secs, version
        from booking.show where venue_id = $1 and id = $2 for no key update";
    // Whoever begins to wait keeps the show as it is until they stand in the list: whoever cancels it
    // meets them there. Many may do so at once.
    LOCK_SHOW_AS_IT_IS = "select id, name, description, starts_at, status, hold_secs, currency::text,
            seat_count, tickets, payment, pay_secs, version
        from booking.show where venue_id = $1 and id = $2 for share";
    LIST_SHOWS = "select id, name, description, starts_at, status, hold_secs, currency::text,
            seat_count, tickets, payment, pay_secs, version
        from booking.show
        where venue_id = $1 and id > $2 and ($4 or status <> 'draft')
        order by id limit $3";
    INSERT_SHOW = "insert into booking.show
            (venue_id, id, name, description, starts_at, status, hold_secs, currency, created_at,
             payment, pay_secs)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    UPDATE_SHOW = "update booking.show
        set name = $3, description = $4, starts_at = $5, status = $6, hold_secs = $7, version = $8,
            tickets = $9, payment = $10, pay_secs = $11
        where venue_id = $1 and id = $2";
    UPDATE_PLAN = "update booking.show set plan = $3, seat_count = $4, version = $5
        where venue_id = $1 and id = $2";
    FIND_PLAN = "select plan from booking.show where venue_id = $1 and id = $2";
    INSERT_LAYOUT = "insert into booking.layout (venue_id, id, name, plan, created_at)
        values ($1, $2, $3, $4, $5)";
    FIND_LAYOUT = "select id, name, plan, version from booking.layout
        where venue_id = $1 and id = $2";
    LIST_LAYOUTS = "select id, name, plan, version from booking.layout
        where venue_id = $1 and id > $2 order by id limit $3";
}

pub(crate) fn show(row: &Row) -> Result<Show, DbError> {
    Ok(Show {
        id: row.col("id")?,
        name: row.col("name")?,
        description: row.col("description")?,
        starts_at: row.col("starts_at")?,
        status: ShowStatus::from_name(row.col("status")?).unwrap_or(ShowStatus::Closed),
        hold_secs: row.col("hold_secs")?,
        currency: row.col("currency")?,
        seat_count: row.col("seat_count")?,
        tickets: row.col("tickets")?,
        payment: ShowPayment::from_name(row.col("payment")?).unwrap_or(ShowPayment::Required),
        pay_secs: row.col("pay_secs")?,
        version: row.col("version")?,
    })
}

/// The statement that reads a show, for a pipeline of another store: `$1` venue, `$2` show.
pub(crate) const SHOW: &str = FIND_SHOW;
/// The statement that reads a show's plan, for a pipeline of another store.
pub(crate) const PLAN: &str = FIND_PLAN;

pub(crate) fn plan(row: &Row) -> Result<Plan, DbError> {
    Ok(row.col::<Json<Plan>>("plan")?.0)
}

fn layout(row: &Row) -> Result<Layout, DbError> {
    let (id, name, version) = (row.col("id")?, row.col("name")?, row.col("version")?);
    Ok(Layout { id, name, plan: plan(row)?, version })
}

pub(crate) async fn find_show(q: &mut Reader, id: ShowId) -> Result<Option<Show>, DbError> {
    let venue = q.venue()?;
    q.query(FIND_SHOW, &[&venue, &id]).await?.first().map(show).transpose()
}

pub(crate) async fn lock_show(tx: &mut Tx, id: ShowId) -> Result<Option<Show>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_SHOW, &[&venue, &id]).await?.first().map(show).transpose()
}

/// The show, which nobody changes or cancels until this transaction ends.
pub(crate) async fn lock_show_as_it_is(tx: &mut Tx, id: ShowId) -> Result<Option<Show>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_SHOW_AS_IT_IS, &[&venue, &id]).await?.first().map(show).transpose()
}

pub(crate) async fn list_shows(
    q: &mut Reader,
    after: Uuid,
    limit: i64,
    drafts: bool,
) -> Result<Vec<Show>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    q.query(LIST_SHOWS, &[&venue, &after, &limit, &drafts]).await?.iter().map(show).collect()
}

pub(crate) fn insert_show(tx: &mut Tx, show: &Show, now: Timestamp) -> Result<(), DbError> {
    let new = params![
        tx.venue()?,
        show.id,
        show.name.clone(),
        show.description.clone(),
        show.starts_at,
        show.status.as_str(),
        show.hold_secs,
        show.currency.clone(),
        now,
        show.payment.as_str(),
        show.pay_secs,
    ];
    tx.change(INSERT_SHOW, new);
    Ok(())
}

pub(crate) fn update_show(tx: &mut Tx, show: &Show) -> Result<(), DbError> {
    let new = params![
        tx.venue()?,
        show.id,
        show.name.clone(),
        show.description.clone(),
        show.starts_at,
        show.status.as_str(),
        show.hold_secs,
        show.version,
        show.tickets,
        show.payment.as_str(),
        show.pay_secs,
    ];
    tx.change(UPDATE_SHOW, new);
    Ok(())
}

pub(crate) fn update_plan(tx: &mut Tx, show: &Show, plan: Plan) -> Result<(), DbError> {
    let new = params![tx.venue()?, show.id, Json(plan), show.seat_count, show.version];
    tx.change(UPDATE_PLAN, new);
    Ok(())
}

pub(crate) fn insert_layout(tx: &mut Tx, new: &Layout, now: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, new.id, new.name.clone(), Json(new.plan.clone()), now];
    tx.change(INSERT_LAYOUT, row);
    Ok(())
}

pub(crate) async fn find_layout(tx: &mut Tx, id: LayoutId) -> Result<Option<Layout>, DbError> {
    let venue = tx.venue()?;
    tx.query(FIND_LAYOUT, &[&venue, &id]).await?.first().map(layout).transpose()
}

pub(crate) async fn list_layouts(
    q: &mut Reader,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Layout>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    q.query(LIST_LAYOUTS, &[&venue, &after, &limit]).await?.iter().map(layout).collect()
}
