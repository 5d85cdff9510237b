//! Figures of a show's doors: by gate, device, staff and minute.

use actix_web::{get, web};
use edge::{Actor, App, Path, Query, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::{DeviceId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::TicketsError;
use crate::reads::ShowPath;
use crate::store::{doors, figures};

/// Minutes of one answer: a day and a half.
pub const MINUTES_MAX: i64 = 2_160;
/// Gates, devices and members of one answer.
pub const LINES_MAX: i64 = 500;

/// Which scans to count.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct StatsFilter {
    /// From this moment on; all, unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Up to this moment; until now, unless given.
    #[serde(default, with = "kernel::time::instant_opt")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// How many scans ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Let in.
    pub entries: i64,
    /// Let out.
    pub exits: i64,
    /// Not let through.
    pub denied: i64,
    /// To be asked first.
    pub asked: i64,
    /// Let through against the rules.
    pub forced: i64,
    /// Scanned without a network.
    pub offline: i64,
    /// To be looked at by a supervisor.
    pub conflicts: i64,
}

/// The figures of a gate.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateFigures {
    /// Its name; absent where the scanner gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gate: Option<String>,
    /// Its scans.
    pub scans: Counts,
}

/// The figures of a device.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFigures {
    /// The device.
    pub device_id: DeviceId,
    /// Its name.
    pub name: String,
    /// When it scanned last.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
    /// Its scans.
    pub scans: Counts,
}

/// The figures of a member.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaffFigures {
    /// The member.
    pub user_id: UserId,
    /// Their name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// Their scans.
    pub scans: Counts,
}

/// The figures of a minute in which somebody scanned.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinuteFigures {
    /// When it began.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Its scans.
    pub scans: Counts,
}

/// How many scans were refused for one reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasonFigures {
    /// Why.
    #[schema(example = "already_admitted")]
    pub reason: String,
    /// How many.
    pub scans: i64,
}

/// The figures of a show's doors, of one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoorFigures {
    /// Tickets that count.
    pub tickets: i64,
    /// Tickets whose holders came in at least once.
    pub arrived: i64,
    /// Tickets whose holders are inside.
    pub inside: i64,
    /// All scans.
    pub scans: Counts,
    /// By gate, the busiest first.
    pub gates: Vec<GateFigures>,
    /// By device, the busiest first.
    pub devices: Vec<DeviceFigures>,
    /// By member, the busiest first.
    pub staff: Vec<StaffFigures>,
    /// By reason of refusal, the most frequent first.
    pub reasons: Vec<ReasonFigures>,
    /// By minute in which they were scanned, the latest 2160 at most, oldest first.
    pub minutes: Vec<MinuteFigures>,
}

/// Get the figures of a show's doors
///
/// Scans that were taken back are not counted.
#[utoipa::path(
    operation_id = "getDoorFigures", tag = "tickets", params(ShowPath, StatsFilter),
    security(("bearer" = [])), responses((status = 200, body = DoorFigures), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/scans/stats")]
pub(crate) async fn get_figures(
    actor: Actor<can::ReadDoors>,
    at: Path<ShowPath>,
    filter: Query<StatsFilter>,
    app: web::Data<App>,
) -> Result<web::Json<DoorFigures>, Rejection> {
    let found = app.read(&actor, async |q| {
        doors::find_doors(q, at.show).await?.ok_or(TicketsError::NoSuchShow)?;
        Ok::<_, TicketsError>(figures::door_figures(q, at.show, (filter.from, filter.until)).await?)
    });
    Ok(web::Json(found.await?))
}
