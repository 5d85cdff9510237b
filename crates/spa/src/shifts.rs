//! Therapists: who they are, their shifts and breaks, and the rotation's ledger.

use actix_web::{get, post, put, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::ids::{OrderId, UserId};
use kernel::role::Permission;
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::catalogue::check_tags;
use crate::claim_next::READY_MAX_SECS;
use crate::code::day;
use crate::model::TherapistRow;
use crate::reads::{TherapistPath, VenuePath};
use crate::rotation::{Turn, TurnKind, Why};
use crate::store::{ledger, people};
use crate::{SpaError, event, rotation};

/// Lines of the ledger in one answer.
const TURNS_MAX: i64 = 10_000;

kernel::names! {
    /// What a therapist is doing.
    TherapistStatus {
        /// Not on shift.
        Off = "off",
        /// On a break.
        Break = "break",
        /// Has a customer.
        Busy = "busy",
        /// Asked for a customer, and there was none.
        Ready = "ready",
        /// On shift, and has not asked.
        Free = "free",
    }
}

/// A therapist, as colleagues see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Therapist {
    /// The member's user id.
    pub id: UserId,
    /// What customers read.
    #[schema(example = "Mai")]
    pub name: String,
    /// What they have learnt.
    pub skills: Vec<String>,
    /// What they are doing.
    pub status: TherapistStatus,
    /// Turns of this shift.
    pub turns: i32,
    /// Since when they stand among those with as many turns: fewer turns first, then the longest.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub turn_at: Option<Timestamp>,
    /// When the shift began.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub began_at: Option<Timestamp>,
    /// When the break began.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub break_at: Option<Timestamp>,
    /// The customer's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub order_id: Option<OrderId>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Therapist {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

impl Therapist {
    pub(crate) fn of(it: &TherapistRow, now: Timestamp) -> Self {
        let asked = |at: Timestamp| now.duration_since(at).as_secs() < READY_MAX_SECS;
        let status = match it {
            TherapistRow { order: Some(_), .. } => TherapistStatus::Busy,
            TherapistRow { began_at: None, .. } => TherapistStatus::Off,
            TherapistRow { break_at: Some(_), .. } => TherapistStatus::Break,
            TherapistRow { ready_at: Some(at), .. } if asked(*at) => TherapistStatus::Ready,
            _ => TherapistStatus::Free,
        };
        Self {
            id: it.id,
            name: it.name.clone(),
            skills: it.skills.clone(),
            status,
            turns: it.turns,
            turn_at: it.turn_at,
            began_at: it.began_at,
            break_at: it.break_at,
            order_id: it.order,
            version: it.version,
        }
    }
}

/// The therapists of a spa.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Therapists {
    /// Those on shift in the rotation's order, then the others.
    pub items: Vec<Therapist>,
}

/// A day's ledger.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// The venue's day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// Its lines, oldest first, at most 10000.
    pub items: Vec<Turn>,
    /// Where the rotation stands by the lines alone: whose turn comes first, first.
    pub rotation: Vec<UserId>,
}

/// Which ledger.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct LedgerQuery {
    /// A day of the venue; today, unless given.
    #[param(value_type = Option<String>, format = Date)]
    pub day: Option<Date>,
    /// Of this therapist alone; then `rotation` is theirs alone.
    pub therapist: Option<UserId>,
}

/// Who a therapist is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveTherapist {
    /// What customers read.
    #[schema(min_length = 1, max_length = 60)]
    pub name: String,
    /// What they have learnt.
    #[schema(max_items = 40)]
    pub skills: Vec<String>,
}

impl Input for SaveTherapist {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 60));
        check_tags(&self.skills, "/skills", 40, errors);
    }
}

/// Whose shift.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shift {
    /// Somebody else's, for a manager; one's own, unless given.
    #[schema(nullable = false)]
    pub therapist: Option<UserId>,
}

impl Input for Shift {}

