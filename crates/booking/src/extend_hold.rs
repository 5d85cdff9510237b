//! Make a hold last longer, up to its end.

use actix_web::{post, web};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::HoldId;
use kernel::money::Money;
use pg::Tx;

use crate::hold_seats::price;
use crate::model::{Hold, HoldStatus};
use crate::reads::{HoldPath, HoldToken};
use crate::store::holds::{self, HeldRow, LockedHold};
use crate::{BookingError, secret};

/// Extend a hold
///
/// Gives the hold as much time again as it had at first, counted from now, but never beyond
/// `endsAt`.
#[utoipa::path(
    operation_id = "extendHold", tag = "booking", params(HoldPath, HoldToken),
    security(("bearer" = [])),
    responses((status = 200, body = Hold), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/holds/{hold}/extend")]
pub(crate) async fn post_extend_hold(
    actor: Actor<can::HoldSeats>,
    once: OnceIfGiven,
    at: Path<HoldPath>,
    token: HoldToken,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let hold = at.hold;
    app.rush(&actor, once.of(&cmd), async move |tx| extend_hold(tx, hold, &token.0).await.map(Done))
        .await
}

async fn extend_hold(tx: &mut Tx, id: HoldId, token: &str) -> Result<Hold, BookingError> {
    let found = holds::lock_hold(tx, id).await?.ok_or(BookingError::NoSuchHold)?;
    check_usable(&found, token, tx.now())?;
    let until = (tx.now() + found.show.hold_time()).min(found.hold.ends_at);
    if until <= found.hold.expires_at {
        return Err(BookingError::HoldAtLimit(found.hold.ends_at));
    }
    holds::extend_hold(tx, &found.hold, until)?;
    let (seats, Money { currency, .. }) = price(&found.show, &found.seats)?;
    Ok(Hold {
        id,
        show_id: found.hold.show,
        token: None,
        seats,
        best: None,
        price: Money { amount: found.hold.total, currency },
        expires_at: until,
        ends_at: found.hold.ends_at,
    })
}

/// Whether the token's holder may use the hold now: it is live, and its seats are still its own.
pub(crate) fn check_usable(
    found: &LockedHold,
    token: &str,
    now: Timestamp,
) -> Result<(), BookingError> {
    check_alone(&found.hold, token)?;
    check_live(found, now)
}

/// Whether the hold is live, and its seats are still its own.
pub(crate) fn check_live(found: &LockedHold, now: Timestamp) -> Result<(), BookingError> {
    match found.hold.status {
        HoldStatus::Live if found.hold.expires_at > now => {}
        HoldStatus::Live | HoldStatus::Expired => {
            return Err(BookingError::HoldExpired(found.hold.expires_at));
        }
        over @ (HoldStatus::Released | HoldStatus::Booked) => {
            return Err(BookingError::HoldOver(over));
        }
    }
    // A live hold has all its claims. Were one gone, somebody else would have the seat.
    if found.claims.len() == found.seats.len() {
        Ok(())
    } else {
        Err(BookingError::HoldExpired(found.hold.expires_at))
    }
}

/// Whether the token is the hold's, and the hold stands alone: a part of a bundle is used with it.
pub(crate) fn check_alone(hold: &HeldRow, token: &str) -> Result<(), BookingError> {
    check_token(hold, token)?;
    hold.bundle.map_or(Ok(()), |bundle| Err(BookingError::InBundle(bundle)))
}

/// Whether the token is the hold's.
pub(crate) fn check_token(hold: &HeldRow, token: &str) -> Result<(), BookingError> {
    if secret::matches(token, &hold.token_hash) { Ok(()) } else { Err(BookingError::WrongToken) }
}

#[cfg(test)]
mod tests {
    use kernel::ids::{ShowId, UserId};

    use super::*;
    use crate::model::{Claim, Seat, Show, ShowStatus};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn found(status: HoldStatus) -> LockedHold {
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:02:00Z"));
        let (show, id) = (ShowId::fresh(start), HoldId::fresh(start));
        LockedHold {
            hold: HeldRow {
                id,
                show,
                user: UserId::fresh(start),
                token_hash: secret::hash("mine"),
                total: 100,
                status,
                expires_at: end,
                ends_at: end,
                bundle: None,
            },
            show: Show {
                id: show,
                name: "Gala".into(),
                description: None,
                starts_at: at("2026-06-01T00:00:00Z"),
                status: ShowStatus::OnSale,
                hold_secs: 120,
                currency: "EUR".into(),
                seat_count: 1,
                tickets: false,
                payment: crate::model::ShowPayment::None,
                pay_secs: 900,
                version: 1,
            },
            seats: vec![Seat {
                number: 1,
                label: "A-1".into(),
                block: "A".into(),
                category: "standard".into(),
                price: 100,
                withheld: false,
                withheld_until: None,
                allocation: None,
                whole: None,
            }],
            claims: vec![Claim { seat: 1, hold: Some(id), booking: None, expires_at: Some(end) }],
        }
    }

    #[test]
    fn only_the_token_of_a_live_hold_that_has_its_seats_opens_it() {
        let (early, late) = (at("2026-01-01T00:01:00Z"), at("2026-01-01T00:02:00Z"));
        let live = found(HoldStatus::Live);
        assert!(check_usable(&live, "mine", early).is_ok());
        let wrong = check_usable(&live, "yours", early);
        assert!(matches!(wrong, Err(BookingError::WrongToken)));
        let expired = check_usable(&live, "mine", late);
        assert!(matches!(expired, Err(BookingError::HoldExpired(_))));
        let booked = check_usable(&found(HoldStatus::Booked), "mine", early);
        assert!(matches!(booked, Err(BookingError::HoldOver(HoldStatus::Booked))));
        let mut robbed = found(HoldStatus::Live);
        robbed.claims.clear();
        let robbed = check_usable(&robbed, "mine", early);
        assert!(matches!(robbed, Err(BookingError::HoldExpired(_))));
    }
}
