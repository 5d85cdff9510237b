use kernel::ids::{OrderId, RoomId};

use super::*;
use crate::model::RoomName;
use crate::model::tests::{at, item};

const THERAPIST: u128 = 7;

fn hand(id: u128) -> Hand {
    Hand { id: Uuid::from_u128(id), supervises: false }
}

fn manager() -> Hand {
    Hand { id: Uuid::from_u128(99), supervises: true }
}

fn therapist(id: u128, order: Option<OrderId>) -> TherapistRow {
    let now = at("2027-01-01T10:00:00Z");
    TherapistRow {
        id: UserId(Uuid::from_u128(id)),
        name: "Mai".into(),
        skills: vec!["thai".into(), "feet".into()],
        began_at: Some(now),
        break_at: None,
        turns: 3,
        turn_at: Some(now),
        turn_before: Some(at("2027-01-01T09:00:00Z")),
        ready_at: None,
        order,
        version: 1,
    }
}

/// Claimed by the therapist at ten.
fn claimed() -> Visit {
    let now = at("2027-01-01T10:00:00Z");
    let id = OrderId::fresh(now);
    let items = vec![item(5000, 60, "thai")];
    let mai = therapist(THERAPIST, Some(id));
    let room = RoomRow {
        id: RoomId::fresh(now),
        name: "3".into(),
        offers: vec!["bed".into()],
        turnover_minutes: 10,
        out_of_service: false,
        position: 0,
        order: Some(id),
        free_at: now,
        version: 1,
    };
    let order = OrderRow {
        id,
        code: "A-001".into(),
        day: "2027-01-01".parse().unwrap(),
        token_hash: Vec::new(),
        status: OrderStatus::TherapistConfirmed,
        name: Some("Ana".into()),
        note: None,
        requested: None,
        line_at: at("2027-01-01T09:30:00Z"),
        waiting_since: at("2027-01-01T09:30:00Z"),
        sum: Sum::of(&items),
        currency: "EUR".parse().unwrap(),
        therapist: Some(TherapistName { id: mai.id, name: mai.name.clone() }),
        room: Some(RoomName { id: room.id, name: room.name.clone() }),
        cashier: None,
        lease_until: Some(at("2027-01-01T10:02:00Z")),
        unattended: false,
        calls: 0,
        called_at: None,
        created_at: at("2027-01-01T09:30:00Z"),
        claimed_at: Some(now),
        started_at: None,
        expected_end_at: None,
        finished_at: None,
        payment_claimed_at: None,
        ended_at: None,
        reason: None,
        promised: None,
        payment_promised_at: None,
        version: 1,
    };
    let rules = SpaRules::default();
    let (therapist, room, marks) = (Some(mai), Some(room), Marks::default());
    Visit { order, items, therapist, successor: None, room, rules, now, marks }
}

fn later(visit: &mut Visit, minutes: i64) {
    visit.now += SignedDuration::from_mins(minutes);
}

#[test]
fn a_visit_goes_from_the_claim_to_the_cashier() {
    let mut visit = claimed();
    visit.call(hand(THERAPIST)).unwrap();
    visit.start(hand(THERAPIST)).unwrap();
    assert_eq!(visit.order.expected_end_at, Some(at("2027-01-01T11:00:00Z")));
    visit.add_item(hand(THERAPIST), item(2500, 30, "feet")).unwrap();
    assert_eq!((visit.order.sum.total, visit.order.sum.minutes), (7500, 90));
    assert_eq!(visit.order.expected_end_at, Some(at("2027-01-01T11:30:00Z")));
    later(&mut visit, 85);
    visit.finish(hand(THERAPIST)).unwrap();
    let room = visit.room.as_ref().unwrap();
    assert_eq!((room.order, visit.therapist.as_ref().unwrap().order), (None, None));
    // Ten minutes after this service, ten to make the room again.
    assert_eq!(room.free_at, at("2027-01-01T11:45:00Z"));
    assert!(visit.marks.turns.is_empty(), "the turn was taken when it was claimed");
    assert!(visit.start(hand(THERAPIST)).is_err());
}

#[test]
fn only_whoever_has_it_or_a_manager_may_act() {
    let mut visit = claimed();
    assert!(matches!(visit.start(hand(8)), Err(SpaError::NotYours(_))));
    visit.start(manager()).unwrap();
    assert!(matches!(visit.finish(hand(8)), Err(SpaError::NotYours(_))));
    visit.finish(hand(THERAPIST)).unwrap();
    assert!(visit.add_item(manager(), item(1, 5, "thai")).is_err(), "the bill is written");
    assert!(visit.check_payable(Some(manager())).is_err(), "no cashier has it");
    visit.check_payable(None).unwrap();
    visit.settle().unwrap();
    visit.reopen().unwrap();
    assert_eq!(visit.order.status, OrderStatus::Finished);
}

#[test]
fn who_has_nothing_to_pay_waits_for_no_cashier() {
    let mut visit = claimed();
    visit.order.sum.total = 0;
    visit.start(hand(THERAPIST)).unwrap();
    visit.finish(hand(THERAPIST)).unwrap();
    assert_eq!(visit.order.status, OrderStatus::Paid);
}

