//! Orders, rooms and therapists: what they are. Pure.

use edge::answer::Versioned;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{ItemId, OrderId, RoomId, UserId, VariantId};
use kernel::money::{Currency, Money};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

kernel::names! {
    /// Where an order stands.
    OrderStatus {
        /// In the line of those who wait for a therapist.
        PendingTherapist = "pending_therapist",
        /// A therapist and a room are theirs; to be called.
        TherapistConfirmed = "therapist_confirmed",
        /// Being treated.
        InService = "in_service",
        /// In the line of those who pay.
        Finished = "finished",
        /// A cashier has it.
        AwaitingPayment = "awaiting_payment",
        /// Over, and settled.
        Paid = "paid",
        /// Over before it was finished.
        Cancelled = "cancelled",
        /// Was called and did not come.
        NoShow = "no_show",
    }
    /// What a room is right now.
    RoomStatus {
        /// The next customer can have it.
        Free = "free",
        /// A customer has it.
        Occupied = "occupied",
        /// It is being made again.
        Turnover = "turnover",
        /// Nobody gets it.
        OutOfService = "out_of_service",
    }
}

/// A service on the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its id: an order may have the same twice.
    pub id: ItemId,
    /// What was chosen.
    pub variant_id: VariantId,
    /// The service.
    #[schema(example = "Thai massage")]
    pub service: String,
    /// Its variant.
    #[schema(example = "60 minutes")]
    pub variant: String,
    /// What it costs: the price of the moment at which it was ordered.
    pub price: Money,
    /// How long it takes.
    pub minutes: i32,
}

/// Whoever looks after the customer, by the name that customers read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TherapistName {
    /// The member.
    pub id: UserId,
    /// What customers read.
    #[schema(example = "Mai")]
    pub name: String,
}

/// Where the customer goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoomName {
    /// The room.
    pub id: RoomId,
    /// What stands at its door.
    #[schema(example = "3")]
    pub name: String,
}

/// A customer's visit. Events tell it without `name` and `note`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id. It opens nothing: the secret of the link does.
    pub id: OrderId,
    /// What is called out and shown on the wall; of this day.
    #[schema(example = "A-042")]
    pub code: String,
    /// The venue's day that the code is of.
    #[schema(value_type = String, format = Date, example = "2027-02-01")]
    pub day: Date,
    /// Where it stands.
    pub status: OrderStatus,
    /// What is on the bill.
    pub items: Vec<Item>,
    /// The bill.
    pub total: Money,
    /// How long all of it takes.
    pub minutes: i32,
    /// How the customer wants to be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// What the therapist should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub note: Option<String>,
    /// The therapist that the customer asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub requested_therapist: Option<UserId>,
    /// Whoever looks, or looked, after the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub therapist: Option<TherapistName>,
    /// Where the customer goes, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub room: Option<RoomName>,
    /// How often it was called out.
    pub calls: i32,
    /// In service, and nobody has been heard of for too long: a manager looks after it.
    pub unattended: bool,
    /// When it was ordered: the place in the line.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When a therapist took it.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub claimed_at: Option<Timestamp>,
    /// When the treatment began.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub started_at: Option<Timestamp>,
    /// When the treatment is expected to end.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub expected_end_at: Option<Timestamp>,
    /// When it ended.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub finished_at: Option<Timestamp>,
    /// When the visit was over: paid, cancelled, or nobody came.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub ended_at: Option<Timestamp>,
    /// Until when whoever has it must be heard of, or it is given back.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub lease_until: Option<Timestamp>,
    /// Why it was cancelled or given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Order {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// An item as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemRow {
    pub(crate) id: ItemId,
    pub(crate) variant: VariantId,
    pub(crate) service_name: String,
    pub(crate) variant_name: String,
    pub(crate) skills: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) price: i64,
    pub(crate) before: i32,
    pub(crate) minutes: i32,
    pub(crate) after: i32,
}

/// What a bill needs and costs in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) total: i64,
    pub(crate) before: i32,
    pub(crate) minutes: i32,
    pub(crate) after: i32,
    pub(crate) skills: Vec<String>,
    pub(crate) needs: Vec<String>,
}

impl Sum {
    /// Treatments follow one another; the room is prepared once and cleaned once.
    pub(crate) fn of(items: &[ItemRow]) -> Self {
        let mut sum = Self::default();
        for item in items {
            sum.total += item.price;
            sum.minutes += item.minutes;
            sum.before = sum.before.max(item.before);
            sum.after = sum.after.max(item.after);
            sum.skills.extend(item.skills.iter().cloned());
            sum.needs.extend(item.needs.iter().cloned());
        }
        for list in [&mut sum.skills, &mut sum.needs] {
            list.sort_unstable();
            list.dedup();
        }
        sum
    }
}

