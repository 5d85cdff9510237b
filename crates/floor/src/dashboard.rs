//! The figures of a day of service, as of one moment.

use actix_web::{get, web};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::SectionId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::reads::VenuePath;
use crate::store::{figures, layouts};

/// The figures of the whole house.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Parties seated today.
    pub parties: i64,
    /// Guests seated today.
    pub covers: i64,
    /// Parties in the line.
    pub waiting_parties: i64,
    /// Guests in the line.
    pub waiting_covers: i64,
    /// Guests at tables now.
    pub seated_covers: i64,
    /// Seats of all tables in service.
    pub seats: i64,
    /// All tables.
    pub tables: i64,
    /// Tables where somebody sits.
    pub occupied_tables: i64,
    /// Reservations of today that are still awaited.
    pub awaited_reservations: i64,
    /// Reservations of today that were taken although their quarter of an hour was full.
    pub reservations_exceeding_pacing: i64,
    /// Parties that were seated where they do not fit.
    pub over_capacity: i64,
    /// Parties that did not come.
    pub no_shows: i64,
    /// Parties that went away.
    pub cancelled: i64,
    /// How long those seated today waited, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub average_wait_minutes: Option<f64>,
    /// How long those who left today stayed, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub average_turn_minutes: Option<f64>,
}

/// Guests that were seated within an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// When it began.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub hour: Timestamp,
    /// Guests.
    pub covers: i64,
    /// Parties.
    pub parties: i64,
}

/// The figures of a section and its server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionFigures {
    /// The section.
    pub section_id: SectionId,
    /// Its name.
    pub name: String,
    /// Who serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub server: Option<String>,
    /// Parties seated today.
    pub parties: i64,
    /// Guests seated today.
    pub covers: i64,
    /// Guests there now.
    pub seated_covers: i64,
    /// When a party was last seated there.
    #[serde(with = "kernel::time::instant_opt", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    pub last_seated_at: Option<Timestamp>,
    /// Whether it is this section's turn: seated longest ago, with the fewest guests.
    pub next: bool,
}

/// The figures of a day of service.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Where the venue's log was.
    #[schema(example = "1042-m3k9x0f2")]
    pub pos: String,
    /// When the day of service began.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The whole house.
    pub totals: Totals,
    /// By the hour.
    pub hours: Vec<Hour>,
    /// By section.
    pub sections: Vec<SectionFigures>,
}

/// Get the dashboard
///
/// Covers, waits, turns and occupancy of this day of service, by the hour and by section, as of
/// `pos`. No names.
#[utoipa::path(
    operation_id = "getDashboard", tag = "floor", params(VenuePath), security(("bearer" = [])),
    responses((status = 200, body = Dashboard), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/dashboard")]
pub(crate) async fn get_dashboard(
    actor: Actor<can::ReadFloor>,
    _at: Path<VenuePath>,
    app: web::Data<App>,
) -> Result<web::Json<Dashboard>, Rejection> {
    let now = app.clock().now();
    let (since, found) = app
        .read(&actor, async |q| {
            let since = layouts::find_settings(q).await?.rules.day_began(now);
            Ok::<_, FloorError>((since, figures::find_figures(q, since).await?))
        })
        .await?;
    let figures::Figures { pos, totals, hours, mut sections } = found;
    if let Some(next) = sections.iter_mut().min_by_key(|it| turn(it)) {
        next.next = true;
    }
    Ok(web::Json(Dashboard { pos, since, totals, hours, sections }))
}

/// The order of the rotation.
fn turn(section: &SectionFigures) -> (Option<Timestamp>, i64, SectionId) {
    (section.last_seated_at, section.seated_covers, section.section_id)
}
