//! Take in what was scanned without a network. The same rules whatever order batches come in, and
//! whatever is sent twice: see `merge`.
//!
//! A batch is done in parts, each one transaction: tickets in the order of their ids, then zones.
//! One that breaks off has done some of its parts; sent again, it is told the same of those.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use actix_web::{HttpRequest, post, web};
use edge::{Actor, Answer, App, Body, Done, Path, Rejection, WriteRefusals, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{TicketId, ZoneId};
use kernel::role::Permission;
use pg::Tx;
use uuid::Uuid;

use crate::batch::{BatchAnswer, OfflineScan, ScanBatch};
use crate::keeper::{Keeper, Kept};
use crate::merge::{Pass, Standing, settle};
use crate::model::{Conflict, Kind, Reason, Reentry, Ticket, TicketStatus, Verdict};
use crate::offline_bundle::Lease;
use crate::present::{Presented, read_rules, verify_here};
use crate::reads::VenuePath;
use crate::rules::List;
use crate::scan::{Detail, FirstScan, Scan, ScanAnswer, Who};
use crate::scan_ticket::{door_ticket, who};
use crate::store::offline::{self, Gathered, KnownPass};
use crate::store::{rules, scans};
use crate::undo_scan::stands;
use crate::{TicketsError, event};

/// Scans of one transaction.
const PART_SCANS_MAX: usize = 100;

/// One scan of a batch, its code read.
#[derive(Clone, Debug)]
struct Sent {
    place: usize,
    scan: OfflineScan,
    presented: Presented,
    who: Who,
}

/// What all scans of a batch share.
struct Batch {
    kept: Arc<Kept>,
    keeper: Keeper,
    sent_at: Option<Timestamp>,
    lease: Option<Lease>,
    received: Instant,
    sender: Uuid,
}

/// Hand in scans that were made without a network
///
/// Each gets its verdict; the same nonce always the same one. Of two who were let in with one ticket
/// the earlier counts; the other is a conflict that gates and supervisors are told of. Send it again
/// as often as needed.
#[utoipa::path(
    operation_id = "mergeScans", tag = "tickets", params(VenuePath), request_body = ScanBatch,
    security(("bearer" = [])), responses((status = 200, body = BatchAnswer), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/scans/batch")]
pub(crate) async fn post_scan_batch(
    actor: Actor<can::ScanTickets>,
    _at: Path<VenuePath>,
    request: HttpRequest,
    cmd: Body<ScanBatch>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<Answer, Rejection> {
    let received = Instant::now();
    let refused = |error: TicketsError| Rejection::of(&error);
    let kept = read_rules(&app, &keeper, actor.scope, cmd.show).await.map_err(refused)?;
    let sender = who(&actor, &request)?;
    let keys: Vec<_> = keeper.public_keys(&kept).map_err(refused)?;
    let keys: Vec<_> = keys.into_iter().map(|(kid, public, _)| (kid, public)).collect();
    let lease = cmd.lease.as_deref().and_then(|text| Lease::read(text, &keys));
    let batch = Arc::new(Batch {
        keeper: keeper.as_ref().clone(),
        sent_at: cmd.sent_at,
        lease: lease.filter(|lease| lease.show == cmd.show && lease.scanner == sender.scanner()),
        received,
        sender: sender.scanner(),
        kept: Arc::clone(&kept),
    });
    let scans = cmd.into_inner().scans;
    let sent = web::block(move || read(&kept, scans, &sender)).await;
    let sent = sent.map_err(|_| refused(TicketsError::Crypto))?;
    let supervises = actor.standing.may(Permission::SuperviseDoors);
    if !supervises && sent.iter().any(|sent| is_foreign(sent, batch.sender)) {
        return Err(refused(TicketsError::NotYourDevice));
    }
    merge(&app, &actor, batch, sent).await
}

/// By another device or person, or without the code that proves it: from those who supervise.
fn is_foreign(sent: &Sent, sender: Uuid) -> bool {
    sent.who.scanner() != sender || matches!(sent.presented, Presented::ByHand(_))
}

/// Verifies all codes, which takes a moment: on a thread that serves nobody meanwhile.
fn read(kept: &Kept, scans: Vec<OfflineScan>, sender: &Who) -> Vec<Sent> {
    let each = scans.into_iter().enumerate().map(|(place, scan)| {
        let presented = match (&scan.code, scan.ticket) {
            (Some(code), _) => verify_here(kept, code),
            (None, ticket) => Presented::ByHand(ticket.unwrap_or(TicketId(Uuid::nil()))),
        };
        let who = match (scan.device, scan.user) {
            (None, None) => sender.clone(),
            (device, user) => Who { device, user: user.unwrap_or(sender.user), ..sender.clone() },
        };
        Sent { place, scan, presented, who }
    });
    let mut sent: Vec<_> = each.collect();
    // Tickets in the order of their ids; what names none stands at the end.
    sent.sort_by_key(|sent| {
        let ticket = sent.presented.ticket();
        (ticket.is_none(), ticket, sent.scan.scanned_at, sent.scan.nonce)
    });
    sent
}

async fn merge(
    app: &App,
    actor: &Actor<can::ScanTickets>,
    batch: Arc<Batch>,
    sent: Vec<Sent>,
) -> Result<Answer, Rejection> {
    let mut results: BTreeMap<usize, ScanAnswer> = BTreeMap::new();
    let mut last = None;
    for part in parts(sent) {
        let places: Vec<_> = part.iter().map(|sent| sent.place).collect();
        let batch = Arc::clone(&batch);
        let done = app.part(actor, async move |tx| {
            let results = merge_part(tx, &batch, &part).await?;
            Ok::<_, TicketsError>(Done(BatchAnswer { results }))
        });
        let (Done(answer), pos) = done.await?;
        last = pos.or(last);
        results.extend(places.into_iter().zip(answer.results));
    }
    let answer = BatchAnswer { results: results.into_values().collect() };
    Answer::done(&answer, last).map_err(|error| Rejection::of(&TicketsError::from(error)))
}

/// Parts of at most so many scans; those of one ticket stay together, so that each is settled once.
fn parts(sent: Vec<Sent>) -> Vec<Vec<Sent>> {
    let mut parts: Vec<Vec<Sent>> = Vec::new();
    for one in sent {
        let together = parts.last_mut().filter(|part| {
            let same = part.last().and_then(|last| last.presented.ticket());
            part.len() < PART_SCANS_MAX || (same.is_some() && same == one.presented.ticket())
        });
        match together {
            Some(part) => part.push(one),
            None => parts.push(vec![one]),
        }
    }
    parts
}

/// The rule for one part.
async fn merge_part(
    tx: &mut Tx,
    batch: &Batch,
    part: &[Sent],
) -> Result<Vec<ScanAnswer>, TicketsError> {
    let show = batch.kept.rules.doors.show_id;
    let mut ids: Vec<_> = part.iter().filter_map(|sent| sent.presented.ticket()).collect();
    ids.dedup();
    let nonces: Vec<_> = part.iter().map(|sent| sent.scan.nonce).collect();
    let scanners: Vec<_> = part.iter().map(|sent| sent.who.scanner()).collect();
    let mut found = offline::lock_tickets(tx, show, &ids, (&nonces, &scanners)).await?;
    let fresh = if found.rules == Some(batch.kept.rules.doors.rules) {
        None
    } else {
        let (rules, keys) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
        Some(batch.keeper.keep(batch.kept.venue, rules, keys))
    };
    let kept = fresh.as_ref().unwrap_or(&batch.kept);
    let mut work = Work::default();
    for sent in part {
        work.take(tx.now(), batch, kept, &mut found, sent)?;
    }
    let zones = work.settle(&mut found);
    work.write(tx, &found, zones).await?;
    work.answers(part, found)
}

/// What is to be done for one part.
#[derive(Default)]
struct Work {
    /// New scans by (nonce, scanner).
    new: HashMap<(Uuid, Uuid), Scan>,
    /// In the order in which they are written.
    order: Vec<(Uuid, Uuid)>,
    /// Tickets that are to be settled anew.
    touched: Vec<TicketId>,
    /// Scans that were known and count for something else now.
    changed: Vec<(TicketId, usize)>,
    moved: Vec<(TicketId, crate::judge::Step)>,
}

impl Work {
    /// Judges one scan by itself; what it means beside the others of its ticket is settled later.
    fn take(
        &mut self,
        now: Timestamp,
        batch: &Batch,
        kept: &Kept,
        found: &mut Gathered,
        sent: &Sent,
    ) -> Result<(), TicketsError> {
        let key = (sent.scan.nonce, sent.who.scanner());
        if found.known.contains_key(&key) || self.new.contains_key(&key) {
            return Ok(());
        }
        let list = kept.rules.list(sent.scan.list).ok_or(TicketsError::NoSuchList)?;
        let mut scan = new_scan(sent, list, corrected(now, batch, sent.scan.scanned_at), now);
        let ticket = sent.presented.ticket().and_then(|id| found.tickets.get(&id));
        let revoked_at = sent.who.device.and_then(|device| found.devices.get(&device)?.1);
        scan.ticket_id = ticket.map(|ticket| ticket.id).or(sent.presented.ticket());
        let verdict = judge_alone(&scan, sent, ticket, revoked_at);
        (scan.verdict, scan.reason, scan.conflict) = verdict;
        if scan.passed
            && scan.conflict.is_none()
            && let Some(ticket) = ticket
        {
            let device = sent.who.device.and_then(|device| found.devices.get(&device));
            let known = KnownPass {
                pass: pass_of(&scan, list),
                counts: false,
                conflict: None,
                told: told(&scan, device.map(|(name, _)| name.clone())),
            };
            found.passes.entry(ticket.id).or_default().push(known);
            if !self.touched.contains(&ticket.id) {
                self.touched.push(ticket.id);
            }
        }
        self.order.push(key);
        self.new.insert(key, scan);
        Ok(())
    }

    /// Settles each touched ticket from all that is known of it. Gives how many more, or fewer, are
    /// in each zone.
    fn settle(&mut self, found: &mut Gathered) -> BTreeMap<ZoneId, i32> {
        let mut zones: BTreeMap<ZoneId, i32> = BTreeMap::new();
        for id in self.touched.clone() {
            let (Some(passes), Some(ticket)) = (found.passes.get_mut(&id), found.tickets.get(&id))
            else {
                continue;
            };
            passes.sort_by_key(|known| (known.pass.at, known.pass.scanner, known.pass.nonce));
            let mut order: Vec<Pass> = passes.iter().map(|known| known.pass).collect();
            let (standings, now) = settle(&mut order);
            let tolds: Vec<_> = passes.iter().map(|known| known.told.clone()).collect();
            for (at, (known, standing)) in passes.iter_mut().zip(&standings).enumerate() {
                let (counts, conflict) = match standing {
                    Standing::Counts => (true, None),
                    Standing::Second(_) => (false, Some(Conflict::SecondEntry)),
                    Standing::Idle => (false, None),
                };
                let key = (known.pass.nonce, known.pass.scanner);
                if let Some(scan) = self.new.get_mut(&key) {
                    let winner = match standing {
                        Standing::Second(winner) => tolds.get(*winner).cloned(),
                        _ => None,
                    };
                    answer_for(scan, *standing, winner);
                } else if (known.counts, known.conflict) != (counts, conflict) {
                    self.changed.push((id, at));
                }
                (known.counts, known.conflict) = (counts, conflict);
            }
            let step = stands(ticket, now);
            if step.zone != ticket.zone_id {
                for (zone, by) in [(ticket.zone_id, -1), (step.zone, 1)] {
                    if let Some(zone) = zone {
                        *zones.entry(zone).or_default() += by;
                    }
                }
            }
            self.moved.push((id, step));
        }
        zones.retain(|_, by| *by != 0);
        zones
    }

    async fn write(
        &self,
        tx: &mut Tx,
        found: &Gathered,
        zones: BTreeMap<ZoneId, i32>,
    ) -> Result<(), TicketsError> {
        if !zones.is_empty() {
            let ids: Vec<_> = zones.keys().copied().collect();
            scans::lock_zones(tx, &ids).await?;
        }
        for (zone, by) in zones {
            scans::move_zone(tx, zone, by)?;
        }
        for (ticket, step) in &self.moved {
            scans::move_ticket(tx, *ticket, step)?;
        }
        let number = |ticket: Option<TicketId>| {
            ticket.and_then(|id| found.tickets.get(&id)).map(|ticket| ticket.number.as_str())
        };
        for scan in self.order.iter().filter_map(|key| self.new.get(key)) {
            scans::insert_scan(tx, scan)?;
            let ticket = scan.ticket_id.and_then(|id| found.tickets.get(&id));
            if let Some(ticket) = ticket.filter(|_| scan.counts) {
                let version = ticket.version + 1;
                tx.emit(event::ticket_verified(scan, &ticket.number, version)?);
            }
            if scan.conflict.is_some() {
                let other = scan.detail.first_scan.as_ref();
                tx.emit(event::scan_conflict(scan, number(scan.ticket_id), other)?);
            }
        }
        for (ticket, at) in &self.changed {
            let Some(known) = found.passes.get(ticket).and_then(|passes| passes.get(*at)) else {
                continue;
            };
            offline::settle_scan(tx, &known.pass, known.counts, known.conflict)?;
            tx.emit(event::scan_settled(*ticket, known, number(Some(*ticket)))?);
        }
        Ok(())
    }

    fn answers(self, part: &[Sent], found: Gathered) -> Result<Vec<ScanAnswer>, TicketsError> {
        part.iter()
            .map(|sent| {
                let key = (sent.scan.nonce, sent.who.scanner());
                if let Some(known) = found.known.get(&key) {
                    return Ok(ScanAnswer::of(&known.scan, known.ticket.clone()));
                }
                let scan = self.new.get(&key).ok_or(TicketsError::NoSuchScan)?;
                let ticket = scan.ticket_id.and_then(|id| found.tickets.get(&id));
                Ok(ScanAnswer::of(scan, ticket.map(door_ticket)))
            })
            .collect()
    }
}

/// The scanner's time, set right by the clock that it had when it sent, within the life of its
/// bundle and not in the future.
fn corrected(now: Timestamp, batch: &Batch, scanned_at: Timestamp) -> Timestamp {
    let since = SignedDuration::try_from(batch.received.elapsed()).unwrap_or_default();
    let received = now - since;
    let ahead = batch.sent_at.map_or(SignedDuration::ZERO, |sent| sent.duration_since(received));
    let at = scanned_at.checked_sub(ahead).unwrap_or(now);
    let least = batch.lease.as_ref().map_or(Timestamp::UNIX_EPOCH, |lease| lease.issued);
    kernel::time::micros(at.max(least).min(received))
}

/// What a scan is worth by itself: whether the code is ours, the ticket was alive and the device
/// trusted at that time.
fn judge_alone(
    scan: &Scan,
    sent: &Sent,
    ticket: Option<&Ticket>,
    revoked_at: Option<Timestamp>,
) -> (Verdict, Reason, Option<Conflict>) {
    let let_in = |conflict| scan.passed.then_some(conflict);
    let untrusted = let_in(Conflict::UntrustedDevice);
    if !scan.passed {
        // What the scanner did itself, as it did it.
        return (sent.scan.verdict, sent.scan.reason.unwrap_or(Reason::Unknown), None);
    }
    if let Presented::Nothing(reason, _) = sent.presented {
        return (Verdict::Deny, reason, untrusted);
    }
    let Some(ticket) = ticket else { return (Verdict::Deny, Reason::Unknown, untrusted) };
    if ticket.show_id != scan.show_id {
        return (Verdict::Deny, Reason::WrongShow, untrusted);
    }
    if revoked_at.is_some_and(|revoked| revoked <= scan.scanned_at) {
        return (Verdict::Deny, Reason::Blocked, untrusted);
    }
    if scan.kind == Kind::Exit {
        return (Verdict::Admit, Reason::Ok, None);
    }
    let before = |at: Option<Timestamp>| at.is_none_or(|at| at <= scan.scanned_at);
    if ticket.status == TicketStatus::Revoked && before(ticket.revoked_at) {
        return (Verdict::Deny, Reason::Revoked, let_in(Conflict::AfterRevocation));
    }
    let present = u32::try_from(ticket.serial).unwrap_or(0);
    match sent.presented.serial() {
        Some(serial) if serial < present && before(ticket.reissued_at) => {
            (Verdict::Deny, Reason::Reissued, let_in(Conflict::AfterRevocation))
        }
        Some(serial) if serial > present => (Verdict::Deny, Reason::Unknown, untrusted),
        _ => (Verdict::Admit, Reason::Ok, None),
    }
}

/// What the scanner is told, now that it is known what its scan means beside the others.
fn answer_for(scan: &mut Scan, standing: Standing, winner: Option<FirstScan>) {
    match standing {
        Standing::Counts => scan.counts = true,
        Standing::Second(_) => {
            (scan.verdict, scan.reason) = (Verdict::Deny, Reason::AlreadyAdmitted);
            scan.conflict = Some(Conflict::SecondEntry);
            scan.detail.first_scan = winner;
        }
        Standing::Idle => (scan.verdict, scan.reason) = (Verdict::Deny, Reason::NotInside),
    }
}

fn new_scan(sent: &Sent, list: &List, at: Timestamp, now: Timestamp) -> Scan {
    let OfflineScan { nonce, kind, gate, scanned_at, verdict, answers, .. } = sent.scan.clone();
    Scan {
        nonce,
        scanner: sent.who.scanner(),
        show_id: list.show_id,
        ticket_id: None,
        list_id: Some(list.id),
        zone_id: list.zone_id,
        kind: kind.unwrap_or(Kind::Entry),
        gate: gate.map(|gate| gate.trim().to_owned()),
        verdict,
        reason: Reason::Unknown,
        detail: Detail::default(),
        answers,
        forced: None,
        counts: false,
        conflict: None,
        device_id: sent.who.device,
        user_id: sent.who.user,
        address: sent.who.address,
        agent: sent.who.agent.clone(),
        scanned_at: at,
        device_at: Some(scanned_at),
        received_at: now,
        offline: true,
        passed: verdict == Verdict::Admit,
        undone_at: None,
        settled_at: None,
    }
}

fn pass_of(scan: &Scan, list: &List) -> Pass {
    Pass {
        scanner: scan.scanner,
        nonce: scan.nonce,
        at: scan.scanned_at,
        kind: scan.kind,
        online: false,
        zone: list.zone_id,
        reentry: if scan.kind == Kind::Exit { Reentry::Always } else { list.reentry },
    }
}

fn told(scan: &Scan, device: Option<String>) -> FirstScan {
    FirstScan {
        at: scan.scanned_at,
        gate: scan.gate.clone(),
        device_id: scan.device_id,
        device,
        user_id: scan.user_id,
        user: None,
        offline: true,
    }
}
