//! Scans, and the tickets and zones that they move.

use kernel::ids::{ListId, ShowId, TicketId, ZoneId};
use pg::{Columns, DbError, Json, Param, Query, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::judge::{Given, Step};
use crate::model::{Conflict, Kind, Reason, Ticket, Verdict};
use crate::rules::Zone;
use crate::scan::{Detail, DoorTicket, FirstScan, Scan};
use crate::store::{rules, tickets};

pg::statements! {
    SHOW_OF_LIST = "select show_id from tickets.list where venue_id = $1 and id = $2";
    // The row is the lock: of many who scan a ticket one comes first, the others wait for it here
    // and look at what it did in the statements behind.
    LOCK_TICKET = "select id, show_id, number, class, name, email, seat, status, serial, paid,
            blocked, booking_id, zone_id, entries, mail_state, mail_error, created_at, version,
            reissued_at, revoked_at, answered
        from tickets.ticket where venue_id = $1 and id = $2 for update";
    FIND_SCAN = "select s.nonce, s.scanner, s.show_id, s.ticket_id, s.list_id, s.zone_id, s.kind,
            s.gate, s.verdict, s.reason, s.detail, s.answers, s.forced, s.counts, s.conflict,
            s.device_id, s.user_id, s.address, s.agent, s.scanned_at, s.device_at, s.received_at,
            s.offline, s.passed, s.undone_at, s.settled_at, t.number, t.name, t.seat, t.class
        from tickets.scan s
        left join tickets.ticket t on t.venue_id = s.venue_id and t.id = s.ticket_id
        where s.venue_id = $1 and s.nonce = $2 and s.scanner = $3";
    // A supervisor takes back what another has scanned: the nonce alone has to do.
    SCANNERS_OF_NONCE = "select scanner from tickets.scan where venue_id = $1 and nonce = $2 limit 2";
    RULES_NUMBER = "select rules from tickets.show where venue_id = $1 and show_id = $2";
    LAST_ENTRY = "select s.scanned_at, s.gate, s.device_id, d.name as device, s.user_id,
            p.name as member, s.offline, s.nonce, s.scanner
        from tickets.scan s
        left join tickets.scanner d on d.venue_id = s.venue_id and d.id = s.device_id
        left join tickets.person p on p.id = s.user_id
        where s.venue_id = $1 and s.ticket_id = $2 and s.kind = 'entry' and s.counts
          and s.undone_at is null
        order by s.scanned_at desc limit 1";
    ENTRIES_HERE = "select count(*) as entries from tickets.scan
        where venue_id = $1 and ticket_id = $2 and list_id = $3 and kind = 'entry' and counts
          and undone_at is null";
    // Zones in the order of their ids, after the ticket: nobody waits in a circle.
    LOCK_ZONES = "select id, show_id, name, capacity, inside, version from tickets.zone
        where venue_id = $1 and id = any($2) order by id for update";
    MOVE_ZONE = "update tickets.zone set inside = inside + $3 where venue_id = $1 and id = $2";
    MOVE_TICKET = "update tickets.ticket
        set status = $3, zone_id = $4, entries = $5, answered = $6, version = version + 1
        where venue_id = $1 and id = $2";
    INSERT_SCAN = "insert into tickets.scan (venue_id, nonce, scanner, show_id, ticket_id, list_id,
            zone_id, kind, gate, verdict, reason, detail, answers, forced, counts, conflict,
            device_id, user_id, address, agent, scanned_at, device_at, received_at, offline, passed)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                $19, $20, $21, $22, $23, $24, $25)";
    UNDO_SCAN = "update tickets.scan set undone_at = $4, undone_by = $5
        where venue_id = $1 and nonce = $2 and scanner = $3";
    MARK_SETTLED = "update tickets.scan set settled_at = $4, settled_by = $5
        where venue_id = $1 and nonce = $2 and scanner = $3";
    LIST_SCANS = "select s.nonce, s.scanner, s.show_id, s.ticket_id, s.list_id, s.zone_id, s.kind,
            s.gate, s.verdict, s.reason, s.detail, s.answers, s.forced, s.counts, s.conflict,
            s.device_id, s.user_id, s.address, s.agent, s.scanned_at, s.device_at, s.received_at,
            s.offline, s.passed, s.undone_at, s.settled_at
        from tickets.scan s
        where s.venue_id = $1 and s.show_id = $2 and (s.received_at, s.nonce) > ($3, $4)
          and ($6::uuid is null or s.ticket_id = $6)
          and ($7::text is null or s.verdict = $7)
          and ($8::boolean is null or (s.conflict is not null and s.settled_at is null) = $8)
        order by s.received_at, s.nonce limit $5";
    // Several scans in one packet: all tickets, then all zones, before the first scan holds the head.
    LOCK_PASSING = "select from tickets.ticket where venue_id = $1 and id = any($2::text[]::uuid[])
        order by id for update";
    LOCK_PASSED = "select from tickets.zone where venue_id = $1 and id = any($2::text[]::uuid[])
        order by id for update";
    // Everything of a scan in one packet, see the function in the migrations.
    PASS = "select number, name, seat, scanned_at, inside, version, seq, at, prev_at, data
        from tickets.pass($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                          $17, $18, $19, $20, $21, $22, $23, $24, $25)";
}

