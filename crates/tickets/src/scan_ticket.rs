//! Scan a ticket at a door. The nonce is looked at first, the ticket's row is locked, then it is
//! judged: of many who scan it at once exactly one lets somebody in.
//!
//! Most scans are good ones. For them the worker plans what to do from the rules that it keeps, and
//! one function of the schema does it in one round trip if the plan holds under the lock. Whatever
//! does not go as planned is judged here.

use std::sync::Arc;

use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, post, web};
use edge::body::Errors;
use edge::{Actor, Answer, App, Body, Done, Input, Path, Rejection, WriteRefusals, can};
use jiff::Timestamp;
use kernel::ids::{ListId, TicketId};
use kernel::role::Permission;
use pg::{DbError, Tx};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::NONCE_REUSED;
use crate::judge::{Case, Given, Judged, Step, entered, judge};
use crate::keeper::{Keeper, Kept};
use crate::model::{Kind, Reason, Ticket, Verdict};
use crate::plan::{planned, take};
use crate::present::{Presented, read_code, rules_of_list};
use crate::reads::VenuePath;
use crate::rules::List;
use crate::scan::{Detail, DoorTicket, FirstScan, Scan, ScanAnswer, Who};
use crate::store::{rules, scans};
use crate::{TicketsError, event};

/// Answers of one scan.
const ANSWERS_MAX: usize = 50;
/// What is kept of a program's name.
const AGENT_MAX_CHARS: usize = 200;

/// A scan.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanTicket {
    /// A fresh UUID per scan, the same one when it is repeated after a lost answer.
    pub nonce: Uuid,
    /// What the QR code says.
    #[schema(nullable = false, max_length = 1000)]
    pub code: Option<String>,
    /// The ticket, found by hand: instead of the code.
    #[schema(nullable = false)]
    pub ticket: Option<TicketId>,
    /// The list to scan with.
    pub list: ListId,
    /// Which way; `entry`, unless given.
    #[serde(rename = "type")]
    #[schema(nullable = false)]
    pub kind: Option<Kind>,
    /// Where the scanner stands.
    #[schema(nullable = false, min_length = 1, max_length = 60, example = "North")]
    pub gate: Option<String>,
    /// When it was by the scanner's clock. It is judged by the server's.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub scanned_at: Option<Timestamp>,
    /// The answers to what an `ask` wanted to know.
    #[serde(default)]
    pub answers: Vec<Given>,
}

impl Input for ScanTicket {
    fn check(&self, errors: &mut Errors) {
        let one = self.code.is_some() != self.ticket.is_some();
        errors.require(one, "", "either", "Give the code or the ticket.");
        if let Some(gate) = &self.gate {
            errors.text(gate, "/gate", (1, 60));
        }
        let few = self.answers.len() <= ANSWERS_MAX;
        errors.require(few, "/answers", "length", "Give 50 answers at most.");
        let long = self.code.as_ref().is_some_and(|code| code.len() > 1000);
        errors.require(!long, "/code", "length", "Give 1000 characters at most.");
    }
}

/// What is asked of the rule.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) nonce: Uuid,
    pub(crate) presented: Presented,
    pub(crate) list: ListId,
    pub(crate) kind: Kind,
    pub(crate) gate: Option<String>,
    pub(crate) device_at: Option<Timestamp>,
    pub(crate) answers: Vec<Given>,
    pub(crate) who: Who,
    /// Why a supervisor wants it against the rules.
    pub(crate) forced: Option<String>,
}

