//! What this slice tells its listeners. No names: `data` says which ticket, and who may know more
//! reads it.

use kernel::event::{Event, Topic};
use serde::Serialize;

use crate::model::Ticket;
use crate::rules::Doors;
use crate::scan::{FirstScan, Scan};
use crate::store::offline::KnownPass;

/// The types of this slice's events with their topic, for the document of events.
pub const EVENTS: &[(&str, Topic, &str)] = &[
    ("doors_changed", Topic::Tickets, "Keys, types, lists, zones or questions of a show changed."),
    ("ticket_issued", Topic::Tickets, "Tickets were issued: data.tickets has their states."),
    ("ticket_updated", Topic::Tickets, "A ticket was changed, revoked or issued anew."),
    ("tickets_revoked", Topic::Tickets, "A show was cancelled: none of its tickets opens a door."),
    ("tickets_mailed", Topic::Tickets, "Mails with tickets were queued, sent or refused."),
    ("ticket_verified", Topic::Tickets, "Somebody was let in or out."),
    ("scan_denied", Topic::Tickets, "Somebody was not let in, or has to be asked first."),
    ("scan_undone", Topic::Tickets, "A scan was taken back."),
    (
        "scan_conflict",
        Topic::Tickets,
        "Scans without a network contradict one another or the house.",
    ),
    ("staff_activity", Topic::Staff, "Who scans, and how it went within the last minute."),
    (
        "security_alert",
        Topic::Staff,
        "Something looks wrong at the doors, or somebody has seen it.",
    ),
    ("zone_occupancy", Topic::Tickets, "A zone was counted anew."),
];

/// The state of a ticket without the person who holds it: what every scanner may hear.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketState<'a> {
    id: kernel::ids::TicketId,
    show_id: kernel::ids::ShowId,
    number: &'a str,
    class: i16,
    status: crate::model::TicketStatus,
    serial: i32,
    paid: bool,
    blocked: bool,
    entries: i32,
    version: i64,
}

impl<'a> TicketState<'a> {
    pub(crate) fn of(ticket: &'a Ticket) -> Self {
        Self {
            id: ticket.id,
            show_id: ticket.show_id,
            number: &ticket.number,
            class: ticket.class,
            status: ticket.status,
            serial: ticket.serial,
            paid: ticket.paid,
            blocked: ticket.blocked.is_some(),
            entries: ticket.entries,
            version: ticket.version,
        }
    }
}

/// The rules of a show are others now.
pub(crate) fn doors_changed(doors: &Doors) -> Result<Event, serde_json::Error> {
    let entity = ("show", doors.show_id.0, doors.version);
    Event::new(Topic::Tickets, "doors_changed", entity, "changed", doors)
}

/// Tickets were issued. One event for all of one write.
pub(crate) fn ticket_issued(
    show: kernel::ids::ShowId,
    tickets: &[Ticket],
) -> Result<Event, serde_json::Error> {
    let states: Vec<_> = tickets.iter().map(TicketState::of).collect();
    let data = serde_json::json!({ "showId": show, "tickets": states });
    Event::new(Topic::Tickets, "ticket_issued", ("show", show.0, 0), "issued", &data)
}

/// All tickets of a show were revoked at once: load them again.
pub(crate) fn tickets_revoked(show: kernel::ids::ShowId) -> Result<Event, serde_json::Error> {
    let data = serde_json::json!({ "showId": show });
    Event::new(Topic::Tickets, "tickets_revoked", ("show", show.0, 0), "revoked", &data)
}

/// A scan, without the person. What only the rows know stands last: the function of the schema that
/// does a scan in one trip puts it there too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScanTold<'a> {
    nonce: uuid::Uuid,
    show_id: kernel::ids::ShowId,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_id: Option<kernel::ids::TicketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_id: Option<kernel::ids::ListId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_id: Option<kernel::ids::ZoneId>,
    kind: crate::model::Kind,
    verdict: crate::model::Verdict,
    reason: crate::model::Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<kernel::ids::DeviceId>,
    user_id: kernel::ids::UserId,
    offline: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<crate::model::Conflict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    scanned_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<i32>,
}

fn told<'a>(scan: &'a Scan, number: Option<&'a str>) -> ScanTold<'a> {
    ScanTold {
        nonce: scan.nonce,
        show_id: scan.show_id,
        ticket_id: scan.ticket_id,
        list_id: scan.list_id,
        zone_id: scan.zone_id,
        kind: scan.kind,
        verdict: scan.verdict,
        reason: scan.reason,
        gate: scan.gate.as_deref(),
        device_id: scan.device_id,
        user_id: scan.user_id,
        offline: scan.offline,
        conflict: scan.conflict,
        number,
        scanned_at: Some(scan.scanned_at),
        inside: scan.detail.inside,
    }
}

/// Somebody was let through with a ticket, whose version is now `version`.
pub(crate) fn ticket_verified(
    scan: &Scan,
    number: &str,
    version: i64,
) -> Result<Event, serde_json::Error> {
    let ticket = scan.ticket_id.map_or(scan.nonce, |ticket| ticket.0);
    let data = told(scan, Some(number));
    let entity = ("ticket", ticket, version);
    Event::new(Topic::Tickets, "ticket_verified", entity, scan.kind.as_str(), &data)
}

