//! Take a level away. Its sections stay, on no level.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::LevelId;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::reads::LevelPath;

/// Delete a level
///
/// Its sections and their tables stay, on no level.
#[utoipa::path(
    operation_id = "deleteLevel", tag = "floor", params(LevelPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/levels/{level}")]
pub(crate) async fn delete_level(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<LevelPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let level = at.level;
    app.write(&actor, once.alone(), async move |tx| {
        let touched = touched_by_deleting();
        carry_out(tx, &touched, |floor| remove_level(floor, level, seen.0)).await.map(|()| Gone)
    })
    .await
}

/// Its sections are changed with it. Whoever puts a section on a level locks the levels first, and
/// those that are there already are looked at behind that lock.
pub(crate) fn touched_by_deleting() -> Touched {
    Touched::default().and_levels(true)
}

/// The rule.
pub(crate) fn remove_level(
    floor: &mut Floor,
    id: LevelId,
    seen: Option<i64>,
) -> Result<(), FloorError> {
    floor.check_level(Some(id))?;
    floor.check_seen(Key::Level(id), seen)?;
    let own = floor.sections.values().filter(|section| section.level_id == Some(id));
    for section in own.map(|section| section.id).collect::<Vec<_>>() {
        floor.change_section(section, "changed")?.level_id = None;
    }
    floor.tell(Key::Level(id), Fate::Deleted, "deleted");
    Ok(())
}
