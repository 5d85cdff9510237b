//! The next customer for a therapist, with a room.

use actix_web::{post, web};
use edge::answer::Versioned;
use edge::{Actor, Answer, App, Body, Done, Nothing, Once, Path, Rejection, WriteRefusals, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::UserId;
use pg::Tx;
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Order, TherapistRow};
use crate::reads::VenuePath;
use crate::settings::SpaRules;
use crate::shifts::Therapist;
use crate::store::claims::{self, ClaimedNext, WhyNot};
use crate::store::people;
use crate::{SpaError, event};

/// Whoever asked for a customer so long ago, and not since, is not thought to be ready any more.
pub(crate) const READY_MAX_SECS: i64 = 300;
/// How often the line is looked at anew when others were faster.
const TRIES_MAX: usize = 3;

kernel::names! {
    /// What came of asking for the next customer.
    NextOutcome {
        /// `order` is yours, and its room.
        Claimed = "claimed",
        /// Nobody waits whom you may serve.
        NobodyWaiting = "nobody_waiting",
        /// Somebody waits, and others come first: yours from `expectedAt` on.
        NotYourTurn = "not_your_turn",
        /// Somebody waits, and every room that serves is in use: one is expected at `expectedAt`.
        NoRoom = "no_room",
        /// Others took them at this very moment: ask again.
        AskAgain = "ask_again",
    }
}

/// The next customer, or why there is none.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextCustomer {
    /// What came of it.
    pub outcome: NextOutcome,
    /// Whom you have now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order: Option<Order>,
    /// The code of the one who waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "A-042")]
    pub code: Option<String>,
    /// When it is worth asking again.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub expected_at: Option<Timestamp>,
    /// In words.
    pub detail: String,
}

impl Versioned for NextCustomer {
    fn version(&self) -> Option<i64> {
        self.order.as_ref().map(|order| order.version)
    }
}