/// The same as planned: without what only the rows know.
pub(crate) fn ticket_verified_planned(scan: &Scan) -> Result<Event, serde_json::Error> {
    let ticket = scan.ticket_id.map_or(scan.nonce, |ticket| ticket.0);
    let data = ScanTold { scanned_at: None, inside: None, ..told(scan, None) };
    let entity = ("ticket", ticket, 0);
    Event::new(Topic::Tickets, "ticket_verified", entity, scan.kind.as_str(), &data)
}

/// Somebody was not let through.
pub(crate) fn scan_denied(scan: &Scan, number: Option<&str>) -> Result<Event, serde_json::Error> {
    let action = if scan.verdict == crate::model::Verdict::Ask { "asked" } else { "denied" };
    let data = told(scan, number);
    Event::new(Topic::Tickets, "scan_denied", ("scan", scan.nonce, 0), action, &data)
}

/// A scan was taken back; `ticket` is where it stands without it.
pub(crate) fn scan_undone(scan: &Scan, ticket: &Ticket) -> Result<Event, serde_json::Error> {
    let data = serde_json::json!({
        "scan": told(scan, Some(&ticket.number)), "ticket": TicketState::of(ticket),
    });
    Event::new(Topic::Tickets, "scan_undone", ("scan", scan.nonce, 0), "undone", &data)
}

/// Something a supervisor has to look at, told to the gates too.
pub(crate) fn scan_conflict(
    scan: &Scan,
    number: Option<&str>,
    other: Option<&FirstScan>,
) -> Result<Event, serde_json::Error> {
    let data = serde_json::json!({ "scan": told(scan, number), "other": other });
    let action = scan.conflict.map_or("settled", crate::model::Conflict::as_str);
    Event::new(Topic::Tickets, "scan_conflict", ("scan", scan.nonce, 0), action, &data)
}

/// A supervisor has looked at it.
pub(crate) fn conflict_settled(
    scan: &Scan,
    number: Option<&str>,
) -> Result<Event, serde_json::Error> {
    let settled_at = scan.settled_at.map(kernel::time::text);
    let data = serde_json::json!({ "scan": told(scan, number), "settledAt": settled_at });
    Event::new(Topic::Tickets, "scan_conflict", ("scan", scan.nonce, 0), "settled", &data)
}

/// A ticket was changed, revoked or issued anew.
pub(crate) fn ticket_updated(
    ticket: &Ticket,
    action: &'static str,
) -> Result<Event, serde_json::Error> {
    let entity = ("ticket", ticket.id.0, ticket.version);
    Event::new(Topic::Tickets, "ticket_updated", entity, action, &TicketState::of(ticket))
}

/// The mails of these tickets are queued, sent or refused now.
pub(crate) fn tickets_mailed(
    show: kernel::ids::ShowId,
    tickets: &[Ticket],
) -> Result<Event, serde_json::Error> {
    let states: Vec<_> = tickets
        .iter()
        .map(|it| {
            serde_json::json!({
                "id": it.id, "status": it.status, "mailState": it.mail_state, "version": it.version,
            })
        })
        .collect();
    let data = serde_json::json!({ "showId": show, "tickets": states });
    Event::new(Topic::Tickets, "tickets_mailed", ("show", show.0, 0), "mailed", &data)
}

/// What is known now makes a scan of before count, or count no more.
pub(crate) fn scan_settled(
    ticket: kernel::ids::TicketId,
    known: &KnownPass,
    number: Option<&str>,
) -> Result<Event, serde_json::Error> {
    let action = known.conflict.map_or("settled", crate::model::Conflict::as_str);
    let data = serde_json::json!({
        "scan": {
            "nonce": known.pass.nonce, "ticketId": ticket, "kind": known.pass.kind,
            "number": number, "counts": known.counts, "conflict": known.conflict,
            "gate": known.told.gate, "deviceId": known.told.device_id,
            "userId": known.told.user_id, "offline": known.told.offline,
            "scannedAt": kernel::time::text(known.pass.at),
        },
    });
    Event::new(Topic::Tickets, "scan_conflict", ("scan", known.pass.nonce, 0), action, &data)
}

/// Who scans at this moment.
pub(crate) fn staff_activity(
    venue: kernel::ids::VenueId,
    active: &crate::alerts::Activity,
) -> Result<Event, serde_json::Error> {
    let scanner = active.device_id.map_or(active.user_id.0, |device| device.0);
    let scanner = if scanner.is_nil() { venue.0 } else { scanner };
    Event::new(Topic::Staff, "staff_activity", ("scanner", scanner, 0), "scanning", active)
}

/// Something looks wrong at the doors, or somebody has seen it.
pub(crate) fn security_alert(
    alert: &crate::alert_reads::Alert,
) -> Result<Event, serde_json::Error> {
    let action = if alert.seen_at.is_some() { "seen" } else { alert.kind.as_str() };
    Event::new(Topic::Staff, "security_alert", ("alert", alert.id.0, alert.version), action, alert)
}
