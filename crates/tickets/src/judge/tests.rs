use kernel::ids::{ListId, ShowId, TicketId, TicketTypeId};
use uuid::Uuid;

use super::*;
use crate::model::MailState;
use crate::rules::{Doors, TicketType, Zone};

const HALL: ZoneId = ZoneId(Uuid::from_u128(50));
const LOUNGE: ZoneId = ZoneId(Uuid::from_u128(51));

fn at(text: &str) -> Timestamp {
    format!("2027-02-01T{text}Z").parse().unwrap()
}

pub(crate) fn rules() -> Rules {
    let show_id = ShowId(Uuid::from_u128(2));
    let doors = Doors {
        show_id,
        name: "Gala".to_owned(),
        opens_at: at("18:00:00"),
        closes_at: at("23:00:00"),
        seals_names: false,
        lease_secs: 600,
        rules: 1,
        version: 1,
    };
    let kind = |class| TicketType {
        id: TicketTypeId(Uuid::from_u128(30)),
        show_id,
        class,
        name: format!("Class {class}"),
        valid_from: None,
        valid_until: None,
        blocked: None,
        version: 1,
    };
    let list = List {
        id: ListId(Uuid::from_u128(40)),
        show_id,
        name: "Main".to_owned(),
        classes: vec![1],
        zone_id: Some(HALL),
        opens_at: None,
        closes_at: None,
        reentry: Reentry::Never,
        entries_max: None,
        takes_unpaid: false,
        version: 1,
    };
    let zone = |id, name: &str| Zone {
        id,
        show_id,
        name: name.to_owned(),
        capacity: None,
        inside: 0,
        version: 1,
    };
    Rules {
        doors,
        types: vec![kind(1), kind(2)],
        lists: vec![list],
        zones: vec![zone(HALL, "Hall"), zone(LOUNGE, "Lounge")],
        questions: Vec::new(),
    }
}

pub(crate) fn ticket() -> Ticket {
    Ticket {
        id: TicketId(Uuid::from_u128(3)),
        show_id: ShowId(Uuid::from_u128(2)),
        number: "G-1".to_owned(),
        class: 1,
        name: None,
        email: None,
        seat: None,
        status: TicketStatus::Issued,
        serial: 2,
        paid: true,
        blocked: None,
        booking_id: None,
        zone_id: None,
        entries: 0,
        mail_state: MailState::None,
        mail_error: None,
        created_at: at("10:00:00"),
        version: 1,
        reissued_at: None,
        revoked_at: None,
        answered: false,
    }
}

fn case<'a>(rules: &'a Rules, ticket: &'a Ticket) -> Case<'a> {
    Case {
        rules,
        list: &rules.lists[0],
        ticket,
        serial: Some(2),
        kind: Kind::Entry,
        answers: &[],
        entries_here: 0,
        now: at("19:00:00"),
    }
}

fn reason(case: &Case<'_>) -> Reason {
    judge(case).words().1
}

fn inside() -> Ticket {
    Ticket { status: TicketStatus::Admitted, zone_id: Some(HALL), entries: 1, ..ticket() }
}

#[test]
fn a_good_ticket_is_let_in_once_and_out_again() {
    let (rules, fresh) = (rules(), ticket());
    let Judged::Through(step) = judge(&case(&rules, &fresh)) else { panic!("not let in") };
    assert_eq!((step.status, step.zone, step.entries), (TicketStatus::Admitted, Some(HALL), 1));
    let inside = inside();
    assert_eq!(reason(&case(&rules, &inside)), Reason::AlreadyAdmitted);
    let exit = Case { kind: Kind::Exit, ..case(&rules, &inside) };
    let Judged::Through(step) = judge(&exit) else { panic!("not let out") };
    assert_eq!((step.status, step.zone, step.entries), (TicketStatus::Left, None, 1));
    assert_eq!(reason(&Case { kind: Kind::Exit, ..case(&rules, &fresh) }), Reason::NotInside);
}

