//! Make the floor what a plan says: today's layout from a saved one, or an imported plan.

use std::collections::BTreeMap;

use actix_web::{put, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{LayoutId, LevelId, SectionId, TableId};
use pg::Tx;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::create_level::{CreateLevel, create_level};
use crate::create_section::{CreateSection, create_section};
use crate::create_table::{CreateTable, create_table};
use crate::delete_level::remove_level;
use crate::delete_table::{remove_table, touched_by_deleting};
use crate::error::Kind;
use crate::floor::{Fate, Floor, Key};
use crate::model::Table;
use crate::plan::{AppliedLayout, FloorPlan, PlannedTable};
use crate::reads::VenuePath;
use crate::store::{floor, layouts};
use crate::{FloorError, event};

/// A plan of one's own, or a saved one.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyLayout {
    /// The plan.
    #[schema(nullable = false)]
    pub plan: Option<FloorPlan>,
    /// A saved layout of this venue.
    #[schema(nullable = false)]
    pub layout: Option<LayoutId>,
}

impl Input for ApplyLayout {
    fn check(&self, errors: &mut Errors) {
        let one = self.plan.is_some() != self.layout.is_some();
        errors.require(one, "/plan", "either", "Give plan or layout, one of them.");
        if let Some(plan) = &self.plan {
            plan.check(errors);
        }
    }
}

/// Apply a floor layout
///
/// Tables keep their ids, parties and reservations by their names. Those that the plan does not
/// name go, unless somebody sits there or has reserved them: then nothing is changed, 409.
#[utoipa::path(
    operation_id = "applyFloorLayout", tag = "floor", params(VenuePath),
    request_body = ApplyLayout, security(("bearer" = [])),
    responses((status = 200, body = AppliedLayout), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/floor/layout")]
pub(crate) async fn put_layout(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<ApplyLayout>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| apply_layout(tx, &cmd).await.map(Done)).await
}

/// The rule. Told as one event with the whole floor, not table by table.
///
/// # Errors
/// `Absent`, `TableInUse`.
pub async fn apply_layout(tx: &mut Tx, cmd: &ApplyLayout) -> Result<AppliedLayout, FloorError> {
    let plan = match (&cmd.plan, cmd.layout) {
        (Some(plan), _) => plan.clone(),
        (None, Some(id)) => {
            layouts::find_layout(tx, id).await?.ok_or(FloorError::Absent(Kind::Layout))?.plan
        }
        (None, None) => return Err(FloorError::Absent(Kind::Layout)),
    };
    let touched =
        touched_by_deleting(tx, TableId(uuid::Uuid::nil())).and_tables(None).and_levels(true);
    let mut found = floor::lock_floor(tx, &touched).await?;
    arrange(&mut found, &plan)?;
    floor::save(tx, &found)?;
    let gone = |key| found.is_gone(key);
    let applied = AppliedLayout {
        levels: found.levels.values().filter(|it| !gone(Key::Level(it.id))).cloned().collect(),
        sections: found
            .sections
            .values()
            .filter(|it| !gone(Key::Section(it.id)))
            .cloned()
            .collect(),
        tables: found.tables.values().filter(|it| !gone(Key::Table(it.id))).cloned().collect(),
    };
    tx.emit(event::layout(tx.venue()?, &applied)?);
    Ok(applied)
}

/// Makes the floor what the plan says.
fn arrange(floor: &mut Floor, plan: &FloorPlan) -> Result<(), FloorError> {
    let known = |floor: &Floor| -> BTreeMap<String, TableId> {
        floor.tables.values().map(|table| (table.name.clone(), table.id)).collect()
    };
    let before = known(floor);
    let left: Vec<TableId> = before
        .iter()
        .filter(|(name, _)| !plan.tables.iter().any(|table| table.name.trim() == **name))
        .map(|(_, id)| *id)
        .collect();
    for table in left {
        remove_table(floor, table, None)?;
    }
    let levels = arrange_levels(floor, plan)?;
    let sections = arrange_sections(floor, plan, &levels)?;
    for planned in &plan.tables {
        let section = planned.section.as_ref().and_then(|name| sections.get(name.trim())).copied();
        if let Some(id) = before.get(planned.name.trim()) {
            place(floor.change_table(*id, "moved")?, planned, section);
        } else {
            let id = create_table(floor, &new_table(planned))?.id;
            place(floor.change_table(id, "created")?, planned, section);
        }
    }
    let names = known(floor);
    for planned in &plan.tables {
        let Some(id) = names.get(planned.name.trim()) else { continue };
        let joins = planned.combinable_with.iter().filter_map(|name| names.get(name.trim()));
        floor.change_table(*id, "moved")?.combinable_with = joins.copied().collect();
    }
    Ok(())
}

