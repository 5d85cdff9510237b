//! The verdict on one ticket at one door. Pure: what it decides on was found under the lock, or is
//! taken for granted by a plan that the lock will prove.

use jiff::Timestamp;
use kernel::ids::{QuestionId, ZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Kind, Reason, Reentry, Ticket, TicketStatus, Verdict};
use crate::rules::{List, Question, Rules};

/// An answer that the door got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DoorAnswer)]
pub struct Given {
    /// The question.
    pub question: QuestionId,
    /// One of its choices; `yes` where it only has to be confirmed.
    #[schema(max_length = 60, example = "yes")]
    pub answer: String,
}

/// What is judged.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) list: &'a List,
    pub(crate) ticket: &'a Ticket,
    /// The serial of the code that was read; none where somebody found the ticket by hand.
    pub(crate) serial: Option<u32>,
    pub(crate) kind: Kind,
    pub(crate) answers: &'a [Given],
    /// Entries that this list has let in with the ticket.
    pub(crate) entries_here: i64,
    pub(crate) now: Timestamp,
}

/// What somebody who is let through changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) status: TicketStatus,
    pub(crate) zone: Option<ZoneId>,
    pub(crate) entries: i32,
    pub(crate) answered: bool,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged<'a> {
    /// Let them through.
    Through(Step),
    /// Do not.
    No(Reason, Option<&'a str>),
    /// Ask first.
    Ask(Vec<&'a Question>),
}

impl Judged<'_> {
    pub(crate) fn words(&self) -> (Verdict, Reason) {
        match self {
            Self::Through(_) => (Verdict::Admit, Reason::Ok),
            Self::No(reason, _) => (Verdict::Deny, *reason),
            Self::Ask(_) => (Verdict::Ask, Reason::Questions),
        }
    }
}

/// From when until when somebody of this class is let in on this list.
pub(crate) fn window(rules: &Rules, list: &List, class: i16) -> (Timestamp, Timestamp) {
    let kind = rules.of_class(class);
    let opens = [list.opens_at, kind.and_then(|kind| kind.valid_from)];
    let closes = [list.closes_at, kind.and_then(|kind| kind.valid_until)];
    let opens = opens.into_iter().flatten().fold(rules.doors.opens_at, Timestamp::max);
    let closes = closes.into_iter().flatten().fold(rules.doors.closes_at, Timestamp::min);
    (opens, closes)
}

/// The verdict.
pub(crate) fn judge<'a>(case: &Case<'a>) -> Judged<'a> {
    match case.kind {
        Kind::Entry => judge_entry(case),
        Kind::Exit => judge_exit(case),
    }
}

fn judge_exit<'a>(case: &Case<'a>) -> Judged<'a> {
    let ticket = case.ticket;
    if ticket.show_id != case.rules.doors.show_id {
        return Judged::No(Reason::WrongShow, None);
    }
    let (inside, status) = match ticket.status {
        TicketStatus::Admitted => (true, TicketStatus::Left),
        // Whose ticket was revoked while they were inside may leave, and is counted out.
        TicketStatus::Revoked => (ticket.zone_id.is_some(), TicketStatus::Revoked),
        other => (false, other),
    };
    if !inside {
        return Judged::No(Reason::NotInside, None);
    }
    let (entries, answered) = (ticket.entries, ticket.answered);
    Judged::Through(Step { status, zone: None, entries, answered })
}

fn judge_entry<'a>(case: &Case<'a>) -> Judged<'a> {
    if let Some((reason, note)) = refusal(case) {
        return Judged::No(reason, note);
    }
    let open = open_questions(case);
    if !open.is_empty() {
        return Judged::Ask(open);
    }
    Judged::Through(entered(case))
}

