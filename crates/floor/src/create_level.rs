//! Make a level: a floor of the house.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::LevelId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::carry_out::carry_out;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::model::Level;
use crate::plan::check_level;
use crate::reads::VenuePath;

/// What a level is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateLevel {
    /// Unique in the venue.
    #[schema(min_length = 1, max_length = 60, example = "Gallery")]
    pub name: String,
    /// 0 is the ground floor, 1 the one above; 0 unless given.
    #[schema(nullable = false, minimum = -20, maximum = 200)]
    pub storey: Option<i32>,
}

impl Input for CreateLevel {
    fn check(&self, errors: &mut Errors) {
        check_level(&self.name, self.storey.unwrap_or(0), "", errors);
    }
}

/// Create a level
///
/// A floor of the house. Sections are put on it afterwards, and their tables with them.
#[utoipa::path(
    operation_id = "createLevel", tag = "floor", params(VenuePath), request_body = CreateLevel,
    security(("bearer" = [])), responses((status = 201, body = Level), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/levels")]
pub(crate) async fn post_level(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateLevel>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = Touched::default().and_levels(true);
        carry_out(tx, &touched, |floor| Ok(create_level(floor, &cmd))).await.map(Created)
    })
    .await
}

/// The rule.
pub(crate) fn create_level(floor: &mut Floor, cmd: &CreateLevel) -> Level {
    let level = Level {
        id: LevelId::fresh(floor.now),
        name: cmd.name.trim().to_owned(),
        storey: cmd.storey.unwrap_or(0),
        version: 1,
    };
    floor.tell(Key::Level(level.id), Fate::Created, "created");
    floor.levels.insert(level.id, level.clone());
    level
}
