//! Hold seats for a short time: named ones, the best available, any of a block, whole tables.

use actix_web::{Either, post, web};
use edge::body::Errors;
use edge::limits::{
    HOLD_MAX_SECS, LIVE_HOLDS_PER_CUSTOMER_MAX, SEATS_PER_HOLD_MAX, TABLES_PER_HOLD_MAX,
    WHOLE_SEATS_PER_HOLD_MAX,
};
use edge::{
    Accepted, Actor, Answer, App, Body, Created, Input, Once, Path, Prefer, Rejection,
    WriteRefusals, can,
};
use jiff::SignedDuration;
use kernel::ids::{BundleId, HoldId, ShowId, UserId};
use kernel::money::Money;
use kernel::role::Standing;
use pg::Tx;
use pg::control::Control;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Access, check_open};
use crate::carry_out::Command;
use crate::choice::Closeness;
use crate::hold_at_once::hold_at_once;
use crate::hold_best::take_best;
use crate::model::{
    Hold, PricedSeat, Seat, Show, check_free, check_labels, check_unclaimed, check_whole,
};
use crate::pass::{check_pass, use_pass};
use crate::reads::ShowPath;
use crate::request::{Request, ask};
use crate::request_seal::RequestSeal;
use crate::store::free::{self, Wanted};
use crate::store::holds::NewHold;
use crate::store::{holds, seats, shows};
use crate::{BookingError, event, secret};

/// Which seats to hold: one of `seats`, `best`, `any` and `whole`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldSeats {
    /// Ids of the seats, all of them or none: 1 to 10.
    #[schema(nullable = false, min_items = 1, max_items = 10, example = json!(["A-1", "A-2"]))]
    pub seats: Option<Vec<String>>,
    /// The best that are free.
    #[schema(nullable = false)]
    pub best: Option<BestSeats>,
    /// Any of one table or one standing area.
    #[schema(nullable = false)]
    pub any: Option<AnySeats>,
    /// Names of tables that are sold as one, all of them or none: 1 to 10.
    #[schema(nullable = false, min_items = 1, max_items = 10)]
    pub whole: Option<Vec<String>>,
    /// Opens a share of seats that is not for everybody.
    #[schema(nullable = false, max_length = 60)]
    pub code: Option<String>,
}

/// What the best available seats have to be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BestSeats {
    /// How many: 1 to 10.
    #[schema(minimum = 1, maximum = 10, example = 4)]
    pub quantity: u8,
    /// Only of this category.
    #[schema(nullable = false)]
    pub category: Option<String>,
    /// Only of this block.
    #[schema(nullable = false)]
    pub block: Option<String>,
    /// So many of them a wheelchair must reach; none unless given.
    #[schema(nullable = false, minimum = 0, maximum = 10)]
    pub accessible: Option<u8>,
}

/// Any seats of one block.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnySeats {
    /// The block's name.
    #[schema(example = "T7")]
    pub block: String,
    /// How many: 1 to 10.
    #[schema(minimum = 1, maximum = 10, example = 4)]
    pub quantity: u8,
}

impl Input for HoldSeats {
    fn check(&self, errors: &mut Errors) {
        let ways =
            [self.seats.is_some(), self.best.is_some(), self.any.is_some(), self.whole.is_some()];
        let one = ways.into_iter().filter(|given| *given).count() == 1;
        errors.require(one, "", "either", "Give one of seats, best, any and whole.");
        if let Some(seats) = &self.seats {
            check_labels(seats, errors);
        }
        if let Some(best) = &self.best {
            check_quantity(best.quantity, "/best/quantity", errors);
            errors.require(
                best.accessible.unwrap_or(0) <= best.quantity,
                "/best/accessible",
                "range",
                "No more of the seats than there are can be accessible.",
            );
        }
        if let Some(any) = &self.any {
            check_quantity(any.quantity, "/any/quantity", errors);
        }
        if let Some(tables) = &self.whole {
            check_tables(tables, errors);
        }
        if let Some(code) = &self.code {
            errors.text(code, "/code", (1, 60));
        }
    }
}