/// Scan a ticket
///
/// Every scan that can be judged is 200 with a verdict: `admit`, `deny` or `ask`, and a reason. The
/// nonce makes it safe to repeat: the same one gives the same verdict again.
#[utoipa::path(
    operation_id = "scanTicket", tag = "tickets", params(VenuePath), request_body = ScanTicket,
    security(("bearer" = [])), responses((status = 200, body = ScanAnswer), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/scans")]
pub(crate) async fn post_scan(
    actor: Actor<can::ScanTickets>,
    at: Path<VenuePath>,
    request: HttpRequest,
    cmd: Body<ScanTicket>,
    app: web::Data<App>,
    keeper: web::Data<Keeper>,
) -> Result<Answer, Rejection> {
    let cmd = cmd.into_inner();
    let refused = |error: TicketsError| Rejection::of(&error);
    let scope = actor.scope;
    let kept = rules_of_list(&app, &keeper, scope, at.venue, cmd.list).await.map_err(refused)?;
    let presented = match (&cmd.code, cmd.ticket) {
        (Some(code), _) => read_code(&app, &keeper, scope, &kept, code).await.map_err(refused)?,
        // Whoever may search may also admit what was found.
        (None, Some(ticket)) if actor.standing.may(Permission::ReadTickets) => {
            Presented::ByHand(ticket)
        }
        _ => return Err(DbError::Forbidden.into()),
    };
    let asked = Asked {
        nonce: cmd.nonce,
        presented,
        list: cmd.list,
        kind: cmd.kind.unwrap_or(Kind::Entry),
        gate: cmd.gate.map(|gate| gate.trim().to_owned()),
        device_at: cmd.scanned_at,
        answers: cmd.answers,
        who: who(&actor, &request)?,
        forced: None,
    };
    if let Some(plan) = planned(&kept, &asked).map_err(refused)?
        && let Some(answer) = take(&app, &actor, &kept, &asked, plan).await?
    {
        return Ok(answer);
    }
    judged(&app, &actor, &keeper, kept, asked).await
}

/// Who scans, as it is kept with the scan.
pub(crate) fn who<G>(actor: &Actor<G>, request: &HttpRequest) -> Result<Who, Rejection> {
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Ok(Who {
        device: actor.scope.device,
        user: actor.user()?,
        address: actor.origin.address,
        agent: agent.map(|agent| agent.chars().take(AGENT_MAX_CHARS).collect()),
    })
}

/// The usual way: what is decided is decided here, under the lock.
pub(crate) async fn judged<G: kernel::role::Needs>(
    app: &App,
    actor: &Actor<G>,
    keeper: &Keeper,
    kept: Arc<Kept>,
    asked: Asked,
) -> Result<Answer, Rejection> {
    let once = async |keeper: Keeper, kept: Arc<Kept>, asked: Asked| {
        app.rush(actor, None, async move |tx| {
            scan_ticket(tx, &keeper, &kept, &asked).await.map(Done)
        })
        .await
    };
    match once(keeper.clone(), Arc::clone(&kept), asked.clone()).await {
        // The same scan was sent twice at the same moment: now the other's verdict is found.
        Err(refused) if refused.0.code == NONCE_REUSED => once(keeper.clone(), kept, asked).await,
        answer => answer,
    }
}

/// The rule.
pub(crate) async fn scan_ticket(
    tx: &mut Tx,
    keeper: &Keeper,
    kept: &Arc<Kept>,
    asked: &Asked,
) -> Result<ScanAnswer, TicketsError> {
    let ticket = asked.presented.ticket();
    // A row that is not there is locked too: nothing is, and the looks are the same.
    let id = ticket.unwrap_or(TicketId(Uuid::nil()));
    let (show, scanner) = (kept.rules.doors.show_id, asked.who.scanner());
    let look = scans::lock_ticket(tx, id, (asked.nonce, scanner), (show, asked.list)).await?;
    if let Some(known) = look.known {
        let same = known.scan.ticket_id == ticket && known.scan.kind == asked.kind;
        return if same {
            Ok(ScanAnswer::of(&known.scan, known.ticket))
        } else {
            Err(TicketsError::NonceReused)
        };
    }
    let fresh = match look.rules {
        Some(number) if number == kept.rules.doors.rules => None,
        _ => {
            let (rules, keys) = rules::rules_of(tx, show).await?.ok_or(TicketsError::NoSuchShow)?;
            Some(keeper.keep(kept.venue, rules, keys))
        }
    };
    let kept = fresh.as_ref().unwrap_or(kept);
    let list = kept.rules.list(asked.list).ok_or(TicketsError::NoSuchList)?;
    let Some(ticket) = look.ticket else {
        let reason = match asked.presented {
            Presented::Nothing(reason, _) => reason,
            _ => Reason::Unknown,
        };
        return deny_unknown(tx, list, asked, reason);
    };
    let found = Found {
        last_entry: look.last_entry,
        judged: verdict(tx, kept, list, asked, &ticket, look.entries_here),
        ticket: &ticket,
        list,
    };
    carry_out(tx, asked, found).await
}

/// What was found and judged of a ticket that is there and locked.
struct Found<'a> {
    ticket: &'a Ticket,
    list: &'a List,
    judged: Judged<'a>,
    last_entry: Option<FirstScan>,
}

fn verdict<'a>(
    tx: &Tx,
    kept: &'a Kept,
    list: &'a List,
    asked: &'a Asked,
    ticket: &'a Ticket,
    entries_here: i64,
) -> Judged<'a> {
    if let Presented::Nothing(reason, _) = &asked.presented {
        return Judged::No(*reason, None);
    }
    // A key that was revoked since the worker has read the rules signs nothing.
    if let Presented::Code(said) = &asked.presented
        && !kept.counts(said.kid)
    {
        return Judged::No(Reason::Forged, None);
    }
    let case = Case {
        rules: &kept.rules,
        list,
        ticket,
        serial: asked.presented.serial(),
        kind: asked.kind,
        answers: &asked.answers,
        entries_here,
        now: tx.now(),
    };
    match judge(&case) {
        Judged::No(reason, _) if asked.forced.is_some() && can_be_forced(reason) => {
            Judged::Through(entered(&case))
        }
        Judged::Ask(_) if asked.forced.is_some() => Judged::Through(entered(&case)),
        judged => judged,
    }
}

/// A supervisor may overrule the moment and the place, not who has the right: a ticket that died
/// is issued anew.
fn can_be_forced(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Revoked
            | Reason::Reissued
            | Reason::Unknown
            | Reason::Forged
            | Reason::WrongShow
            | Reason::NotInside
    )
}

