//! What the house should know of its doors. Pure: found in the scans of the last minutes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use kernel::ids::{DeviceId, ShowId, TicketId, UserId};
use serde::Serialize;
use uuid::Uuid;

use crate::model::{Conflict, Verdict};

/// How far back scans are looked at.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Refusals of one scanner within the window that are worth a word.
pub(crate) const DENIALS_MANY: usize = 10;
/// A device whose clock is further off than this shows wrong times, and its offline scans are
/// judged by what was measured of it.
pub(crate) const CLOCK_OFF: SignedDuration = SignedDuration::from_secs(120);

kernel::names! {
    /// What is wrong.
    #[derive(PartialOrd, Ord)]
    AlertKind {
        /// One scanner refused ten times within a minute.
        ManyDenials = "many_denials",
        /// One ticket was shown at two gates within a minute.
        TwoGates = "two_gates",
        /// A device that was revoked handed in scans.
        UntrustedDevice = "untrusted_device",
        /// A device's clock is more than two minutes off.
        ClockOff = "clock_off",
        /// A device that nobody has approved, or somebody has revoked, still tries.
        UnapprovedDevice = "unapproved_device",
    }
}

/// A scan as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) show: ShowId,
    pub(crate) scanner: Uuid,
    pub(crate) device: Option<DeviceId>,
    pub(crate) user: UserId,
    pub(crate) ticket: Option<TicketId>,
    pub(crate) gate: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) offline: bool,
    pub(crate) scanned_at: Timestamp,
    pub(crate) device_at: Option<Timestamp>,
    pub(crate) received_at: Timestamp,
}

/// A device that tried though it is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) device: DeviceId,
    /// Whether somebody has revoked it; otherwise nobody has approved it yet.
    pub(crate) revoked: bool,
    pub(crate) at: Timestamp,
}

/// Something to be told: once as long as nobody has seen it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) kind: AlertKind,
    /// Absent where it is about none in particular.
    pub(crate) show: Option<ShowId>,
    /// The device, member or ticket.
    pub(crate) subject: Uuid,
    pub(crate) count: i32,
    pub(crate) detail: serde_json::Value,
}

/// Who scanned within the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Activity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) user_id: UserId,
    pub(crate) show_id: ShowId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<String>,
    pub(crate) admitted: usize,
    pub(crate) denied: usize,
    #[serde(with = "kernel::time::instant")]
    pub(crate) last_at: Timestamp,
}

/// What is worth a word in these scans.
pub(crate) fn findings(scans: &[Seen]) -> Vec<Finding> {
    let mut found = many_denials(scans);
    found.extend(two_gates(scans));
    for scan in scans {
        if scan.conflict == Some(Conflict::UntrustedDevice) {
            let detail = serde_json::json!({ "deviceId": scan.device, "userId": scan.user });
            found.push(finding(AlertKind::UntrustedDevice, scan, scan.scanner, 1, detail));
        }
        let off =
            scan.device_at.filter(|_| !scan.offline).map(|at| scan.received_at.duration_since(at));
        if let Some(off) = off.filter(|off| off.abs() > CLOCK_OFF) {
            let detail =
                serde_json::json!({ "deviceId": scan.device, "behindSecs": off.as_secs() });
            found.push(finding(AlertKind::ClockOff, scan, scan.scanner, 1, detail));
        }
    }
    let mut once: BTreeMap<(AlertKind, Uuid), Finding> = BTreeMap::new();
    for finding in found {
        once.entry((finding.kind, finding.subject)).or_insert(finding);
    }
    once.into_values().collect()
}

/// What is worth a word of devices that were refused.
pub(crate) fn refusals(refused: &[Refused]) -> Vec<Finding> {
    let told = refused.iter().map(|it| Finding {
        kind: AlertKind::UnapprovedDevice,
        show: None,
        subject: it.device.0,
        count: 1,
        detail: serde_json::json!({
            "deviceId": it.device, "status": if it.revoked { "revoked" } else { "pending" },
        }),
    });
    told.collect()
}

fn finding(
    kind: AlertKind,
    scan: &Seen,
    subject: Uuid,
    count: usize,
    detail: serde_json::Value,
) -> Finding {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    Finding { kind, show: Some(scan.show), subject, count, detail }
}

fn many_denials(scans: &[Seen]) -> Vec<Finding> {
    let mut by_scanner: BTreeMap<Uuid, Vec<&Seen>> = BTreeMap::new();
    for scan in scans.iter().filter(|scan| scan.verdict == Verdict::Deny && !scan.offline) {
        by_scanner.entry(scan.scanner).or_default().push(scan);
    }
    let mut found = Vec::new();
    for (scanner, denied) in by_scanner {
        let [.., last] = denied.as_slice() else { continue };
        if denied.len() >= DENIALS_MANY {
            let detail = serde_json::json!({
                "deviceId": last.device, "userId": last.user, "gate": last.gate,
            });
            found.push(finding(AlertKind::ManyDenials, last, scanner, denied.len(), detail));
        }
    }
    found
}

