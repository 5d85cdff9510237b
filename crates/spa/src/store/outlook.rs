//! What quotes are computed from: who is busy until when, and the line.

use jiff::{SignedDuration, Timestamp};
use pg::{Columns, DbError, Query, Reader, Row, ToSql, Tx};

use crate::quote::{FreeRoom, FreeTherapist, LINE_REPLAYED_MAX, Outlook, Waiter};
use crate::settings::SpaRules;

pg::statements! {
    THERAPISTS = "select t.user_id, t.skills, o.expected_end_at
        from spa.therapist t
        left join spa.order o on o.venue_id = t.venue_id and o.id = t.order_id
        where t.venue_id = $1 and t.began_at is not null and t.break_at is null";
    ROOMS = "select r.offers, r.turnover_minutes, r.free_at, o.expected_end_at, o.after_minutes
        from spa.room r left join spa.order o on o.venue_id = r.venue_id and o.id = r.order_id
        where r.venue_id = $1 and not r.out_of_service";
    LINE = "select id, skills, needs, requested_id, before_minutes, minutes, after_minutes
        from spa.order where venue_id = $1 and status = 'pending_therapist'
        order by line_at, id limit $2";
    // No more of the line is counted than it may have: its bound is what the count is for. Nor of
    // those who wait to pay: the quote says no more than that there are many. In order, so that the
    // line's own index is counted and nobody who has long paid is passed.
    COUNTS = "select
            (select count(*) from (select 1 from spa.order
                where venue_id = $1 and status = 'pending_therapist' order by line_at, id
                limit (select coalesce((select (s.rules->>'lineMax')::bigint from spa.settings s
                    where s.venue_id = $1), $2::bigint))) line) as waiting,
            (select count(*) from (select 1 from spa.order
                where venue_id = $1 and status = 'finished' order by finished_at, id
                limit $2) line)
                + (select count(*) from spa.order where venue_id = $1
                    and status = 'awaiting_payment') as to_pay,
            (select count(distinct cashier_id) from spa.order where venue_id = $1
                and payment_claimed_at > $3::timestamptz - interval '30 minutes') as cashiers";
}

/// The statements of an outlook, for a slice's packet. The parameters are the venue; the venue and
/// how many are replayed; and the venue, the default bound of the line and the time.
pub(crate) fn queries<'a>(
    venue: &'a [&'a (dyn ToSql + Sync); 1],
    line: &'a [&'a (dyn ToSql + Sync); 2],
    counts: &'a [&'a (dyn ToSql + Sync); 3],
) -> [Query<'a>; 4] {
    [
        Query::new(THERAPISTS, venue),
        Query::new(ROOMS, venue),
        Query::new(LINE, line),
        Query::new(COUNTS, counts),
    ]
}

/// The outlook in their rows.
pub(crate) fn outlook(
    [therapists, rooms, line, counts]: [&[Row]; 4],
    rules: SpaRules,
    now: Timestamp,
) -> Result<Outlook, DbError> {
    let mut ends = Vec::new();
    let therapists = therapists
        .iter()
        .map(|row| {
            let expected: Option<Timestamp> = row.col("expected_end_at")?;
            let free_at = expected.map_or(now, |end| Outlook::free_after(now, end));
            ends.extend(expected.map(|_| free_at));
            Ok(FreeTherapist { id: row.col("user_id")?, skills: row.col("skills")?, free_at })
        })
        .collect::<Result<_, DbError>>()?;
    let counts = counts.first().ok_or(DbError::Away)?;
    Ok(Outlook {
        now,
        rules,
        therapists,
        rooms: rooms.iter().map(|row| room(row, now)).collect::<Result<_, _>>()?,
        line: line.iter().map(waiter).collect::<Result<_, _>>()?,
        waiting: counts.col("waiting")?,
        to_pay: counts.col("to_pay")?,
        cashiers: counts.col("cashiers")?,
        ends,
    })
}

fn room(row: &Row, now: Timestamp) -> Result<FreeRoom, DbError> {
    let turnover_minutes: i32 = row.col("turnover_minutes")?;
    let end: Option<Timestamp> = row.col("expected_end_at")?;
    let free_at = match end {
        Some(end) => {
            let after: i32 = row.col("after_minutes")?;
            let made = SignedDuration::from_mins((after + turnover_minutes).into());
            Outlook::free_after(now, end) + made
        }
        None => row.col("free_at")?,
    };
    Ok(FreeRoom { offers: row.col("offers")?, free_at, turnover_minutes })
}

fn waiter(row: &Row) -> Result<Waiter, DbError> {
    Ok(Waiter {
        id: Some(row.col("id")?),
        skills: row.col("skills")?,
        needs: row.col("needs")?,
        requested: row.col("requested_id")?,
        before: row.col("before_minutes")?,
        minutes: row.col("minutes")?,
        after: row.col("after_minutes")?,
    })
}

/// The outlook of now, for a read.
pub(crate) async fn find_outlook(
    q: &mut Reader,
    rules: SpaRules,
    now: Timestamp,
) -> Result<Outlook, DbError> {
    let venue = q.venue()?;
    let most = i64::from(SpaRules::default().line_max);
    let [therapists, rooms, line, counts] = q
        .pipeline(queries(&[&venue], &[&venue, &LINE_REPLAYED_MAX], &[&venue, &most, &now]))
        .await?;
    outlook([&therapists, &rooms, &line, &counts], rules, now)
}

/// The same in a write, behind its locks.
pub(crate) async fn outlook_now(tx: &mut Tx, rules: SpaRules) -> Result<Outlook, DbError> {
    let (venue, now) = (tx.venue()?, tx.now());
    let most = i64::from(SpaRules::default().line_max);
    let [therapists, rooms, line, counts] = tx
        .pipeline(queries(&[&venue], &[&venue, &LINE_REPLAYED_MAX], &[&venue, &most, &now]))
        .await?;
    outlook([&therapists, &rooms, &line, &counts], rules, now)
}