/// The call that does a whole scan, for `pg::Call`, and what several of them lock beforehand.
pub(crate) const PASS_CALL: &str = PASS;
pub(crate) const PASS_TICKETS: &str = LOCK_PASSING;
pub(crate) const PASS_ZONES: &str = LOCK_PASSED;

pub(crate) fn scan(row: &Row) -> Result<Scan, DbError> {
    let detail: Option<Json<Detail>> = row.col("detail")?;
    let answers: Option<Json<Vec<Given>>> = row.col("answers")?;
    Ok(Scan {
        nonce: row.col("nonce")?,
        scanner: row.col("scanner")?,
        show_id: row.col("show_id")?,
        ticket_id: row.col("ticket_id")?,
        list_id: row.col("list_id")?,
        zone_id: row.col("zone_id")?,
        kind: Kind::from_name(row.col("kind")?).unwrap_or(Kind::Entry),
        gate: row.col("gate")?,
        verdict: Verdict::from_name(row.col("verdict")?).unwrap_or(Verdict::Deny),
        reason: Reason::from_name(row.col("reason")?).unwrap_or(Reason::Unknown),
        detail: detail.map(|Json(detail)| detail).unwrap_or_default(),
        answers: answers.map(|Json(answers)| answers).unwrap_or_default(),
        forced: row.col("forced")?,
        counts: row.col("counts")?,
        conflict: row.col::<Option<&str>>("conflict")?.and_then(Conflict::from_name),
        device_id: row.col("device_id")?,
        user_id: row.col("user_id")?,
        address: row.col("address")?,
        agent: row.col("agent")?,
        scanned_at: row.col("scanned_at")?,
        device_at: row.col("device_at")?,
        received_at: row.col("received_at")?,
        offline: row.col("offline")?,
        passed: row.col("passed")?,
        undone_at: row.col("undone_at")?,
        settled_at: row.col("settled_at")?,
    })
}

/// A scan that is known, with its ticket.
pub(crate) struct Known {
    pub(crate) scan: Scan,
    pub(crate) ticket: Option<DoorTicket>,
}

pub(crate) fn known(row: &Row) -> Result<Known, DbError> {
    let scan = scan(row)?;
    let number: Option<String> = row.col("number")?;
    let ticket = match (scan.ticket_id, number) {
        (Some(id), Some(number)) => Some(DoorTicket {
            id,
            number,
            name: row.col("name")?,
            seat: row.col("seat")?,
            class: row.col("class")?,
        }),
        _ => None,
    };
    Ok(Known { scan, ticket })
}

fn first_scan(row: &Row) -> Result<FirstScan, DbError> {
    Ok(FirstScan {
        at: row.col("scanned_at")?,
        gate: row.col("gate")?,
        device_id: row.col("device_id")?,
        device: row.col("device")?,
        user_id: row.col("user_id")?,
        user: row.col("member")?,
        offline: row.col("offline")?,
    })
}

/// The show whose list it is.
pub(crate) async fn show_of_list(q: &mut Reader, list: ListId) -> Result<Option<ShowId>, DbError> {
    let venue = q.venue()?;
    let rows = q.query(SHOW_OF_LIST, &[&venue, &list]).await?;
    rows.first().map(|row| row.col("show_id")).transpose()
}

/// What is found under the lock of a ticket.
pub(crate) struct Look {
    pub(crate) ticket: Option<Ticket>,
    /// The scan of this nonce, if it is a repeat.
    pub(crate) known: Option<Known>,
    /// The number of the show's rules.
    pub(crate) rules: Option<i64>,
    pub(crate) last_entry: Option<FirstScan>,
    pub(crate) entries_here: i64,
}

/// Locks the ticket, then looks at the nonce, the rules' number and what the ticket was used for.
/// One packet. Without a ticket nothing is locked.
pub(crate) async fn lock_ticket(
    tx: &mut Tx,
    ticket: TicketId,
    (nonce, scanner): (Uuid, Uuid),
    (show, list): (ShowId, ListId),
) -> Result<Look, DbError> {
    let venue = tx.venue()?;
    let [rows, scans, numbers, entries, here] = tx
        .pipeline([
            Query::new(LOCK_TICKET, &[&venue, &ticket]),
            Query::new(FIND_SCAN, &[&venue, &nonce, &scanner]),
            Query::new(RULES_NUMBER, &[&venue, &show]),
            Query::new(LAST_ENTRY, &[&venue, &ticket]),
            Query::new(ENTRIES_HERE, &[&venue, &ticket, &list]),
        ])
        .await?;
    Ok(Look {
        ticket: rows.first().map(tickets::ticket).transpose()?,
        known: scans.first().map(known).transpose()?,
        rules: numbers.first().map(|row| row.col("rules")).transpose()?,
        last_entry: entries.first().map(first_scan).transpose()?,
        entries_here: here.first().map(|row| row.col("entries")).transpose()?.unwrap_or(0),
    })
}