#[test]
fn each_thing_that_is_wrong_has_its_reason() {
    let all = rules();
    let told = |ticket: &Ticket| reason(&case(&all, ticket));
    assert_eq!(told(&Ticket { status: TicketStatus::Revoked, ..ticket() }), Reason::Revoked);
    assert_eq!(told(&Ticket { serial: 3, ..ticket() }), Reason::Reissued);
    assert_eq!(told(&Ticket { serial: 1, ..ticket() }), Reason::Unknown);
    assert_eq!(told(&Ticket { show_id: ShowId(Uuid::nil()), ..ticket() }), Reason::WrongShow);
    assert_eq!(told(&Ticket { class: 2, ..ticket() }), Reason::WrongList);
    assert_eq!(told(&Ticket { paid: false, ..ticket() }), Reason::Unpaid);
    let blocked = Ticket { blocked: Some("Ask the manager".to_owned()), ..ticket() };
    assert_eq!(judge(&case(&all, &blocked)), Judged::No(Reason::Blocked, Some("Ask the manager")));
    let fresh = ticket();
    let early = Case { now: at("17:59:59"), ..case(&all, &fresh) };
    let late = Case { now: at("23:00:00"), ..case(&all, &fresh) };
    assert_eq!((reason(&early), reason(&late)), (Reason::TooEarly, Reason::TooLate));
    let mut narrow = rules();
    narrow.lists[0].opens_at = Some(at("19:00:01"));
    narrow.types[0].valid_until = Some(at("19:30:00"));
    assert_eq!(reason(&case(&narrow, &fresh)), Reason::TooEarly);
    let late = Case { now: at("19:30:00"), ..case(&narrow, &fresh) };
    assert_eq!(reason(&late), Reason::TooLate);
}

#[test]
fn a_list_says_whether_one_may_come_again() {
    let mut rules = rules();
    let left = Ticket { status: TicketStatus::Left, zone_id: None, ..inside() };
    assert_eq!(reason(&case(&rules, &left)), Reason::AlreadyAdmitted);
    rules.lists[0].reentry = Reentry::AfterExit;
    assert_eq!(reason(&case(&rules, &left)), Reason::Ok);
    assert_eq!(reason(&case(&rules, &inside())), Reason::AlreadyAdmitted);
    rules.lists[0].entries_max = Some(1);
    assert_eq!(reason(&case(&rules, &left)), Reason::NoEntriesLeft);
    rules.lists[0].entries_max = Some(2);
    rules.lists[0].reentry = Reentry::Always;
    assert_eq!(reason(&case(&rules, &inside())), Reason::Ok);
}

#[test]
fn whoever_is_inside_may_go_to_another_zone_once() {
    let mut rules = rules();
    rules.lists[0].zone_id = Some(LOUNGE);
    let (inside, first) = (inside(), 0);
    let Judged::Through(step) = judge(&Case { entries_here: first, ..case(&rules, &inside) })
    else {
        panic!("not let in")
    };
    assert_eq!(step.zone, Some(LOUNGE));
    let again = Case { entries_here: 1, ..case(&rules, &inside) };
    assert_eq!(reason(&again), Reason::AlreadyAdmitted);
}

#[test]
fn questions_are_asked_until_they_are_answered() {
    let mut rules = rules();
    let id = |n| QuestionId(Uuid::from_u128(n));
    let question = |n, choices: &[&str], each_entry| Question {
        id: id(n),
        show_id: rules.doors.show_id,
        class: Some(1),
        list_id: None,
        text: "Over 18?".to_owned(),
        choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
        each_entry,
        position: 0,
        version: 1,
    };
    rules.questions = vec![question(1, &[], false), question(2, &["red", "blue"], true)];
    let fresh = ticket();
    let given = |n, answer: &str| Given { question: id(n), answer: answer.to_owned() };
    let judged = |ticket: &Ticket, answers: &[Given]| {
        let case = Case { answers, ..case(&rules, ticket) };
        match judge(&case) {
            Judged::Ask(open) => open.len(),
            _ => 0,
        }
    };
    assert_eq!(judged(&fresh, &[]), 2);
    assert_eq!(judged(&fresh, &[given(1, "yes"), given(2, "green")]), 1);
    assert_eq!(judged(&fresh, &[given(1, "yes"), given(2, "red")]), 0);
    let known = Ticket { answered: true, ..ticket() };
    assert_eq!(judged(&known, &[]), 1, "only what is asked at every entry");
}

#[test]
fn somebody_whose_ticket_was_revoked_inside_may_leave() {
    let rules = rules();
    let revoked = Ticket { status: TicketStatus::Revoked, ..inside() };
    let exit = Case { kind: Kind::Exit, ..case(&rules, &revoked) };
    let Judged::Through(step) = judge(&exit) else { panic!("not let out") };
    assert_eq!((step.status, step.zone), (TicketStatus::Revoked, None));
    assert_eq!(reason(&case(&rules, &revoked)), Reason::Revoked);
}
