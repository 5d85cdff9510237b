//! Orders with all that belongs to a visit.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{OrderId, UserId, VenueId};
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx, params};
use uuid::Uuid;

use crate::model::{ItemRow, OrderRow, OrderStatus, RoomName, Sum, TherapistName, TherapistRow};
use crate::store::people::{self, rules};
use crate::store::{ledger, rooms};
use crate::visit::{Marks, StayChange, Visit};

pg::statements! {
    // The order first, then whoever has it, in the order of their ids, then the room. Nobody waits
    // in a circle: the claim of the next customer locks one therapist and skips the rest.
    LOCK_ORDER = "select id from spa.order where venue_id = $1 and id = $2 for update";
    // Of one claim one worker is enough to look after.
    LOCK_DUE_ORDER = "select id from spa.order where venue_id = $1 and id = $2
          and lease_until <= clock_timestamp() + $3::bigint * interval '1 microsecond'
        for update skip locked";
    FIND_ORDER = "select o.id, o.code, o.day, o.token_hash, o.status, o.name, o.note,
            o.requested_id, o.line_at, o.waiting_since, o.skills, o.needs, o.total,
            o.currency::text, o.before_minutes, o.minutes, o.after_minutes, o.therapist_id,
            t.name as therapist_name, o.room_id, r.name as room_name, o.cashier_id, o.lease_until,
            o.unattended, o.calls, o.called_at, o.created_at, o.claimed_at, o.started_at,
            o.expected_end_at, o.finished_at, o.payment_claimed_at, o.ended_at, o.reason,
            o.promised_from, o.promised_to, o.payment_promised_at, o.version
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where o.venue_id = $1 and o.id = $2";
    LOCK_THERAPISTS = "select user_id, name, skills, began_at, break_at, turns, turn_at,
            turn_before, ready_at, order_id, version
        from spa.therapist
        where venue_id = $1 and (user_id = $3 or user_id =
            (select o.therapist_id from spa.order o where o.venue_id = $1 and o.id = $2))
        order by user_id for update";
    LOCK_ROOM_OF_ORDER = "select r.id, r.name, r.offers, r.turnover_minutes, r.out_of_service,
            r.position, r.order_id, r.free_at, r.version
        from spa.room r where r.venue_id = $1 and r.order_id = $2 for update";
    ITEMS_OF_ORDER = "select id, variant_id, service, variant, skills, needs, price,
            before_minutes, minutes, after_minutes
        from spa.item where venue_id = $1 and order_id = $2 and removed_at is null
        order by added_at, id";
    UPDATE_ORDER = "update spa.order set status = $3, therapist_id = $4, room_id = $5,
            cashier_id = $6, lease_until = $7, unattended = $8, calls = $9, called_at = $10,
            claimed_at = $11, started_at = $12, expected_end_at = $13, finished_at = $14,
            payment_claimed_at = $15, ended_at = $16, reason = $17, waiting_since = $18,
            skills = $19, needs = $20, total = $21, before_minutes = $22, minutes = $23,
            after_minutes = $24, payment_promised_at = $25, version = $26
        where venue_id = $1 and id = $2";
    INSERT_ITEM = "insert into spa.item (venue_id, id, order_id, variant_id, service, variant,
            skills, needs, price, before_minutes, minutes, after_minutes, added_at, added_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    REMOVE_ITEM = "update spa.item set removed_at = $3, removed_by = $4
        where venue_id = $1 and id = $2";
    CLOSE_STAY = "update spa.stay
        set room_during = tstzrange(lower(room_during), greatest($3, lower(room_during))),
            therapist_during =
                tstzrange(lower(therapist_during), greatest($4, lower(therapist_during)))
        where venue_id = $1 and order_id = $2 and upper_inf(therapist_during)";
    OPEN_STAY = "insert into spa.stay (venue_id, id, order_id, room_id, therapist_id, room_during,
            therapist_during)
        values ($1, $2, $3, $4, $5, tstzrange($6, null), tstzrange($6, null))";
    // The next code of the day: the row is locked from here to the commit, so none is given twice,
    // and what is rolled back gives its code back.
    NEXT_CODE = "insert into spa.day (venue_id, day, orders) values ($1, $2, 1)
        on conflict (venue_id, day) do update set orders = day.orders + 1 returning orders";
    INSERT_ORDER = "insert into spa.order (venue_id, id, day, code, token_hash, status, name, note,
            requested_id, line_at, waiting_since, skills, needs, total, currency, before_minutes,
            minutes, after_minutes, created_at, promised_from, promised_to, customer_id)
        values ($1, $2, $3, $4, $5, 'pending_therapist', $6, $7, $8, $9, $9, $10, $11, $12, $13,
            $14, $15, $16, $9, $17, $18, $19)";
    VENUES_WITH_DUE = "select venue_id, id from spa.order
        where lease_until <= clock_timestamp() + $1::bigint * interval '1 microsecond'
        order by lease_until limit $2";
    // Nobody takes them any more: the house was closed since.
    VENUES_WITH_LEFT = "select venue_id, id from spa.order
        where status = 'pending_therapist'
          and line_at <= clock_timestamp() + $1::bigint * interval '1 microsecond' - $3::bigint * interval '1 second'
        limit $2";
}

