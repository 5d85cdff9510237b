//! Watching the doors, and what was found.

use jiff::Timestamp;
use kernel::ids::{AlertId, UserId, VenueId};
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};

use crate::alert_reads::Alert;
use crate::alerts::{AlertKind, Finding, Refused, Seen};
use crate::model::{Conflict, Verdict};

pg::statements! {
    // Venues that were scanned in, or where a device was refused, after they were watched last.
    BUSY_VENUES = "select w.venue_id from tickets.watch w
        where exists (select from tickets.scan s
                      where s.venue_id = w.venue_id and s.received_at > w.seen_at
                        and s.received_at > clock_timestamp() + $1::bigint * interval '1 microsecond'
                                            - interval '60 seconds')
           or exists (select from tickets.scanner d
                      where d.venue_id = w.venue_id and d.refused_at > w.seen_at
                        and d.refused_at > clock_timestamp() + $1::bigint * interval '1 microsecond'
                                           - interval '60 seconds')
        limit $2";
    LOCK_WATCH = "select seen_at from tickets.watch where venue_id = $1 for update skip locked";
    ADD_WATCH = "insert into tickets.watch (venue_id, seen_at) values ($1, $2) on conflict do nothing";
    SAVE_WATCH = "update tickets.watch set seen_at = $2 where venue_id = $1";
    RECENT_SCANS = "select show_id, scanner, device_id, user_id, ticket_id, gate, verdict, conflict,
            offline, scanned_at, device_at, received_at
        from tickets.scan
        where venue_id = $1 and received_at >= $2 and undone_at is null
        order by received_at desc limit $3";
    REFUSED_DEVICES = "select id, status, refused_at from tickets.scanner
        where venue_id = $1 and refused_at >= $2 order by refused_at desc limit $3";
    // Up to when addresses were forgotten, if no other worker forgets here at this moment.
    CLAIM_FORGETTING = "select forgotten_until from tickets.watch
        where venue_id = $1 for update skip locked";
    FORGETFUL_VENUES = "select venue_id from tickets.watch
        where forgotten_until < clock_timestamp() + $1::bigint * interval '1 microsecond'
                                - $2::bigint * interval '1 hour' - interval '1 hour'
        order by forgotten_until limit $3";
    FORGET_ADDRESSES = "update tickets.scan s set address = null, agent = null
        from (select o.nonce, o.scanner from tickets.scan o
              where o.venue_id = $1 and o.received_at >= $2 and o.received_at < $3
                and (o.address is not null or o.agent is not null)
              limit $4 for update skip locked) old
        where s.venue_id = $1 and s.nonce = old.nonce and s.scanner = old.scanner
        returning s.nonce";
    SAVE_FORGOTTEN = "update tickets.watch set forgotten_until = $2 where venue_id = $1";
    // Once as long as nobody has seen it: a second finding of the same says nothing new.
    NOTE = "insert into tickets.alert
            (venue_id, id, show_id, kind, subject, count, detail, first_at, last_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
        on conflict (venue_id, kind, subject) where seen_at is null do nothing
        returning id, show_id, kind, subject, count, detail, first_at, last_at, seen_at, seen_by,
            version";
    LIST_ALERTS = "select id, show_id, kind, subject, count, detail, first_at, last_at, seen_at,
            seen_by, version
        from tickets.alert
        where venue_id = $1 and id > $2 and (not $4 or seen_at is null) order by id limit $3";
    LOCK_ALERT = "select id, show_id, kind, subject, count, detail, first_at, last_at, seen_at,
            seen_by, version
        from tickets.alert where venue_id = $1 and id = $2 for update";
    SEE_ALERT = "update tickets.alert set seen_at = $3, seen_by = $4, version = $5
        where venue_id = $1 and id = $2";
}

pub(crate) async fn busy_venues(
    q: &mut Reader,
    offset_micros: i64,
    most: i64,
) -> Result<Vec<VenueId>, DbError> {
    let rows = q.query(BUSY_VENUES, &[&offset_micros, &most]).await?;
    rows.iter().map(|row| row.col("venue_id")).collect()
}

/// When the venue was watched last, if nobody else watches it at this moment.
pub(crate) async fn lock_watch(tx: &mut Tx) -> Result<Option<Timestamp>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_WATCH, &[&venue]).await?.first().map(|row| row.col("seen_at")).transpose()
}

/// From now on the venue is watched.
pub(crate) fn add_watch(tx: &mut Tx) -> Result<(), DbError> {
    let row = params![tx.venue()?, tx.now()];
    tx.change(ADD_WATCH, row);
    Ok(())
}

pub(crate) fn save_watch(tx: &mut Tx, at: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, at];
    tx.change(SAVE_WATCH, row);
    Ok(())
}

