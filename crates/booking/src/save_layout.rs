//! Keep a layout under a name, for the shows to come.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::LayoutId;
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::BookingError;
use crate::model::Layout;
use crate::plan::Plan;
use crate::reads::VenuePath;
use crate::store::shows;

/// A layout and its name.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveLayout {
    /// Unique in the venue.
    #[schema(min_length = 1, max_length = 120, example = "Gala, 25 tables of 10")]
    pub name: String,
    /// Categories and blocks.
    pub plan: Plan,
}

impl Input for SaveLayout {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 120));
        self.plan.check("/plan", errors);
    }
}

/// Save a layout
///
/// Shows are laid out from it with `PUT …/shows/{show}/layout`.
#[utoipa::path(
    operation_id = "saveLayout", tag = "booking", params(VenuePath), request_body = SaveLayout,
    security(("bearer" = [])), responses((status = 201, body = Layout), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/layouts")]
pub(crate) async fn post_layout(
    actor: Actor<can::ManageShows>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<SaveLayout>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| save_layout(tx, &cmd).await.map(Created)).await
}

async fn save_layout(tx: &mut Tx, cmd: &SaveLayout) -> Result<Layout, BookingError> {
    let now = tx.now();
    let name = cmd.name.trim().to_owned();
    let layout = Layout { id: LayoutId::fresh(now), name, plan: cmd.plan.clone(), version: 1 };
    shows::insert_layout(tx, &layout, now)?;
    Ok(layout)
}