pub(crate) fn order(row: &Row) -> Result<OrderRow, DbError> {
    let therapist = row.col::<Option<UserId>>("therapist_id")?;
    let therapist_name: Option<String> = row.col("therapist_name")?;
    let (room, room_name): (_, Option<String>) = (row.col("room_id")?, row.col("room_name")?);
    let promised: (Option<Timestamp>, Option<Timestamp>) =
        (row.col("promised_from")?, row.col("promised_to")?);
    let currency: &str = row.col("currency")?;
    Ok(OrderRow {
        id: row.col("id")?,
        code: row.col("code")?,
        day: row.col("day")?,
        token_hash: row.col("token_hash")?,
        // The table's checks allow nothing else.
        status: OrderStatus::from_name(row.col("status")?).ok_or(DbError::Forbidden)?,
        currency: currency.parse().map_err(|_| DbError::Forbidden)?,
        name: row.col("name")?,
        note: row.col("note")?,
        requested: row.col("requested_id")?,
        line_at: row.col("line_at")?,
        waiting_since: row.col("waiting_since")?,
        sum: sum(row)?,
        therapist: therapist.zip(therapist_name).map(|(id, name)| TherapistName { id, name }),
        room: Option::zip(room, room_name).map(|(id, name)| RoomName { id, name }),
        cashier: row.col("cashier_id")?,
        lease_until: row.col("lease_until")?,
        unattended: row.col("unattended")?,
        calls: row.col("calls")?,
        called_at: row.col("called_at")?,
        created_at: row.col("created_at")?,
        claimed_at: row.col("claimed_at")?,
        started_at: row.col("started_at")?,
        expected_end_at: row.col("expected_end_at")?,
        finished_at: row.col("finished_at")?,
        payment_claimed_at: row.col("payment_claimed_at")?,
        ended_at: row.col("ended_at")?,
        reason: row.col("reason")?,
        promised: promised.0.zip(promised.1),
        payment_promised_at: row.col("payment_promised_at")?,
        version: row.col("version")?,
    })
}

fn sum(row: &Row) -> Result<Sum, DbError> {
    Ok(Sum {
        total: row.col("total")?,
        before: row.col("before_minutes")?,
        minutes: row.col("minutes")?,
        after: row.col("after_minutes")?,
        skills: row.col("skills")?,
        needs: row.col("needs")?,
    })
}

pub(crate) fn item(row: &Row) -> Result<ItemRow, DbError> {
    Ok(ItemRow {
        id: row.col("id")?,
        variant: row.col("variant_id")?,
        service_name: row.col("service")?,
        variant_name: row.col("variant")?,
        skills: row.col("skills")?,
        needs: row.col("needs")?,
        price: row.col("price")?,
        before: row.col("before_minutes")?,
        minutes: row.col("minutes")?,
        after: row.col("after_minutes")?,
    })
}

