//! Treatment rooms: made, changed, taken out of service, made ready before their time.

use actix_web::{delete, get, patch, post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::limits::ROOMS_PER_SPA_MAX;
use edge::{
    Actor, Answer, App, Body, Created, Done, Gone, IfMatch, Input, Nothing, OnceIfGiven, Path,
    ReadRefusals, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::{OrderId, RoomId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalogue::{check_tags, stale};
use crate::error::Kind;
use crate::model::{RoomRow, RoomStatus};
use crate::reads::{RoomPath, VenuePath};
use crate::store::rooms;
use crate::{SpaError, event};

/// A treatment room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// What stands at its door.
    #[schema(example = "3")]
    pub name: String,
    /// What it has: services name what they need of it.
    pub offers: Vec<String>,
    /// How long it is made again after each customer, in minutes.
    pub turnover_minutes: i32,
    /// Nobody gets it.
    pub out_of_service: bool,
    /// Its place in lists.
    pub position: i32,
    /// What it is right now.
    pub status: RoomStatus,
    /// The order of whoever is inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// Until when it is being made again.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub free_at: Option<Timestamp>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Room {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Room {
    pub(crate) fn of(row: &RoomRow, now: Timestamp) -> Self {
        let status = row.status(now);
        Self {
            id: row.id,
            name: row.name.clone(),
            offers: row.offers.clone(),
            turnover_minutes: row.turnover_minutes,
            out_of_service: row.out_of_service,
            position: row.position,
            status,
            order_id: row.order,
            free_at: (status == RoomStatus::Turnover).then_some(row.free_at),
            version: row.version,
        }
    }
}

/// The rooms of a spa.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rooms {
    /// In their order.
    pub items: Vec<Room>,
}

/// What a room is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRoom {
    /// What stands at its door.
    #[schema(min_length = 1, max_length = 40)]
    pub name: String,
    /// What it has; nothing special, unless given.
    #[schema(nullable = false, max_items = 20)]
    pub offers: Option<Vec<String>>,
    /// How long it is made again after each customer, in minutes; 10 unless given.
    #[schema(nullable = false, minimum = 0, maximum = 240)]
    pub turnover_minutes: Option<i32>,
    /// Its place in lists; the last, unless given.
    #[schema(nullable = false)]
    pub position: Option<i32>,
}

/// What changes about a room.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeRoom {
    /// What stands at its door.
    #[schema(nullable = false, min_length = 1, max_length = 40)]
    pub name: Option<String>,
    /// What it has.
    #[schema(nullable = false, max_items = 20)]
    pub offers: Option<Vec<String>>,
    /// How long it is made again after each customer, in minutes.
    #[schema(nullable = false, minimum = 0, maximum = 240)]
    pub turnover_minutes: Option<i32>,
    /// Nobody gets it; whoever is inside stays.
    #[schema(nullable = false)]
    pub out_of_service: Option<bool>,
    /// Its place in lists.
    #[schema(nullable = false)]
    pub position: Option<i32>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

/// How long a room is made again unless somebody says otherwise, in minutes.
const TURNOVER_DEFAULT_MINUTES: i32 = 10;

fn check(
    name: Option<&str>,
    offers: Option<&[String]>,
    turnover: Option<i32>,
    errors: &mut Errors,
) {
    if let Some(name) = name {
        errors.text(name, "/name", (1, 40));
    }
    check_tags(offers.unwrap_or_default(), "/offers", 20, errors);
    let good = turnover.is_none_or(|minutes| (0..=240).contains(&minutes));
    errors.require(good, "/turnoverMinutes", "range", "Give 0 to 240 minutes.");
}

impl Input for CreateRoom {
    fn check(&self, errors: &mut Errors) {
        check(Some(&self.name), self.offers.as_deref(), self.turnover_minutes, errors);
    }
}

impl Input for ChangeRoom {
    fn check(&self, errors: &mut Errors) {
        check(self.name.as_deref(), self.offers.as_deref(), self.turnover_minutes, errors);
    }
}

/// List rooms
#[utoipa::path(
    operation_id = "listRooms", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Rooms), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/rooms")]
