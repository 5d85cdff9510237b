//! Save a floor plan by a name, and forget it.

use actix_web::{delete, post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Gone, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::LayoutId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::error::Kind;
use crate::floor::Touched;
use crate::plan::{FloorLayout, FloorPlan};
use crate::reads::{LayoutPath, VenuePath};
use crate::store::{floor, layouts};

/// A plan of one's own, or the floor as it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveFloorLayout {
    /// Unique in the venue.
    #[schema(min_length = 1, max_length = 120, example = "Summer evening")]
    pub name: String,
    /// The plan; the floor as it is, unless given.
    #[schema(nullable = false)]
    pub plan: Option<FloorPlan>,
}

impl Input for SaveFloorLayout {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        if let Some(plan) = &self.plan {
            plan.check(errors);
        }
    }
}

/// Save a floor layout
///
/// The floor as it is, or a plan that was made or exported elsewhere.
#[utoipa::path(
    operation_id = "saveFloorLayout", tag = "floor", params(VenuePath),
    request_body = SaveFloorLayout, security(("bearer" = [])),
    responses((status = 201, body = FloorLayout), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/floor/layouts")]
pub(crate) async fn post_layout(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<SaveFloorLayout>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| save_layout(tx, &cmd).await.map(Created)).await
}

/// The rule.
///
/// # Errors
/// `NameTaken`.
pub async fn save_layout(tx: &mut Tx, cmd: &SaveFloorLayout) -> Result<FloorLayout, FloorError> {
    let plan = if let Some(plan) = &cmd.plan {
        plan.clone()
    } else {
        let all = Touched::default().and_tables(None).and_levels(true);
        let found = floor::lock_floor(tx, &all).await?;
        FloorPlan::of(&found.tables, &found.sections, &found.levels)
    };
    let now = tx.now();
    let name = cmd.name.trim().to_owned();
    let layout = FloorLayout { id: LayoutId::fresh(now), name, plan, version: 1 };
    layouts::insert_layout(tx, &layout, now)?;
    Ok(layout)
}

/// Delete a floor layout
///
/// The floor stays as it is.
#[utoipa::path(
    operation_id = "deleteFloorLayout", tag = "floor", params(LayoutPath),
    security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/floor/layouts/{layout}")]
pub(crate) async fn delete_layout(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    at: Path<LayoutPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let layout = at.layout;
    app.write(&actor, once.alone(), async move |tx| {
        layouts::find_layout(tx, layout).await?.ok_or(FloorError::Absent(Kind::Layout))?;
        layouts::delete_layout(tx, layout)?;
        Ok::<_, FloorError>(Gone)
    })
    .await
}
