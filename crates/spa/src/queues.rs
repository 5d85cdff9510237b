//! The two lines as those who work them see them. By codes alone.

use actix_web::{get, web};
use edge::limits::LINE_SHOWN_MAX;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::{OrderId, UserId};
use kernel::money::Money;
use serde::Serialize;
use utoipa::ToSchema;

use crate::SpaError;
use crate::model::{OrderStatus, RoomName, TherapistName};
use crate::quote::Quote;
use crate::reads::VenuePath;
use crate::store::{lines, outlook, people};

/// An order in a line, by its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineOrder {
    /// The order.
    pub id: OrderId,
    /// What is called out.
    #[schema(example = "A-042")]
    pub code: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// What was chosen.
    pub services: Vec<String>,
    /// How long all of it takes.
    pub minutes: i32,
    /// The bill.
    pub total: Money,
    /// The therapist that the customer asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub requested_therapist: Option<UserId>,
    /// Whoever has the customer, or had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub therapist: Option<TherapistName>,
    /// Where they are, or were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub room: Option<RoomName>,
    /// How often they were called.
    pub calls: i32,
    /// In service, and nobody was heard of for too long.
    pub unattended: bool,
    /// The place in the therapists' line.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the treatment began.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub started_at: Option<Timestamp>,
    /// When it is expected to end.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub expected_end_at: Option<Timestamp>,
    /// The place in the cashiers' line.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub finished_at: Option<Timestamp>,
    /// The wait as of now, for those who wait for a therapist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub quote: Option<Quote>,
    /// Rises with every change.
    pub version: i64,
}

/// A line.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueLine)]
pub struct Line {
    /// Where the venue's log was: subscribe with it as `since` and nothing is missed.
    #[schema(example = "1042-m3k9x0f2")]
    pub pos: String,
    /// The first of the line, at most 200, with those who are being looked after.
    pub items: Vec<LineOrder>,
    /// How many wait in all.
    pub waiting: i64,
}

/// Look at the therapists' line
///
/// Who waits, in order and with the wait as of now, who is called and who is being treated.
#[utoipa::path(
    operation_id = "getTherapistQueue", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Line), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/queue/therapist")]
pub(crate) async fn get_therapist_queue(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Line>, Rejection> {
    let now = kernel::time::micros(app.clock().now());
    let line = app
        .read(&actor, async |q| {
            let pos = pos(q).await?;
            let mut items =
                in_states(q, &[OrderStatus::TherapistConfirmed, OrderStatus::InService]).await?;
            let waiting = in_states(q, &[OrderStatus::PendingTherapist]).await?;
            items.extend(waiting);
            let rules = people::find_settings(q).await?.rules;
            let outlook = outlook::find_outlook(q, rules, now).await?;
            let waiting = outlook.waiting;
            for (id, quote) in outlook.quotes(None).0 {
                if let Some(order) = items.iter_mut().find(|order| order.id == id) {
                    order.quote = Some(quote);
                }
            }
            Ok::<_, SpaError>(Line { pos, items, waiting })
        })
        .await?;
    Ok(web::Json(line))
}

/// Look at the cashiers' line
///
/// Who waits to pay, in order, and who is paying.
#[utoipa::path(
    operation_id = "getCashierQueue", tag = "spa", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Line), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/queue/cashier")]
pub(crate) async fn get_cashier_queue(
    actor: Actor<can::ReadQueues>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Line>, Rejection> {
    let line = app
        .read(&actor, async |q| {
            let pos = pos(q).await?;
            let mut items = in_states(q, &[OrderStatus::AwaitingPayment]).await?;
            let waiting = in_states(q, &[OrderStatus::Finished]).await?;
            let count = i64::try_from(waiting.len()).unwrap_or(LINE_SHOWN_MAX);
            items.extend(waiting);
            Ok::<_, SpaError>(Line { pos, items, waiting: count })
        })
        .await?;
    Ok(web::Json(line))
}

async fn in_states(
    q: &mut pg::Reader,
    statuses: &[OrderStatus],
) -> Result<Vec<LineOrder>, SpaError> {
    Ok(lines::list_line(q, statuses, LINE_SHOWN_MAX).await?)
}

/// Where the log is: read before anything else of the same snapshot.
pub(crate) async fn pos(q: &mut pg::Reader) -> Result<String, SpaError> {
    let venue = q.venue()?;
    let [head] = q.pipeline([pg::log::head_query(&[&venue])]).await?;
    let pos = head.first().map(pg::log::head_pos).transpose()?;
    Ok(pos.map(|pos| pos.to_string()).unwrap_or_default())
}