/// How a visit is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    /// Waits for whoever has it.
    Wait,
    /// Only if its lease is over and nobody else looks after it.
    IfDue,
}

/// Locks the order, whoever has it, and the room, and looks at them; `also` is a therapist who is to
/// be locked besides. One packet.
pub(crate) async fn lock_visit(
    tx: &mut Tx,
    id: OrderId,
    also: Option<UserId>,
    lock: Lock,
) -> Result<Option<Visit>, DbError> {
    let (venue, also, offset) = (tx.venue()?, also.map(|user| user.0), tx.clock_offset_micros());
    let (any, due): ([&(dyn ToSql + Sync); 2], [&(dyn ToSql + Sync); 3]) =
        ([&venue, &id], [&venue, &id, &offset]);
    let lock = match lock {
        Lock::Wait => Query::new(LOCK_ORDER, &any),
        Lock::IfDue => Query::new(LOCK_DUE_ORDER, &due),
    };
    let [locked, orders, therapists, found, items, settings] = tx
        .pipeline([
            lock,
            Query::new(FIND_ORDER, &[&venue, &id]),
            Query::new(LOCK_THERAPISTS, &[&venue, &id, &also]),
            Query::new(LOCK_ROOM_OF_ORDER, &[&venue, &id]),
            Query::new(ITEMS_OF_ORDER, &[&venue, &id]),
            people::rules_query(&[&venue]),
        ])
        .await?;
    let (Some(_), Some(row)) = (locked.first(), orders.first()) else { return Ok(None) };
    let order = order(row)?;
    let therapists: Vec<TherapistRow> =
        therapists.iter().map(people::therapist).collect::<Result<_, _>>()?;
    // Whoever had it before has another customer now, or none.
    let has_it = |it: &&TherapistRow| it.order == Some(id);
    Ok(Some(Visit {
        therapist: therapists.iter().find(has_it).cloned(),
        successor: therapists.into_iter().find(|it| Some(it.id.0) == also),
        room: found.first().map(rooms::room).transpose()?,
        items: items.iter().map(item).collect::<Result<_, _>>()?,
        rules: rules(&settings)?.rules,
        now: tx.now(),
        order,
        marks: Marks::default(),
    }))
}

/// The statements that look at an order and its bill, without a lock.
pub(crate) async fn find_order(
    q: &mut Reader,
    id: OrderId,
) -> Result<Option<(OrderRow, Vec<ItemRow>)>, DbError> {
    let venue = q.venue()?;
    let [orders, items] = q
        .pipeline([
            Query::new(FIND_ORDER, &[&venue, &id]),
            Query::new(ITEMS_OF_ORDER, &[&venue, &id]),
        ])
        .await?;
    let Some(row) = orders.first() else { return Ok(None) };
    Ok(Some((order(row)?, items.iter().map(item).collect::<Result<_, _>>()?)))
}

/// Saves what a step changed. Sent with the commit.
pub(crate) fn save(tx: &mut Tx, visit: &Visit, by: Option<Uuid>) -> Result<(), DbError> {
    let venue = tx.venue()?;
    for item in &visit.marks.added {
        insert_item(tx, visit.order.id, item, by)?;
    }
    for id in &visit.marks.removed {
        tx.change(REMOVE_ITEM, params![venue, *id, visit.now, by]);
    }
    update_order(tx, venue, &visit.order);
    match visit.marks.stay {
        StayChange::None => {}
        StayChange::Close { room_until } => {
            tx.change(CLOSE_STAY, params![venue, visit.order.id, room_until, visit.now]);
        }
        StayChange::Pass { to } => {
            tx.change(CLOSE_STAY, params![venue, visit.order.id, visit.now, visit.now]);
            let room = visit.order.room.as_ref().map(|room| room.id);
            let id = kernel::ids::fresh(visit.now);
            tx.change(OPEN_STAY, params![venue, id, visit.order.id, room, to, visit.now]);
        }
    }
    if let Some(room) = visit.room.as_ref().filter(|_| visit.marks.room) {
        rooms::update_state(tx, room)?;
    }
    if let Some(therapist) = visit.therapist.as_ref().filter(|_| visit.marks.therapist) {
        people::update_state(tx, therapist)?;
    }
    if let Some(successor) = visit.successor.as_ref().filter(|_| !visit.marks.turns.is_empty()) {
        people::update_state(tx, successor)?;
    }
    for turn in &visit.marks.turns {
        ledger::insert_turn(tx, visit.order.day, turn)?;
    }
    Ok(())
}