fn check_quantity(quantity: u8, pointer: &str, errors: &mut Errors) {
    errors.require(
        (1..=SEATS_PER_HOLD_MAX).contains(&usize::from(quantity)),
        pointer,
        "seat_count",
        format!("Ask for 1 to {SEATS_PER_HOLD_MAX} seats; these are {quantity}."),
    );
}

fn check_tables(tables: &[String], errors: &mut Errors) {
    errors.require(
        (1..=TABLES_PER_HOLD_MAX).contains(&tables.len()),
        "/whole",
        "table_count",
        format!("Name 1 to {TABLES_PER_HOLD_MAX} tables; these are {}.", tables.len()),
    );
    for (n, table) in tables.iter().enumerate() {
        let twice = tables.iter().take(n).any(|other| other == table);
        let detail = format!("The table {table} stands twice.");
        errors.require(!twice, format!("/whole/{n}"), "twice", detail);
    }
}

/// Hold seats
///
/// Claims seats until `expiresAt`, all of them or none: those that `seats` names, the `best` that
/// are free, `any` of one block, or `whole` tables. The best are adjacent in one row where that can
/// be, the best row first, leaving no single seat where another choice is as good; the answer's
/// `best` says how close it came. The answer's `token` is shown once: it books, extends or releases
/// the hold. Somebody else's seat is 409 with its state in `current`. While the show has a line,
/// customers need a pass: `POST …/line`. With `Prefer: respond-async` the answer may be 202: the
/// seats are held in their turn, and `Location` says where the outcome is.
#[utoipa::path(
    operation_id = "holdSeats", tag = "booking",
    params(ShowPath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt"),
        ("Prefer" = Option<String>, Header, description = "respond-async: do not wait for it")),
    request_body = HoldSeats, security(("bearer" = [])),
    responses((status = 201, body = Hold), (status = 202, body = Request), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shows/{show}/holds")]
pub(crate) async fn post_hold(
    actor: Actor<can::HoldSeats>,
    (once, prefer): (Once, Prefer),
    at: Path<ShowPath>,
    cmd: Body<HoldSeats>,
    app: web::Data<App>,
    seal: web::Data<RequestSeal>,
) -> Result<Either<Answer, Accepted>, Rejection> {
    let (show, user, standing) = (at.show, actor.user()?, actor.standing);
    let once = once.of(&cmd);
    let later = || Command::HoldSeats { show, sent: (*cmd).clone() };
    if let Some(accepted) = ask(&app, &actor, (prefer, once.clone()), (&seal, later)).await? {
        return Ok(Either::Right(accepted));
    }
    let at_once = hold_at_once(&app, &actor, once.as_ref(), show, &cmd).await;
    if let Some(answer) = at_once.map_err(|error| Rejection::of(&error))? {
        return Ok(Either::Left(answer));
    }
    let answer = app.rush(&actor, once, async move |tx| {
        hold_seats(tx, show, user, &cmd, standing).await.map(Created)
    });
    answer.await.map(Either::Left)
}

/// Seats that are locked and free, of a show that is on sale.
struct Found {
    show: Show,
    seats: Vec<Seat>,
    closeness: Option<Closeness>,
    has_pass: Option<bool>,
    stale_claims: bool,
}

/// The rule. `standing` is what the holder was when the request came: a customer has at most two
/// live holds.
///
/// # Errors
/// Each refusal of `BookingError` that its name fits.
pub async fn hold_seats(
    tx: &mut Tx,
    show: ShowId,
    user: UserId,
    cmd: &HoldSeats,
    standing: Standing,
) -> Result<Hold, BookingError> {
    let (limited, access) = (!standing.is_staff(), Access::of(cmd.code.as_deref(), standing));
    if Control::SeatLocks.is_out() {
        shows::lock_show(tx, show).await?;
    }
    let found = match (&cmd.seats, &cmd.whole, wanted(show, cmd, &access, limited)) {
        (Some(labels), _, _) => named(tx, show, labels, limited, &access).await?,
        (_, Some(tables), _) => whole(tx, show, tables, limited, &access).await?,
        (_, _, Some(wanted)) => {
            let taken = take_best(tx, &wanted).await?;
            Found {
                show: taken.show,
                seats: taken.seats,
                closeness: Some(taken.closeness),
                has_pass: taken.has_pass,
                stale_claims: taken.stale_claims,
            }
        }
        (None, None, None) => return Err(BookingError::NoSuchSeats(Vec::new())),
    };
    if found.has_pass.is_some() {
        use_pass(tx, show, user).await?;
    }
    let mut hold = new_hold(tx, &found.show, &found.seats)?;
    hold.best = found.closeness;
    if found.stale_claims {
        let numbers: Vec<_> = found.seats.iter().map(|seat| seat.number).collect();
        seats::delete_expired_claims(tx, show, &numbers)?;
    }
    insert(tx, &hold, user, &found.seats)?;
    let labels = found.seats.iter().map(|seat| &seat.label);
    tx.emit(event::seats_held(show, labels, hold.expires_at)?);
    Ok(hold)
}

fn wanted(show: ShowId, cmd: &HoldSeats, access: &Access, limited: bool) -> Option<Wanted> {
    let all = |quantity: u8, block: Option<&String>| Wanted {
        show,
        quantity: quantity.into(),
        category: None,
        block: block.cloned(),
        accessible: 0,
        access: access.clone(),
        limited,
        exact: false,
    };
    if let Some(any) = &cmd.any {
        return Some(all(any.quantity, Some(&any.block)));
    }
    let best = cmd.best.as_ref()?;
    Some(Wanted {
        category: best.category.clone(),
        accessible: best.accessible.unwrap_or(0).into(),
        ..all(best.quantity, best.block.as_ref())
    })
}

async fn named(
    tx: &mut Tx,
    show: ShowId,
    labels: &[String],
    limited: bool,
    access: &Access,
) -> Result<Found, BookingError> {
    let found = seats::lock_seats(tx, show, labels, limited).await?;
    let now = tx.now();
    let on_sale = found.show.ok_or(BookingError::NoSuchShow)?;
    on_sale.check_on_sale(now)?;
    check_pass(found.has_pass)?;
    check_free(labels, &found.seats, &found.claims, now)?;
    check_whole(&found.seats)?;
    check_holds(limited, found.live_holds)?;
    check_shares(tx, show, &found.seats, access).await?;
    let (has_pass, stale_claims) = (found.has_pass, !found.claims.is_empty());
    Ok(Found { show: on_sale, seats: found.seats, closeness: None, has_pass, stale_claims })
}

async fn whole(
    tx: &mut Tx,
    show: ShowId,
    tables: &[String],
    limited: bool,
    access: &Access,
) -> Result<Found, BookingError> {
    let found = free::lock_blocks(tx, show, tables, limited).await?;
    let now = tx.now();
    let on_sale = found.show.ok_or(BookingError::NoSuchShow)?;
    on_sale.check_on_sale(now)?;
    check_pass(found.has_pass)?;
    check_blocks(tables, &found.seats)?;
    check_unclaimed(&found.seats, &found.claims, now)?;
    check_holds(limited, found.live_holds)?;
    check_shares(tx, show, &found.seats, access).await?;
    let (has_pass, stale_claims) = (found.has_pass, !found.claims.is_empty());
    Ok(Found { show: on_sale, seats: found.seats, closeness: None, has_pass, stale_claims })
}

/// All tables are there, are sold as one, and are not too many.
fn check_blocks(tables: &[String], seats: &[Seat]) -> Result<(), BookingError> {
    let unknown: Vec<_> = tables
        .iter()
        .filter(|table| !seats.iter().any(|seat| seat.block == **table))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(BookingError::NoSuchBlocks(unknown));
    }
    if let Some(seat) = seats.iter().find(|seat| seat.whole.is_none()) {
        return Err(BookingError::NotWhole(seat.block.clone()));
    }
    if seats.len() > WHOLE_SEATS_PER_HOLD_MAX {
        return Err(BookingError::TooManySeats(seats.len()));
    }
    Ok(())
}