/// Scans that came in since, the latest first.
pub(crate) async fn recent_scans(
    tx: &mut Tx,
    since: Timestamp,
    most: i64,
) -> Result<Vec<Seen>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(RECENT_SCANS, &[&venue, &since, &most]).await?;
    rows.iter().map(seen).collect()
}

fn seen(row: &Row) -> Result<Seen, DbError> {
    let conflict: Option<&str> = row.col("conflict")?;
    Ok(Seen {
        show: row.col("show_id")?,
        scanner: row.col("scanner")?,
        device: row.col("device_id")?,
        user: row.col("user_id")?,
        ticket: row.col("ticket_id")?,
        gate: row.col("gate")?,
        verdict: Verdict::from_name(row.col("verdict")?).unwrap_or(Verdict::Deny),
        conflict: conflict.and_then(Conflict::from_name),
        offline: row.col("offline")?,
        scanned_at: row.col("scanned_at")?,
        device_at: row.col("device_at")?,
        received_at: row.col("received_at")?,
    })
}

/// Devices that were refused since, the latest first.
pub(crate) async fn refused_devices(
    tx: &mut Tx,
    since: Timestamp,
    most: i64,
) -> Result<Vec<Refused>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(REFUSED_DEVICES, &[&venue, &since, &most]).await?;
    let each = rows.iter().map(|row| {
        Ok(Refused {
            device: row.col("id")?,
            revoked: row.col::<&str>("status")? == "revoked",
            at: row.col("refused_at")?,
        })
    });
    each.collect()
}

/// Venues where addresses were last forgotten more than an hour before they should be.
pub(crate) async fn forgetful_venues(
    q: &mut Reader,
    (offset_micros, hours): (i64, i64),
    most: i64,
) -> Result<Vec<VenueId>, DbError> {
    let rows = q.query(FORGETFUL_VENUES, &[&offset_micros, &hours, &most]).await?;
    rows.iter().map(|row| row.col("venue_id")).collect()
}

/// Up to when it was done, if nobody else does it at this moment.
pub(crate) async fn claim_forgetting(tx: &mut Tx) -> Result<Option<Timestamp>, DbError> {
    let venue = tx.venue()?;
    let rows = tx.query(CLAIM_FORGETTING, &[&venue]).await?;
    rows.first().map(|row| row.col("forgotten_until")).transpose()
}

/// Forgets addresses and programs of scans of that time, at most so many; how many it were.
pub(crate) async fn forget_addresses(
    tx: &mut Tx,
    (from, to): (Timestamp, Timestamp),
    most: i64,
) -> Result<usize, DbError> {
    let venue = tx.venue()?;
    Ok(tx.execute(FORGET_ADDRESSES, &[&venue, &from, &to, &most]).await?.len())
}

pub(crate) fn save_forgotten(tx: &mut Tx, until: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, until];
    tx.change(SAVE_FORGOTTEN, row);
    Ok(())
}

/// Notes a finding; the alert, if it is a new one.
pub(crate) async fn note(tx: &mut Tx, finding: &Finding) -> Result<Option<Alert>, DbError> {
    let (venue, now) = (tx.venue()?, tx.now());
    let (id, kind) = (AlertId::fresh(now), finding.kind.as_str());
    let (show, subject, count) = (finding.show, finding.subject, finding.count);
    let detail = Json(&finding.detail);
    let rows =
        tx.execute(NOTE, &[&venue, &id, &show, &kind, &subject, &count, &detail, &now]).await?;
    rows.first().map(alert).transpose()
}

fn alert(row: &Row) -> Result<Alert, DbError> {
    let detail: Json<serde_json::Value> = row.col("detail")?;
    Ok(Alert {
        id: row.col("id")?,
        show_id: row.col("show_id")?,
        // A word of a newer version is told as the plainest there is.
        kind: AlertKind::from_name(row.col("kind")?).unwrap_or(AlertKind::ManyDenials),
        subject: row.col("subject")?,
        count: row.col("count")?,
        detail: detail.0,
        first_at: row.col("first_at")?,
        seen_at: row.col("seen_at")?,
        seen_by: row.col("seen_by")?,
        version: row.col("version")?,
    })
}

pub(crate) async fn list_alerts(
    q: &mut Reader,
    (limit, after): (i64, uuid::Uuid),
    open: bool,
) -> Result<Vec<Alert>, DbError> {
    let (venue, more) = (q.venue()?, limit + 1);
    q.query(LIST_ALERTS, &[&venue, &after, &more, &open]).await?.iter().map(alert).collect()
}

pub(crate) async fn lock_alert(tx: &mut Tx, id: AlertId) -> Result<Option<Alert>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_ALERT, &[&venue, &id]).await?.first().map(alert).transpose()
}

pub(crate) fn see_alert(tx: &mut Tx, it: &Alert, by: UserId) -> Result<(), DbError> {
    let row = params![tx.venue()?, it.id, it.seen_at, by, it.version];
    tx.change(SEE_ALERT, row);
    Ok(())
}
