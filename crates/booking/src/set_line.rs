//! Open and close the line in front of a show.

use actix_web::{put, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::ShowId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::line::{PlaceStatus, ShowLine};
use crate::reads::ShowPath;
use crate::store::{lines, shows};
use crate::{BookingError, event};

/// How the line in front of a show is to be; what is absent stays.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetLine {
    /// Whether customers need a pass to hold seats.
    pub open: bool,
    /// How long a pass counts, in seconds; 300 unless given.
    #[schema(nullable = false, minimum = 30, maximum = 1800)]
    pub pass_secs: Option<i32>,
    /// Passes a second, at most; 50 unless given. Fewer are given while the server is busy.
    #[schema(nullable = false, minimum = 1, maximum = 500)]
    pub passes_per_sec: Option<i32>,
}

impl Input for SetLine {
    fn check(&self, errors: &mut Errors) {
        let secs = self.pass_secs.is_none_or(|secs| (30..=1800).contains(&secs));
        errors.require(secs, "/passSecs", "range", "A pass counts for 30 to 1800 seconds.");
        let rate = self.passes_per_sec.is_none_or(|rate| (1..=500).contains(&rate));
        errors.require(rate, "/passesPerSec", "range", "Give 1 to 500 passes a second.");
    }
}

/// Open or close a line
///
/// While the line is open, customers need a pass to hold or book seats of the show: they join the
/// line and get their passes in the order of arrival, no more than there are free seats. Closing it
/// ends all places in it; nobody needs a pass then. Staff never need one.
#[utoipa::path(
    operation_id = "setLine", tag = "booking", params(ShowPath), request_body = SetLine,
    security(("bearer" = [])), responses((status = 200, body = ShowLine), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/shows/{show}/line")]
pub(crate) async fn put_line(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    at: Path<ShowPath>,
    cmd: Body<SetLine>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let show = at.show;
    app.write(&actor, once.of(&cmd), async move |tx| set_line(tx, show, &cmd).await.map(Done)).await
}

async fn set_line(tx: &mut Tx, id: ShowId, cmd: &SetLine) -> Result<ShowLine, BookingError> {
    // The show first: two who make its line at once meet there.
    let show = shows::lock_show(tx, id).await?.ok_or(BookingError::NoSuchShow)?;
    let found = lines::lock_line(tx, id).await?;
    let now = tx.now();
    let mut line = found.unwrap_or_else(|| ShowLine::closed(show.id, now));
    line.pass_secs = cmd.pass_secs.unwrap_or(line.pass_secs);
    line.passes_per_sec = cmd.passes_per_sec.unwrap_or(line.passes_per_sec);
    line.per_sec = line.per_sec.min(line.passes_per_sec);
    line.sold_out = line.sold_out && cmd.open;
    let action = match (line.open, cmd.open) {
        (false, true) => "opened",
        (true, false) => "closed",
        _ => "changed",
    };
    if !cmd.open {
        lines::end_places(tx, id, &[PlaceStatus::Waiting, PlaceStatus::Passed])?;
        line.served = line.joined;
    }
    line.open = cmd.open;
    line.version += 1;
    lines::save_line(tx, &line)?;
    tx.audit(
        "line_set",
        ("show", id.0),
        &serde_json::json!({ "open": line.open, "passesPerSec": line.passes_per_sec }),
    )?;
    tx.emit(event::line_moved(action, &line)?);
    Ok(line)
}