fn arrange_levels(
    floor: &mut Floor,
    plan: &FloorPlan,
) -> Result<BTreeMap<String, LevelId>, FloorError> {
    let mut known: BTreeMap<String, LevelId> =
        floor.levels.values().map(|level| (level.name.clone(), level.id)).collect();
    let kept = |name: &str| plan.levels.iter().any(|level| level.name.trim() == name);
    for (_, id) in known.iter().filter(|(name, _)| !kept(name)) {
        remove_level(floor, *id, None)?;
    }
    for planned in &plan.levels {
        let name = planned.name.trim().to_owned();
        if let Some(id) = known.get(&name) {
            floor.change_level(*id, "changed")?.storey = planned.storey;
        } else {
            let new = CreateLevel { name: name.clone(), storey: Some(planned.storey) };
            known.insert(name, create_level(floor, &new).id);
        }
    }
    Ok(known)
}

fn arrange_sections(
    floor: &mut Floor,
    plan: &FloorPlan,
    levels: &BTreeMap<String, LevelId>,
) -> Result<BTreeMap<String, SectionId>, FloorError> {
    let mut known: BTreeMap<String, SectionId> =
        floor.sections.values().map(|section| (section.name.clone(), section.id)).collect();
    let left = known.iter().filter(|(name, _)| {
        !plan.sections.iter().any(|section| section.name.trim() == name.as_str())
    });
    for (_, id) in left {
        floor.tell(Key::Section(*id), Fate::Deleted, "deleted");
    }
    for planned in &plan.sections {
        let name = planned.name.trim().to_owned();
        let level = planned.level.as_ref().and_then(|level| levels.get(level.trim())).copied();
        if let Some(id) = known.get(&name) {
            let section = floor.change_section(*id, "changed")?;
            section.server = planned.server.clone().or(section.server.take());
            section.level_id = level;
        } else {
            let server = planned.server.clone();
            let new = CreateSection { name: name.clone(), server, level_id: level };
            known.insert(name, create_section(floor, &new)?.id);
        }
    }
    Ok(known)
}

fn new_table(planned: &PlannedTable) -> CreateTable {
    CreateTable {
        name: planned.name.clone(),
        section_id: None,
        x: planned.x,
        y: planned.y,
        width: None,
        height: None,
        rotation: None,
        shape: None,
        min_seats: None,
        max_seats: planned.max_seats,
        combinable_with: None,
        walk_in_only: None,
    }
}

fn place(table: &mut Table, planned: &PlannedTable, section: Option<SectionId>) {
    table.section_id = section;
    (table.x, table.y) = (planned.x, planned.y);
    (table.width, table.height) = (planned.width, planned.height);
    (table.rotation, table.shape) = (planned.rotation, planned.shape);
    (table.min_seats, table.max_seats) = (planned.min_seats, planned.max_seats);
    table.walk_in_only = planned.walk_in_only;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, table};

    #[test]
    fn tables_keep_their_ids_by_their_names_and_those_in_use_stay() {
        let mut floor = Floor::new(at("2026-01-01T20:00:00Z"));
        for table in [table(1, 4), table(2, 2)] {
            floor.tables.insert(table.id, table);
        }
        let mut plan = FloorPlan::of(&floor.tables, &floor.sections, &floor.levels);
        plan.tables.retain(|table| table.name == "1");
        plan.tables[0].x = 33.0;
        plan.tables.push(PlannedTable { name: "9".into(), ..plan.tables[0].clone() });
        let mut used = floor.clone();
        arrange(&mut floor, &plan).unwrap();
        let one = floor.table(table(1, 4).id).unwrap();
        assert!((one.x - 33.0).abs() < f64::EPSILON && one.version == 2);
        assert!(floor.is_gone(Key::Table(table(2, 2).id)));
        assert_eq!(floor.tables.len(), 3);
        used.tables.get_mut(&table(2, 2).id).unwrap().guest_id =
            Some(kernel::ids::GuestId(uuid::Uuid::nil()));
        assert!(matches!(arrange(&mut used, &plan), Err(FloorError::TableInUse(_))));
    }
}