/// Take the next customer
///
/// The one who has waited longest of those that you may serve, with a room that serves, both or
/// neither. Fair turns: as long as the customer has waited less than the others' turns last, those
/// who are ready and have had fewer turns come first. What is taken is leased: send heartbeats until
/// the treatment begins. Where there is nobody, you stand in the rotation as ready.
#[utoipa::path(
    operation_id = "claimNextOrder", tag = "spa",
    params(VenuePath,
        ("Idempotency-Key" = String, Header, description = "A fresh UUID per attempt")),
    security(("bearer" = [])),
    responses((status = 200, body = NextCustomer), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/queue/therapist/next")]
pub(crate) async fn post_next(
    actor: Actor<can::ServeOrders>,
    once: Once,
    _at: Path<VenuePath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| claim_next(tx, user).await.map(Done)).await
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn claim_next(tx: &mut Tx, user: UserId) -> Result<NextCustomer, SpaError> {
    let mut why_not = None;
    for _ in 0..TRIES_MAX {
        let found = claims::claim_next(tx, user, READY_MAX_SECS).await?;
        let (therapist, rules) = match settled(found)? {
            Settled::Claimed(order) => return claimed(tx, *order),
            Settled::Nobody(therapist, rules) => (therapist, rules),
        };
        let why = claims::find_why_not(tx, user, READY_MAX_SECS).await?;
        let outcome = why.as_ref().map(|why| judge(why, &rules, tx.now()));
        why_not = Some((therapist, why.zip(outcome)));
        if outcome.is_none_or(|(outcome, _)| outcome != NextOutcome::AskAgain) {
            break;
        }
    }
    let (therapist, why) = why_not.ok_or(SpaError::NoProfile)?;
    let now = tx.now();
    people::mark_ready(tx, user)?;
    if therapist.ready_at.is_none() {
        let ready = TherapistRow { ready_at: Some(now), ..*therapist };
        tx.emit(event::shift("ready", &Therapist::of(&ready, now))?);
    }
    Ok(nobody(why))
}

enum Settled {
    Claimed(Box<Order>),
    Nobody(Box<TherapistRow>, SpaRules),
}

fn settled(found: ClaimedNext) -> Result<Settled, SpaError> {
    let therapist = found.therapist.ok_or(SpaError::NoProfile)?;
    let order = found.order.map(|(order, items)| order.told(&items));
    match (order, found.claimed) {
        (Some(order), true) => Ok(Settled::Claimed(Box::new(order))),
        (Some(order), false) => Err(SpaError::Busy(Some(Box::new(order)))),
        (None, _) if therapist.began_at.is_none() => Err(SpaError::NotOnShift),
        (None, _) if therapist.break_at.is_some() => Err(SpaError::OnBreak),
        (None, _) => Ok(Settled::Nobody(Box::new(therapist), found.settings.rules)),
    }
}

fn claimed(tx: &mut Tx, order: Order) -> Result<NextCustomer, SpaError> {
    let public = Order { name: None, note: None, ..order.clone() };
    event::tell(tx, "order_claimed", "claimed", &public)?;
    let room = order.room.as_ref().map_or("", |room| room.name.as_str());
    Ok(NextCustomer {
        outcome: NextOutcome::Claimed,
        code: Some(order.code.clone()),
        expected_at: None,
        detail: format!("{} is yours, in room {room}. Call them.", order.code),
        order: Some(order),
    })
}

/// What stands between the therapist and the first whom they may serve, and until when.
fn judge(why: &WhyNot, rules: &SpaRules, now: Timestamp) -> (NextOutcome, Option<Timestamp>) {
    let turns = SignedDuration::from_secs(i64::from(rules.turn_secs).saturating_mul(why.ahead));
    let mine_at = why.waiting_since + turns;
    if mine_at > now {
        return (NextOutcome::NotYourTurn, Some(mine_at));
    }
    match why.room_at {
        Some(at) if at <= now => (NextOutcome::AskAgain, Some(now)),
        at => (NextOutcome::NoRoom, at),
    }
}

fn nobody(why: Option<(WhyNot, (NextOutcome, Option<Timestamp>))>) -> NextCustomer {
    let Some((why, (outcome, expected_at))) = why else {
        return NextCustomer {
            outcome: NextOutcome::NobodyWaiting,
            order: None,
            code: None,
            expected_at: None,
            detail: "Nobody waits whom you may serve. You are ready: order_created tells when \
                     somebody comes."
                .to_owned(),
        };
    };
    let code = &why.code;
    let detail = match (outcome, expected_at) {
        (NextOutcome::NotYourTurn, _) => {
            format!("{code} waits, and {} others come first. Ask again at expectedAt.", why.ahead)
        }
        (NextOutcome::NoRoom, Some(_)) => {
            format!("{code} waits for a room. One is expected at expectedAt.")
        }
        (NextOutcome::NoRoom, None) => {
            let needs = why.needs.join(", ");
            format!("{code} needs a room with {needs}, and none in service has that.")
        }
        _ => format!("Others were faster with {code}. Ask again."),
    };
    NextCustomer { outcome, order: None, code: Some(why.code), expected_at, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::at;

    fn why(ahead: i64, room_at: Option<&str>) -> WhyNot {
        WhyNot {
            code: "A-001".into(),
            needs: vec!["bath".into()],
            waiting_since: at("2027-01-01T10:00:00Z"),
            ahead,
            room_at: room_at.map(at),
        }
    }

    #[test]
    fn turns_come_before_rooms_and_last_only_so_long() {
        let (rules, now) = (SpaRules::default(), at("2027-01-01T10:00:20Z"));
        let (outcome, until) = judge(&why(2, None), &rules, now);
        assert_eq!((outcome, until), (NextOutcome::NotYourTurn, Some(at("2027-01-01T10:00:30Z"))));
        let (outcome, until) = judge(&why(1, Some("2027-01-01T10:30:00Z")), &rules, now);
        assert_eq!((outcome, until), (NextOutcome::NoRoom, Some(at("2027-01-01T10:30:00Z"))));
        let (outcome, _) = judge(&why(0, Some("2027-01-01T10:00:00Z")), &rules, now);
        assert_eq!(outcome, NextOutcome::AskAgain);
    }

    #[test]
    fn the_answer_says_what_is_missing() {
        let told = nobody(Some((why(0, None), (NextOutcome::NoRoom, None))));
        assert!(told.detail.contains("bath"), "{}", told.detail);
        assert_eq!(nobody(None).outcome, NextOutcome::NobodyWaiting);
    }
}
