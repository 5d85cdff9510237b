//! Everything live, for a screen on the wall: codes, rooms, waits. Nobody's name.

use actix_web::{get, web};
use edge::limits::LINE_SHOWN_MAX;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::code::day;
use crate::model::{OrderStatus, RoomStatus};
use crate::queues::{LineOrder, pos};
use crate::quote::{Quote, Waiter};
use crate::reads::VenuePath;
use crate::rooms::Room;
use crate::store::{lines, outlook, people, rooms};

/// What the wait of somebody who comes now is quoted for: a treatment of usual length.
const USUAL_MINUTES: i32 = 60;

kernel::names! {
    /// What was promised.
    Stage {
        /// When the treatment begins at the latest, told at the order.
        Treatment = "treatment",
        /// When a cashier is there at the latest, reckoned at the end of the treatment.
        Payment = "payment",
    }
}

/// What was promised today, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Which promise.
    pub stage: Stage,
    /// How many were made and are over.
    pub promises: i64,
    /// How many of them were kept.
    pub kept: i64,
    /// The wait that was promised, on average, in seconds.
    pub promised_secs: f64,
    /// The wait that it was, on average, in seconds.
    pub real_secs: f64,
}

/// An order on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WallOrder {
    /// What is called out.
    #[schema(example = "A-042")]
    pub code: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where the customer goes, or is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub room: Option<String>,
    /// How often they were called.
    pub calls: i32,
    /// When the treatment is expected to end.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub expected_end_at: Option<Timestamp>,
    /// The wait as of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quote: Option<Quote>,
}

/// A room on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WallRoom {
    /// What stands at its door.
    pub name: String,
    /// What it is right now.
    pub status: RoomStatus,
}

/// Everything live.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// Where the venue's log was: subscribe to `monitor` with it as `since`.
    #[schema(example = "1042-m3k9x0f2")]
    pub pos: String,
    /// Those who wait for a therapist, in order, at most 200.
    pub waiting: Vec<WallOrder>,
    /// How many wait for a therapist in all.
    pub waiting_in_all: i64,
    /// Those who have a room and are called.
    pub called: Vec<WallOrder>,
    /// Those who are being treated.
    pub in_service: Vec<WallOrder>,
    /// Those who wait to pay, in order, at most 200.
    pub to_pay: Vec<WallOrder>,
    /// Those who are paying.
    pub paying: Vec<WallOrder>,
    /// The rooms.
    pub rooms: Vec<WallRoom>,
    /// How many therapists are on shift and not on a break.
    pub therapists_on_shift: usize,
    /// The wait of somebody who comes now: for a therapist, a room and a cashier.
    pub next: Quote,
    /// What was promised today against what came of it.
    pub record: Vec<Record>,
}

/// Look at everything
///
/// For a screen on the wall: lines, rooms and waits by codes alone, and how well promises are kept.
#[utoipa::path(
    operation_id = "getMonitor", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Monitor), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/monitor")]
pub(crate) async fn get_monitor(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Monitor>, Rejection> {
    let now = kernel::time::micros(app.clock().now());
    let monitor = app.read(&actor, async |q| monitor(q, now).await).await?;
    Ok(web::Json(monitor))
}

pub(crate) async fn monitor(q: &mut pg::Reader, now: Timestamp) -> Result<Monitor, SpaError> {
    let (pos, venue) = (pos(q).await?, q.venue()?);
    let [houses] = q.pipeline([people::house_query(&[&venue])]).await?;
    let zone = people::house(&houses)?.map(|house| house.time_zone).unwrap_or_default();
    let mut lists = Vec::new();
    for status in [
        OrderStatus::PendingTherapist,
        OrderStatus::TherapistConfirmed,
        OrderStatus::InService,
        OrderStatus::Finished,
        OrderStatus::AwaitingPayment,
    ] {
        lists.push(lines::list_line(q, &[status], LINE_SHOWN_MAX).await?);
    }
    let rules = people::find_settings(q).await?.rules;
    let outlook = outlook::find_outlook(q, rules, now).await?;
    let (waiting_in_all, therapists_on_shift) = (outlook.waiting, outlook.therapists.len());
    let (quotes, next) = outlook.quotes(Some(&usual()));
    for (id, quote) in quotes {
        let found = lists.iter_mut().flatten().find(|order| order.id == id);
        if let Some(order) = found {
            order.quote = Some(quote);
        }
    }
    let record = lines::find_record(q, day_began(now, &zone)).await?;
    let rooms = rooms::list_rooms(q).await?;
    let mut lists = lists.into_iter().map(on_the_wall);
    let mut list = || lists.next().unwrap_or_default();
    Ok(Monitor {
        pos,
        waiting: list(),
        waiting_in_all,
        called: list(),
        in_service: list(),
        to_pay: list(),
        paying: list(),
        rooms: rooms.iter().map(|room| wall_room(&Room::of(room, now))).collect(),
        therapists_on_shift,
        next: next.ok_or(SpaError::Db(pg::DbError::Away))?,
        record,
    })
}

fn usual() -> Waiter {
    Waiter {
        id: None,
        skills: Vec::new(),
        needs: Vec::new(),
        requested: None,
        before: 0,
        minutes: USUAL_MINUTES,
        after: 0,
    }
}

fn on_the_wall(orders: Vec<LineOrder>) -> Vec<WallOrder> {
    let wall = |order: LineOrder| WallOrder {
        code: order.code,
        status: order.status,
        room: order.room.map(|room| room.name),
        calls: order.calls,
        expected_end_at: order.expected_end_at,
        quote: order.quote,
    };
    orders.into_iter().map(wall).collect()
}

fn wall_room(room: &Room) -> WallRoom {
    WallRoom { name: room.name.clone(), status: room.status }
}

/// When the venue's day began.
fn day_began(now: Timestamp, zone: &str) -> Timestamp {
    let zone_of = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    day(now, zone).to_zoned(zone_of).map_or(now, |began| began.timestamp())
}
