//! Alerts of the doors: look at them, and say that somebody has.

use actix_web::{get, post, web};
use edge::answer::Versioned;
use edge::page::{Items, Page};
use edge::{
    Actor, Answer, App, Body, Done, Nothing, OnceIfGiven, Path, Query, ReadRefusals, Rejection,
    WriteRefusals, can,
};
use jiff::Timestamp;
use kernel::ids::{AlertId, ShowId, UserId, VenueId};
use pg::Tx;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::alerts::AlertKind;
use crate::store::alerts;
use crate::{TicketsError, event};

/// `/venues/{venue}/alerts/{alert}`.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct AlertPath {
    /// The venue.
    pub venue: VenueId,
    /// The alert.
    pub alert: AlertId,
}

/// Which alerts to list.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertFilter {
    /// Only those that nobody has seen.
    #[serde(default)]
    pub open: bool,
}

/// Something that the house should know of its doors.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// The show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub show_id: Option<ShowId>,
    /// What is wrong.
    pub kind: AlertKind,
    /// The device, member or ticket that it is about.
    pub subject: Uuid,
    /// How many scans it was found in.
    pub count: i32,
    /// What is known besides: gates, the device, how far its clock is off.
    pub detail: serde_json::Value,
    /// When it was found.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    /// When somebody said that they have seen it; the same may be told again from then on.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub seen_at: Option<Timestamp>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seen_by: Option<UserId>,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for Alert {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// List alerts
///
/// Of the doors of all shows, oldest first.
#[utoipa::path(
    operation_id = "listDoorAlerts", tag = "tickets",
    params(crate::reads::VenuePath, Page, AlertFilter), security(("bearer" = [])),
    responses((status = 200, body = Items<Alert>), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/alerts")]
pub(crate) async fn list_alerts(
    actor: Actor<can::SuperviseDoors>,
    page: Query<Page>,
    filter: Query<AlertFilter>,
    app: web::Data<App>,
) -> Result<web::Json<Items<Alert>>, Rejection> {
    let bounds = page.bounds()?;
    let found = app.read(&actor, async |q| {
        Ok::<_, TicketsError>(alerts::list_alerts(q, bounds, filter.open).await?)
    });
    Ok(web::Json(Items::of(found.await?, bounds.0, |alert| alert.id.0)))
}

/// Say that an alert was seen
#[utoipa::path(
    operation_id = "seeDoorAlert", tag = "tickets", params(AlertPath), security(("bearer" = [])),
    responses((status = 200, body = Alert), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/alerts/{alert}/seen")]
pub(crate) async fn post_seen(
    actor: Actor<can::SuperviseDoors>,
    once: OnceIfGiven,
    at: Path<AlertPath>,
    cmd: Body<Nothing>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let id = at.alert;
    app.write(&actor, once.of(&cmd), async move |tx| see_alert(tx, id).await.map(Done)).await
}

async fn see_alert(tx: &mut Tx, id: AlertId) -> Result<Alert, TicketsError> {
    let mut alert = alerts::lock_alert(tx, id).await?.ok_or(TicketsError::NoSuch("alert"))?;
    if alert.seen_at.is_some() {
        return Ok(alert);
    }
    let by = UserId(tx.scope().actor());
    (alert.seen_at, alert.seen_by) = (Some(tx.now()), Some(by));
    alert.version += 1;
    alerts::see_alert(tx, &alert, by)?;
    tx.emit(event::security_alert(&alert)?);
    Ok(alert)
}
