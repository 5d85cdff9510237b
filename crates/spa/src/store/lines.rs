//! The lines as people look at them, and the record of what was promised.

use jiff::Timestamp;
use kernel::ids::OrderId;
use pg::{Columns, DbError, Query, Reader, Row};

use crate::model::{OrderStatus, RoomName, TherapistName};
use crate::monitor::{Record, Stage};
use crate::queues::LineOrder;

pg::statements! {
    // The two lines by their own indexes, from their heads: they may be long.
    LIST_WAITING = "select o.id, o.code, o.status, o.requested_id, o.total, o.currency::text,
            o.minutes, o.therapist_id, t.name as therapist_name, o.room_id, r.name as room_name,
            o.calls, o.unattended, o.created_at, o.started_at, o.expected_end_at, o.finished_at,
            o.version,
            array(select i.service || ', ' || i.variant from spa.item i
                where i.venue_id = o.venue_id and i.order_id = o.id and i.removed_at is null
                order by i.added_at, i.id) as services
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where o.venue_id = $1 and o.status = 'pending_therapist'
        order by o.line_at, o.id limit $2";
    LIST_TO_PAY = "select o.id, o.code, o.status, o.requested_id, o.total, o.currency::text,
            o.minutes, o.therapist_id, t.name as therapist_name, o.room_id, r.name as room_name,
            o.calls, o.unattended, o.created_at, o.started_at, o.expected_end_at, o.finished_at,
            o.version,
            array(select i.service || ', ' || i.variant from spa.item i
                where i.venue_id = o.venue_id and i.order_id = o.id and i.removed_at is null
                order by i.added_at, i.id) as services
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where o.venue_id = $1 and o.status = 'finished'
        order by o.finished_at, o.id limit $2";
    // Those who are with somebody are few.
    LIST_WITH = "select o.id, o.code, o.status, o.requested_id, o.total, o.currency::text,
            o.minutes, o.therapist_id, t.name as therapist_name, o.room_id, r.name as room_name,
            o.calls, o.unattended, o.created_at, o.started_at, o.expected_end_at, o.finished_at,
            o.version,
            array(select i.service || ', ' || i.variant from spa.item i
                where i.venue_id = o.venue_id and i.order_id = o.id and i.removed_at is null
                order by i.added_at, i.id) as services
        from spa.order o
        left join spa.therapist t on t.venue_id = o.venue_id and t.user_id = o.therapist_id
        left join spa.room r on r.venue_id = o.venue_id and r.id = o.room_id
        where o.venue_id = $1 and o.status = any($2) and o.status in
            ('therapist_confirmed', 'in_service', 'awaiting_payment')
        order by coalesce(o.finished_at, o.line_at), o.id limit $3";
    // How many stand before an order in the line: no more are counted than are told apart.
    AHEAD = "select count(*) as ahead from (
            select 1 from spa.order o, spa.order mine
            where o.venue_id = $1 and mine.venue_id = $1 and mine.id = $2
              and o.status = 'pending_therapist'
              and (o.line_at, o.id) < (mine.line_at, mine.id) limit $3) line";
    AHEAD_TO_PAY = "select count(*) as ahead from (
            select 1 from spa.order o, spa.order mine
            where o.venue_id = $1 and mine.venue_id = $1 and mine.id = $2
              and o.status = 'finished'
              and (o.finished_at, o.id) < (mine.finished_at, mine.id) limit $3) line";
    RECORD = "select 'treatment' as stage,
            count(*) filter (where started_at <= promised_to) as kept, count(*) as all_of,
            coalesce(avg(extract(epoch from promised_to - created_at)), 0)::float8 as promised,
            coalesce(avg(extract(epoch from started_at - created_at)), 0)::float8 as happened
        from spa.order
        where venue_id = $1 and created_at >= $2 and started_at is not null
          and promised_to is not null
        union all
        select 'payment', count(*) filter (where payment_claimed_at <= payment_promised_at),
            count(*),
            coalesce(avg(extract(epoch from payment_promised_at - finished_at)), 0)::float8,
            coalesce(avg(extract(epoch from payment_claimed_at - finished_at)), 0)::float8
        from spa.order
        where venue_id = $1 and created_at >= $2 and payment_claimed_at is not null
          and payment_promised_at is not null and finished_at is not null";
}

