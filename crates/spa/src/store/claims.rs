//! The next customer, for a therapist and for a cashier: found, locked and taken by one statement
//! each.
//!
//! `for update … skip locked` gives each customer and each room to one of those who ask at the same
//! moment, and nobody waits. A row that somebody else has changed since the statement began is
//! judged again by PostgreSQL as it is now, so what was taken in between is not taken twice.

use edge::limits::LINE_LOOKED_MAX;
use jiff::Timestamp;
use kernel::ids::{OrderId, UserId};
use pg::{Columns, DbError, Query, Row, Tx};
use uuid::Uuid;

use crate::model::{ItemRow, OrderRow, TherapistRow};
use crate::settings::{SpaRules, SpaSettings};
use crate::store::{orders, people};

pg::statements! {
    LOCK_THERAPIST = "select user_id, name, skills, began_at, break_at, turns, turn_at,
            turn_before, ready_at, order_id, version
        from spa.therapist where venue_id = $1 and user_id = $2 for update";
    // `ahead`: who stands before this therapist and is ready. As long as the customer has waited
    // less than their turns last, those of them who could serve come first. Of the rooms that serve
    // the one that offers least else. What is asked of `me` and of the rooms is asked by subqueries
    // that cannot become joins: a join would sort the whole line for its first row, and a line of
    // 100,000 would take a second for each claim. Whoever may be taken is looked for without locks
    // among the first of the line, one by one, until one of them can be locked: who does not fit stays
    // unlocked, and a line in which nobody fits is not walked to its end. Without a therapist who is
    // free, or any free room, the line is not looked at.
    CLAIM_NEXT = "with me as materialized (
            select t.user_id, t.skills, t.turns, t.turn_at, t.version,
                coalesce((s.rules->>'turnSecs')::int, $4::int) * interval '1 second' as turn,
                coalesce((s.rules->>'claimLeaseSecs')::int, $5::int) * interval '1 second' as lease,
                clock_timestamp() + $3::bigint * interval '1 microsecond' as now
            from spa.therapist t left join spa.settings s on s.venue_id = t.venue_id
            where t.venue_id = $1 and t.user_id = $2 and t.order_id is null
              and t.began_at is not null and t.break_at is null
        ), ahead as materialized (
            select a.user_id, a.skills from spa.therapist a, me
            where a.venue_id = $1 and a.user_id <> me.user_id and a.order_id is null
              and a.began_at is not null and a.break_at is null
              and a.ready_at > me.now - $6::bigint * interval '1 second'
              and (a.turns, a.turn_at, a.user_id) < (me.turns, me.turn_at, me.user_id)
        ), next as materialized (
            select o.id, o.needs, o.skills, o.day, o.before_minutes + o.minutes as minutes,
                o.requested_id is not distinct from $2 as own, o.waiting_since,
                (select now from me) as now, (select lease from me) as lease
            from (
                select w.line_at, w.id from (
                    select l.line_at, l.id, l.skills, l.needs, l.requested_id, l.waiting_since
                    from spa.order l
                    where l.venue_id = $1 and l.status = 'pending_therapist'
                    order by l.line_at, l.id limit $9) w
                where exists (select from me)
                  and exists (select from spa.room r where r.venue_id = $1 and r.order_id is null
                    and not r.out_of_service and r.free_at <= (select now from me))
                  and w.skills <@ (select skills from me)
                  and case
                    when w.requested_id = $2 then true
                    when w.requested_id is not null and exists (
                        select from spa.therapist asked where asked.venue_id = $1
                          and asked.user_id = w.requested_id and asked.began_at is not null)
                        then false
                    when not exists (select from ahead) then true
                    else w.waiting_since <= (select now from me) - (select turn from me)
                        * (select count(*) from ahead where w.skills <@ ahead.skills) end
                  and (select true from spa.room r where r.venue_id = $1 and r.order_id is null
                    and not r.out_of_service and r.free_at <= (select now from me)
                    and w.needs <@ r.offers limit 1)
                order by w.line_at, w.id) first
            join spa.order o on o.venue_id = $1 and o.id = first.id
                and o.status = 'pending_therapist'
            order by first.line_at, first.id limit 1 for update of o skip locked
        ), place as materialized (
            select r.id from spa.room r
            where r.venue_id = $1 and r.order_id is null and not r.out_of_service
              and r.free_at <= (select now from next) and (select needs from next) <@ r.offers
            order by cardinality(r.offers), r.position, r.id limit 1 for update of r skip locked
        ), taken as (
            update spa.order o set status = 'therapist_confirmed', therapist_id = $2,
                room_id = place.id, lease_until = next.now + next.lease, claimed_at = next.now,
                expected_end_at = next.now + next.minutes * interval '1 minute', reason = null,
                version = o.version + 1
            from next, place where o.venue_id = $1 and o.id = next.id
        ), occupied as (
            update spa.room r set order_id = next.id, version = r.version + 1
            from next, place where r.venue_id = $1 and r.id = place.id
        ), busy as (
            update spa.therapist t set order_id = next.id, ready_at = null,
                turns = t.turns + case when next.own then 0 else 1 end,
                turn_before = case when next.own then t.turn_before else t.turn_at end,
                turn_at = case when next.own then t.turn_at else next.now end,
                version = t.version + 1
            from next, place where t.venue_id = $1 and t.user_id = $2
        ), stayed as (
            insert into spa.stay (venue_id, id, order_id, room_id, therapist_id, room_during,
                therapist_during)
            select $1, $7, next.id, place.id, $2, tstzrange(next.now, null),
                tstzrange(next.now, null)
            from next, place
        )
        insert into spa.turn (venue_id, id, day, at, therapist_id, what, order_id, turns, turn_at,
            why)
        select $1, $8, next.day, next.now, $2,
            case when next.own then 'took_requested' else 'took' end, next.id,
            me.turns + case when next.own then 0 else 1 end,
            case when next.own then me.turn_at else next.now end,
            json_build_object(
                'ahead', array(select user_id from ahead where next.skills <@ ahead.skills),
                'waitedSecs', extract(epoch from next.now - next.waiting_since)::bigint)
        from me, next, place
        returning order_id";
    // Behind the claim: what it left, whoever made it.
    ORDER_OF_THERAPIST = "select o.id, o.code, o.day, o.token_hash, o.status, o.name, o.note,
            o.requested_id, o.line_at, o.waiting_since, o.skills, o.needs, o.total,
            o.currency::text, o.before_minutes, o.minutes, o.after_minutes, o.therapist_id,
            t.name as therapist_name, o.room_id, r.name as room_name, o.cashier_id, o.lease_until,
            o.unattended, o.calls, o.called_at, o.created_at, o.claimed_at, o.started_at,
            o.expected_end_at, o.finished_at, o.payment_claimed_at, o.ended_at, o.reason,
            o.promised_from, o.promised_to, o.payment_promised_at, o.version
        from spa.therapist t
        join spa.order o on o.venue_id = t.venue_id and o.id = t.order_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where t.venue_id = $1 and t.user_id = $2";
    ITEMS_OF_THERAPIST = "select i.id, i.variant_id, i.service, i.variant, i.skills, i.needs,
            i.price, i.before_minutes, i.minutes, i.after_minutes
        from spa.therapist t
        join spa.item i on i.venue_id = t.venue_id and i.order_id = t.order_id
        where t.venue_id = $1 and t.user_id = $2 and i.removed_at is null
        order by i.added_at, i.id";
    // Why there was nobody: the first whom this therapist may serve at all, no further down the line
    // than the claim has looked.
    WHY_NOT = "select o.code, o.needs, o.waiting_since,
            (select count(*) from spa.therapist a where a.venue_id = $1 and a.user_id <> me.user_id
               and a.order_id is null and a.began_at is not null and a.break_at is null
               and a.ready_at > $3::timestamptz - $4::bigint * interval '1 second'
               and o.requested_id is distinct from me.user_id and o.skills <@ a.skills
               and (a.turns, a.turn_at, a.user_id) < (me.turns, me.turn_at, me.user_id)) as ahead,
            (select min(case when r.order_id is null then r.free_at
                else greatest(inside.expected_end_at, $3::timestamptz)
                    + (inside.after_minutes + r.turnover_minutes) * interval '1 minute' end)
             from spa.room r left join spa.order inside
                on inside.venue_id = r.venue_id and inside.id = r.order_id
             where r.venue_id = $1 and not r.out_of_service and o.needs <@ r.offers) as room_at
        from (
            select l.line_at, l.id, l.code, l.skills, l.needs, l.requested_id, l.waiting_since
            from spa.order l where l.venue_id = $1 and l.status = 'pending_therapist'
            order by l.line_at, l.id limit $5) o, spa.therapist me
        where me.venue_id = $1 and me.user_id = $2 and o.skills <@ me.skills
          and (o.requested_id is null or o.requested_id = me.user_id or not exists (
            select from spa.therapist asked where asked.venue_id = $1
              and asked.user_id = o.requested_id and asked.began_at is not null))
        order by o.line_at, o.id limit 1";
    CLAIM_PAYMENT = "with next as materialized (
            select o.id, clock_timestamp() + $3::bigint * interval '1 microsecond' as now
            from spa.order o
            where o.venue_id = $1 and o.status = 'finished'
              and not exists (select from spa.order mine where mine.venue_id = $1
                and mine.cashier_id = $2 and mine.status = 'awaiting_payment')
            order by o.finished_at, o.id limit 1 for update of o skip locked
        )
        update spa.order o set status = 'awaiting_payment', cashier_id = $2,
            payment_claimed_at = next.now, reason = null, version = o.version + 1,
            lease_until = next.now + interval '1 second' * coalesce(
                (select (s.rules->>'paymentLeaseSecs')::int from spa.settings s
                 where s.venue_id = $1), $4::int)
        from next where o.venue_id = $1 and o.id = next.id
        returning o.id";
    ORDER_OF_CASHIER = "select o.id, o.code, o.day, o.token_hash, o.status, o.name, o.note,
            o.requested_id, o.line_at, o.waiting_since, o.skills, o.needs, o.total,
            o.currency::text, o.before_minutes, o.minutes, o.after_minutes, o.therapist_id,
            t.name as therapist_name, o.room_id, r.name as room_name, o.cashier_id, o.lease_until,
            o.unattended, o.calls, o.called_at, o.created_at, o.claimed_at, o.started_at,
            o.expected_end_at, o.finished_at, o.payment_claimed_at, o.ended_at, o.reason,
            o.promised_from, o.promised_to, o.payment_promised_at, o.version
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where o.venue_id = $1 and o.cashier_id = $2 and o.status = 'awaiting_payment'";
    ITEMS_OF_CASHIER = "select i.id, i.variant_id, i.service, i.variant, i.skills, i.needs,
            i.price, i.before_minutes, i.minutes, i.after_minutes
        from spa.order o join spa.item i on i.venue_id = o.venue_id and i.order_id = o.id
        where o.venue_id = $1 and o.cashier_id = $2 and o.status = 'awaiting_payment'
          and i.removed_at is null
        order by i.added_at, i.id";
}

