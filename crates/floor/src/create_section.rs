//! Make a section.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{LevelId, SectionId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::model::Section;
use crate::reads::VenuePath;

/// What a section is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSection {
    /// Unique in the venue.
    #[schema(min_length = 1, max_length = 60, example = "Terrace")]
    pub name: String,
    /// Who serves it.
    #[schema(nullable = false, max_length = 120, example = "Sam")]
    pub server: Option<String>,
    /// The level that it is on.
    #[schema(nullable = false)]
    pub level_id: Option<LevelId>,
}

impl Input for CreateSection {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 60));
        if let Some(server) = &self.server {
            errors.text(server, "/server", (1, 120));
        }
    }
}

/// Create a section
///
/// Tables are put into it afterwards.
#[utoipa::path(
    operation_id = "createSection", tag = "floor", params(VenuePath), request_body = CreateSection,
    security(("bearer" = [])), responses((status = 201, body = Section), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/sections")]
pub(crate) async fn post_section(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateSection>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let touched = touched(&cmd);
        carry_out(tx, &touched, |floor| create_section(floor, &cmd)).await.map(Created)
    })
    .await
}

pub(crate) fn touched(cmd: &CreateSection) -> Touched {
    Touched::default().and_levels(cmd.level_id.is_some())
}

/// The rule.
pub(crate) fn create_section(
    floor: &mut Floor,
    cmd: &CreateSection,
) -> Result<Section, FloorError> {
    floor.check_level(cmd.level_id)?;
    let section = Section {
        id: SectionId::fresh(floor.now),
        name: cmd.name.trim().to_owned(),
        server: cmd.server.clone(),
        level_id: cmd.level_id,
        version: 1,
    };
    floor.tell(Key::Section(section.id), Fate::Created, "created");
    floor.sections.insert(section.id, section.clone());
    Ok(section)
}
