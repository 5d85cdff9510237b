//! One customer's visit in memory, locked: the order, its bill, whoever has it and where; and each
//! step that it can take. Pure. What a step changed is saved and told by `carry_out`.

use edge::limits::ITEMS_PER_ORDER_MAX;
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{ItemId, UserId};
use uuid::Uuid;

use crate::SpaError;
use crate::model::{
    ItemRow, Order, OrderRow, OrderStatus, RoomRow, Sum, TherapistName, TherapistRow, covers,
};
use crate::rotation::{Turn, TurnKind, Why};
use crate::settings::SpaRules;

/// How often a customer is called, as far as it is counted.
const CALLS_MAX: i32 = 100;

/// Whose hands the order is in, or should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hand {
    /// A device holds for itself: two tills of one manager are two cashiers.
    pub(crate) id: Uuid,
    /// May act for whoever has it.
    pub(crate) supervises: bool,
}

/// What becomes of the stay in the room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StayChange {
    #[default]
    None,
    /// It is over; the room is free again then.
    Close { room_until: Timestamp },
    /// Another therapist goes on in the same room.
    Pass { to: UserId },
}

/// What a step did besides changing the rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) turns: Vec<Turn>,
    pub(crate) stay: StayChange,
    pub(crate) added: Vec<ItemRow>,
    pub(crate) removed: Vec<ItemId>,
    pub(crate) therapist: bool,
    pub(crate) room: bool,
}

/// A visit, locked.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) order: OrderRow,
    pub(crate) items: Vec<ItemRow>,
    pub(crate) therapist: Option<TherapistRow>,
    /// Whoever takes it over.
    pub(crate) successor: Option<TherapistRow>,
    pub(crate) room: Option<RoomRow>,
    pub(crate) rules: SpaRules,
    pub(crate) now: Timestamp,
    pub(crate) marks: Marks,
}

impl Visit {
    /// As the API tells it.
    pub(crate) fn told(&self) -> Order {
        self.order.told(&self.items)
    }

    /// As events tell it: nobody's name, nobody's note.
    pub(crate) fn public(&self) -> Order {
        Order { name: None, note: None, ..self.told() }
    }

    fn no_way(&self) -> SpaError {
        SpaError::NoWay(Box::new(self.public()))
    }

    fn need(&self, allowed: &[OrderStatus]) -> Result<(), SpaError> {
        if allowed.contains(&self.order.status) { Ok(()) } else { Err(self.no_way()) }
    }

    /// It is in these hands, or they may act for whoever has it.
    pub(crate) fn check_hand(&self, hand: Hand) -> Result<(), SpaError> {
        let holder = match self.order.status {
            OrderStatus::AwaitingPayment => self.order.cashier,
            _ => self.order.therapist.as_ref().map(|it| it.id.0),
        };
        if hand.supervises || holder == Some(hand.id) {
            Ok(())
        } else {
            Err(SpaError::NotYours(Box::new(self.public())))
        }
    }

