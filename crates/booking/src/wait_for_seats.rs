//! Stand in the waiting list of a show, accept what is offered, leave.

use actix_web::{delete, post, web};
use edge::body::Errors;
use edge::limits::SEATS_PER_HOLD_MAX;
use edge::{
    Actor, Answer, App, Body, Created, Done, Gone, Input, Nothing, Once, OnceIfGiven, Path,
    Rejection, WriteRefusals, can,
};
use kernel::ids::{ShowId, UserId, WaitingId};
use kernel::money::Money;
use kernel::role::Permission;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::hold_seats::price;
use crate::model::{Hold, HoldStatus};
use crate::offer_seats::wake;
use crate::reads::ShowPath;
use crate::release_hold::free_hold;
use crate::store::waiting::Party;
use crate::store::{holds, shows, waiting};
use crate::waiting::{Waiting, WaitingPath, WaitingStatus};
use crate::{BookingError, event, secret};

/// What a party waits for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitForSeats {
    /// How many seats, all of them or none: 1 to 10.
    #[schema(minimum = 1, maximum = 10, example = 4)]
    pub quantity: u8,
    /// Only of this category.
    #[schema(nullable = false, max_length = 40)]
    pub category: Option<String>,
    /// Where to write when seats are offered.
    #[schema(nullable = false, max_length = 254)]
    pub email: Option<String>,
}

impl Input for WaitForSeats {
    fn check(&self, errors: &mut Errors) {
        errors.require(
            (1..=SEATS_PER_HOLD_MAX).contains(&usize::from(self.quantity)),
            "/quantity",
            "seat_count",
            format!("Wait for 1 to {SEATS_PER_HOLD_MAX} seats; these are {}.", self.quantity),
        );
        if let Some(category) = &self.category {
            errors.text(category, "/category", (1, 40));
        }
        if let Some(email) = &self.email {
            errors.email(email, "/email");
        }
    }
}

/// Wait for seats
///
/// Stands in the show's waiting list. As soon as seats for the whole party are free, they are held
/// for the first party that fits: see `GET /me/waitlist`, and `accept` the offer in its time.
#[utoipa::path(
    operation_id = "waitForSeats", tag = "booking",
    params(ShowPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    request_body = WaitForSeats, security(("bearer" = [])),
    responses((status = 201, body = Waiting), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/waitlist")]
pub(crate) async fn post_waitlist(
    actor: Actor<can::HoldSeats>,
    once: Once,
    at: Path<ShowPath>,
    cmd: Body<WaitForSeats>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (show, user) = (at.show, actor.user()?);
    let answer = app
        .write(&actor, once.of(&cmd), async move |tx| {
            wait_for_seats(tx, show, user, &cmd).await.map(Created)
        })
        .await?;
    wake();
    Ok(answer)
}

/// Accept an offer
///
/// Gives the hold that was made for the party, with a fresh token. Book it like any other hold.
#[utoipa::path(
    operation_id = "acceptOffer", tag = "booking", params(WaitingPath), security(("bearer" = [])),
    responses((status = 200, body = Hold), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/waitlist/{entry}/accept")]
pub(crate) async fn post_accept_offer(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<WaitingPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (entry, user) = (at.entry, actor.user()?);
    app.write(&actor, once.of(&cmd), async move |tx| accept_offer(tx, entry, user).await.map(Done))
        .await
}

/// Leave a waiting list
///
/// One's own place, or any as staff of the box office. What was offered goes to the next party.
#[utoipa::path(
    operation_id = "leaveWaitlist", tag = "booking", params(WaitingPath),
    security(("bearer" = [])),
    responses((status = 204, description = "The party waits no more"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/waitlist/{entry}")]
pub(crate) async fn delete_waiting(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<WaitingPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (entry, user) = (at.entry, actor.user()?);
    let answer = app
        .write(&actor, once.alone(), async move |tx| {
            leave_waitlist(tx, entry, user).await.map(|()| Gone)
        })
        .await?;
    wake();
    Ok(answer)
}

async fn wait_for_seats(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
    cmd: &WaitForSeats,
) -> Result<Waiting, BookingError> {
    let show = shows::lock_show_as_it_is(tx, show).await?.ok_or(BookingError::NoSuchShow)?;
    let now = tx.now();
    show.check_on_sale(now)?;
    let waiting = Waiting {
        id: WaitingId::fresh(now),
        show_id: show.id,
        quantity: cmd.quantity.into(),
        category: cmd.category.clone(),
        status: WaitingStatus::Waiting,
        offer: None,
        created_at: now,
        version: 1,
    };
    waiting::insert(tx, &waiting, user, cmd.email.clone())?;
    tx.emit(event::waiting("waitlist_joined", "joined", &waiting)?);
    Ok(waiting)
}

async fn accept_offer(tx: &mut Tx, id: WaitingId, user: UserId) -> Result<Hold, BookingError> {
    let found = waiting::lock(tx, id).await?.filter(|party| party.user == user);
    let party = found.ok_or(BookingError::NoSuchWaiting)?;
    let offered = party.hold.filter(|_| party.waiting.status == WaitingStatus::Offered);
    let found = holds::lock_hold(tx, offered.ok_or(BookingError::NoOffer)?).await?;
    let found = found.ok_or(BookingError::NoSuchHold)?;
    // The lock may have been waited for: what PostgreSQL's clock says now decides.
    if found.hold.status != HoldStatus::Live || found.hold.expires_at <= tx.now() {
        return Err(BookingError::HoldExpired(found.hold.expires_at));
    }
    let token = secret::fresh()?;
    waiting::set_token(tx, found.hold.id, secret::hash(&token))?;
    let (seats, Money { currency, .. }) = price(&found.show, &found.seats)?;
    Ok(Hold {
        id: found.hold.id,
        show_id: found.hold.show,
        token: Some(token),
        seats,
        best: None,
        price: Money { amount: found.hold.total, currency },
        expires_at: found.hold.expires_at,
        ends_at: found.hold.ends_at,
    })
}

async fn leave_waitlist(tx: &mut Tx, id: WaitingId, user: UserId) -> Result<(), BookingError> {
    let Party { mut waiting, user: owner, hold, .. } =
        waiting::lock(tx, id).await?.ok_or(BookingError::NoSuchWaiting)?;
    if owner != user && !tx.standing().may(Permission::WithholdSeats) {
        return Err(BookingError::NoSuchWaiting);
    }
    if !matches!(waiting.status, WaitingStatus::Waiting | WaitingStatus::Offered) {
        return Ok(());
    }
    let offered = hold.filter(|_| waiting.status == WaitingStatus::Offered);
    if let Some(found) = match offered {
        Some(hold) => holds::lock_hold(tx, hold).await?,
        None => None,
    } && found.hold.status == HoldStatus::Live
    {
        free_hold(tx, found)?;
    }
    waiting.status = WaitingStatus::Left;
    waiting.version += 1;
    waiting::set(tx, &waiting, hold)?;
    tx.emit(event::waiting("waitlist_left", "left", &waiting)?);
    Ok(())
}