/// An order as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(crate) id: OrderId,
    pub(crate) code: String,
    pub(crate) day: Date,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) status: OrderStatus,
    pub(crate) name: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) requested: Option<UserId>,
    pub(crate) line_at: Timestamp,
    pub(crate) waiting_since: Timestamp,
    pub(crate) sum: Sum,
    pub(crate) currency: Currency,
    pub(crate) therapist: Option<TherapistName>,
    pub(crate) room: Option<RoomName>,
    pub(crate) cashier: Option<Uuid>,
    pub(crate) lease_until: Option<Timestamp>,
    pub(crate) unattended: bool,
    pub(crate) calls: i32,
    pub(crate) called_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) claimed_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) expected_end_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) payment_claimed_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) reason: Option<String>,
    pub(crate) promised: Option<(Timestamp, Timestamp)>,
    pub(crate) payment_promised_at: Option<Timestamp>,
    pub(crate) version: i64,
}

impl OrderRow {
    pub(crate) fn total(&self) -> Money {
        Money { amount: self.sum.total, currency: self.currency }
    }

    /// As the API tells it.
    pub(crate) fn told(&self, items: &[ItemRow]) -> Order {
        let currency = self.currency;
        let item = |item: &ItemRow| Item {
            id: item.id,
            variant_id: item.variant,
            service: item.service_name.clone(),
            variant: item.variant_name.clone(),
            price: Money { amount: item.price, currency },
            minutes: item.minutes,
        };
        Order {
            id: self.id,
            code: self.code.clone(),
            day: self.day,
            status: self.status,
            items: items.iter().map(item).collect(),
            total: self.total(),
            minutes: self.sum.minutes,
            name: self.name.clone(),
            note: self.note.clone(),
            requested_therapist: self.requested,
            therapist: self.therapist.clone(),
            room: self.room.clone(),
            calls: self.calls,
            unattended: self.unattended,
            created_at: self.created_at,
            claimed_at: self.claimed_at,
            started_at: self.started_at,
            expected_end_at: self.expected_end_at,
            finished_at: self.finished_at,
            ended_at: self.ended_at,
            lease_until: self.lease_until,
            reason: self.reason.clone(),
            version: self.version,
        }
    }
}

/// A room as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomRow {
    pub(crate) id: RoomId,
    pub(crate) name: String,
    pub(crate) offers: Vec<String>,
    pub(crate) turnover_minutes: i32,
    pub(crate) out_of_service: bool,
    pub(crate) position: i32,
    pub(crate) order: Option<OrderId>,
    pub(crate) free_at: Timestamp,
    pub(crate) version: i64,
}

impl RoomRow {
    pub(crate) fn status(&self, now: Timestamp) -> RoomStatus {
        match self.order {
            Some(_) => RoomStatus::Occupied,
            None if self.out_of_service => RoomStatus::OutOfService,
            None if self.free_at > now => RoomStatus::Turnover,
            None => RoomStatus::Free,
        }
    }
}

/// A therapist as their row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TherapistRow {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) skills: Vec<String>,
    pub(crate) began_at: Option<Timestamp>,
    pub(crate) break_at: Option<Timestamp>,
    pub(crate) turns: i32,
    pub(crate) turn_at: Option<Timestamp>,
    pub(crate) turn_before: Option<Timestamp>,
    pub(crate) ready_at: Option<Timestamp>,
    pub(crate) order: Option<OrderId>,
    pub(crate) version: i64,
}

/// Whether `has` covers all of `wants`.
pub(crate) fn covers(has: &[String], wants: &[String]) -> bool {
    wants.iter().all(|want| has.contains(want))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A moment, for tests.
    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// An item of so much and so long.
    pub(crate) fn item(price: i64, minutes: i32, skill: &str) -> ItemRow {
        let now = at("2027-01-01T10:00:00Z");
        ItemRow {
            id: ItemId::fresh(now),
            variant: VariantId::fresh(now),
            service_name: "Massage".into(),
            variant_name: format!("{minutes} minutes"),
            skills: vec![skill.into()],
            needs: vec!["bed".into()],
            price,
            before: 5,
            minutes,
            after: 10,
        }
    }

    #[test]
    fn a_bill_adds_prices_and_times_and_prepares_the_room_once() {
        let sum = Sum::of(&[item(5000, 60, "thai"), item(2500, 30, "feet"), item(1, 5, "thai")]);
        assert_eq!((sum.total, sum.minutes, sum.before, sum.after), (7501, 95, 5, 10));
        assert_eq!(
            (sum.skills, sum.needs),
            (vec!["feet".into(), "thai".into()], vec!["bed".into()])
        );
        assert_eq!(Sum::of(&[]), Sum::default());
    }

    #[test]
    fn a_room_is_free_when_it_was_made_again() {
        let now = at("2027-01-01T10:00:00Z");
        let mut room = RoomRow {
            id: RoomId::fresh(now),
            name: "1".into(),
            offers: Vec::new(),
            turnover_minutes: 10,
            out_of_service: false,
            position: 0,
            order: None,
            free_at: now,
            version: 1,
        };
        assert_eq!(room.status(now), RoomStatus::Free);
        room.free_at = at("2027-01-01T10:00:01Z");
        assert_eq!(room.status(now), RoomStatus::Turnover);
        room.out_of_service = true;
        assert_eq!(room.status(now), RoomStatus::OutOfService);
        room.order = Some(OrderId::fresh(now));
        assert_eq!(room.status(now), RoomStatus::Occupied, "whoever is inside stays");
    }
}
