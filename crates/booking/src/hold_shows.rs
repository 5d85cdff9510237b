//! Hold seats of several shows, all of them or none: a season ticket, a festival's weekend.

use actix_web::{Either, post, web};
use edge::body::Errors;
use edge::limits::SHOWS_PER_BUNDLE_MAX;
use edge::{
    Accepted, Actor, Answer, App, Body, Created, Input, Once, Path, Prefer, Rejection,
    WriteRefusals, can,
};
use kernel::ids::{BundleId, ShowId, UserId};
use kernel::role::Standing;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Access;
use crate::bundle::Bundle;
use crate::carry_out::Command;
use crate::hold_seats::{check_holds, check_shares, insert_in, new_hold};
use crate::model::{check_free, check_labels, check_whole};
use crate::pass::use_pass;
use crate::reads::VenuePath;
use crate::request::{Request, ask};
use crate::request_seal::RequestSeal;
use crate::store::bundles::{self, LockedShow};
use crate::store::seats;
use crate::{BookingError, event, secret};

/// Seats of several shows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldShows {
    /// 2 to 5 shows, none twice.
    #[schema(min_items = 2, max_items = 5)]
    pub shows: Vec<SeatsOfShow>,
    /// Opens shares of seats that are not for everybody.
    #[schema(nullable = false, max_length = 60)]
    pub code: Option<String>,
}

/// Seats of one show.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeatsOfShow {
    /// The show.
    pub show: ShowId,
    /// Ids of the seats: 1 to 10.
    #[schema(min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Vec<String>,
}

impl Input for HoldShows {
    fn check(&self, errors: &mut Errors) {
        errors.require(
            (2..=SHOWS_PER_BUNDLE_MAX).contains(&self.shows.len()),
            "/shows",
            "show_count",
            format!("Name 2 to {SHOWS_PER_BUNDLE_MAX} shows; these are {}.", self.shows.len()),
        );
        for (n, part) in self.shows.iter().enumerate() {
            let mut broken = Errors::default();
            check_labels(&part.seats, &mut broken);
            for error in broken.iter() {
                let pointer = format!("/shows/{n}{}", error.pointer);
                errors.require(false, pointer, error.code, error.detail.clone());
            }
            let twice = self.shows.iter().take(n).any(|other| other.show == part.show);
            let detail = format!("The show {} stands twice.", part.show);
            errors.require(!twice, format!("/shows/{n}/show"), "twice", detail);
        }
        if let Some(code) = &self.code {
            errors.text(code, "/code", (1, 60));
        }
    }
}

/// Hold seats of several shows
///
/// All of them or none, until `expiresAt`, for all shows at once. It counts as one hold. The
/// answer's `token` is shown once: it books, extends or releases the bundle. Customers need a pass
/// for each of the shows that has a line. With `Prefer: respond-async` the answer may be 202.
#[utoipa::path(
    operation_id = "holdShows", tag = "booking",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt"),
        ("Prefer" = Option<String>, Header, description = "respond-async: do not wait for it")),
    request_body = HoldShows, security(("bearer" = [])),
    responses((status = 201, body = Bundle), (status = 202, body = Request), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/bundles")]
pub(crate) async fn post_hold_shows(
    actor: Actor<can::HoldSeats>,
    (once, prefer): (Once, Prefer),
    _at: Path<VenuePath>,
    cmd: Body<HoldShows>,
    app: web::Data<App>,
    seal: web::Data<RequestSeal>,
) -> Result<Either<Answer, Accepted>, Rejection> {
    let (user, standing) = (actor.user()?, actor.standing);
    let once = once.of(&cmd);
    let later = || Command::HoldShows { sent: (*cmd).clone() };
    if let Some(accepted) = ask(&app, &actor, (prefer, once.clone()), (&seal, later)).await? {
        return Ok(Either::Right(accepted));
    }
    let answer = app.rush(&actor, once, async move |tx| {
        hold_shows(tx, user, &cmd, standing).await.map(Created)
    });
    answer.await.map(Either::Left)
}

/// The rule.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn hold_shows(
    tx: &mut Tx,
    user: UserId,
    cmd: &HoldShows,
    standing: Standing,
) -> Result<Bundle, BookingError> {
    let (limited, access) = (!standing.is_staff(), Access::of(cmd.code.as_deref(), standing));
    let wanted: Vec<(ShowId, &[String])> =
        cmd.shows.iter().map(|part| (part.show, part.seats.as_slice())).collect();
    let found = bundles::lock_shows(tx, &wanted, limited).await?;
    check_all(tx, &wanted, &found.shows)?;
    check_holds(limited, found.live_holds)?;
    for part in &found.shows {
        check_shares(tx, part.show.id, &part.seats, &access).await?;
    }
    if limited && found.shows.iter().any(|part| part.has_line) {
        // In the order of the shows' ids, as their seats.
        for part in &found.shows {
            use_pass(tx, part.show.id, user).await?;
        }
    }
    claim_all(tx, user, &found.shows)
}

