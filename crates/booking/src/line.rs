//! The line in front of a show: what it is, how far one stands from its front, and its rules. While
//! it is open, customers need a pass to hold seats; passes are given in the order of arrival.

use actix_web::{get, web};
use edge::answer::Versioned;
use edge::limits::PASS_USES_MAX;
use edge::{Actor, App, Path, ReadRefusals, Rejection, can};
use jiff::{SignedDuration, Timestamp};
use kernel::ids::ShowId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::BookingError;
use crate::reads::ShowPath;
use crate::store::lines;

/// So many writes that wait for locks are a sign that seats are given away too fast.
const LOCK_WAITS_MAX: i64 = 16;
/// How many passes a second more, while nothing says that it is too fast.
const FASTER_BY: i32 = 2;

kernel::names! {
    /// Where a place in a line stands.
    PlaceStatus {
        /// Its turn will come.
        Waiting = "waiting",
        /// It has a pass: hold seats until `passUntil`.
        Passed = "passed",
        /// The pass is used up.
        Used = "used",
        /// The pass' time is over.
        Expired = "expired",
        /// Its customer left the line.
        Left = "left",
        /// The line is over: everything is sold, the show begins, or nobody needs a pass any more.
        Ended = "ended",
    }
}

/// The line in front of a show.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowLine {
    /// The show.
    pub show_id: ShowId,
    /// Whether customers need a pass to hold seats.
    pub open: bool,
    /// How long a pass counts, in seconds.
    pub pass_secs: i32,
    /// Passes a second, at most.
    pub passes_per_sec: i32,
    /// Passes a second at present: fewer while the server is busy.
    pub per_sec: i32,
    /// The last place that was taken.
    pub joined: i64,
    /// The last place that got a pass: whoever has place 120 has at most 20 in front of them when
    /// this is 99.
    pub served: i64,
    /// Whether there is nothing left to wait for.
    pub sold_out: bool,
    /// When it moved last.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub moved_at: Timestamp,
    /// Rises with every change of its settings.
    pub version: i64,
}

impl Versioned for ShowLine {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// A place in a line.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "the column and the API call it so")]
pub(crate) struct Place {
    pub(crate) place: i64,
    pub(crate) status: PlaceStatus,
    pub(crate) joined_at: Timestamp,
    pub(crate) pass_until: Option<Timestamp>,
    pub(crate) uses: i32,
}

/// One's place in the line of a show.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinePlace {
    /// The show.
    pub show_id: ShowId,
    /// The number of the place: the first is 1.
    pub place: i64,
    /// Where it stands.
    pub status: PlaceStatus,
    /// How many are in front of it, at most; those who have left are among them.
    #[schema(minimum = 0)]
    pub ahead: i64,
    /// How long that takes, in seconds, as things are; none while no seats are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub wait_secs: Option<i64>,
    /// Until when its pass counts.
    #[serde(skip_serializing_if = "Option::is_none", with = "kernel::time::instant_opt")]
    #[schema(value_type = String, format = DateTime, nullable = false)]
    pub pass_until: Option<Timestamp>,
    /// How often the pass may still be used, to hold or to book.
    pub uses_left: i32,
    /// When it was taken.
    #[serde(with = "kernel::time::instant")]
    #[schema(value_type = String, format = DateTime)]
    pub joined_at: Timestamp,
}

impl Versioned for LinePlace {}

impl Place {
    /// Whether it is a pass that counts now.
    pub(crate) fn is_pass(&self, now: Timestamp) -> bool {
        self.status == PlaceStatus::Passed
            && self.uses < PASS_USES_MAX
            && self.pass_until.is_some_and(|until| now < until)
    }

    /// Whether its customer still waits, or may hold seats.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.status == PlaceStatus::Waiting || self.is_pass(now)
    }

    /// As its customer sees it.
    pub(crate) fn shown(&self, line: &ShowLine, now: Timestamp) -> LinePlace {
        let over = self.status == PlaceStatus::Passed && !self.is_pass(now);
        let status = if over { PlaceStatus::Expired } else { self.status };
        let waits = status == PlaceStatus::Waiting;
        let ahead = if waits { (self.place - line.served - 1).max(0) } else { 0 };
        let moves = waits && !line.sold_out;
        LinePlace {
            show_id: line.show_id,
            place: self.place,
            status,
            ahead,
            wait_secs: moves.then(|| ahead / i64::from(line.per_sec.max(1)) + 1),
            pass_until: self.pass_until.filter(|_| status == PlaceStatus::Passed),
            uses_left: if status == PlaceStatus::Passed { PASS_USES_MAX - self.uses } else { 0 },
            joined_at: self.joined_at,
        }
    }
}

