//! How a show sells: who has its seats, when they were sold, what was wanted in vain.

use std::collections::BTreeMap;

use actix_web::{get, web};
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::Timestamp;
use kernel::ids::ShowId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::BookingError;
use crate::reads::ShowPath;
use crate::store::figures as store;

/// Seats that are named among the most wanted.
const WANTED_MAX: usize = 10;

/// Seats by what they are to the public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Occupancy {
    /// Can be held.
    pub free: i64,
    /// Held for a short time.
    pub held: i64,
    /// Booked.
    pub sold: i64,
    /// Kept by the house.
    pub withheld: i64,
}

/// A part of a show and its seats.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PartOccupancy {
    /// The category or the block.
    #[schema(example = "standard")]
    pub name: String,
    /// Its seats.
    pub seats: Occupancy,
}

/// What was booked within an hour or a day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Sales {
    /// When it began, UTC.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Bookings that were made, whatever became of them.
    pub bookings: i64,
    /// Their seats.
    pub seats: i64,
    /// Their prices together, in minor units of the show's currency.
    pub amount: i64,
    /// How many of these bookings are cancelled by now.
    pub cancelled: i64,
}

/// What became of holds.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct HoldFigures {
    /// Live now.
    pub live: i64,
    /// Became bookings.
    pub booked: i64,
    /// Given back.
    pub released: i64,
    /// Ran out.
    pub expired: i64,
}

/// A seat that was asked for in vain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Wanted {
    /// Its id.
    #[schema(example = "A-1")]
    pub id: String,
    /// How often.
    pub times: u64,
}

/// Requests for seats that somebody else had, within the last day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflicts {
    /// How many; counted up to 5,000.
    pub requests: u64,
    /// The seats that were wanted most.
    pub most_wanted: Vec<Wanted>,
}

/// How a show sells.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowFigures {
    /// The show.
    pub show_id: ShowId,
    /// All its seats.
    pub seats: Occupancy,
    /// By category.
    pub categories: Vec<PartOccupancy>,
    /// By block, best first.
    pub blocks: Vec<PartOccupancy>,
    /// Over time: the latest 400 hours or days in which something was booked, oldest first.
    pub sales: Vec<Sales>,
    /// What became of holds.
    pub holds: HoldFigures,
    /// What was asked for in vain.
    pub conflicts: Conflicts,
}

/// How fine the sales are told.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// By the hour.
    Hour,
    /// By the day.
    #[default]
    Day,
}

/// How to tell it.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FiguresQuery {
    /// `day` unless given.
    #[serde(default)]
    #[param(inline, required = false)]
    by: Step,
}

impl Step {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// Get a show's figures
///
/// Occupancy as the public sees it now, sales over time, what became of holds, and the requests of
/// the last day that were refused because somebody else had the seats.
#[utoipa::path(
    operation_id = "getShowFigures", tag = "booking", params(ShowPath, FiguresQuery),
    security(("bearer" = [])), responses((status = 200, body = ShowFigures), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/figures")]
pub(crate) async fn get_show_figures(
    actor: Actor<can::ListBookings>,
    at: Path<ShowPath>,
    query: edge::Query<FiguresQuery>,
    app: web::Data<App>,
) -> Result<web::Json<ShowFigures>, Rejection> {
    let (show, by) = (at.show, query.by);
    let offset = app.clock().offset_micros();
    let routes = ["holds", "bookings"]
        .map(|what| format!("POST /api/v1/venues/{}/shows/{show}/{what}", at.venue));
    let figures = app
        .read(&actor, async |q| {
            let found = store::find_figures(q, show, (by.as_str(), offset)).await?;
            let mut figures = found.ok_or(BookingError::NoSuchShow)?;
            let refused = q.refused(&routes, "booking.seats_taken").await?;
            figures.conflicts = conflicts(&refused);
            Ok::<_, BookingError>(figures)
        })
        .await?;
    Ok(web::Json(figures))
}

/// Counts what the refusals say in `current`.
fn conflicts(refused: &[String]) -> Conflicts {
    #[derive(Deserialize)]
    struct Seat {
        id: String,
    }
    #[derive(Deserialize)]
    struct Current {
        seats: Vec<Seat>,
    }
    let mut times = BTreeMap::<String, u64>::new();
    for current in refused {
        let seats = serde_json::from_str::<Current>(current).map_or(Vec::new(), |it| it.seats);
        for seat in seats {
            *times.entry(seat.id).or_default() += 1;
        }
    }
    let mut most_wanted: Vec<_> =
        times.into_iter().map(|(id, times)| Wanted { id, times }).collect();
    most_wanted.sort_by_key(|wanted| std::cmp::Reverse(wanted.times));
    most_wanted.truncate(WANTED_MAX);
    Conflicts { requests: u64::try_from(refused.len()).unwrap_or(u64::MAX), most_wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_seat_stands_first() {
        let refusal = |seats: &[&str]| {
            let seats: Vec<_> = seats.iter().map(|id| serde_json::json!({ "id": id })).collect();
            serde_json::json!({ "seats": seats }).to_string()
        };
        let all = [refusal(&["A-1"]), refusal(&["A-2", "A-1"]), String::new()];
        let told = conflicts(&all);
        assert_eq!(told.requests, 3);
        let wanted: Vec<_> = told.most_wanted.iter().map(|w| (w.id.as_str(), w.times)).collect();
        assert_eq!(wanted, [("A-1", 2), ("A-2", 1)]);
    }
}
