//! Hold named seats for a short time.

use actix_web::{post, web};
use edge::body::Errors;
use edge::limits::{HOLD_MAX_SECS, LIVE_HOLDS_PER_CUSTOMER_MAX};
use edge::{Actor, Answer, App, Body, Created, Input, Once, Path, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::ids::{HoldId, ShowId, UserId};
use kernel::money::Money;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::model::{
    Hold, PricedSeat, Seat, SeatStatus, Show, check_free, check_labels, check_whole,
};
use crate::reads::ShowPath;
use crate::store::holds::NewHold;
use crate::store::{holds, seats};
use crate::{BookingError, event, secret};

/// Which seats to hold.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldSeats {
    /// Ids of the seats, all of them or none: 1 to 10.
    #[schema(min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
}

impl Input for HoldSeats {
    fn check(&self, errors: &mut Errors) {
        check_labels(&self.seats, errors);
    }
}

/// Hold seats
///
/// Claims the seats until `expiresAt`, all of them or none. The answer's `token` is shown once: it
/// books, extends or releases the hold. Somebody else's seat is 409 with its state in `current`.
#[utoipa::path(
    operation_id = "holdSeats", tag = "booking", params(ShowPath),
    params(("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = HoldSeats, security(("bearer" = [])),
    responses((status = 201, body = Hold), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/holds")]
pub(crate) async fn post_hold(
    actor: Actor<can::HoldSeats>,
    once: Once,
    at: Path<ShowPath>,
    cmd: Body<HoldSeats>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, user, limited) = (at.show, actor.user()?, !actor.standing.is_staff());
    app.write(&actor, once.of(&cmd), async move |tx| {
        hold_seats(tx, show, user, &cmd, limited).await.map(Created)
    })
    .await
}

/// The rule. `limited`: the holder is a customer, who has at most two live holds.
///
/// # Errors
/// `NoSuchShow`, `NoSuchSeats`, `NotOnSale`, `Begun`, `SeatsTaken`, `WholeOnly`, `TooManyHolds`.
pub async fn hold_seats(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
    cmd: &HoldSeats,
    limited: bool,
) -> Result<Hold, BookingError> {
    let found = seats::lock_seats(tx, show, &cmd.seats, limited).await?;
    let now = tx.now();
    let show = found.show.ok_or(BookingError::NoSuchShow)?;
    show.check_on_sale(now)?;
    check_free(&cmd.seats, &found.seats, &found.claims, now)?;
    check_whole(&found.seats)?;
    if limited && found.live_holds >= LIVE_HOLDS_PER_CUSTOMER_MAX {
        return Err(BookingError::TooManyHolds);
    }
    let hold = new_hold(tx, &show, &found.seats)?;
    if !found.claims.is_empty() {
        let numbers: Vec<_> = found.seats.iter().map(|seat| seat.number).collect();
        seats::delete_expired_claims(tx, show.id, &numbers)?;
    }
    insert(tx, &hold, user, &found.seats)?;
    tx.emit(event::seats_updated(show.id, "held", SeatStatus::Held, &cmd.seats)?);
    Ok(hold)
}

fn new_hold(tx: &Tx, show: &Show, seats: &[Seat]) -> Result<Hold, BookingError> {
    let now = tx.now();
    let (seats, price) = price(show, seats)?;
    Ok(Hold {
        id: HoldId::fresh(now),
        show_id: show.id,
        token: Some(secret::fresh()?),
        seats,
        price,
        expires_at: now + show.hold_time(),
        ends_at: now + SignedDuration::from_secs(HOLD_MAX_SECS.into()),
    })
}

fn insert(tx: &mut Tx, hold: &Hold, user: UserId, seats: &[Seat]) -> Result<(), BookingError> {
    let new = NewHold {
        id: hold.id,
        show: hold.show_id,
        user,
        token_hash: hold.token.as_deref().map(secret::hash).unwrap_or_default(),
        seats: seats.iter().map(|seat| seat.number).collect(),
        total: hold.price.amount,
        expires_at: hold.expires_at,
        ends_at: hold.ends_at,
    };
    Ok(holds::insert_hold(tx, new)?)
}

/// The seats with their prices, and the sum.
pub(crate) fn price(show: &Show, seats: &[Seat]) -> Result<(Vec<PricedSeat>, Money), BookingError> {
    let currency = show.currency.parse().map_err(|_| BookingError::NoSuchShow)?;
    let priced = seats.iter().map(|seat| PricedSeat {
        id: seat.label.clone(),
        category: seat.category.clone(),
        price: Money { amount: seat.price, currency },
    });
    let amount = seats.iter().map(|seat| seat.price).sum();
    Ok((priced.collect(), Money { amount, currency }))
}
