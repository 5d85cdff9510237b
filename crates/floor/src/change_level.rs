//! Change a level: its name, and which storey it is.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::LevelId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Floor, Key, Touched};
use crate::model::Level;
use crate::plan::check_level;
use crate::reads::LevelPath;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeLevel {
    /// Unique in the venue.
    #[schema(nullable = false, min_length = 1, max_length = 60)]
    pub name: Option<String>,
    /// 0 is the ground floor, 1 the one above.
    #[schema(nullable = false, minimum = -20, maximum = 200)]
    pub storey: Option<i32>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeLevel {
    fn check(&self, errors: &mut Errors) {
        let name = self.name.as_deref().unwrap_or("unchanged");
        check_level(name, self.storey.unwrap_or(0), "", errors);
    }
}

/// Change a level
///
/// Give the version that was seen, in `If-Match` or in the body: a stale one is 412 with the
/// present state.
#[utoipa::path(
    operation_id = "changeLevel", tag = "floor", params(LevelPath), request_body = ChangeLevel,
    security(("bearer" = [])), responses((status = 200, body = Level), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/levels/{level}")]
pub(crate) async fn patch_level(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<LevelPath>,
    cmd: Body<ChangeLevel>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let level = at.level;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (Touched::default().and_levels(true), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| change_level(floor, level, seen, &cmd)).await.map(Done)
    })
    .await
}

/// The rule.
pub(crate) fn change_level(
    floor: &mut Floor,
    id: LevelId,
    seen: Option<i64>,
    cmd: &ChangeLevel,
) -> Result<Level, FloorError> {
    floor.check_level(Some(id))?;
    floor.check_seen(Key::Level(id), seen)?;
    let level = floor.change_level(id, "changed")?;
    if let Some(name) = &cmd.name {
        name.trim().clone_into(&mut level.name);
    }
    level.storey = cmd.storey.unwrap_or(level.storey);
    Ok(level.clone())
}
