//! What is kept of people, to be given to them or erased: customers who were signed in when they
//! ordered, and therapists.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{OrderId, UserId};
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::erase_person::{Erased, TherapistKept};
use crate::model::Order;
use crate::store::orders::{item, order};

pg::statements! {
    // The code, the times and the sums stay; nobody is called by them any more.
    ERASE_ORDERS = "update spa.order
        set name = null, note = null, reason = null, version = version + 1
        where customer_id = $1 returning id";
    // The turns of the ledger are ids alone, so it plays to the same rotation as before.
    ERASE_THERAPIST = "update spa.therapist set name = 'Erased', version = version + 1
        where user_id = $1";
    // Their events say by whom they were served, by name; older ones are gone by themselves.
    SERVED = "select distinct order_id from spa.stay
        where therapist_id = $1 and lower(therapist_during) > $2";
    FIND_OF_DAY = "select id from spa.order where venue_id = $1 and day = $2 and code = $3";
    // Whoever changes the order has its lock: the words are gone for good, and not written again.
    ERASE_ORDER = "update spa.order
        set name = null, note = null, reason = null, forget_since = $3, version = version + 1
        where venue_id = $1 and id = $2 returning id";
    // Of all venues: what one worker has taken the others leave to it.
    CLAIM_ERASED = "update spa.order o set forget_since = null
        from (select e.venue_id, e.id from spa.order e where e.forget_since is not null
            order by e.forget_since limit $1 for update skip locked) due
        where o.venue_id = due.venue_id and o.id = due.id returning o.id";
    // Of all venues; what one worker has locked the others leave to it.
    FORGET_NAMES = "update spa.order o set name = null, note = null
        from (select n.venue_id, n.id from spa.order n
            where n.ended_at is not null and (n.name is not null or n.note is not null)
              and n.ended_at < clock_timestamp() + $1::bigint * interval '1 microsecond'
                - $2::int * interval '1 day'
            order by n.ended_at limit $3 for update skip locked) old
        where o.venue_id = old.venue_id and o.id = old.id";
    LIST_OF_CUSTOMER = "select o.id, o.code, o.day, o.token_hash, o.status, o.name, o.note,
            o.requested_id, o.line_at, o.waiting_since, o.skills, o.needs, o.total,
            o.currency::text, o.before_minutes, o.minutes, o.after_minutes, o.therapist_id,
            t.name as therapist_name, o.room_id, r.name as room_name, o.cashier_id, o.lease_until,
            o.unattended, o.calls, o.called_at, o.created_at, o.claimed_at, o.started_at,
            o.expected_end_at, o.finished_at, o.payment_claimed_at, o.ended_at, o.reason,
            o.promised_from, o.promised_to, o.payment_promised_at, o.version
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where o.customer_id = $1 and o.id > $2 order by o.id limit $3";
    ITEMS_OF_CUSTOMER = "select i.order_id, i.id, i.variant_id, i.service, i.variant, i.skills,
            i.needs, i.price, i.before_minutes, i.minutes, i.after_minutes
        from spa.order o
        join spa.item i on i.venue_id = o.venue_id and i.order_id = o.id and i.removed_at is null
        where o.customer_id = $1 and o.id in (select p.id from spa.order p
            where p.customer_id = $1 and p.id > $2 order by p.id limit $3)
        order by i.added_at, i.id";
    LIST_PROFILES = "select venue_id, name, skills, began_at, turns from spa.therapist
        where user_id = $1 order by venue_id";
}

fn ids(rows: &[Row], name: &'static str) -> Result<Vec<Uuid>, DbError> {
    rows.iter().map(|row| row.col(name)).collect()
}

pub(crate) async fn erase(
    tx: &mut Tx,
    user: UserId,
    told_since: Timestamp,
) -> Result<Erased, DbError> {
    let orders = ids(&tx.execute(ERASE_ORDERS, &[&user]).await?, "id")?;
    tx.execute(ERASE_THERAPIST, &[&user]).await?;
    let served = ids(&tx.query(SERVED, &[&user, &told_since]).await?, "order_id")?;
    Ok(Erased { orders, served })
}

/// The order of that code on that day.
pub(crate) async fn find_of_day(
    tx: &mut Tx,
    day: Date,
    code: &str,
) -> Result<Option<OrderId>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(FIND_OF_DAY, &[&venue, &day, &code]).await?;
    rows.first().map(|row| row.col("id")).transpose()
}

/// Takes the words out of an order; whether it is there.
pub(crate) async fn erase_order(tx: &mut Tx, id: OrderId) -> Result<bool, DbError> {
    let (venue, now) = (tx.venue()?, tx.now());
    Ok(!tx.execute(ERASE_ORDER, &[&venue, &id, &now]).await?.is_empty())
}

/// Erased orders whose traces elsewhere are to go in this transaction, at most `limit`.
pub(crate) async fn claim_erased(tx: &mut Tx, limit: i64) -> Result<Vec<Uuid>, DbError> {
    ids(&tx.execute(CLAIM_ERASED, &[&limit]).await?, "id")
}

/// Forgets names and notes of visits that were over so many days ago, at most `limit`.
pub(crate) fn forget_names(tx: &mut Tx, days: i32, limit: i64) {
    let row = params![tx.clock_offset_micros(), days, limit];
    tx.change(FORGET_NAMES, row);
}

pub(crate) async fn list_orders(
    q: &mut Reader,
    user: UserId,
    (after, limit): (Uuid, i64),
) -> Result<Vec<Order>, DbError> {
    let [orders, items] = q
        .pipeline([
            Query::new(LIST_OF_CUSTOMER, &[&user, &after, &limit]),
            Query::new(ITEMS_OF_CUSTOMER, &[&user, &after, &limit]),
        ])
        .await?;
    let items = items
        .iter()
        .map(|row| Ok((row.col::<Uuid>("order_id")?, item(row)?)))
        .collect::<Result<Vec<_>, DbError>>()?;
    let told = |row: &Row| {
        let order = order(row)?;
        let of_it = items.iter().filter(|(id, _)| *id == order.id.0);
        Ok(order.told(&of_it.map(|(_, item)| item.clone()).collect::<Vec<_>>()))
    };
    orders.iter().map(told).collect()
}

pub(crate) async fn list_profiles(
    q: &mut Reader,
    user: UserId,
) -> Result<Vec<TherapistKept>, DbError> {
    let profile = |row: &Row| {
        Ok(TherapistKept {
            venue_id: row.col("venue_id")?,
            name: row.col("name")?,
            skills: row.col("skills")?,
            on_shift_since: row.col("began_at")?,
            turns: row.col("turns")?,
        })
    };
    q.query(LIST_PROFILES, &[&user]).await?.iter().map(profile).collect()
}