pub(crate) fn check_holds(limited: bool, live_holds: i64) -> Result<(), BookingError> {
    let too_many = limited && live_holds >= LIVE_HOLDS_PER_CUSTOMER_MAX;
    if too_many { Err(BookingError::TooManyHolds) } else { Ok(()) }
}

/// Seats of a share are for those who may sell it. Costs a round trip only where there are such.
pub(crate) async fn check_shares(
    tx: &mut Tx,
    show: ShowId,
    seats: &[Seat],
    access: &Access,
) -> Result<(), BookingError> {
    if seats.iter().all(|seat| seat.allocation.is_none()) {
        return Ok(());
    }
    let open = free::find_open(tx, show, access).await?;
    check_open(seats, &open)
}

pub(crate) fn new_hold(tx: &Tx, show: &Show, seats: &[Seat]) -> Result<Hold, BookingError> {
    let now = tx.now();
    let (seats, price) = price(show, seats)?;
    Ok(Hold {
        id: HoldId::fresh(now),
        show_id: show.id,
        token: Some(secret::fresh()?),
        seats,
        best: None,
        price,
        expires_at: now + show.hold_time(),
        ends_at: now + SignedDuration::from_secs(HOLD_MAX_SECS.into()),
    })
}

pub(crate) fn insert(
    tx: &mut Tx,
    hold: &Hold,
    user: UserId,
    seats: &[Seat],
) -> Result<(), BookingError> {
    insert_in(tx, hold, user, seats, None)
}