#[test]
fn a_claim_that_is_given_back_keeps_its_place_and_its_turn_is_lost() {
    for by_hand in [true, false] {
        let mut visit = claimed();
        later(&mut visit, 3);
        if by_hand {
            visit.hand_back(hand(THERAPIST), None).unwrap();
        } else {
            visit.lapse();
        }
        let order = &visit.order;
        assert_eq!(order.status, OrderStatus::PendingTherapist);
        assert_eq!(order.line_at, at("2027-01-01T09:30:00Z"));
        assert_eq!((&order.therapist, &order.room, order.lease_until), (&None, &None, None));
        assert_eq!(visit.room.unwrap().free_at, visit.now, "nobody was inside");
        assert_eq!(visit.therapist.unwrap().turns, 3);
        assert_eq!(visit.marks.turns[0].what, TurnKind::Lost);
    }
}

#[test]
fn nobody_is_sent_in_because_a_phone_sleeps() {
    let mut visit = claimed();
    visit.start(hand(THERAPIST)).unwrap();
    later(&mut visit, 80);
    visit.lapse();
    assert_eq!(visit.order.status, OrderStatus::InService);
    assert!(visit.order.unattended);
    assert!(visit.room.as_ref().unwrap().order.is_some());
    visit.heartbeat(hand(THERAPIST)).unwrap();
    assert!(!visit.order.unattended);
}

#[test]
fn heartbeats_do_not_keep_a_customer_for_ever() {
    let mut visit = claimed();
    for _ in 0..19 {
        later(&mut visit, 1);
        visit.heartbeat(hand(THERAPIST)).unwrap();
    }
    assert_eq!(visit.order.lease_until, Some(at("2027-01-01T10:20:00Z")));
    later(&mut visit, 1);
    assert!(matches!(visit.heartbeat(hand(THERAPIST)), Err(SpaError::LeaseOver(_))));
}

#[test]
fn a_customer_who_was_called_and_did_not_come_costs_no_turn() {
    let mut visit = claimed();
    assert!(matches!(visit.no_show(hand(THERAPIST)), Err(SpaError::NotCalled(None))));
    visit.call(hand(THERAPIST)).unwrap();
    assert!(matches!(visit.no_show(hand(THERAPIST)), Err(SpaError::NotCalled(Some(_)))));
    later(&mut visit, 2);
    visit.no_show(hand(THERAPIST)).unwrap();
    let mai = visit.therapist.unwrap();
    assert_eq!((mai.turns, mai.turn_at), (2, Some(at("2027-01-01T09:00:00Z"))));
    assert_eq!(visit.marks.turns[0].what, TurnKind::Returned);
}

#[test]
fn a_customer_cancels_until_the_treatment_and_a_manager_until_it_is_paid() {
    let mut visit = claimed();
    visit.clone().cancel(None, "changed my mind").unwrap();
    visit.start(hand(THERAPIST)).unwrap();
    assert!(matches!(visit.cancel(None, "too late"), Err(SpaError::NoWay(_))));
    visit.finish(hand(THERAPIST)).unwrap();
    assert!(matches!(visit.cancel(Some(hand(THERAPIST)), "no"), Err(SpaError::NotYours(_))));
    visit.cancel(Some(manager()), "complained").unwrap();
    assert!(visit.cancel(Some(manager()), "again").is_err());
}

#[test]
fn a_start_is_undone_for_a_while() {
    let mut visit = claimed();
    visit.start(hand(THERAPIST)).unwrap();
    later(&mut visit, 5);
    visit.undo_start(hand(THERAPIST)).unwrap();
    assert_eq!(visit.order.status, OrderStatus::TherapistConfirmed);
    visit.start(hand(THERAPIST)).unwrap();
    later(&mut visit, 6);
    assert!(matches!(visit.undo_start(hand(THERAPIST)), Err(SpaError::TooLate(300))));
}

#[test]
fn another_therapist_goes_on_in_the_same_room() {
    let mut visit = claimed();
    visit.start(hand(THERAPIST)).unwrap();
    let busy = therapist(8, Some(visit.order.id));
    assert!(matches!(visit.take_over(busy), Err(SpaError::TherapistBusy)));
    let novice = TherapistRow { skills: Vec::new(), ..therapist(8, None) };
    assert!(matches!(visit.take_over(novice), Err(SpaError::LacksSkill(_))));
    visit.take_over(therapist(8, None)).unwrap();
    assert_eq!(visit.marks.stay, StayChange::Pass { to: UserId(Uuid::from_u128(8)) });
    assert!(matches!(visit.finish(hand(THERAPIST)), Err(SpaError::NotYours(_))));
    assert_eq!(visit.order.status, OrderStatus::InService);
    assert!(visit.room.unwrap().order.is_some());
}

#[test]
fn the_last_service_stays_and_bills_have_an_end() {
    let mut visit = claimed();
    let only = visit.items[0].id;
    assert!(matches!(visit.remove_item(hand(THERAPIST), only), Err(SpaError::LastItem)));
    let mut visit = claimed();
    for _ in 1..ITEMS_PER_ORDER_MAX {
        visit.add_item(hand(THERAPIST), item(1, 5, "thai")).unwrap();
    }
    let one_more = visit.add_item(hand(THERAPIST), item(1, 5, "thai"));
    assert!(matches!(one_more, Err(SpaError::TooManyItems)));
    assert!(matches!(
        claimed().add_item(hand(THERAPIST), item(1, 5, "laser")),
        Err(SpaError::LacksSkill(_))
    ));
}

#[test]
fn events_name_nobody() {
    let visit = claimed();
    assert_eq!(visit.told().name.as_deref(), Some("Ana"));
    assert_eq!(visit.public().name, None);
}
