//! Two parties become one, change places, or one becomes two.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, Once, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{GuestId, TableId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Floor, Key, Touched};
use crate::reads::GuestPath;
use crate::seat_guest::{Seating, seating};
use crate::seating::Care;

/// The other party.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithGuest {
    /// The other party.
    pub with: GuestId,
    /// The other party's version that was seen.
    #[schema(nullable = false)]
    pub with_version: Option<i64>,
    /// Do it although somebody does not fit; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
    /// The party's version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for WithGuest {}

/// Who leaves a party.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplitGuest {
    /// How many leave.
    #[schema(minimum = 1, maximum = 99)]
    pub party_size: i32,
    /// What the new party is called; as the old one, unless given.
    #[schema(nullable = false, min_length = 1, max_length = 120)]
    pub guest_name: Option<String>,
    /// Their tables: some of the party's own, or free ones. Without any they wait.
    #[schema(nullable = false, max_items = 10)]
    pub tables: Option<Vec<TableId>>,
    /// Do it although somebody does not fit; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
    /// The party's version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for SplitGuest {
    fn check(&self, errors: &mut Errors) {
        let fits = (1..=99).contains(&self.party_size);
        errors.require(fits, "/partySize", "range", "1 to 99 guests leave.");
        if let Some(name) = &self.guest_name {
            errors.text(name, "/guestName", (1, 120));
        }
    }
}

/// Two parties at their tables.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TwoSeatings {
    /// The party of the path.
    pub one: Seating,
    /// The other one.
    pub other: Seating,
}

impl Versioned for TwoSeatings {}

/// Merge two parties
///
/// The other party joins this one, with its tables, and is gone.
#[utoipa::path(
    operation_id = "mergeGuests", tag = "floor",
    params(GuestPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = WithGuest, security(("bearer" = [])),
    responses((status = 200, body = Seating), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/merge")]
pub(crate) async fn post_merge(
    actor: Actor<can::SeatGuests>,
    once: Once,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<WithGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = Touched::guest(guest).and_guest(cmd.with);
        let seen = seen.0.or(cmd.version);
        carry_out(tx, &touched, |floor| merge_guests(floor, guest, seen, &cmd)).await.map(Done)
    })
    .await
}

/// Swap two parties
///
/// Both sit; each gets the other's tables.
#[utoipa::path(
    operation_id = "swapGuests", tag = "floor",
    params(GuestPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = WithGuest, security(("bearer" = [])),
    responses((status = 200, body = TwoSeatings), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/swap")]
pub(crate) async fn post_swap(
    actor: Actor<can::SeatGuests>,
    once: Once,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<WithGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = Touched::guest(guest).and_guest(cmd.with);
        let seen = seen.0.or(cmd.version);
        carry_out(tx, &touched, |floor| swap_guests(floor, guest, seen, &cmd)).await.map(Done)
    })
    .await
}

/// Split a party
///
/// Some of its guests become a party of their own, at some of its tables, at free ones, or in the
/// line.
#[utoipa::path(
    operation_id = "splitGuest", tag = "floor",
    params(GuestPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = SplitGuest, security(("bearer" = [])),
    responses((status = 200, body = TwoSeatings), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/guests/{guest}/split")]
pub(crate) async fn post_split(
    actor: Actor<can::SeatGuests>,
    once: Once,
    seen: IfMatch,
    at: Path<GuestPath>,
    cmd: Body<SplitGuest>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let guest = at.guest;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (touched_by_split(guest, &cmd), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| split_guest(floor, guest, seen, &cmd)).await.map(Done)
    })
    .await
}

pub(crate) fn touched_by_split(id: GuestId, cmd: &SplitGuest) -> Touched {
    Touched::guest(id).and_tables(Some(cmd.tables.as_deref().unwrap_or_default()))
}

/// The rule of merging.
pub(crate) fn merge_guests(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &WithGuest,
) -> Result<Seating, FloorError> {
    check_both(floor, id, seen, cmd)?;
    floor.merge(id, cmd.with, Care::of(cmd.anyway == Some(true)))?;
    seating(floor, id, None)
}

/// The rule of changing places.
pub(crate) fn swap_guests(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &WithGuest,
) -> Result<TwoSeatings, FloorError> {
    check_both(floor, id, seen, cmd)?;
    floor.swap(id, cmd.with, Care::of(cmd.anyway == Some(true)))?;
    Ok(TwoSeatings { one: seating(floor, id, None)?, other: seating(floor, cmd.with, None)? })
}

fn check_both(
    floor: &Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &WithGuest,
) -> Result<(), FloorError> {
    floor.guest(id)?;
    floor.guest(cmd.with)?;
    floor.check_seen(Key::Guest(id), seen)?;
    floor.check_seen(Key::Guest(cmd.with), cmd.with_version)
}

/// The rule of splitting.
pub(crate) fn split_guest(
    floor: &mut Floor,
    id: GuestId,
    seen: Option<i64>,
    cmd: &SplitGuest,
) -> Result<TwoSeatings, FloorError> {
    floor.guest(id)?;
    floor.check_seen(Key::Guest(id), seen)?;
    let new = GuestId::fresh(floor.now);
    let name = cmd.guest_name.as_ref().map(|name| name.trim().to_owned());
    let tables = cmd.tables.clone().unwrap_or_default();
    let care = Care::of(cmd.anyway == Some(true));
    floor.split(id, (new, name), cmd.party_size, &tables, care)?;
    Ok(TwoSeatings { one: seating(floor, id, None)?, other: seating(floor, new, None)? })
}