/// An order with its bill.
pub(crate) type Found = Option<(OrderRow, Vec<ItemRow>)>;

/// What came of asking for the next customer.
pub(crate) struct ClaimedNext {
    /// As the therapist was before.
    pub(crate) therapist: Option<TherapistRow>,
    /// Whether a customer was taken now.
    pub(crate) claimed: bool,
    /// The customer that the therapist has.
    pub(crate) order: Found,
    pub(crate) settings: SpaSettings,
}

fn found(orders: &[Row], items: &[Row]) -> Result<Found, DbError> {
    let Some(row) = orders.first() else { return Ok(None) };
    Ok(Some((orders::order(row)?, items.iter().map(orders::item).collect::<Result<_, _>>()?)))
}

/// Locks the therapist, takes the next customer and a room for them, and looks at what came of it.
/// One packet.
pub(crate) async fn claim_next(
    tx: &mut Tx,
    therapist: UserId,
    ready_secs: i64,
) -> Result<ClaimedNext, DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let SpaRules { turn_secs, claim_lease_secs, .. } = SpaRules::default();
    let (stay, turn) = (kernel::ids::fresh(tx.now()), kernel::ids::fresh(tx.now()));
    let [therapists, claimed, orders, items, settings] = tx
        .pipeline([
            Query::new(LOCK_THERAPIST, &[&venue, &therapist]),
            Query::new(
                CLAIM_NEXT,
                &[
                    &venue,
                    &therapist,
                    &offset,
                    &turn_secs,
                    &claim_lease_secs,
                    &ready_secs,
                    &stay,
                    &turn,
                    &LINE_LOOKED_MAX,
                ],
            ),
            Query::new(ORDER_OF_THERAPIST, &[&venue, &therapist]),
            Query::new(ITEMS_OF_THERAPIST, &[&venue, &therapist]),
            people::rules_query(&[&venue]),
        ])
        .await?;
    Ok(ClaimedNext {
        therapist: therapists.first().map(people::therapist).transpose()?,
        claimed: !claimed.is_empty(),
        order: found(&orders, &items)?,
        settings: people::rules(&settings)?,
    })
}