fn two_gates(scans: &[Seen]) -> Vec<Finding> {
    let mut by_ticket: BTreeMap<Uuid, Vec<&Seen>> = BTreeMap::new();
    for scan in scans {
        if let Some(ticket) = scan.ticket {
            by_ticket.entry(ticket.0).or_default().push(scan);
        }
    }
    let mut found = Vec::new();
    for (ticket, mut shown) in by_ticket {
        shown.sort_by_key(|scan| scan.scanned_at);
        let meets = shown.iter().zip(shown.iter().skip(1)).find(|(one, other)| {
            one.gate.is_some()
                && other.gate.is_some()
                && one.gate != other.gate
                && other.scanned_at.duration_since(one.scanned_at) <= WINDOW
        });
        if let Some((one, other)) = meets {
            let detail =
                serde_json::json!({ "ticketId": one.ticket, "gates": [one.gate, other.gate] });
            found.push(finding(AlertKind::TwoGates, other, ticket, shown.len(), detail));
        }
    }
    found
}

/// Who scanned after `since`, each with the figures of all these scans.
pub(crate) fn activities(scans: &[Seen], since: Timestamp) -> Vec<Activity> {
    let mut by_scanner: BTreeMap<Uuid, Vec<&Seen>> = BTreeMap::new();
    for scan in scans {
        by_scanner.entry(scan.scanner).or_default().push(scan);
    }
    let mut active = Vec::new();
    for mine in by_scanner.into_values() {
        let Some(last) = mine.iter().max_by_key(|scan| scan.received_at) else { continue };
        if last.received_at <= since {
            continue;
        }
        let of = |verdict| mine.iter().filter(|scan| scan.verdict == verdict).count();
        active.push(Activity {
            device_id: last.device,
            user_id: last.user,
            show_id: last.show,
            gate: last.gate.clone(),
            admitted: of(Verdict::Admit),
            denied: of(Verdict::Deny),
            last_at: last.scanned_at,
        });
    }
    active
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(scanner: u128, ticket: u128, gate: &str, verdict: Verdict, secs: i64) -> Seen {
        let at = Timestamp::from_second(1_800_000_000 + secs).unwrap();
        Seen {
            show: ShowId(Uuid::from_u128(1)),
            scanner: Uuid::from_u128(scanner),
            device: Some(DeviceId(Uuid::from_u128(scanner))),
            user: UserId(Uuid::from_u128(9)),
            ticket: Some(TicketId(Uuid::from_u128(ticket))),
            gate: Some(gate.to_owned()),
            verdict,
            conflict: None,
            offline: false,
            scanned_at: at,
            device_at: None,
            received_at: at,
        }
    }

    fn kinds(scans: &[Seen]) -> Vec<AlertKind> {
        findings(scans).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn ten_refusals_of_one_scanner_are_told_and_nine_are_not() {
        let denied = |n| -> Vec<Seen> {
            (0..n)
                .map(|at| scan(1, u128::try_from(100 + at).unwrap(), "N", Verdict::Deny, at))
                .collect()
        };
        assert_eq!(kinds(&denied(9)), []);
        assert_eq!(kinds(&denied(10)), [AlertKind::ManyDenials]);
    }

    #[test]
    fn a_ticket_at_two_gates_within_a_minute_is_told() {
        let (north, deny) = (scan(1, 5, "North", Verdict::Admit, 0), Verdict::Deny);
        assert_eq!(kinds(&[north.clone(), scan(2, 5, "South", deny, 59)]), [AlertKind::TwoGates]);
        assert_eq!(kinds(&[north.clone(), scan(2, 5, "South", deny, 61)]), []);
        assert_eq!(kinds(&[north.clone(), scan(2, 5, "North", deny, 5)]), []);
        assert_eq!(kinds(&[north, scan(2, 6, "South", deny, 5)]), []);
    }

    #[test]
    fn a_clock_that_is_far_off_is_told_but_not_of_what_was_scanned_without_a_network() {
        let mut late = scan(1, 5, "North", Verdict::Admit, 500);
        late.device_at = Some(Timestamp::from_second(1_800_000_000 + 379).unwrap());
        assert_eq!(kinds(std::slice::from_ref(&late)), [AlertKind::ClockOff]);
        late.offline = true;
        assert_eq!(kinds(&[late]), []);
    }

    #[test]
    fn whoever_scanned_since_the_last_look_is_told_with_the_figures_of_the_window() {
        let scans = [
            scan(1, 5, "North", Verdict::Admit, 0),
            scan(1, 6, "North", Verdict::Deny, 30),
            scan(2, 7, "South", Verdict::Admit, 2),
        ];
        let active = activities(&scans, scans[2].received_at);
        assert_eq!(active.len(), 1);
        assert_eq!((active[0].admitted, active[0].denied), (1, 1));
    }
}
