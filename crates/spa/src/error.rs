//! Every way in which this slice says no.

use edge::limits::ITEMS_PER_ORDER_MAX;
use jiff::Timestamp;
use kernel::problem::Problem;
use pg::DbError;
use pg::write::Refusal;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::create_order::PriceChange;
use crate::import_catalogue::ImportReport;
use crate::model::Order;

/// What is not there, or in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A category.
    Category,
    /// A service.
    Service,
    /// A variant.
    Variant,
    /// A room.
    Room,
    /// A therapist.
    Therapist,
    /// An order.
    Order,
    /// A service on a bill.
    Item,
}

/// A refusal of this slice. A variant is something that a caller can do something about.
#[derive(Debug, thiserror::Error)]
pub enum SpaError {
    /// No such thing in this venue, or the caller has not its secret.
    #[error("there is no such {0:?}")]
    Absent(Kind),
    /// The version that the client has seen is not the present one.
    #[error("it was changed meanwhile")]
    Stale(Option<Box<RawValue>>),
    /// A name stands twice.
    #[error("the name is taken")]
    NameTaken,
    /// Something else needs it.
    #[error("it is in use")]
    InUse(Kind),
    /// The venue has as many as one may have.
    #[error("too many {0}")]
    TooMany(&'static str, usize),
    /// The user has no role in this venue.
    #[error("there is no such member")]
    NoSuchMember,
    /// Prices are not what the customer saw, or something is not sold any more.
    #[error("the cart is not up to date")]
    CartChanged(Box<PriceChange>),
    /// The therapist that was asked for is not there or cannot do it.
    #[error("the therapist is not available")]
    TherapistUnavailable,
    /// The line is as long as it may be.
    #[error("the line is full")]
    LineFull(i32),
    /// Somebody else has the order.
    #[error("somebody else has the order")]
    NotYours(Box<Order>),
    /// The order cannot take that step now.
    #[error("the order cannot do that now")]
    NoWay(Box<Order>),
    /// The caller has a customer already.
    #[error("one customer at a time")]
    Busy(Option<Box<Order>>),
    /// The caller is no therapist of this spa.
    #[error("the caller is no therapist here")]
    NoProfile,
    /// The therapist is not on shift.
    #[error("not on shift")]
    NotOnShift,
    /// The therapist is on a break.
    #[error("on a break")]
    OnBreak,
    /// The shift cannot take that step now.
    #[error("the shift is not like that")]
    ShiftNoWay(&'static str),
    /// The therapist has not learnt it.
    #[error("a skill is missing")]
    LacksSkill(Vec<String>),
    /// The room does not offer it.
    #[error("the room lacks something")]
    RoomLacks(Vec<String>),
    /// The therapist has a customer already.
    #[error("the therapist is busy")]
    TherapistBusy,
    /// An order has at least one service.
    #[error("the last service stays")]
    LastItem,
    /// An order has only so many services.
    #[error("too many services")]
    TooManyItems,
    /// The customer was not called, or may still come.
    #[error("the customer may still come")]
    NotCalled(Option<Timestamp>),
    /// It can be undone for so many seconds.
    #[error("too late to undo it")]
    TooLate(i32),
    /// It has been kept for as long as may be.
    #[error("the claim is over")]
    LeaseOver(Box<Order>),
    /// A customer is in the room.
    #[error("the room is occupied")]
    RoomOccupied,
    /// A price is not in the venue's currency.
    #[error("a price is in another currency")]
    OtherCurrency(String),
    /// Some rows cannot be imported.
    #[error("rows are wrong")]
    BadRows(Box<ImportReport>),
    /// Money says no.
    #[error(transparent)]
    Payment(#[from] payments::PaymentError),
    /// The random generator failed.
    #[error("no random bytes")]
    NoRandom,
    /// The database failed.
    #[error(transparent)]
    Db(DbError),
}

impl From<DbError> for SpaError {
    fn from(error: DbError) -> Self {
        match error.constraint() {
            Some(
                "category_name_key" | "service_name_key" | "variant_name_key" | "room_name_key",
            ) => Self::NameTaken,
            Some("service_category") => Self::InUse(Kind::Category),
            Some("variant_service") => Self::InUse(Kind::Service),
            Some("order_room") => Self::InUse(Kind::Room),
            Some("therapist_member") => Self::NoSuchMember,
            Some("cashier_once") => Self::Busy(None),
            _ => Self::Db(error),
        }
    }
}

impl From<serde_json::Error> for SpaError {
    fn from(error: serde_json::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<aws_lc_rs::error::Unspecified> for SpaError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::NoRandom
    }
}

impl Refusal for SpaError {
    fn problem(&self) -> Problem {
        match self {
            Self::Absent(kind) => absent(*kind),
            Self::Stale(current) => stale(current.as_deref()),
            Self::NameTaken
            | Self::TooMany(..)
            | Self::InUse(_)
            | Self::NoSuchMember
            | Self::OtherCurrency(_)
            | Self::BadRows(_)
            | Self::RoomOccupied => self.about_the_house(),
            Self::CartChanged(_) | Self::TherapistUnavailable | Self::LineFull(_) => {
                self.about_the_cart()
            }
            Self::NoProfile
            | Self::NotOnShift
            | Self::OnBreak
            | Self::ShiftNoWay(_)
            | Self::TherapistBusy
            | Self::Busy(_) => self.about_people(),
            Self::LacksSkill(_) | Self::RoomLacks(_) | Self::LastItem | Self::TooManyItems => {
                self.about_the_bill()
            }
            Self::NotYours(_)
            | Self::NoWay(_)
            | Self::NotCalled(_)
            | Self::TooLate(_)
            | Self::LeaseOver(_) => self.about_the_step(),
            Self::Payment(error) => error.problem(),
            Self::NoRandom => DbError::Replay.problem(),
            Self::Db(error) => error.problem(),
        }
    }
}

fn absent(kind: Kind) -> Problem {
    let (code, title, detail) = match kind {
        Kind::Category => (
            "spa.no_such_category",
            "There is no such category",
            "GET …/catalogue lists those of this venue.",
        ),
        Kind::Service => (
            "spa.no_such_service",
            "There is no such service",
            "GET …/catalogue lists those of this venue.",
        ),
        Kind::Variant => (
            "spa.no_such_variant",
            "There is no such variant",
            "GET …/catalogue lists those of this venue.",
        ),
        Kind::Room => {
            ("spa.no_such_room", "There is no such room", "GET …/rooms lists those of this venue.")
        }
        Kind::Therapist => (
            "spa.no_such_therapist",
            "There is no such therapist",
            "GET …/therapists lists those of this venue.",
        ),
        Kind::Order => (
            "spa.no_such_order",
            "There is no such order",
            "It does not exist, or the header Order-Token does not open it: take both from the \
             answer that made the order.",
        ),
        Kind::Item => (
            "spa.no_such_item",
            "There is no such service on the bill",
            "It was taken off, or it is on another bill: read the order again.",
        ),
    };
    Problem::new(404, code, title, detail)
}

fn stale(current: Option<&RawValue>) -> Problem {
    let detail = "`current` is what it is now: decide on that and send its version.";
    let problem = Problem::new(412, "spa.stale", "It was changed meanwhile", detail);
    match current {
        Some(current) => problem.with_current(&current),
        None => problem,
    }
}

fn conflict(code: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(409, code, title, detail)
}

fn with(problem: Problem, current: &impl Serialize) -> Problem {
    problem.with_current(current)
}

impl SpaError {
    fn about_the_house(&self) -> Problem {
        match self {
            Self::NameTaken => conflict(
                "spa.name_taken",
                "The name is taken",
                "Something of the same kind has this name already. Choose another.",
            ),
            Self::InUse(kind) => {
                let what = match kind {
                    Kind::Category => "It has services. Move or delete them first",
                    Kind::Service => "It has variants. Delete them first",
                    _ => "Orders were served in it. Take it out of service instead",
                };
                let detail = format!("{what}, or hide it with \"visible\": false.");
                conflict("spa.in_use", "It is in use", detail)
            }
            Self::OtherCurrency(venue) => Problem::new(
                422,
                "spa.other_currency",
                "The price is in another currency",
                format!("This venue is paid in {venue}."),
            ),
            Self::BadRows(report) => {
                let detail = format!(
                    "{} rows cannot be imported, so nothing was. Correct what `current.errors` \
                     names, or send \"onError\": \"skip\" to import the others.",
                    report.errors.len()
                );
                with(Problem::new(422, "spa.bad_rows", "Rows are wrong", detail), report)
            }
            Self::TooMany(what, most) => conflict(
                "spa.too_many",
                "There are too many",
                format!("A venue has at most {most} {what}. Delete what is not used any more."),
            ),
            Self::RoomOccupied => conflict(
                "spa.room_occupied",
                "A customer is in the room",
                "Wait until the treatment is over.",
            ),
            _ => Problem::new(
                404,
                "spa.no_such_member",
                "There is no such member",
                "Give somebody a role in this venue first: POST …/members.",
            ),
        }
    }

    fn about_the_cart(&self) -> Problem {
        match self {
            Self::CartChanged(change) => with(
                conflict(
                    "spa.cart_changed",
                    "The cart is not up to date",
                    "Prices have changed, or something is not sold any more; nothing was ordered. \
                     Show the customer `current.items`; to accept, send `current.accept` as the \
                     items, with a fresh Idempotency-Key.",
                ),
                change,
            ),
            Self::LineFull(most) => conflict(
                "spa.line_full",
                "The line is full",
                format!("{most} orders wait already. Come back a little later."),
            ),
            _ => conflict(
                "spa.therapist_unavailable",
                "The therapist is not available",
                "They are not on shift or do not do this. Choose another from GET …/catalogue, or \
                 nobody.",
            ),
        }
    }

    fn about_people(&self) -> Problem {
        match self {
            Self::NoProfile => conflict(
                "spa.no_profile",
                "You are no therapist of this spa",
                "A manager names you and your skills with PUT …/therapists/{you}.",
            ),
            Self::NotOnShift => conflict(
                "spa.not_on_shift",
                "The shift has not begun",
                "Begin it with POST …/shifts/begin.",
            ),
            Self::OnBreak => {
                conflict("spa.on_break", "You are on a break", "End it with POST …/shifts/back.")
            }
            Self::ShiftNoWay(detail) => {
                conflict("spa.shift_no_way", "The shift is not like that", *detail)
            }
            Self::TherapistBusy => conflict(
                "spa.therapist_busy",
                "The therapist has a customer",
                "One at a time: let them finish or hand theirs back first.",
            ),
            Self::Busy(order) => {
                let problem = conflict(
                    "spa.busy",
                    "You have a customer already",
                    "One at a time: finish with `current` or hand it back first.",
                );
                order.iter().fold(problem, with)
            }
            _ => DbError::Forbidden.problem(),
        }
    }

    fn about_the_bill(&self) -> Problem {
        match self {
            Self::LacksSkill(skills) => conflict(
                "spa.lacks_skill",
                "The therapist has not learnt it",
                format!("It takes {}. Let somebody do it who can.", skills.join(", ")),
            ),
            Self::RoomLacks(needs) => conflict(
                "spa.room_lacks",
                "The room does not offer it",
                format!("It takes a room with {}.", needs.join(", ")),
            ),
            Self::LastItem => conflict(
                "spa.last_item",
                "It is the last service of the order",
                "Add another one first, or cancel the order.",
            ),
            _ => conflict(
                "spa.too_many_items",
                "The bill is full",
                format!("An order has at most {ITEMS_PER_ORDER_MAX} services. Make another one."),
            ),
        }
    }

    fn about_the_step(&self) -> Problem {
        match self {
            Self::NotYours(order) => with(
                Problem::new(
                    403,
                    "spa.not_yours",
                    "Somebody else has the order",
                    "Only whoever has it, or a manager, can do this.",
                ),
                order,
            ),
            Self::LeaseOver(order) => with(
                conflict(
                    "spa.lease_over",
                    "It cannot be kept any longer",
                    "Go on with the customer, or hand them back.",
                ),
                order,
            ),
            Self::NotCalled(until) => {
                let detail = match until {
                    None => "Call the customer first: POST …/orders/{order}/call.".to_owned(),
                    Some(until) => {
                        format!("They may still come until {}.", kernel::time::text(*until))
                    }
                };
                conflict("spa.may_still_come", "The customer may still come", detail)
            }
            Self::TooLate(secs) => conflict(
                "spa.too_late",
                "It is too late to undo it",
                format!("The start of a treatment can be undone for {secs} seconds."),
            ),
            Self::NoWay(order) => with(
                conflict(
                    "spa.no_way",
                    "The order cannot do that now",
                    format!(
                        "It is {}: `current` shows it. Read it again and decide anew.",
                        order.status.as_str()
                    ),
                ),
                order,
            ),
            _ => DbError::Forbidden.problem(),
        }
    }
}
