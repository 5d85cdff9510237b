//! The party of a reservation comes, gives it up, or does not come.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{GuestId, ReservationId, UserId};
use kernel::role::Permission;
use serde::Serialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::error::Kind;
use crate::floor::{Floor, Key, Touched};
use crate::model::Guest;
use crate::receive_guest::{ReceiveGuest, receive_guest};
use crate::reservation::{Reservation, ReservationStatus};
use crate::reservation_reads::ReservationPath;

/// A party that has come with a reservation.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arrival {
    /// The party, in the line. Seat it without naming tables, and it gets those it has reserved.
    pub guest: Guest,
    /// The reservation.
    pub reservation: Reservation,
}

impl Versioned for Arrival {
    fn version(&self) -> Option<i64> {
        Some(self.reservation.version)
    }
}

/// Receive the party of a reservation
///
/// It waits for its table from now on.
#[utoipa::path(
    operation_id = "arriveForReservation", tag = "floor", params(ReservationPath),
    security(("bearer" = [])), responses((status = 200, body = Arrival), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/reservations/{reservation}/arrive")]
pub(crate) async fn post_arrive(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ReservationPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.reservation;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = Touched::reservation(id);
        carry_out(tx, &touched, |floor| arrive(floor, id, seen.0)).await.map(Done)
    })
    .await
}