/// The ticket of somebody who was let in.
pub(crate) fn entered(case: &Case<'_>) -> Step {
    let ticket = case.ticket;
    Step {
        status: TicketStatus::Admitted,
        // A door that leads to no zone leaves whoever passes where they are counted.
        zone: case.list.zone_id.or(ticket.zone_id),
        entries: ticket.entries.saturating_add(1),
        answered: ticket.answered || !case.answers.is_empty(),
    }
}

/// Why nobody may enter with it, if so; what is wrong with the ticket before what is wrong with
/// the moment.
fn refusal<'a>(case: &Case<'a>) -> Option<(Reason, Option<&'a str>)> {
    let Case { rules, list, ticket, .. } = *case;
    if ticket.show_id != rules.doors.show_id {
        return Some((Reason::WrongShow, None));
    }
    if let Some(reason) = dead(ticket, case.serial) {
        return Some((reason, None));
    }
    let kind = rules.of_class(ticket.class);
    if !list.classes.is_empty() && !list.classes.contains(&ticket.class) {
        return Some((Reason::WrongList, None));
    }
    let blocked = ticket.blocked.as_deref().or(kind.and_then(|kind| kind.blocked.as_deref()));
    if blocked.is_some() {
        return Some((Reason::Blocked, blocked));
    }
    if !ticket.paid && !list.takes_unpaid {
        return Some((Reason::Unpaid, None));
    }
    if !may_enter_again(case) {
        return Some((Reason::AlreadyAdmitted, None));
    }
    if list.entries_max.is_some_and(|most| ticket.entries >= most) {
        return Some((Reason::NoEntriesLeft, None));
    }
    let (opens, closes) = window(rules, list, ticket.class);
    if case.now < opens {
        return Some((Reason::TooEarly, None));
    }
    (case.now >= closes).then_some((Reason::TooLate, None))
}

/// Why the ticket or the code counts no more, if so.
fn dead(ticket: &Ticket, serial: Option<u32>) -> Option<Reason> {
    if ticket.status == TicketStatus::Revoked {
        return Some(Reason::Revoked);
    }
    let present = u32::try_from(ticket.serial).unwrap_or(0);
    match serial {
        Some(serial) if serial < present => Some(Reason::Reissued),
        // Signed by this show and unknown to its database: one from before a restore.
        Some(serial) if serial > present => Some(Reason::Unknown),
        _ => None,
    }
}

fn may_enter_again(case: &Case<'_>) -> bool {
    let Case { list, ticket, .. } = *case;
    match ticket.status {
        TicketStatus::Admitted => {
            // From one zone to another, once through a list that lets in once.
            let moves = list.zone_id.zip(ticket.zone_id).is_some_and(|(to, from)| to != from);
            let again = list.reentry != Reentry::Never || case.entries_here == 0;
            list.reentry == Reentry::Always || (moves && again)
        }
        TicketStatus::Left => list.reentry != Reentry::Never,
        TicketStatus::Issued | TicketStatus::Sent | TicketStatus::Revoked => true,
    }
}

/// The questions that this list asks of this class, whether or not they were answered.
pub(crate) fn questions<'a>(
    rules: &'a Rules,
    list: &List,
    class: i16,
) -> impl Iterator<Item = &'a Question> {
    let list = list.id;
    rules.questions.iter().filter(move |question| {
        question.class.is_none_or(|only| only == class)
            && question.list_id.is_none_or(|only| only == list)
    })
}

fn open_questions<'a>(case: &Case<'a>) -> Vec<&'a Question> {
    let asked = questions(case.rules, case.list, case.ticket.class);
    let due = asked.filter(|question| question.each_entry || !case.ticket.answered);
    due.filter(|question| !is_answered(question, case.answers)).collect()
}

fn is_answered(question: &Question, answers: &[Given]) -> bool {
    let given = answers.iter().find(|given| given.question == question.id);
    given.is_some_and(|given| match question.choices.as_slice() {
        [] => given.answer == "yes",
        choices => choices.contains(&given.answer),
    })
}

#[cfg(test)]
mod tests;
