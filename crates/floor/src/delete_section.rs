//! Take a section away. Its tables stay, without a section.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use kernel::ids::SectionId;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::error::Kind;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::reads::SectionPath;

/// Delete a section
///
/// Its tables stay, without a section.
#[utoipa::path(
    operation_id = "deleteSection", tag = "floor", params(SectionPath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/sections/{section}")]
pub(crate) async fn delete_section(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<SectionPath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let section = at.section;
    app.write(&actor, once.alone(), async move |tx| {
        let touched = touched_by_deleting(section);
        carry_out(tx, &touched, |floor| remove_section(floor, section, seen.0)).await.map(|()| Gone)
    })
    .await
}

/// All tables: those of the section are changed with it.
pub(crate) fn touched_by_deleting(id: SectionId) -> Touched {
    Touched::section(id).and_tables(None)
}

/// The rule.
pub(crate) fn remove_section(
    floor: &mut Floor,
    id: SectionId,
    seen: Option<i64>,
) -> Result<(), FloorError> {
    if !floor.sections.contains_key(&id) {
        return Err(FloorError::Absent(Kind::Section));
    }
    floor.check_seen(Key::Section(id), seen)?;
    let own = floor.tables.values().filter(|table| table.section_id == Some(id));
    for table in own.map(|table| table.id).collect::<Vec<_>>() {
        floor.change_table(table, "changed")?.section_id = None;
    }
    floor.tell(Key::Section(id), Fate::Deleted, "deleted");
    Ok(())
}
