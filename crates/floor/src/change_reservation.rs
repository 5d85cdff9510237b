//! Change a reservation: another time, another size, other tables, what is known of the party.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use jiff::Timestamp;
use kernel::ids::{ReservationId, TableId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::finish;
use crate::floor::{Floor, Key, Touched};
use crate::receive_guest::{check_party, check_words};
use crate::reservation::{Reservation, ReservationStatus, Wish};
use crate::reservation_reads::ReservationPath;
use crate::reserve_table::{check_time, touched, touched_at_any_time};
use crate::store::floor;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeReservation {
    /// When the party comes.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub starts_at: Option<Timestamp>,
    /// How many they are.
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    pub party_size: Option<i32>,
    /// Other tables.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    pub tables: Option<Vec<TableId>>,
    /// Whose it is.
    #[schema(nullable = false, min_length = 1, max_length = 120)]
    pub guest_name: Option<String>,
    /// Where they can be reached; an empty text takes it away.
    #[schema(nullable = false, max_length = 40)]
    pub phone: Option<String>,
    /// What the host should know; an empty text takes it away.
    #[schema(nullable = false, max_length = 2000)]
    pub notes: Option<String>,
    /// Take it although the house is closed then or the pacing is full; it is counted.
    #[schema(nullable = false)]
    pub anyway: Option<bool>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl ChangeReservation {
    /// Whether it has to find room anew.
    fn moves(&self) -> bool {
        self.starts_at.is_some() || self.party_size.is_some() || self.tables.is_some()
    }
}

/// In a batch: its present time is not known before it is locked.
pub(crate) fn touched_in_batch(tx: &Tx, id: ReservationId, cmd: &ChangeReservation) -> Touched {
    let own = Touched::reservation(id);
    match cmd.starts_at {
        Some(at) => own.and(touched(at)),
        None if cmd.moves() => own.and(touched_at_any_time(tx.now())),
        None => own,
    }
}

impl Input for ChangeReservation {
    fn check(&self, errors: &mut Errors) {
        check_party(self.party_size, errors);
        if let Some(name) = &self.guest_name {
            errors.text(name, "/guestName", (1, 120));
        }
        check_words([self.phone.as_deref(), self.notes.as_deref(), None], None, errors);
    }
}

/// Change a reservation
///
/// Another time or size finds its tables anew, under the locks: the same ones where they still fit.
#[utoipa::path(
    operation_id = "changeReservation", tag = "floor", params(ReservationPath),
    request_body = ChangeReservation, security(("bearer" = [])),
    responses((status = 200, body = Reservation), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/reservations/{reservation}")]
pub(crate) async fn patch_reservation(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ReservationPath>,
    cmd: Body<ChangeReservation>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let reservation = at.reservation;
    app.write(&actor, once.of(&cmd), async move |tx| {
        change_reservation(tx, reservation, seen.0.or(cmd.version), &cmd).await.map(Done)
    })
    .await
}

async fn change_reservation(
    tx: &mut Tx,
    id: ReservationId,
    seen: Option<i64>,
    cmd: &ChangeReservation,
) -> Result<Reservation, FloorError> {
    // The reservation alone first, to know its time; its lock stays.
    let first = floor::lock_floor(tx, &Touched::reservation(id)).await?;
    let starts_at = cmd.starts_at.unwrap_or(first.reservation(id)?.starts_at);
    let mut found = if cmd.moves() {
        let all = Touched::reservation(id).and(touched(starts_at));
        floor::lock_floor(tx, &all).await?
    } else {
        first
    };
    let changed = change(&mut found, id, seen, cmd)?;
    finish(tx, &found)?;
    Ok(changed)
}

/// The rule.
pub(crate) fn change(
    floor: &mut Floor,
    id: ReservationId,
    seen: Option<i64>,
    cmd: &ChangeReservation,
) -> Result<Reservation, FloorError> {
    let moves = cmd.moves();
    floor.reservation(id)?;
    floor.check_seen(Key::Reservation(id), seen)?;
    let mut new = floor.reservation(id)?.clone();
    if !matches!(new.status, ReservationStatus::Held | ReservationStatus::Booked) {
        return Err(FloorError::ReservationOver(Box::new(new)));
    }
    if moves {
        new.starts_at = cmd.starts_at.unwrap_or(new.starts_at);
        new.party_size = cmd.party_size.unwrap_or(new.party_size);
        check_time(new.starts_at, floor.now)?;
        let wish = Wish {
            starts_at: new.starts_at,
            party_size: new.party_size,
            tables: cmd.tables.as_deref(),
            own: Some(id),
            by_staff: cmd.anyway == Some(true),
        };
        let same = Wish { tables: wish.tables.or(Some(&new.table_ids)), ..wish };
        let place = floor.find_room(&same).or_else(|_| floor.room(&wish))?;
        (new.ends_at, new.why) = (place.ends_at, place.why);
        (new.table_ids, new.exceeds_pacing) = (place.tables, place.exceeds_pacing);
    }
    if let Some(name) = &cmd.guest_name {
        name.trim().clone_into(&mut new.guest_name);
    }
    for (given, old) in [(&cmd.phone, &mut new.phone), (&cmd.notes, &mut new.notes)] {
        if let Some(given) = given {
            *old = Some(given.clone()).filter(|text| !text.is_empty());
        }
    }
    let found = floor.change_reservation(id, if moves { "moved" } else { "changed" })?;
    *found = Reservation { version: found.version, ..new };
    let found = found.clone();
    floor.rebook(&found);
    Ok(found)
}
