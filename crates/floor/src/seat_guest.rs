//! Seat a party at one or several tables, or move it to others.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, Once, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{GuestId, TableId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Floor, Key, Touched};
use crate::model::{Guest, Table};
use crate::reads::GuestPath;
use crate::seating::Care;

/// Where to seat a party.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatGuest {
    /// The tables; several are pushed together. Chosen by the server, unless given.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    pub tables: Option<Vec<TableId>>,
    /// Do it although the party does not fit, or the table is promised; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
    /// The party's version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for SeatGuest {}

/// A party at its tables.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Seating {
    /// The party.
    pub guest: Guest,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Why these, where the server chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub why: Option<String>,
}

impl Versioned for Seating {
    fn version(&self) -> Option<i64> {
        Some(self.guest.version)
    }
}

/// Seat a party
///
/// Party and tables change together or not at all. A table that another party has is 409 with the
/// table as it is; without `tables` the smallest free one that fits is chosen under the locks.
#[utoipa::path(
    operation_id = "seatGuest", tag = "floor",
    params(GuestPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = SeatGuest, security(("bearer" = [])),
    responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/seat")]
pub(crate) async fn post_seat(
    actor: Actor<can::SeatGuests>,
    once: Once,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<SeatGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (touched(guest, &cmd), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| seat_guest(floor, guest, seen, &cmd)).await.map(Done)
    })
    .await
}

/// Move a party
///
/// To other tables, or to more or fewer of them. Those that it leaves are cleared.
#[utoipa::path(
    operation_id = "moveGuest", tag = "floor",
    params(GuestPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = SeatGuest, security(("bearer" = [])),
    responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/move")]
pub(crate) async fn post_move(
    actor: Actor<can::SeatGuests>,
    once: Once,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<SeatGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (touched(guest, &cmd), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| move_guest(floor, guest, seen, &cmd)).await.map(Done)
    })
    .await
}

pub(crate) fn touched(id: GuestId, cmd: &SeatGuest) -> Touched {
    Touched::guest(id).and_tables(cmd.tables.as_deref())
}

/// The rule of seating.
pub(crate) fn seat_guest(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &SeatGuest,
) -> Result<Seating, FloorError> {
    floor.guest(id)?;
    floor.check_seen(Key::Guest(id), seen)?;
    let (tables, why) = choice(floor, id, cmd)?;
    floor.seat(id, &tables, Care::of(cmd.anyway == Some(true)))?;
    seating(floor, id, why)
}

/// The rule of moving.
pub(crate) fn move_guest(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &SeatGuest,
) -> Result<Seating, FloorError> {
    floor.guest(id)?;
    floor.check_seen(Key::Guest(id), seen)?;
    let (tables, why) = choice(floor, id, cmd)?;
    floor.move_to(id, &tables, Care::of(cmd.anyway == Some(true)))?;
    seating(floor, id, why)
}

fn choice(
    floor: &Floor,
    id: GuestId,
    cmd: &SeatGuest,
) -> Result<(Vec<TableId>, Option<String>), FloorError> {
    match &cmd.tables {
        Some(tables) => Ok((tables.clone(), None)),
        None => floor.choose_for(id).map(|choice| (choice.tables, Some(choice.why))),
    }
}

/// The party with its tables, as they are now.
pub(crate) fn seating(
    floor: &Floor,
    id: GuestId,
    why: Option<String>,
) -> Result<Seating, FloorError> {
    let guest = floor.guest(id)?.guest.clone();
    let tables = guest.table_ids.iter().filter_map(|id| floor.tables.get(id)).cloned().collect();
    Ok(Seating { guest, tables, why })
}