/// Cancel a reservation
///
/// One's own, or any as staff. Its tables are free at once.
#[utoipa::path(
    operation_id = "cancelReservation", tag = "floor", params(ReservationPath),
    security(("bearer" = [])), responses((status = 200, body = Reservation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/reservations/{reservation}/cancel")]
pub(crate) async fn post_cancel_reservation(
    actor: Actor<can::ReserveTables>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ReservationPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (id, user) = (at.reservation, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| {
        let mut found = crate::store::floor::lock_floor(tx, &Touched::reservation(id)).await?;
        let any = tx.standing().may(Permission::SeatGuests);
        let cancelled = cancel(&mut found, id, seen.0, (!any).then_some(user))?;
        crate::carry_out::finish(tx, &found)?;
        Ok::<_, FloorError>(Done(cancelled))
    })
    .await
}

/// Mark a reservation as no-show
///
/// Only once its time has come. Its tables are free at once.
#[utoipa::path(
    operation_id = "markReservationNoShow", tag = "floor", params(ReservationPath),
    security(("bearer" = [])), responses((status = 200, body = Reservation), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/reservations/{reservation}/no-show")]
pub(crate) async fn post_no_show_reservation(
    actor: Actor<can::SeatGuests>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<ReservationPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.reservation;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = Touched::reservation(id);
        carry_out(tx, &touched, |floor| no_show(floor, id, seen.0)).await.map(Done)
    })
    .await
}

/// The reservation, if it is in one of these statuses and has the version that was seen.
fn check(
    floor: &Floor,
    id: ReservationId,
    seen: Option<i64>,
    from: &[ReservationStatus],
) -> Result<Reservation, FloorError> {
    let found = floor.reservation(id)?.clone();
    floor.check_seen(Key::Reservation(id), seen)?;
    if from.contains(&found.status) {
        Ok(found)
    } else {
        Err(FloorError::ReservationOver(Box::new(found)))
    }
}

pub(crate) fn arrive(
    floor: &mut Floor,
    id: ReservationId,
    seen: Option<i64>,
) -> Result<Arrival, FloorError> {
    let found = check(floor, id, seen, &[ReservationStatus::Booked])?;
    let came = ReceiveGuest {
        guest_name: found.guest_name,
        party_size: found.party_size,
        phone: found.phone,
        email: None,
        notes: found.notes,
        allergies: None,
        flags: None,
        quoted_from_minutes: None,
        quoted_to_minutes: None,
        tables: None,
        anyway: None,
    };
    let guest: GuestId = receive_guest(floor, &came)?.id;
    floor.change_guest(guest, "arrived")?.guest.reservation_id = Some(id);
    let arrived = floor.change_reservation(id, "arrived")?;
    (arrived.status, arrived.guest_id) = (ReservationStatus::Arrived, Some(guest));
    Ok(Arrival { reservation: arrived.clone(), guest: floor.guest(guest)?.guest.clone() })
}

/// `only_of`: a customer cancels what is their own; anything else does not exist for them.
pub(crate) fn cancel(
    floor: &mut Floor,
    id: ReservationId,
    seen: Option<i64>,
    only_of: Option<UserId>,
) -> Result<Reservation, FloorError> {
    let owner = floor.tokens.get(&id).and_then(|(user, _)| *user);
    if only_of.is_some() && only_of != owner {
        return Err(FloorError::Absent(Kind::Reservation));
    }
    check(floor, id, seen, &[ReservationStatus::Held, ReservationStatus::Booked])?;
    let found = floor.change_reservation(id, "cancelled")?;
    found.status = ReservationStatus::Cancelled;
    let found = found.clone();
    floor.rebook(&found);
    Ok(found)
}

pub(crate) fn no_show(
    floor: &mut Floor,
    id: ReservationId,
    seen: Option<i64>,
) -> Result<Reservation, FloorError> {
    let found = check(floor, id, seen, &[ReservationStatus::Booked])?;
    if found.starts_at > floor.now {
        return Err(FloorError::ReservationOver(Box::new(found)));
    }
    let found = floor.change_reservation(id, "no_show")?;
    found.status = ReservationStatus::NoShow;
    let found = found.clone();
    floor.rebook(&found);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, table};

    fn floor(status: ReservationStatus) -> (Floor, ReservationId) {
        let mut floor = Floor::new(at("2026-01-02T20:00:00Z"));
        let id = ReservationId(uuid::Uuid::from_u128(1));
        let found = Reservation {
            id,
            guest_name: "Ana".into(),
            party_size: 2,
            phone: None,
            notes: None,
            starts_at: at("2026-01-02T20:05:00Z"),
            ends_at: at("2026-01-02T21:20:00Z"),
            status,
            table_ids: vec![table(1, 2).id],
            guest_id: None,
            exceeds_pacing: false,
            expires_at: None,
            why: String::new(),
            version: 1,
        };
        floor.tables.insert(table(1, 2).id, table(1, 2));
        floor.reservations.insert(id, found);
        (floor, id)
    }

    #[test]
    fn a_party_that_arrives_gets_the_table_it_reserved_and_both_end_together() {
        let (mut floor, id) = floor(ReservationStatus::Booked);
        let guest = arrive(&mut floor, id, Some(1)).unwrap().guest.id;
        let choice = floor.choose_for(guest).unwrap();
        assert!(choice.why.contains("reserved"));
        floor.seat(guest, &choice.tables, crate::seating::Care::Strict).unwrap();
        assert_eq!(floor.reservation(id).unwrap().status, ReservationStatus::Seated);
        floor.complete(guest).unwrap();
        assert_eq!(floor.reservation(id).unwrap().status, ReservationStatus::Completed);
    }

    #[test]
    fn nobody_is_a_no_show_before_their_time() {
        let (mut floor, id) = floor(ReservationStatus::Booked);
        assert!(no_show(&mut floor, id, None).is_err());
        floor.now = at("2026-01-02T20:05:00Z");
        assert_eq!(no_show(&mut floor, id, None).unwrap().status, ReservationStatus::NoShow);
    }

    #[test]
    fn a_customer_cancels_their_own_alone() {
        let (mut floor, id) = floor(ReservationStatus::Booked);
        let (ana, eve) = (UserId(uuid::Uuid::from_u128(7)), UserId(uuid::Uuid::from_u128(8)));
        floor.tokens.insert(id, (Some(ana), None));
        assert!(matches!(cancel(&mut floor, id, None, Some(eve)), Err(FloorError::Absent(_))));
        assert!(cancel(&mut floor, id, None, Some(ana)).is_ok());
    }
}