/// Every show is on sale and every seat is free; what is taken is told of all shows at once.
fn check_all(
    tx: &Tx,
    wanted: &[(ShowId, &[String])],
    shows: &[LockedShow],
) -> Result<(), BookingError> {
    let now = tx.now();
    let mut taken = Vec::new();
    for (id, labels) in wanted {
        let part = shows.iter().find(|part| part.show.id == *id);
        let part = part.ok_or(BookingError::NoSuchShow)?;
        part.show.check_on_sale(now)?;
        check_whole(&part.seats)?;
        match check_free(labels, &part.seats, &part.claims, now) {
            Err(BookingError::SeatsTaken(seats)) => taken.push((*id, seats)),
            other => other?,
        }
    }
    if taken.is_empty() { Ok(()) } else { Err(BookingError::TakenInShows(taken)) }
}

fn claim_all(tx: &mut Tx, user: UserId, shows: &[LockedShow]) -> Result<Bundle, BookingError> {
    let (bundle, token) = (BundleId::fresh(tx.now()), secret::fresh()?);
    let mut holds = Vec::with_capacity(shows.len());
    for part in shows {
        holds.push(new_hold(tx, &part.show, &part.seats)?);
    }
    // The shortest time counts for all: they stand and fall together.
    let expires_at = holds.iter().map(|hold| hold.expires_at).min().unwrap_or_else(|| tx.now());
    for (hold, part) in holds.iter_mut().zip(shows) {
        hold.token = Some(token.clone());
        hold.expires_at = expires_at;
        if !part.claims.is_empty() {
            let numbers: Vec<_> = part.seats.iter().map(|seat| seat.number).collect();
            seats::delete_expired_claims(tx, part.show.id, &numbers)?;
        }
        insert_in(tx, hold, user, &part.seats, Some(bundle))?;
        hold.token = None;
        let labels = part.seats.iter().map(|seat| &seat.label);
        tx.emit(event::seats_held(part.show.id, labels, expires_at)?);
    }
    Bundle::of(bundle, Some(token), holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_2_to_5_shows_none_twice() {
        let show = |n: u128| SeatsOfShow {
            show: ShowId(uuid::Uuid::from_u128(n)),
            seats: vec!["A-1".to_owned()],
        };
        let broken = |shows: Vec<SeatsOfShow>| {
            let mut errors = Errors::default();
            HoldShows { shows, code: None }.check(&mut errors);
            errors.iter().map(|error| error.pointer.clone()).collect::<Vec<_>>()
        };
        assert!(broken(vec![show(1), show(2)]).is_empty());
        assert_eq!(broken(vec![show(1)]), ["/shows"]);
        assert_eq!(broken((1..=6).map(show).collect()), ["/shows"]);
        assert_eq!(broken(vec![show(1), show(1)]), ["/shows/1/show"]);
        let none = SeatsOfShow { seats: Vec::new(), ..show(2) };
        assert_eq!(broken(vec![show(1), none]), ["/shows/1/seats"]);
    }
}