    /// The customer is called.
    pub(crate) fn call(&mut self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[OrderStatus::TherapistConfirmed])?;
        self.check_hand(hand)?;
        self.order.calls = (self.order.calls + 1).min(CALLS_MAX);
        self.order.called_at = Some(self.now);
        self.renew()
    }

    /// The treatment begins.
    pub(crate) fn start(&mut self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[OrderStatus::TherapistConfirmed])?;
        self.check_hand(hand)?;
        self.order.status = OrderStatus::InService;
        self.order.started_at = Some(self.now);
        self.expect_end();
        self.renew()
    }

    /// It did not, after all.
    pub(crate) fn undo_start(&mut self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[OrderStatus::InService])?;
        self.check_hand(hand)?;
        let started = self.order.started_at.unwrap_or(self.now);
        let undo = SignedDuration::from_secs(self.rules.undo_secs.into());
        if self.now.duration_since(started) > undo {
            return Err(SpaError::TooLate(self.rules.undo_secs));
        }
        self.order.status = OrderStatus::TherapistConfirmed;
        self.order.started_at = None;
        self.order.unattended = false;
        // The customer is there: the time to begin in counts anew.
        self.order.claimed_at = Some(self.now);
        self.expect_end();
        self.renew()
    }

    /// When the treatment ends as far as one can know.
    fn expect_end(&mut self) {
        let minutes = |minutes: i32| SignedDuration::from_mins(minutes.into());
        let sum = &self.order.sum;
        self.order.expected_end_at = match self.order.started_at {
            Some(started) => Some(started + minutes(sum.minutes)),
            None => Some(self.now + minutes(sum.before + sum.minutes)),
        };
    }

    /// Whoever has it was heard of.
    pub(crate) fn heartbeat(&mut self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[
            OrderStatus::TherapistConfirmed,
            OrderStatus::InService,
            OrderStatus::AwaitingPayment,
        ])?;
        self.check_hand(hand)?;
        self.renew()
    }

    /// The lease from now on: bounded by how long one may have a customer at all.
    fn renew(&mut self) -> Result<(), SpaError> {
        let (now, rules) = (self.now, &self.rules);
        let until = match self.order.status {
            OrderStatus::TherapistConfirmed => {
                let most = self.order.claimed_at.unwrap_or(now) + rules.claim_max();
                (now + rules.claim_lease()).min(most)
            }
            OrderStatus::InService => {
                self.order.unattended = false;
                self.order.expected_end_at.unwrap_or(now).max(now) + rules.service_grace()
            }
            OrderStatus::AwaitingPayment => {
                let most = self.order.payment_claimed_at.unwrap_or(now) + rules.payment_claim_max();
                (now + rules.payment_lease()).min(most)
            }
            _ => return Err(self.no_way()),
        };
        if until <= now {
            return Err(SpaError::LeaseOver(Box::new(self.public())));
        }
        self.order.lease_until = Some(until);
        Ok(())
    }

    /// One more service.
    pub(crate) fn add_item(&mut self, hand: Hand, item: ItemRow) -> Result<(), SpaError> {
        self.check_bill(hand)?;
        if self.items.len() >= ITEMS_PER_ORDER_MAX {
            return Err(SpaError::TooManyItems);
        }
        if let Some(therapist) = &self.therapist
            && !covers(&therapist.skills, &item.skills)
        {
            return Err(SpaError::LacksSkill(item.skills));
        }
        if let Some(room) = &self.room
            && !covers(&room.offers, &item.needs)
        {
            return Err(SpaError::RoomLacks(item.needs));
        }
        self.items.push(item.clone());
        self.marks.added.push(item);
        self.add_up()
    }

    /// One service less. The last one stays: an order without any is cancelled.
    pub(crate) fn remove_item(&mut self, hand: Hand, id: ItemId) -> Result<(), SpaError> {
        self.check_bill(hand)?;
        let before = self.items.len();
        self.items.retain(|item| item.id != id);
        match (before, self.items.len()) {
            (before, after) if before == after => {
                return Err(SpaError::Absent(crate::error::Kind::Item));
            }
            (_, 0) => return Err(SpaError::LastItem),
            _ => {}
        }
        self.marks.removed.push(id);
        self.add_up()
    }

    /// The bill can be changed until the treatment is over. What is wrong with it then is a
    /// discount or a refund.
    fn check_bill(&self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[OrderStatus::TherapistConfirmed, OrderStatus::InService])?;
        self.check_hand(hand)
    }

    fn add_up(&mut self) -> Result<(), SpaError> {
        self.order.sum = Sum::of(&self.items);
        self.expect_end();
        self.renew()
    }

    /// The treatment is over: on to the cashier. The room is made again.
    pub(crate) fn finish(&mut self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[OrderStatus::InService])?;
        self.check_hand(hand)?;
        self.leave_room(true);
        self.leave_therapist(None);
        self.order.finished_at = Some(self.now);
        self.order.reason = None;
        if self.order.sum.total == 0 {
            // Nothing to pay is nothing to wait for.
            self.end(OrderStatus::Paid, None);
            return Ok(());
        }
        self.order.status = OrderStatus::Finished;
        self.order.lease_until = None;
        self.order.unattended = false;
        Ok(())
    }

    /// Given back: to the line of therapists in the old place, or to that of cashiers.
    pub(crate) fn hand_back(&mut self, hand: Hand, reason: Option<&str>) -> Result<(), SpaError> {
        self.need(&[OrderStatus::TherapistConfirmed, OrderStatus::AwaitingPayment])?;
        self.check_hand(hand)?;
        self.give_back(reason.unwrap_or("handed back"));
        Ok(())
    }

    /// Nobody was heard of for too long.
    pub(crate) fn lapse(&mut self) {
        self.order.lease_until = None;
        if self.order.status == OrderStatus::InService {
            // Somebody is being treated: nobody else is sent in because a phone sleeps.
            self.order.unattended = true;
        } else {
            self.give_back("not heard of");
        }
    }

    fn give_back(&mut self, reason: &str) {
        self.order.lease_until = None;
        self.order.reason = Some(reason.to_owned());
        if self.order.status == OrderStatus::AwaitingPayment {
            self.order.status = OrderStatus::Finished;
            self.order.cashier = None;
            self.order.payment_claimed_at = None;
            return;
        }
        self.leave_room(false);
        self.leave_therapist(Some((TurnKind::Lost, reason)));
        let order = &mut self.order;
        order.status = OrderStatus::PendingTherapist;
        (order.therapist, order.room) = (None, None);
        (order.claimed_at, order.expected_end_at, order.called_at) = (None, None, None);
        order.calls = 0;
        // `line_at` stays: it is the place in the line.
        order.waiting_since = self.now;
    }

    /// Was called and did not come.
    pub(crate) fn no_show(&mut self, hand: Hand) -> Result<(), SpaError> {
        self.need(&[OrderStatus::TherapistConfirmed])?;
        self.check_hand(hand)?;
        let Some(called) = self.order.called_at else { return Err(SpaError::NotCalled(None)) };
        let until = called + SignedDuration::from_secs(self.rules.no_show_secs.into());
        if self.now < until {
            return Err(SpaError::NotCalled(Some(until)));
        }
        self.leave_room(false);
        self.give_turn_back("the customer did not come");
        self.end(OrderStatus::NoShow, Some("did not come"));
        Ok(())
    }

    /// Cancelled by the customer, as long as nobody treats them; by staff as long as nothing is paid.
    pub(crate) fn cancel(&mut self, hand: Option<Hand>, reason: &str) -> Result<(), SpaError> {
        match (self.order.status, hand) {
            (OrderStatus::PendingTherapist, _) | (OrderStatus::TherapistConfirmed, None) => {}
            (OrderStatus::TherapistConfirmed | OrderStatus::InService, Some(hand)) => {
                self.check_hand(hand)?;
            }
            (OrderStatus::Finished | OrderStatus::AwaitingPayment, Some(hand))
                if hand.supervises => {}
            (OrderStatus::Finished | OrderStatus::AwaitingPayment, Some(_)) => {
                return Err(SpaError::NotYours(Box::new(self.public())));
            }
            _ => return Err(self.no_way()),
        }
        if matches!(self.order.status, OrderStatus::TherapistConfirmed | OrderStatus::InService) {
            self.leave_room(self.order.status == OrderStatus::InService);
            self.give_turn_back("the visit was cancelled");
        }
        self.end(OrderStatus::Cancelled, Some(reason));
        Ok(())
    }

    /// It can be paid: to whoever has it, or by the customer alone, as soon as the bill is there.
    pub(crate) fn check_payable(&self, hand: Option<Hand>) -> Result<(), SpaError> {
        match hand {
            Some(hand) => {
                self.need(&[OrderStatus::AwaitingPayment])?;
                self.check_hand(hand)
            }
            None => self.need(&[OrderStatus::Finished, OrderStatus::AwaitingPayment]),
        }
    }

    /// The bill is paid.
    pub(crate) fn settle(&mut self) -> Result<(), SpaError> {
        self.need(&[OrderStatus::Finished, OrderStatus::AwaitingPayment])?;
        self.end(OrderStatus::Paid, None);
        Ok(())
    }

    /// A payment was taken back: to the cashiers again, in the old place.
    pub(crate) fn reopen(&mut self) -> Result<(), SpaError> {
        self.need(&[OrderStatus::Paid])?;
        self.order.status = OrderStatus::Finished;
        self.order.cashier = None;
        self.order.payment_claimed_at = None;
        self.order.ended_at = None;
        Ok(())
    }

    /// Somebody else goes on with it.
    pub(crate) fn take_over(&mut self, to: TherapistRow) -> Result<(), SpaError> {
        self.need(&[OrderStatus::TherapistConfirmed, OrderStatus::InService])?;
        if self.order.therapist.as_ref().is_some_and(|it| it.id == to.id) {
            return self.renew();
        }
        if to.order.is_some() {
            return Err(SpaError::TherapistBusy);
        }
        if !covers(&to.skills, &self.order.sum.skills) {
            return Err(SpaError::LacksSkill(self.order.sum.skills.clone()));
        }
        self.leave_therapist(Some((TurnKind::Lost, "taken over")));
        self.order.therapist = Some(TherapistName { id: to.id, name: to.name.clone() });
        self.order.claimed_at = Some(self.now);
        self.marks.stay = StayChange::Pass { to: to.id };
        let mut to = TherapistRow { order: Some(self.order.id), ready_at: None, ..to };
        to.version += 1;
        let why = Why::because("taken over for a manager");
        self.marks.turns.push(to.turn(TurnKind::TookRequested, self.now, why));
        self.successor = Some(to);
        self.renew()
    }

    /// A cashier's customer is another's now.
    pub(crate) fn take_payment_over(&mut self, cashier: Uuid) -> Result<(), SpaError> {
        self.need(&[OrderStatus::AwaitingPayment])?;
        self.order.cashier = Some(cashier);
        self.order.payment_claimed_at = Some(self.now);
        self.renew()
    }

    fn end(&mut self, status: OrderStatus, reason: Option<&str>) {
        self.order.status = status;
        self.order.ended_at = Some(self.now);
        self.order.lease_until = None;
        self.order.unattended = false;
        self.order.reason = reason.map(str::to_owned);
    }

    /// The room is free: at once, or when it was made again after a treatment.
    fn leave_room(&mut self, used: bool) {
        let Some(room) = &mut self.room else { return };
        let minutes = if used { self.order.sum.after + room.turnover_minutes } else { 0 };
        let free_at = self.now + SignedDuration::from_mins(minutes.into());
        room.order = None;
        room.free_at = free_at;
        room.version += 1;
        self.marks.room = true;
        self.marks.stay = StayChange::Close { room_until: free_at };
    }

    /// A customer of one's own was no turn, so there is none to give back.
    fn give_turn_back(&mut self, why: &str) {
        let own = self.order.therapist.as_ref().map(|it| it.id) == self.order.requested;
        let what = if own { TurnKind::Lost } else { TurnKind::Returned };
        self.leave_therapist(Some((what, why)));
    }

    fn leave_therapist(&mut self, turn: Option<(TurnKind, &str)>) {
        let Some(therapist) = &mut self.therapist else { return };
        if let Some((what, why)) = turn {
            if what == TurnKind::Returned {
                therapist.give_back_turn();
            }
            self.marks.turns.push(therapist.turn(what, self.now, Why::because(why)));
        }
        therapist.order = None;
        therapist.version += 1;
        self.marks.therapist = true;
    }
}

#[cfg(test)]
#[path = "visit_tests.rs"]
mod tests;
