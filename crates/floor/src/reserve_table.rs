//! Reserve tables: hold them for a customer, book what is held, or book at once as staff.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Done, Input, Once, Path, Rejection, WriteRefusals, can,
};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::{ReservationId, TableId, UserId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::carry_out::{carry_out, finish};
use crate::floor::{Fate, Floor, Key, Touched};
use crate::reads::VenuePath;
use crate::receive_guest::{check_party, check_words};
use crate::reservation::{Reservation, ReservationStatus, Wish};
use crate::reservation_reads::ReservationPath;
use crate::store::{floor, reservations};
use crate::{FloorError, secret};

/// How far ahead and behind a time other reservations can matter: the longest turn and more.
const AROUND: SignedDuration = SignedDuration::from_hours(15);
/// Nobody reserves further ahead.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Who came a moment ago without a reservation can still get one.
const LATE_MAX: SignedDuration = SignedDuration::from_mins(15);
/// What a reservation is called until somebody says the name.
const NAMELESS: &str = "Guest";

/// What to hold.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldTable {
    /// When the party comes.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime, example = "2027-02-01T19:00:00.000000Z")]
    pub starts_at: Timestamp,
    /// How many they are.
    #[schema(minimum = 1, maximum = 100)]
    pub party_size: i32,
}

impl Input for HoldTable {
    fn check(&self, errors: &mut Errors) {
        check_party(Some(self.party_size), errors);
    }
}

/// A held reservation with its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldReservation {
    /// The reservation.
    pub reservation: Reservation,
    /// The secret that books it. Shown only here.
    pub token: String,
}

impl Versioned for HeldReservation {
    fn version(&self) -> Option<i64> {
        Some(self.reservation.version)
    }
}

/// Who has held it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BookTable {
    /// The secret that came with the hold.
    pub token: String,
    /// Whose the reservation is.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub guest_name: String,
    /// Where they can be reached.
    #[schema(nullable = false, max_length = 40)]
    pub phone: Option<String>,
    /// What the host should know.
    #[schema(nullable = false, max_length = 2000)]
    pub notes: Option<String>,
}

impl Input for BookTable {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.guest_name, "/guestName", (1, 120));
        check_words([self.phone.as_deref(), self.notes.as_deref(), None], None, errors);
    }
}

/// What to reserve, as staff.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveTable {
    /// When the party comes.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime, example = "2027-02-01T19:00:00.000000Z")]
    pub starts_at: Timestamp,
    /// How many they are.
    #[schema(minimum = 1, maximum = 100)]
    pub party_size: i32,
    /// Whose it is.
    #[schema(min_length = 1, max_length = 120, example = "Ana Lopes")]
    pub guest_name: String,
    /// Where they can be reached.
    #[schema(nullable = false, max_length = 40)]
    pub phone: Option<String>,
    /// What the host should know.
    #[schema(nullable = false, max_length = 2000)]
    pub notes: Option<String>,
    /// The tables; chosen by the server, unless given.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    pub tables: Option<Vec<TableId>>,
    /// Take it although the house is closed then or the pacing is full; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
}

impl Input for ReserveTable {
    fn check(&self, errors: &mut Errors) {
        check_party(Some(self.party_size), errors);
        errors.text(&self.guest_name, "/guestName", (1, 120));
        check_words([self.phone.as_deref(), self.notes.as_deref(), None], None, errors);
    }
}

