//! What is known of many tickets at once: for batches from scanners that had no network, and for
//! the bundles that they take along.

use std::collections::HashMap;

use jiff::Timestamp;
use kernel::ids::{DeviceId, ShowId, TicketId, ZoneId};
use pg::{Columns, DbError, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::merge::Pass;
use crate::model::{Conflict, Kind, Reentry, Ticket, TicketStatus};
use crate::scan::FirstScan;
use crate::store::scans::{Known, known};
use crate::store::tickets;

pg::statements! {
    // All tickets of a part of a batch, in the order of their ids: two batches that share some meet
    // at the first of them.
    LOCK_TICKETS = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where venue_id = $1 and id = any($2) order by id for update";
    KNOWN_SCANS = "select s.nonce, s.scanner, s.show_id, s.ticket_id, s.list_id, s.zone_id, s.kind,
            s.gate, s.verdict, s.reason, s.detail, s.answers, s.forced, s.counts, s.conflict,
            s.device_id, s.user_id, s.address, s.agent, s.scanned_at, s.device_at, s.received_at,
            s.offline, s.passed, s.undone_at, s.settled_at, t.number, t.name, t.seat, t.class
        from unnest($2::uuid[], $3::uuid[]) as asked(nonce, scanner)
        join tickets.scan s on s.venue_id = $1 and s.nonce = asked.nonce
            and s.scanner = asked.scanner
        left join tickets.ticket t on t.venue_id = s.venue_id and t.id = s.ticket_id";
    PASSES = "select s.ticket_id, s.nonce, s.scanner, s.scanned_at, s.kind, s.offline, s.counts,
            s.conflict, s.zone_id, l.reentry, s.gate, s.device_id, d.name as device, s.user_id,
            p.name as member
        from tickets.scan s
        left join tickets.list l on l.venue_id = s.venue_id and l.id = s.list_id
        left join tickets.scanner d on d.venue_id = s.venue_id and d.id = s.device_id
        left join tickets.person p on p.id = s.user_id
        where s.venue_id = $1 and s.ticket_id = any($2) and s.passed and s.undone_at is null
          and (s.conflict is null or s.conflict = 'second_entry')";
    DEVICES = "select id, name, revoked_at from tickets.scanner
        where venue_id = $1 and id = any($2)";
    RULES_NUMBER = "select rules from tickets.show where venue_id = $1 and show_id = $2";
    // What somebody has looked at was something else.
    SETTLE_SCAN = "update tickets.scan
        set counts = $4, conflict = $5, settled_at = null, settled_by = null
        where venue_id = $1 and nonce = $2 and scanner = $3";
    BUNDLE = "select id, number, class, status, serial, paid, blocked is not null as blocked, entries,
            zone_id, changed
        from tickets.ticket
        where venue_id = $1 and show_id = $2 and (changed, id) > ($3, $4)
        order by changed, id limit $5";
    HORIZON = "select tickets.horizon() as horizon, clock_timestamp() as at";
}

/// One time that somebody went through with a ticket, as it is known.
pub(crate) struct KnownPass {
    pub(crate) pass: Pass,
    pub(crate) counts: bool,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) told: FirstScan,
}

fn known_pass(row: &Row) -> Result<(TicketId, KnownPass), DbError> {
    let offline: bool = row.col("offline")?;
    let reentry: Option<&str> = row.col("reentry")?;
    let pass = Pass {
        scanner: row.col("scanner")?,
        nonce: row.col("nonce")?,
        at: row.col("scanned_at")?,
        kind: Kind::from_name(row.col("kind")?).unwrap_or(Kind::Entry),
        online: !offline,
        zone: row.col("zone_id")?,
        reentry: reentry.and_then(Reentry::from_name).unwrap_or(Reentry::Never),
    };
    let told = FirstScan {
        at: pass.at,
        gate: row.col("gate")?,
        device_id: row.col("device_id")?,
        device: row.col("device")?,
        user_id: row.col("user_id")?,
        user: row.col("member")?,
        offline,
    };
    let conflict = row.col::<Option<&str>>("conflict")?.and_then(Conflict::from_name);
    let known = KnownPass { pass, counts: row.col("counts")?, conflict, told };
    Ok((row.col("ticket_id")?, known))
}

/// What is known of the tickets of a part of a batch, under their locks.
pub(crate) struct Gathered {
    pub(crate) tickets: HashMap<TicketId, Ticket>,
    pub(crate) known: HashMap<(Uuid, Uuid), Known>,
    pub(crate) passes: HashMap<TicketId, Vec<KnownPass>>,
    pub(crate) devices: HashMap<DeviceId, (String, Option<Timestamp>)>,
    pub(crate) rules: Option<i64>,
}