/// The first of the line whom the therapist may serve, and what stands in the way.
#[derive(Clone, Debug)]
pub(crate) struct WhyNot {
    pub(crate) code: String,
    pub(crate) needs: Vec<String>,
    pub(crate) waiting_since: Timestamp,
    /// So many are ready and stand before the therapist.
    pub(crate) ahead: i64,
    /// When a room that serves is expected to be free; never, where there is none.
    pub(crate) room_at: Option<Timestamp>,
}

pub(crate) async fn find_why_not(
    tx: &mut Tx,
    therapist: UserId,
    ready_secs: i64,
) -> Result<Option<WhyNot>, DbError> {
    let (venue, now) = (tx.venue()?, tx.now());
    let rows =
        tx.query(WHY_NOT, &[&venue, &therapist, &now, &ready_secs, &LINE_LOOKED_MAX]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(WhyNot {
        code: row.col("code")?,
        needs: row.col("needs")?,
        waiting_since: row.col("waiting_since")?,
        ahead: row.col("ahead")?,
        room_at: row.col("room_at")?,
    }))
}

/// Takes the next customer who pays. Gives whether one was taken now, and whom the cashier has.
pub(crate) async fn claim_payment(tx: &mut Tx, cashier: Uuid) -> Result<(bool, Found), DbError> {
    let (venue, offset) = (tx.venue()?, tx.clock_offset_micros());
    let lease = SpaRules::default().payment_lease_secs;
    let [claimed, orders, items] = tx
        .pipeline([
            Query::new(CLAIM_PAYMENT, &[&venue, &cashier, &offset, &lease]),
            Query::new(ORDER_OF_CASHIER, &[&venue, &cashier]),
            Query::new(ITEMS_OF_CASHIER, &[&venue, &cashier]),
        ])
        .await?;
    let claimed: Option<OrderId> = claimed.first().map(|row| row.col("id")).transpose()?;
    Ok((claimed.is_some(), found(&orders, &items)?))
}