/// Locks a ticket that was found by its scan, and looks at the scan again.
pub(crate) async fn lock_scanned(
    tx: &mut Tx,
    ticket: TicketId,
    (nonce, scanner): (Uuid, Uuid),
) -> Result<(Option<Ticket>, Option<Known>), DbError> {
    let venue = tx.venue()?;
    let [rows, scans] = tx
        .pipeline([
            Query::new(LOCK_TICKET, &[&venue, &ticket]),
            Query::new(FIND_SCAN, &[&venue, &nonce, &scanner]),
        ])
        .await?;
    Ok((rows.first().map(tickets::ticket).transpose()?, scans.first().map(known).transpose()?))
}

/// The scan of this nonce: by `scanner`, or by whoever used it, if only one did.
pub(crate) async fn find_scan(
    tx: &mut Tx,
    nonce: Uuid,
    scanner: Option<Uuid>,
) -> Result<Option<Known>, DbError> {
    let venue = tx.venue()?;
    let scanner = match scanner {
        Some(scanner) => scanner,
        None => match tx.query(SCANNERS_OF_NONCE, &[&venue, &nonce]).await?.as_slice() {
            [one] => one.col("scanner")?,
            _ => return Ok(None),
        },
    };
    tx.query(FIND_SCAN, &[&venue, &nonce, &scanner]).await?.first().map(known).transpose()
}

/// The zones, locked.
pub(crate) async fn lock_zones(tx: &mut Tx, zones: &[ZoneId]) -> Result<Vec<Zone>, DbError> {
    let venue = tx.venue()?;
    tx.query(LOCK_ZONES, &[&venue, &zones]).await?.iter().map(rules::zone).collect()
}

/// So many more, or fewer, are in a zone that is locked.
pub(crate) fn move_zone(tx: &mut Tx, zone: ZoneId, by: i32) -> Result<(), DbError> {
    let row = params![tx.venue()?, zone, by];
    tx.change(MOVE_ZONE, row);
    Ok(())
}

/// Where a ticket that is locked stands now.
pub(crate) fn move_ticket(tx: &mut Tx, ticket: TicketId, step: &Step) -> Result<(), DbError> {
    let row =
        params![tx.venue()?, ticket, step.status.as_str(), step.zone, step.entries, step.answered];
    tx.change(MOVE_TICKET, row);
    Ok(())
}

pub(crate) fn insert_scan(tx: &mut Tx, new: &Scan) -> Result<(), DbError> {
    let mut row: Vec<Param> = params![
        tx.venue()?,
        new.nonce,
        new.scanner,
        new.show_id,
        new.ticket_id,
        new.list_id,
        new.zone_id,
        new.kind.as_str(),
        new.gate.clone(),
        new.verdict.as_str(),
        new.reason.as_str(),
        (!new.detail.is_empty()).then(|| Json(new.detail.clone())),
    ];
    row.extend(params![
        (!new.answers.is_empty()).then(|| Json(new.answers.clone())),
        new.forced.clone(),
        new.counts,
        new.conflict.map(Conflict::as_str),
        new.device_id,
        new.user_id,
        new.address,
        new.agent.clone(),
        new.scanned_at,
        new.device_at,
        new.received_at,
        new.offline,
        new.passed,
    ]);
    tx.change(INSERT_SCAN, row);
    Ok(())
}

pub(crate) fn undo_scan(tx: &mut Tx, nonce: Uuid, scanner: Uuid) -> Result<(), DbError> {
    let by = tx.scope().actor();
    let row = params![tx.venue()?, nonce, scanner, tx.now(), by];
    tx.change(UNDO_SCAN, row);
    Ok(())
}

/// A supervisor has looked at its conflict.
pub(crate) fn mark_settled(tx: &mut Tx, scan: &Scan) -> Result<(), DbError> {
    let by = tx.scope().actor();
    let row = params![tx.venue()?, scan.nonce, scan.scanner, scan.settled_at, by];
    tx.change(MARK_SETTLED, row);
    Ok(())
}

/// Which scans to list: after that moment and nonce, of one ticket, with one verdict, with an open
/// conflict.
pub(crate) struct Wanted {
    pub(crate) after: (jiff::Timestamp, Uuid),
    pub(crate) limit: i64,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) in_conflict: Option<bool>,
}

pub(crate) async fn list_scans(
    q: &mut Reader,
    show: ShowId,
    wanted: &Wanted,
) -> Result<Vec<Scan>, DbError> {
    let (venue, more) = (q.venue()?, wanted.limit + 1);
    let verdict = wanted.verdict.map(Verdict::as_str);
    let (at, nonce) = wanted.after;
    let rows = q
        .query(
            LIST_SCANS,
            &[&venue, &show, &at, &nonce, &more, &wanted.ticket, &verdict, &wanted.in_conflict],
        )
        .await?;
    rows.iter().map(scan).collect()
}
