//! Change a section: its name, and who serves it.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{LevelId, SectionId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Floor, Key, Touched};
use crate::model::Section;
use crate::reads::SectionPath;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeSection {
    /// Unique in the venue.
    #[schema(nullable = false, min_length = 1, max_length = 60)]
    pub name: Option<String>,
    /// Who serves it; an empty text takes the server away.
    #[schema(nullable = false, max_length = 120)]
    pub server: Option<String>,
    /// Another level.
    #[schema(nullable = false)]
    pub level_id: Option<LevelId>,
    /// Takes it from its level.
    #[schema(nullable = false)]
    pub no_level: Option<bool>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeSection {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 60));
        }
        if let Some(server) = &self.server {
            errors.text(server, "/server", (0, 120));
        }
        let both = self.level_id.is_some() && self.no_level == Some(true);
        errors.require(!both, "/noLevel", "either", "Give levelId or noLevel, not both.");
    }
}

/// Change a section
///
/// Give the version that was seen, in `If-Match` or in the body: a stale one is 412 with the
/// present state.
#[utoipa::path(
    operation_id = "changeSection", tag = "floor", params(SectionPath),
    request_body = ChangeSection, security(("bearer" = [])),
    responses((status = 200, body = Section), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/sections/{section}")]
pub(crate) async fn patch_section(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<SectionPath>,
    cmd: Body<ChangeSection>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let section = at.section;
    app.write(&actor, once.of(&cmd), async move |tx| {
        let (touched, seen) = (touched(section, &cmd), seen.0.or(cmd.version));
        carry_out(tx, &touched, |floor| change_section(floor, section, seen, &cmd)).await.map(Done)
    })
    .await
}

pub(crate) fn touched(id: SectionId, cmd: &ChangeSection) -> Touched {
    Touched::section(id).and_levels(cmd.level_id.is_some())
}

/// The rule.
pub(crate) fn change_section(
    floor: &mut Floor,
    id: SectionId,
    seen: Option<i64>,
    cmd: &ChangeSection,
) -> Result<Section, FloorError> {
    floor.check_seen(Key::Section(id), seen)?;
    floor.check_level(cmd.level_id)?;
    let section = floor.change_section(id, "changed")?;
    if let Some(name) = &cmd.name {
        name.trim().clone_into(&mut section.name);
    }
    if let Some(server) = &cmd.server {
        section.server = Some(server.trim().to_owned()).filter(|server| !server.is_empty());
    }
    if cmd.no_level == Some(true) {
        section.level_id = None;
    }
    section.level_id = cmd.level_id.or(section.level_id);
    Ok(section.clone())
}