impl ShowLine {
    /// A line that nobody has opened yet.
    pub(crate) fn closed(show: ShowId, now: Timestamp) -> Self {
        Self {
            show_id: show,
            open: false,
            pass_secs: 300,
            passes_per_sec: 50,
            per_sec: 10,
            joined: 0,
            served: 0,
            sold_out: false,
            moved_at: now,
            version: 0,
        }
    }

    /// How long a pass counts.
    pub(crate) fn pass_time(&self) -> SignedDuration {
        SignedDuration::from_secs(self.pass_secs.into())
    }

    /// Passes a second from now on: a little more while all goes well, half when writes wait for
    /// locks or were refused a connection. Never none: that is for the seats to say.
    pub(crate) fn pace(&self, lock_waits: i64, refused: bool) -> i32 {
        let next = if lock_waits > LOCK_WAITS_MAX || refused {
            self.per_sec / 2
        } else {
            self.per_sec + FASTER_BY
        };
        next.clamp(1, self.passes_per_sec)
    }
}

/// Get a line
///
/// Whether customers need a pass to hold seats of a show, and how far the line has moved. The
/// event `line_moved` (topic `seats`) says so when it moves.
#[utoipa::path(
    operation_id = "getLine", tag = "booking", params(ShowPath),
    responses((status = 200, body = ShowLine), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/line")]
pub(crate) async fn get_line(
    actor: Actor<can::ReadShows>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<ShowLine>, Rejection> {
    let now = app.clock().now();
    let line = app
        .read(&actor, async |q| {
            let show = crate::store::shows::find_show(q, at.show).await?;
            crate::reads::visible(show, &actor)?;
            let line = lines::find_line(q, at.show).await?;
            Ok::<_, BookingError>(line.unwrap_or_else(|| ShowLine::closed(at.show, now)))
        })
        .await?;
    Ok(web::Json(line))
}

/// Get my place in a line
///
/// One's own place, or the last that one had.
#[utoipa::path(
    operation_id = "getMyPlace", tag = "booking", params(ShowPath), security(("bearer" = [])),
    responses((status = 200, body = LinePlace), ReadRefusals)
)]
#[get("/api/v1/venues/{venue}/shows/{show}/line/me")]
pub(crate) async fn get_my_place(
    actor: Actor<can::HoldSeats>,
    at: Path<ShowPath>,
    app: web::Data<App>,
) -> Result<web::Json<LinePlace>, Rejection> {
    let (user, now) = (actor.user()?, app.clock().now());
    let found = app
        .read(&actor, async |q| {
            let found = lines::find_place(q, at.show, user).await?;
            found.ok_or(BookingError::NoPlace)
        })
        .await?;
    let (line, place) = found;
    Ok(web::Json(place.shown(&line, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn line() -> ShowLine {
        let show = ShowId(uuid::Uuid::from_u128(1));
        ShowLine { open: true, joined: 200, served: 99, ..ShowLine::closed(show, at(0)) }
    }

    #[test]
    fn the_pace_halves_under_load_and_grows_slowly_and_never_stops() {
        let mut line = line();
        assert_eq!(line.pace(0, false), 12);
        assert_eq!(line.pace(LOCK_WAITS_MAX + 1, false), 5);
        assert_eq!(line.pace(0, true), 5);
        line.per_sec = 1;
        assert_eq!(line.pace(1_000, true), 1);
        line.per_sec = 50;
        assert_eq!(line.pace(0, false), 50, "no faster than the house allows");
    }

    #[test]
    fn a_place_knows_who_is_in_front_and_when_its_pass_counts() {
        let waiting = Place {
            place: 120,
            status: PlaceStatus::Waiting,
            joined_at: at(0),
            pass_until: None,
            uses: 0,
        };
        let shown = waiting.shown(&line(), at(1));
        assert_eq!((shown.ahead, shown.wait_secs, shown.uses_left), (20, Some(3), 0));
        assert!(waiting.is_live(at(1)) && !waiting.is_pass(at(1)));
        let (status, pass_until) = (PlaceStatus::Passed, Some(at(60)));
        let pass = Place { status, pass_until, ..waiting };
        assert!(pass.is_pass(at(59)) && !pass.is_pass(at(60)));
        assert_eq!(pass.shown(&line(), at(60)).status, PlaceStatus::Expired);
        let used = Place { uses: PASS_USES_MAX, ..pass };
        assert!(!used.is_pass(at(1)) && !used.is_live(at(1)));
    }
}