/// Locks the tickets in the order of their ids, then looks at all that is known of them. One packet.
pub(crate) async fn lock_tickets(
    tx: &mut Tx,
    show: ShowId,
    ids: &[TicketId],
    (nonces, scanners): (&[Uuid], &[Uuid]),
) -> Result<Gathered, DbError> {
    let venue = tx.venue()?;
    let [rows, scans, through, devices, numbers] = tx
        .pipeline([
            Query::new(LOCK_TICKETS, &[&venue, &ids]),
            Query::new(KNOWN_SCANS, &[&venue, &nonces, &scanners]),
            Query::new(PASSES, &[&venue, &ids]),
            Query::new(DEVICES, &[&venue, &scanners]),
            Query::new(RULES_NUMBER, &[&venue, &show]),
        ])
        .await?;
    let mut passes: HashMap<TicketId, Vec<KnownPass>> = HashMap::new();
    for row in &through {
        let (ticket, pass) = known_pass(row)?;
        passes.entry(ticket).or_default().push(pass);
    }
    let ticket = |row| tickets::ticket(row).map(|ticket| (ticket.id, ticket));
    let scan = |row| known(row).map(|known| ((known.scan.nonce, known.scan.scanner), known));
    let device = |row: &Row| Ok((row.col("id")?, (row.col("name")?, row.col("revoked_at")?)));
    Ok(Gathered {
        tickets: rows.iter().map(ticket).collect::<Result<_, _>>()?,
        known: scans.iter().map(scan).collect::<Result<_, _>>()?,
        passes,
        devices: devices.iter().map(device).collect::<Result<_, DbError>>()?,
        rules: numbers.first().map(|row| row.col("rules")).transpose()?,
    })
}

/// How a ticket that is locked was used.
pub(crate) async fn passes_of(tx: &mut Tx, ticket: TicketId) -> Result<Vec<KnownPass>, DbError> {
    let (venue, ids) = (tx.venue()?, [ticket]);
    let rows = tx.query(PASSES, &[&venue, &ids.as_slice()]).await?;
    rows.iter().map(|row| known_pass(row).map(|(_, pass)| pass)).collect()
}

/// What a scan counts for now.
pub(crate) fn settle_scan(
    tx: &mut Tx,
    pass: &Pass,
    counts: bool,
    conflict: Option<Conflict>,
) -> Result<(), DbError> {
    let conflict = conflict.map(Conflict::as_str);
    let row = params![tx.venue()?, pass.nonce, pass.scanner, counts, conflict];
    tx.change(SETTLE_SCAN, row);
    Ok(())
}

/// A ticket in a bundle, and where the next page begins.
pub(crate) struct BundleRow {
    pub(crate) id: TicketId,
    pub(crate) number: String,
    pub(crate) class: i16,
    pub(crate) status: TicketStatus,
    pub(crate) serial: i32,
    pub(crate) paid: bool,
    pub(crate) blocked: bool,
    pub(crate) entries: i32,
    pub(crate) zone: Option<ZoneId>,
    pub(crate) changed: i64,
}

/// Tickets of `show` that were changed after `after`, the transaction before which everything is
/// seen, and PostgreSQL's time.
pub(crate) async fn find_changed(
    q: &mut Reader,
    show: ShowId,
    (changed, id): (i64, Uuid),
    limit: i64,
) -> Result<(Vec<BundleRow>, i64, Timestamp), DbError> {
    let venue = q.venue()?;
    let [horizon, rows] = q
        .pipeline([
            Query::new(HORIZON, &[]),
            Query::new(BUNDLE, &[&venue, &show, &changed, &id, &limit]),
        ])
        .await?;
    let horizon = horizon.first().ok_or(DbError::Away)?;
    let found = rows.iter().map(|row| {
        Ok(BundleRow {
            id: row.col("id")?,
            number: row.col("number")?,
            class: row.col("class")?,
            status: TicketStatus::from_name(row.col("status")?).unwrap_or(TicketStatus::Revoked),
            serial: row.col("serial")?,
            paid: row.col("paid")?,
            blocked: row.col("blocked")?,
            entries: row.col("entries")?,
            zone: row.col("zone_id")?,
            changed: row.col("changed")?,
        })
    });
    Ok((found.collect::<Result<_, DbError>>()?, horizon.col("horizon")?, horizon.col("at")?))
}