/// List therapists
///
/// Who is on shift, who is ready, who has a customer; those on shift in the rotation's order first.
#[utoipa::path(
    operation_id = "listTherapists", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Therapists), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/therapists")]
pub(crate) async fn list_therapists(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Therapists>, Rejection> {
    let now = app.clock().now();
    let rows = app.read(&actor, async |q| people::list_therapists(q).await).await?;
    let items = rows.iter().map(|it| Therapist::of(it, now)).collect();
    Ok(web::Json(Therapists { items }))
}

/// Read the rotation's ledger
///
/// Each turn of a day with its reason, and the rotation that follows from them.
#[utoipa::path(
    operation_id = "listTurns", tag = "spa", params(VenuePath, LedgerQuery),
    security(("bearer" = [])), responses((status = 200, body = Ledger), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/turns")]
pub(crate) async fn list_turns(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    asked: web::Query<LedgerQuery>,
    app: web::Data<App>,
) -> Result<web::Json<Ledger>, Rejection> {
    let ledger = app
        .read(&actor, async |q| {
            let venue = q.venue()?;
            let [houses] = q.pipeline([people::house_query(&[&venue])]).await?;
            let house = people::house(&houses)?.ok_or(pg::DbError::Forbidden)?;
            let now = app.clock().shift(house.looked_at);
            let day = asked.day.unwrap_or_else(|| day(now, &house.time_zone));
            let items = ledger::list_turns(q, day, asked.therapist, TURNS_MAX).await?;
            Ok::<_, SpaError>((day, items))
        })
        .await?;
    let (day, items) = ledger;
    let stands = rotation::replay(&items).unwrap_or_else(|error| {
        tracing::error!(%error, %day, "spa.ledger contradicts itself");
        Vec::new()
    });
    let rotation = stands.iter().map(|stand| stand.therapist).collect();
    Ok(web::Json(Ledger { day, items, rotation }))
}

/// Name a therapist
///
/// Makes a member a therapist, or changes their name and skills.
#[utoipa::path(
    operation_id = "saveTherapist", tag = "spa", params(TherapistPath),
    request_body = SaveTherapist, security(("bearer" = [])),
    responses((status = 200, body = Therapist), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/therapists/{therapist}")]
pub(crate) async fn put_therapist(
    actor: Actor<can::ManageSpa>,
    once: OnceIfGiven,
    at: Path<TherapistPath>,
    cmd: Body<SaveTherapist>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.therapist;
    app.write(&actor, once.of(&cmd), async move |tx| save_therapist(tx, id, &cmd).await.map(Done))
        .await
}

/// The rule.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn save_therapist(
    tx: &mut Tx,
    id: UserId,
    cmd: &SaveTherapist,
) -> Result<Therapist, SpaError> {
    let found = people::lock_therapist(tx, id).await?.therapist;
    let (name, mut skills) = (cmd.name.trim().to_owned(), cmd.skills.clone());
    skills.sort_unstable();
    skills.dedup();
    let saved = if let Some(found) = found {
        let changed = TherapistRow { name, skills, version: found.version + 1, ..found };
        people::rename_therapist(tx, &changed)?;
        changed
    } else {
        let new = TherapistRow {
            id,
            name,
            skills,
            began_at: None,
            break_at: None,
            turns: 0,
            turn_at: None,
            turn_before: None,
            ready_at: None,
            order: None,
            version: 1,
        };
        people::insert_therapist(tx, &new)?;
        new
    };
    let told = Therapist::of(&saved, tx.now());
    tx.emit(event::shift("named", &told)?);
    Ok(told)
}

/// A step of a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The shift begins.
    Begin,
    /// A break begins.
    Break,
    /// A break ends.
    Back,
    /// The shift ends.
    End,
}

/// Begin a shift
///
/// From now on you take turns: you join with as many as whoever has had the fewest.
#[utoipa::path(
    operation_id = "beginShift", tag = "spa", params(VenuePath), request_body = Shift,
    security(("bearer" = [])), responses((status = 200, body = Therapist), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shifts/begin")]
pub(crate) async fn post_begin(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<Shift>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| {
        step_shift(tx, user, cmd.therapist, Step::Begin).await.map(Done)
    })
    .await
}

/// Take a break
///
/// Nobody is yours meanwhile; your place in the rotation stays.
#[utoipa::path(
    operation_id = "takeBreak", tag = "spa", params(VenuePath), request_body = Shift,
    security(("bearer" = [])), responses((status = 200, body = Therapist), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shifts/break")]
pub(crate) async fn post_break(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<Shift>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| {
        step_shift(tx, user, cmd.therapist, Step::Break).await.map(Done)
    })
    .await
}

/// End a break
#[utoipa::path(
    operation_id = "endBreak", tag = "spa", params(VenuePath), request_body = Shift,
    security(("bearer" = [])), responses((status = 200, body = Therapist), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shifts/back")]
pub(crate) async fn post_back(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<Shift>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| {
        step_shift(tx, user, cmd.therapist, Step::Back).await.map(Done)
    })
    .await
}

/// End a shift
///
/// Not while you have a customer.
#[utoipa::path(
    operation_id = "endShift", tag = "spa", params(VenuePath), request_body = Shift,
    security(("bearer" = [])), responses((status = 200, body = Therapist), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/shifts/end")]
pub(crate) async fn post_end(
    actor: Actor<can::ServeOrders>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<Shift>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let user = actor.user()?;
    app.write(&actor, once.of(&cmd), async move |tx| {
        step_shift(tx, user, cmd.therapist, Step::End).await.map(Done)
    })
    .await
}

/// The rule of all four.
///
/// # Errors
/// Each refusal of `SpaError` that its name fits.
pub async fn step_shift(
    tx: &mut Tx,
    user: UserId,
    whose: Option<UserId>,
    step: Step,
) -> Result<Therapist, SpaError> {
    let id = whose.unwrap_or(user);
    let found = people::lock_therapist(tx, id).await?;
    if id != user && !tx.standing().may(Permission::SuperviseOrders) {
        return Err(pg::DbError::Forbidden.into());
    }
    let mut therapist = found.therapist.ok_or(SpaError::NoProfile)?;
    let now = tx.now();
    let what = take_step(&mut therapist, step, now, found.fewest)?;
    therapist.version += 1;
    people::update_state(tx, &therapist)?;
    let zone = found.house.map(|house| house.time_zone).unwrap_or_default();
    let by = if id == user { Why::default() } else { Why::because("by a manager") };
    ledger::insert_turn(tx, day(now, &zone), &therapist.turn(what, now, by))?;
    let told = Therapist::of(&therapist, now);
    tx.emit(event::shift(what.as_str(), &told)?);
    Ok(told)
}

fn take_step(
    it: &mut TherapistRow,
    step: Step,
    now: Timestamp,
    fewest: i32,
) -> Result<TurnKind, SpaError> {
    let no_way = |detail| Err(SpaError::ShiftNoWay(detail));
    match (step, it.began_at, it.break_at) {
        (Step::Begin, Some(_), _) => return no_way("The shift has begun already."),
        (Step::Begin, None, _) => {
            it.begin_shift(now, fewest);
            return Ok(TurnKind::Began);
        }
        (_, None, _) => return Err(SpaError::NotOnShift),
        (Step::Break, _, Some(_)) => return no_way("The break has begun already."),
        (Step::Back, _, None) => return no_way("There is no break to end."),
        (Step::Back, ..) => {
            it.break_at = None;
            return Ok(TurnKind::Back);
        }
        (Step::Break | Step::End, ..) if it.order.is_some() => {
            return no_way("You have a customer: finish, or hand them back first.");
        }
        (Step::Break, ..) => it.break_at = Some(now),
        (Step::End, ..) => (it.began_at, it.break_at) = (None, None),
    }
    it.ready_at = None;
    Ok(if step == Step::Break { TurnKind::Break } else { TurnKind::Ended })
}
