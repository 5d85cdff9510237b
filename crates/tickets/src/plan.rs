//! A scan in one round trip: what a worker plans for a ticket that is as most are, and the call that
//! does it if it is.

use edge::{Actor, Answer, App, Rejection};
use jiff::Timestamp;
use kernel::ids::{TicketId, ZoneId};
use kernel::role::Needs;
use pg::{Call, Columns, Lock, params};

use crate::code::Said;
use crate::judge::{Case, Judged, judge, window};
use crate::keeper::Kept;
use crate::model::{Kind, MailState, Reason, Ticket, TicketStatus, Verdict};
use crate::present::Presented;
use crate::scan::{DoorTicket, Scan, ScanAnswer};
use crate::scan_ticket::{Asked, blank};
use crate::store::scans::{PASS_CALL, PASS_TICKETS, PASS_ZONES};
use crate::{TicketsError, event};

/// What is done, and what it takes for granted besides the code: that the ticket is paid, not
/// blocked, in one of these states and in that zone, and that the rules are those that were kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    from: Vec<&'static str>,
    to: &'static str,
    zone_before: Option<ZoneId>,
    zone_after: Option<ZoneId>,
    entries_max: i32,
    opens_at: Timestamp,
    closes_at: Timestamp,
}

/// The plan for a ticket that nothing is wrong with. None where the door has to ask, or would let
/// in nobody.
pub(crate) fn planned(kept: &Kept, asked: &Asked) -> Result<Option<Plan>, TicketsError> {
    let Presented::Code(said) = &asked.presented else { return Ok(None) };
    let list = kept.rules.list(asked.list).ok_or(TicketsError::NoSuchList)?;
    if asked.forced.is_some() || !asked.answers.is_empty() {
        return Ok(None);
    }
    let window = window(&kept.rules, list, i16::from(said.class));
    let through = |status, zone| {
        let ticket = supposed(said, status, zone);
        let case = Case {
            rules: &kept.rules,
            list,
            ticket: &ticket,
            serial: Some(said.serial),
            kind: asked.kind,
            answers: &[],
            entries_here: 0,
            // The moment is judged by PostgreSQL's clock: here it is a good one.
            now: window.0,
        };
        matches!(judge(&case), Judged::Through(_))
    };
    Ok(match asked.kind {
        Kind::Entry => through(TicketStatus::Issued, None).then(|| {
            let again = through(TicketStatus::Left, None).then_some("left");
            Plan {
                from: ["issued", "sent"].into_iter().chain(again).collect(),
                to: "admitted",
                zone_before: None,
                zone_after: list.zone_id,
                entries_max: list.entries_max.unwrap_or(i32::MAX),
                opens_at: window.0,
                closes_at: window.1,
            }
        }),
        Kind::Exit => through(TicketStatus::Admitted, list.zone_id).then(|| Plan {
            from: vec!["admitted"],
            to: "left",
            zone_before: list.zone_id,
            zone_after: None,
            entries_max: i32::MAX,
            // One may leave at any time.
            opens_at: Timestamp::UNIX_EPOCH,
            closes_at: Timestamp::MAX,
        }),
    })
}

/// A ticket as the code says, and otherwise as most are.
fn supposed(said: &Said, status: TicketStatus, zone_id: Option<ZoneId>) -> Ticket {
    Ticket {
        id: said.ticket,
        show_id: said.show,
        number: String::new(),
        class: said.class.into(),
        name: None,
        email: None,
        seat: None,
        status,
        serial: i32::try_from(said.serial).unwrap_or(0),
        paid: true,
        blocked: None,
        booking_id: None,
        zone_id,
        entries: 0,
        mail_state: MailState::None,
        mail_error: None,
        created_at: Timestamp::UNIX_EPOCH,
        version: 1,
        reissued_at: None,
        revoked_at: None,
        answered: false,
    }
}

/// What the call locks, in the order of this slice.
fn locks(ticket: TicketId, scan: &Scan) -> Vec<Lock> {
    let zones = scan.zone_id.iter().map(ZoneId::to_string).collect();
    vec![
        Lock { sql: PASS_TICKETS, keys: vec![ticket.to_string()] },
        Lock { sql: PASS_ZONES, keys: zones },
    ]
}

/// Does it, if all that it takes for granted holds under the lock. None: nothing was done, or
/// nobody knows; whoever judges next finds the nonce if it was.
pub(crate) async fn take<G: Needs>(
    app: &App,
    actor: &Actor<G>,
    kept: &Kept,
    asked: &Asked,
    plan: Plan,
) -> Result<Option<Answer>, Rejection> {
    let (Presented::Code(said), Some(list)) = (&asked.presented, kept.rules.list(asked.list))
    else {
        return Ok(None);
    };
    let mut scan = blank(asked, list, Some(said.ticket), app.clock().now());
    (scan.verdict, scan.reason, scan.counts) = (Verdict::Admit, Reason::Ok, true);
    scan.zone_id = plan.zone_after.or(plan.zone_before);
    let event =
        event::ticket_verified_planned(&scan).map_err(|e| Rejection::of(&TicketsError::from(e)))?;
    let mut params = params![
        scan.nonce,
        scan.scanner,
        scan.show_id,
        said.ticket,
        i32::try_from(said.serial).unwrap_or(0),
        i16::from(said.class),
        kept.rules.doors.rules,
        asked.kind.as_str(),
        plan.from,
        plan.to,
        plan.zone_before,
        plan.zone_after,
        list.id,
    ];
    params.extend(params![
        plan.entries_max,
        scan.gate.clone(),
        plan.opens_at,
        plan.closes_at,
        app.clock().offset_micros(),
        scan.device_id,
        scan.user_id,
        scan.address,
        scan.agent.clone(),
        scan.device_at,
        event.audience.number(),
        event.data.get().to_owned(),
    ]);
    let locks = locks(said.ticket, &scan);
    let done = match app.call(actor, Call { sql: PASS_CALL, params, event, locks }).await {
        Ok(done) => done,
        // Not allowed, or not signed in: the longer way would say the same.
        Err(refused) if [401, 403].contains(&refused.0.status) => return Err(refused),
        Err(_) => None,
    };
    let Some((row, pos)) = done else { return Ok(None) };
    let read = || -> Result<Answer, TicketsError> {
        scan.scanned_at = row.col("scanned_at")?;
        scan.detail.inside = row.col("inside")?;
        let ticket = DoorTicket {
            id: said.ticket,
            number: row.col("number")?,
            name: row.col("name")?,
            seat: row.col("seat")?,
            class: said.class.into(),
        };
        Ok(Answer::done(&ScanAnswer::of(&scan, Some(ticket)), Some(pos))?)
    };
    let mut read = read;
    read().map(Some).map_err(|error| Rejection::of(&error))
}