fn line_order(row: &Row) -> Result<LineOrder, DbError> {
    let (therapist, therapist_name): (_, Option<String>) =
        (row.col("therapist_id")?, row.col("therapist_name")?);
    let (room, room_name): (_, Option<String>) = (row.col("room_id")?, row.col("room_name")?);
    let currency: &str = row.col("currency")?;
    Ok(LineOrder {
        id: row.col("id")?,
        code: row.col("code")?,
        // The table's checks allow nothing else.
        status: OrderStatus::from_name(row.col("status")?).ok_or(DbError::Forbidden)?,
        services: row.col("services")?,
        minutes: row.col("minutes")?,
        total: kernel::money::Money {
            amount: row.col("total")?,
            currency: currency.parse().map_err(|_| DbError::Forbidden)?,
        },
        requested_therapist: row.col("requested_id")?,
        therapist: Option::zip(therapist, therapist_name)
            .map(|(id, name)| TherapistName { id, name }),
        room: Option::zip(room, room_name).map(|(id, name)| RoomName { id, name }),
        calls: row.col("calls")?,
        unattended: row.col("unattended")?,
        created_at: row.col("created_at")?,
        started_at: row.col("started_at")?,
        expected_end_at: row.col("expected_end_at")?,
        finished_at: row.col("finished_at")?,
        quote: None,
        version: row.col("version")?,
    })
}

/// Orders in one of these states, in the order of their line, at most `limit`. Those of a line are
/// asked for alone.
pub(crate) async fn list_line(
    q: &mut Reader,
    statuses: &[OrderStatus],
    limit: i64,
) -> Result<Vec<LineOrder>, DbError> {
    let venue = q.venue()?;
    let rows = match statuses {
        [OrderStatus::PendingTherapist] => q.query(LIST_WAITING, &[&venue, &limit]).await?,
        [OrderStatus::Finished] => q.query(LIST_TO_PAY, &[&venue, &limit]).await?,
        others => {
            let names: Vec<&str> = others.iter().map(|status| status.as_str()).collect();
            q.query(LIST_WITH, &[&venue, &names, &limit]).await?
        }
    };
    rows.iter().map(line_order).collect()
}

/// How many stand before the order: in the therapists' line, and in the cashiers'.
pub(crate) async fn count_ahead(
    q: &mut Reader,
    id: OrderId,
    limit: i64,
) -> Result<(i64, i64), DbError> {
    let venue = q.venue()?;
    let [line, pay] = q
        .pipeline([
            Query::new(AHEAD, &[&venue, &id, &limit]),
            Query::new(AHEAD_TO_PAY, &[&venue, &id, &limit]),
        ])
        .await?;
    let count = |rows: &[Row]| rows.first().ok_or(DbError::Away)?.col("ahead");
    Ok((count(&line)?, count(&pay)?))
}

/// What was promised since then, and what came of it.
pub(crate) async fn find_record(q: &mut Reader, since: Timestamp) -> Result<Vec<Record>, DbError> {
    let venue = q.venue()?;
    let record = |row: &Row| {
        let stage: &str = row.col("stage")?;
        Ok(Record {
            stage: if stage == "payment" { Stage::Payment } else { Stage::Treatment },
            promises: row.col("all_of")?,
            kept: row.col("kept")?,
            promised_secs: row.col("promised")?,
            real_secs: row.col("happened")?,
        })
    };
    q.query(RECORD, &[&venue, &since]).await?.iter().map(record).collect()
}