/// Hold a table
///
/// For a few minutes, for the time that the party will stay, not for the day. The smallest table
/// that fits is chosen under the locks; when there is none, the answer has other times.
#[utoipa::path(
    operation_id = "holdTable", tag = "floor",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = HoldTable, security(("bearer" = [])),
    responses((status = 201, body = HeldReservation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/reservations/holds")]
pub(crate) async fn post_hold(
    actor: Actor<can::ReserveTables>,
    once: Once,
    _at: Path<VenuePath>,
    cmd: Body<HoldTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| hold_table(tx, user, &cmd).await.map(Created))
        .await
}

/// Book a held table
///
/// The hold's token is the right to it. A hold that has run out is 409: hold again.
#[utoipa::path(
    operation_id = "bookTable", tag = "floor",
    params(ReservationPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = BookTable, security(("bearer" = [])),
    responses((status = 200, body = Reservation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/reservations/{reservation}/book")]
pub(crate) async fn post_book(
    actor: Actor<can::ReserveTables>,
    once: Once,
    at: Path<ReservationPath>,
    cmd: Body<BookTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let reservation = at.reservation;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let mut found = floor::lock_floor(tx, &Touched::reservation(reservation)).await?;
        let booked = book_table(&mut found, reservation, &cmd)?;
        finish(tx, &found)?;
        Ok::<_, FloorError>(Done(booked))
    })
    .await
}

/// Reserve a table
///
/// As staff, booked at once. Without `tables` the smallest that fits is chosen under the locks, and
/// `why` says so; when there is none, `current.alternatives` has other times and tables.
#[utoipa::path(
    operation_id = "reserveTable", tag = "floor",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = ReserveTable, security(("bearer" = [])),
    responses((status = 201, body = Reservation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/reservations")]
pub(crate) async fn post_reservation(
    actor: Actor<can::SeatGuests>,
    once: Once,
    _at: Path<VenuePath>,
    cmd: Body<ReserveTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = touched(cmd.starts_at);
        carry_out(tx, &touched, |floor| reserve_table(floor, &cmd)).await.map(Created)
    })
    .await
}

/// Every table, and all that is promised around that time.
pub(crate) fn touched(starts_at: Timestamp) -> Touched {
    let from = starts_at.checked_sub(AROUND).unwrap_or(starts_at);
    let to = starts_at.checked_add(AROUND).unwrap_or(starts_at);
    Touched { window: Some((from, to)), ..Touched::default() }.and_tables(None)
}

/// Every table, and all that is promised at any time.
pub(crate) fn touched_at_any_time(now: Timestamp) -> Touched {
    let from = now.checked_sub(AROUND).unwrap_or(now);
    let to = now.checked_add(AHEAD_MAX + AROUND).unwrap_or(now);
    Touched { window: Some((from, to)), ..Touched::default() }.and_tables(None)
}

/// A time to come, within a year.
pub(crate) fn check_time(starts_at: Timestamp, now: Timestamp) -> Result<(), FloorError> {
    let ahead = starts_at.duration_since(now);
    if ahead >= -LATE_MAX && ahead <= AHEAD_MAX { Ok(()) } else { Err(FloorError::Past) }
}

/// The rule of holding.
///
/// # Errors
/// `NoRoom`, `Past`.
pub async fn hold_table(
    tx: &mut Tx,
    user: UserId,
    cmd: &HoldTable,
) -> Result<HeldReservation, FloorError> {
    let mut found = floor::lock_floor(tx, &touched(cmd.starts_at)).await?;
    let wish = Wish {
        starts_at: cmd.starts_at,
        party_size: cmd.party_size,
        tables: None,
        own: None,
        by_staff: false,
    };
    let mut new = place(&found, &wish)?;
    let hold = SignedDuration::from_secs(found.settings.rules.hold_secs.into());
    (new.status, new.expires_at) = (ReservationStatus::Held, Some(found.now + hold));
    insert(&mut found, &new);
    finish(tx, &found)?;
    let token = secret::fresh()?;
    reservations::set_owner(tx, new.id, Some(user), secret::hash(&token))?;
    Ok(HeldReservation { reservation: new, token })
}

/// The rule of booking what is held.
fn book_table(
    floor: &mut Floor,
    id: ReservationId,
    cmd: &BookTable,
) -> Result<Reservation, FloorError> {
    let found = floor.reservation(id)?;
    let kept = floor.tokens.get(&id).and_then(|(_, hash)| hash.as_deref());
    if !kept.is_some_and(|kept| secret::matches(&cmd.token, kept)) {
        return Err(FloorError::WrongToken);
    }
    if found.status != ReservationStatus::Held || !found.keeps_tables(floor.now) {
        return Err(FloorError::ReservationOver(Box::new(found.clone())));
    }
    let booked = floor.change_reservation(id, "booked")?;
    cmd.guest_name.trim().clone_into(&mut booked.guest_name);
    booked.phone.clone_from(&cmd.phone);
    booked.notes.clone_from(&cmd.notes);
    (booked.status, booked.expires_at) = (ReservationStatus::Booked, None);
    Ok(booked.clone())
}

/// The rule of reserving as staff.
pub(crate) fn reserve_table(
    floor: &mut Floor,
    cmd: &ReserveTable,
) -> Result<Reservation, FloorError> {
    let wish = Wish {
        starts_at: cmd.starts_at,
        party_size: cmd.party_size,
        tables: cmd.tables.as_deref(),
        own: None,
        by_staff: cmd.anyway == Some(true),
    };
    let mut new = place(floor, &wish)?;
    cmd.guest_name.trim().clone_into(&mut new.guest_name);
    new.phone.clone_from(&cmd.phone);
    new.notes.clone_from(&cmd.notes);
    insert(floor, &new);
    Ok(new)
}

fn place(floor: &Floor, wish: &Wish<'_>) -> Result<Reservation, FloorError> {
    check_time(wish.starts_at, floor.now)?;
    let place = floor.room(wish)?;
    Ok(Reservation {
        id: ReservationId::fresh(floor.now),
        guest_name: NAMELESS.to_owned(),
        party_size: wish.party_size,
        phone: None,
        notes: None,
        starts_at: wish.starts_at,
        ends_at: place.ends_at,
        status: ReservationStatus::Booked,
        table_ids: place.tables,
        guest_id: None,
        exceeds_pacing: place.exceeds_pacing,
        expires_at: None,
        why: place.why,
        version: 1,
    })
}

fn insert(floor: &mut Floor, new: &Reservation) {
    floor.tell(Key::Reservation(new.id), Fate::Created, new.status.as_str());
    floor.reservations.insert(new.id, new.clone());
    floor.rebook(new);
}