async fn carry_out(
    tx: &mut Tx,
    asked: &Asked,
    found: Found<'_>,
) -> Result<ScanAnswer, TicketsError> {
    let Found { ticket, list, judged, last_entry } = found;
    let mut scan = new_scan(tx, list, asked, Some(ticket.id));
    let judged = match judged {
        Judged::Through(step) => {
            let full = move_zones(tx, asked, ticket, &step, &mut scan).await?;
            if full { Judged::No(Reason::ZoneFull, None) } else { Judged::Through(step) }
        }
        other => other,
    };
    (scan.verdict, scan.reason) = judged.words();
    match &judged {
        Judged::Through(step) => {
            (scan.counts, scan.passed) = (true, true);
            if asked.forced.is_some() {
                scan.reason = Reason::Forced;
            }
            scans::move_ticket(tx, ticket.id, step)?;
            tx.emit(event::ticket_verified(&scan, &ticket.number, ticket.version + 1)?);
        }
        Judged::No(reason, note) => {
            scan.detail.note = note.map(str::to_owned);
            let about_entries = [Reason::AlreadyAdmitted, Reason::NoEntriesLeft];
            scan.detail.first_scan = last_entry.filter(|_| about_entries.contains(reason));
            tx.emit(event::scan_denied(&scan, Some(&ticket.number))?);
        }
        Judged::Ask(questions) => {
            scan.detail.questions = questions.iter().map(|&question| question.clone()).collect();
            tx.emit(event::scan_denied(&scan, Some(&ticket.number))?);
        }
    }
    scans::insert_scan(tx, &scan)?;
    if asked.forced.is_some() && scan.counts {
        let detail = serde_json::json!({ "reason": asked.forced, "nonce": asked.nonce });
        tx.audit("scan_forced", ("ticket", ticket.id.0), &detail)?;
    }
    Ok(ScanAnswer::of(&scan, Some(door_ticket(ticket))))
}

/// Counts somebody out of where they were and into where they go, under the locks of both zones.
/// True when they do not fit; then nothing was counted.
async fn move_zones(
    tx: &mut Tx,
    asked: &Asked,
    ticket: &Ticket,
    step: &Step,
    scan: &mut Scan,
) -> Result<bool, TicketsError> {
    scan.zone_id = step.zone.or(ticket.zone_id);
    if step.zone == ticket.zone_id {
        return Ok(false);
    }
    let touched: Vec<_> = [ticket.zone_id, step.zone].into_iter().flatten().collect();
    let zones = scans::lock_zones(tx, &touched).await?;
    let inside = |id| zones.iter().find(|zone| Some(zone.id) == id).map(|zone| zone.inside);
    if let Some(zone) = zones.iter().find(|zone| Some(zone.id) == step.zone) {
        let full = zone.capacity.is_some_and(|capacity| zone.inside >= capacity);
        if full && asked.forced.is_none() {
            scan.detail.inside = Some(zone.inside);
            return Ok(true);
        }
    }
    if let Some(left) = ticket.zone_id {
        scans::move_zone(tx, left, -1)?;
    }
    if let Some(entered) = step.zone {
        scans::move_zone(tx, entered, 1)?;
    }
    scan.detail.inside = match step.zone {
        Some(_) => inside(step.zone).map(|count| count + 1),
        None => inside(ticket.zone_id).map(|count| count - 1),
    };
    Ok(false)
}

fn deny_unknown(
    tx: &mut Tx,
    list: &List,
    asked: &Asked,
    reason: Reason,
) -> Result<ScanAnswer, TicketsError> {
    let mut scan = new_scan(tx, list, asked, asked.presented.ticket());
    scan.reason = reason;
    scans::insert_scan(tx, &scan)?;
    tx.emit(event::scan_denied(&scan, None)?);
    Ok(ScanAnswer::of(&scan, None))
}

/// The scan before it is judged: nobody is let through.
fn new_scan(tx: &Tx, list: &List, asked: &Asked, ticket: Option<TicketId>) -> Scan {
    blank(asked, list, ticket, tx.now())
}

/// A scan of that moment before it is judged.
pub(crate) fn blank(asked: &Asked, list: &List, ticket: Option<TicketId>, now: Timestamp) -> Scan {
    Scan {
        nonce: asked.nonce,
        scanner: asked.who.scanner(),
        show_id: list.show_id,
        ticket_id: ticket,
        list_id: Some(list.id),
        zone_id: list.zone_id,
        kind: asked.kind,
        gate: asked.gate.clone(),
        verdict: Verdict::Deny,
        reason: Reason::Unknown,
        detail: Detail::default(),
        answers: asked.answers.clone(),
        forced: asked.forced.clone(),
        counts: false,
        conflict: None,
        device_id: asked.who.device,
        user_id: asked.who.user,
        address: asked.who.address,
        agent: asked.who.agent.clone(),
        scanned_at: now,
        device_at: asked.device_at,
        received_at: now,
        offline: false,
        passed: false,
        undone_at: None,
        settled_at: None,
    }
}

pub(crate) fn door_ticket(ticket: &Ticket) -> DoorTicket {
    DoorTicket {
        id: ticket.id,
        number: ticket.number.clone(),
        name: ticket.name.clone(),
        seat: ticket.seat.clone(),
        class: ticket.class,
    }
}