fn update_order(tx: &mut Tx, venue: VenueId, order: &OrderRow) {
    let row = params![
        venue,
        order.id,
        order.status.as_str(),
        order.therapist.as_ref().map(|it| it.id),
        order.room.as_ref().map(|it| it.id),
        order.cashier,
        order.lease_until,
        order.unattended,
        order.calls,
        order.called_at,
        order.claimed_at,
        order.started_at,
        order.expected_end_at,
        order.finished_at,
        order.payment_claimed_at,
        order.ended_at,
        order.reason.clone(),
        order.waiting_since,
        order.sum.skills.clone(),
        order.sum.needs.clone(),
        order.sum.total,
        order.sum.before,
        order.sum.minutes,
        order.sum.after,
        order.payment_promised_at,
        order.version,
    ];
    tx.change(UPDATE_ORDER, row);
}

fn insert_item(
    tx: &mut Tx,
    order: OrderId,
    item: &ItemRow,
    by: Option<Uuid>,
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        item.id,
        order,
        item.variant,
        item.service_name.clone(),
        item.variant_name.clone(),
        item.skills.clone(),
        item.needs.clone(),
        item.price,
        item.before,
        item.minutes,
        item.after,
        tx.now(),
        by,
    ];
    tx.change(INSERT_ITEM, row);
    Ok(())
}

/// The number of the next order of that day, from 1. Locks the day until the commit.
pub(crate) async fn next_number(tx: &mut Tx, day: Date) -> Result<i32, DbError> {
    let venue = tx.venue()?;
    let rows = tx.execute(NEXT_CODE, &[&venue, &day]).await?;
    rows.first().ok_or(DbError::Away)?.col("orders")
}

/// The order, and whose it is where somebody ordered for themselves.
pub(crate) fn insert_order(
    tx: &mut Tx,
    (order, customer): (&OrderRow, Option<UserId>),
    items: &[ItemRow],
) -> Result<(), DbError> {
    let row = params![
        tx.venue()?,
        order.id,
        order.day,
        order.code.clone(),
        order.token_hash.clone(),
        order.name.clone(),
        order.note.clone(),
        order.requested,
        order.created_at,
        order.sum.skills.clone(),
        order.sum.needs.clone(),
        order.sum.total,
        order.currency.as_str().to_owned(),
        order.sum.before,
        order.sum.minutes,
        order.sum.after,
        order.promised.map(|promised| promised.0),
        order.promised.map(|promised| promised.1),
        customer,
    ];
    tx.change(INSERT_ORDER, row);
    for item in items {
        insert_item(tx, order.id, item, None)?;
    }
    Ok(())
}

/// Orders whose lease is over, of all venues.
pub(crate) async fn due_orders(
    q: &mut Reader,
    offset_micros: i64,
    limit: i64,
) -> Result<Vec<(VenueId, OrderId)>, DbError> {
    let rows = q.query(VENUES_WITH_DUE, &[&offset_micros, &limit]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("id")?))).collect()
}

/// Orders that wait for longer than anybody does, of all venues.
pub(crate) async fn left_orders(
    q: &mut Reader,
    offset_micros: i64,
    limit: i64,
    longest_secs: i64,
) -> Result<Vec<(VenueId, OrderId)>, DbError> {
    let rows = q.query(VENUES_WITH_LEFT, &[&offset_micros, &limit, &longest_secs]).await?;
    rows.iter().map(|row| Ok((row.col("venue_id")?, row.col("id")?))).collect()
}