/// The same for a hold that is a part of a bundle.
pub(crate) fn insert_in(
    tx: &mut Tx,
    hold: &Hold,
    user: UserId,
    seats: &[Seat],
    bundle: Option<BundleId>,
) -> Result<(), BookingError> {
    let new = NewHold {
        id: hold.id,
        show: hold.show_id,
        user,
        token_hash: hold.token.as_deref().map(secret::hash).unwrap_or_default(),
        seats: seats.iter().map(|seat| seat.number).collect(),
        total: hold.price.amount,
        expires_at: hold.expires_at,
        ends_at: hold.ends_at,
        bundle,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(json: &str) -> Vec<(String, &'static str)> {
        let cmd: HoldSeats = serde_json::from_str(json).unwrap();
        let mut errors = Errors::default();
        cmd.check(&mut errors);
        errors.iter().map(|error| (error.pointer.clone(), error.code)).collect()
    }

    #[test]
    fn seats_are_asked_for_in_one_way() {
        assert!(broken(r#"{"seats": ["A-1"]}"#).is_empty());
        assert!(broken(r#"{"best": {"quantity": 4, "accessible": 1}}"#).is_empty());
        assert!(broken(r#"{"any": {"block": "T1", "quantity": 2}}"#).is_empty());
        assert!(broken(r#"{"whole": ["T1", "T2"]}"#).is_empty());
        assert_eq!(broken("{}"), [(String::new(), "either")]);
        let two = broken(r#"{"seats": ["A-1"], "best": {"quantity": 1}}"#);
        assert_eq!(two, [(String::new(), "either")]);
    }

    #[test]
    fn a_party_has_1_to_10_and_names_no_table_twice() {
        let pointer = |json| broken(json).first().map(|(pointer, _)| pointer.clone());
        assert_eq!(pointer(r#"{"best": {"quantity": 0}}"#).unwrap(), "/best/quantity");
        assert_eq!(pointer(r#"{"best": {"quantity": 11}}"#).unwrap(), "/best/quantity");
        let wheels = r#"{"best": {"quantity": 2, "accessible": 3}}"#;
        assert_eq!(pointer(wheels).unwrap(), "/best/accessible");
        assert_eq!(pointer(r#"{"whole": ["T1", "T1"]}"#).unwrap(), "/whole/1");
    }
}