pub(crate) async fn list_rooms(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Rooms>, Rejection> {
    let now = app.clock().now();
    let rows = app.read(&actor, async |q| rooms::list_rooms(q).await).await?;
    Ok(web::Json(Rooms { items: rows.iter().map(|room| Room::of(room, now)).collect() }))
}

/// Create a room
#[utoipa::path(
    operation_id = "createRoom", tag = "spa", params(VenuePath), request_body = CreateRoom,
    security(("bearer" = [])), responses((status = 201, body = Room), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/rooms")]
pub(crate) async fn post_room(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateRoom>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| create_room(tx, &cmd).await.map(Created)).await
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn create_room(tx: &mut Tx, cmd: &CreateRoom) -> Result<Room, SpaError> {
    let count = rooms::count_rooms(tx).await?;
    if usize::try_from(count).is_ok_and(|count| count >= ROOMS_PER_SPA_MAX) {
        return Err(SpaError::TooMany("rooms", ROOMS_PER_SPA_MAX));
    }
    let now = tx.now();
    let row = RoomRow {
        id: RoomId::fresh(now),
        name: cmd.name.trim().to_owned(),
        offers: cmd.offers.clone().unwrap_or_default(),
        turnover_minutes: cmd.turnover_minutes.unwrap_or(TURNOVER_DEFAULT_MINUTES),
        out_of_service: false,
        position: cmd.position.unwrap_or(i32::try_from(count).unwrap_or(0)),
        order: None,
        free_at: now,
        version: 1,
    };
    rooms::insert_room(tx, &row)?;
    let room = Room::of(&row, now);
    tx.emit(event::room("created", &room)?);
    Ok(room)
}

/// Change a room
#[utoipa::path(
    operation_id = "changeRoom", tag = "spa", params(RoomPath), request_body = ChangeRoom,
    security(("bearer" = [])), responses((status = 200, body = Room), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/rooms/{room}")]
pub(crate) async fn patch_room(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<RoomPath>,
    cmd: Body<ChangeRoom>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.room;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_room(tx, id, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

async fn change_room(
    tx: &mut Tx,
    id: RoomId,
    seen: Option<i64>,
    cmd: &ChangeRoom,
) -> Result<Room, SpaError> {
    let row = rooms::lock_room(tx, id).await?.ok_or(SpaError::Absent(Kind::Room))?;
    let now = tx.now();
    stale(seen, row.version, &Room::of(&row, now))?;
    let row = RoomRow {
        name: cmd.name.as_deref().map_or(row.name, |name| name.trim().to_owned()),
        offers: cmd.offers.clone().unwrap_or(row.offers),
        turnover_minutes: cmd.turnover_minutes.unwrap_or(row.turnover_minutes),
        out_of_service: cmd.out_of_service.unwrap_or(row.out_of_service),
        position: cmd.position.unwrap_or(row.position),
        version: row.version + 1,
        ..row
    };
    rooms::update_room(tx, &row)?;
    let room = Room::of(&row, now);
    tx.emit(event::room("changed", &room)?);
    Ok(room)
}

/// Make a room ready
///
/// It was made again before its time: the next customer can have it.
#[utoipa::path(
    operation_id = "readyRoom", tag = "spa", params(RoomPath), security(("bearer" = [])),
    responses((status = 200, body = Room), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/rooms/{room}/ready")]
pub(crate) async fn post_ready(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    at: Path<RoomPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.room;
    app.write(&actor, once.of(&cmd), async move |tx| ready_room(tx, id).await.map(Done)).await
}

async fn ready_room(tx: &mut Tx, id: RoomId) -> Result<Room, SpaError> {
    let row = rooms::lock_room(tx, id).await?.ok_or(SpaError::Absent(Kind::Room))?;
    let now = tx.now();
    if row.order.is_some() {
        return Err(SpaError::RoomOccupied);
    }
    if row.free_at <= now {
        return Ok(Room::of(&row, now));
    }
    let row = RoomRow { free_at: now, version: row.version + 1, ..row };
    rooms::cut_turnover(tx, id, now)?;
    rooms::update_room(tx, &row)?;
    let room = Room::of(&row, now);
    tx.emit(event::room("ready", &room)?);
    Ok(room)
}

/// Delete a room
///
/// One where nobody was ever served; any other is taken out of service.
#[utoipa::path(
    operation_id = "deleteRoom", tag = "spa", params(RoomPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/rooms/{room}")]
pub(crate) async fn delete_room(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    at: Path<RoomPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.room;
    app.write(&actor, once.alone(), async move |tx| {
        let row = rooms::lock_room(tx, id).await?.ok_or(SpaError::Absent(Kind::Room))?;
        let room = Room { out_of_service: true, ..Room::of(&row, tx.now()) };
        rooms::delete_room(tx, id)?;
        tx.emit(event::room("deleted", &room)?);
        Ok::<_, SpaError>(Gone)
    })
    .await
}
