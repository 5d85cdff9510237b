//! A floor plan as it is saved, imported and exported: tables and sections by their names.

use std::collections::{BTreeMap, BTreeSet};

use edge::answer::Versioned;
use edge::body::Errors;
use kernel::ids::{LayoutId, LevelId, SectionId, TableId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Level, Section, Table, TableShape};

/// Tables of one floor.
pub const TABLES_MAX: usize = edge::limits::FLOOR_TABLES_MAX;
/// Levels of one house.
pub const LEVELS_MAX: usize = edge::limits::FLOOR_LEVELS_MAX;
/// Sections of one floor.
pub const SECTIONS_MAX: usize = edge::limits::FLOOR_SECTIONS_MAX;
/// How far from the plan's corner a table may be drawn, and how large.
pub(crate) const PLACE_MAX: f64 = 100_000.0;

/// A table of a saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedTable {
    /// Unique in the plan.
    #[schema(min_length = 1, max_length = 40, example = "12")]
    pub name: String,
    /// The name of its section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub section: Option<String>,
    /// Its place, from the left.
    pub x: f64,
    /// Its place, from the top.
    pub y: f64,
    /// How wide it is drawn.
    pub width: f64,
    /// How high it is drawn.
    pub height: f64,
    /// How far it is turned, in degrees.
    #[serde(default)]
    pub rotation: f64,
    /// How it is drawn.
    pub shape: TableShape,
    /// The smallest party that it is given to.
    #[schema(minimum = 1, maximum = 100)]
    pub min_seats: i32,
    /// How many can sit there.
    #[schema(minimum = 1, maximum = 100)]
    pub max_seats: i32,
    /// The names of tables that it can be pushed together with.
    #[serde(default)]
    pub combinable_with: Vec<String>,
    /// Never reserved.
    #[serde(default)]
    pub walk_in_only: bool,
}

/// A section of a saved plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedSection {
    /// Unique in the plan.
    #[schema(min_length = 1, max_length = 60, example = "Terrace")]
    pub name: String,
    /// Who serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub server: Option<String>,
    /// The name of its level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub level: Option<String>,
}

/// A level of a saved plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedLevel {
    /// Unique in the plan.
    #[schema(min_length = 1, max_length = 60, example = "Gallery")]
    pub name: String,
    /// 0 is the ground floor, 1 the one above.
    #[serde(default)]
    pub storey: i32,
}

/// A floor plan: what is exported and imported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FloorPlan {
    /// The levels.
    #[serde(default)]
    pub levels: Vec<PlannedLevel>,
    /// The sections.
    #[serde(default)]
    pub sections: Vec<PlannedSection>,
    /// The tables.
    pub tables: Vec<PlannedTable>,
}

impl Versioned for FloorPlan {}

/// A saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FloorLayout {
    /// Its id.
    pub id: LayoutId,
    /// Unique in the venue.
    #[schema(example = "Summer evening")]
    pub name: String,
    /// Sections and tables.
    pub plan: FloorPlan,
    /// Rises with every change.
    pub version: i64,
}

impl Versioned for FloorLayout {
    fn version(&self) -> Option<i64> {
        Some(self.version)
    }
}

/// The floor after a layout was applied.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedLayout {
    /// All levels.
    pub levels: Vec<Level>,
    /// All sections.
    pub sections: Vec<Section>,
    /// All tables.
    pub tables: Vec<Table>,
}

impl Versioned for AppliedLayout {}

impl FloorPlan {
    /// The floor as it is, by names.
    pub(crate) fn of(
        tables: &BTreeMap<TableId, Table>,
        sections: &BTreeMap<SectionId, Section>,
        levels: &BTreeMap<LevelId, Level>,
    ) -> Self {
        let name = |id: &TableId| tables.get(id).map(|table| table.name.clone());
        let table = |table: &Table| PlannedTable {
            name: table.name.clone(),
            section: table.section_id.and_then(|id| sections.get(&id)).map(|it| it.name.clone()),
            x: table.x,
            y: table.y,
            width: table.width,
            height: table.height,
            rotation: table.rotation,
            shape: table.shape,
            min_seats: table.min_seats,
            max_seats: table.max_seats,
            combinable_with: table.combinable_with.iter().filter_map(name).collect(),
            walk_in_only: table.walk_in_only,
        };
        let section = |section: &Section| PlannedSection {
            name: section.name.clone(),
            server: section.server.clone(),
            level: section.level_id.and_then(|id| levels.get(&id)).map(|it| it.name.clone()),
        };
        let level = |level: &Level| PlannedLevel { name: level.name.clone(), storey: level.storey };
        let mut plan = Self {
            levels: levels.values().map(level).collect(),
            sections: sections.values().map(section).collect(),
            tables: tables.values().map(table).collect(),
        };
        // By name: two exports of the same floor are the same text.
        plan.levels.sort_by(|one, other| one.name.cmp(&other.name));
        plan.sections.sort_by(|one, other| one.name.cmp(&other.name));
        plan.tables.sort_by(|one, other| one.name.cmp(&other.name));
        plan
    }

    /// Gives the names of the levels.
    fn check_levels(&self, errors: &mut Errors) -> BTreeSet<&str> {
        let mut levels = BTreeSet::new();
        for (n, level) in self.levels.iter().enumerate() {
            let at = format!("/plan/levels/{n}");
            check_level(&level.name, level.storey, &at, errors);
            let new = levels.insert(level.name.trim());
            errors.require(new, format!("{at}/name"), "twice", "It stands twice.");
        }
        levels
    }

    pub(crate) fn check(&self, errors: &mut Errors) {
        let few = self.tables.len() <= TABLES_MAX
            && self.sections.len() <= SECTIONS_MAX
            && self.levels.len() <= LEVELS_MAX;
        let detail = format!(
            "At most {TABLES_MAX} tables in {SECTIONS_MAX} sections on {LEVELS_MAX} levels."
        );
        errors.require(few, "/plan", "length", detail);
        let levels = self.check_levels(errors);
        let mut sections = BTreeSet::new();
        for (n, section) in self.sections.iter().enumerate() {
            errors.text(&section.name, &format!("/plan/sections/{n}/name"), (1, 60));
            if let Some(server) = &section.server {
                errors.text(server, &format!("/plan/sections/{n}/server"), (1, 120));
            }
            let new = sections.insert(section.name.trim());
            errors.require(new, format!("/plan/sections/{n}/name"), "twice", "It stands twice.");
            let level = section.level.as_deref().is_none_or(|name| levels.contains(name.trim()));
            let pointer = format!("/plan/sections/{n}/level");
            errors.require(level, pointer, "unknown", "Not among the levels.");
        }
        let mut names = BTreeSet::new();
        let known: BTreeSet<_> = self.tables.iter().map(|table| table.name.as_str()).collect();
        for (n, table) in self.tables.iter().enumerate() {
            let at = format!("/plan/tables/{n}");
            errors.text(&table.name, &format!("{at}/name"), (1, 40));
            let new = names.insert(table.name.trim());
            errors.require(new, format!("{at}/name"), "twice", "It stands twice.");
            let section = table.section.as_deref().is_none_or(|name| sections.contains(name));
            errors.require(section, format!("{at}/section"), "unknown", "Not among the sections.");
            let joins = table.combinable_with.iter().all(|name| known.contains(name.as_str()));
            let pointer = format!("{at}/combinableWith");
            errors.require(joins, pointer, "unknown", "Not among the tables.");
            let place = [table.x, table.y, table.width, table.height, table.rotation];
            check_place(place, (table.min_seats, table.max_seats), &at, errors);
        }
    }
}

/// The rules of a level.
pub(crate) fn check_level(name: &str, storey: i32, at: &str, errors: &mut Errors) {
    errors.text(name, &format!("{at}/name"), (1, 60));
    let good = (-20..=200).contains(&storey);
    errors.require(good, format!("{at}/storey"), "range", "From -20 to 200.");
}

/// The rules of a table's place (x, y, width, height, rotation) and size.
pub(crate) fn check_place(place: [f64; 5], seats: (i32, i32), at: &str, errors: &mut Errors) {
    let [_, _, width, height, _] = place;
    let good = place.iter().all(|number| number.abs() <= PLACE_MAX) && width > 0.0 && height > 0.0;
    errors.require(good, format!("{at}/x"), "range", "Within 100000 of the corner, and not empty.");
    let good = 1 <= seats.0 && seats.0 <= seats.1 && seats.1 <= 100;
    errors.require(good, format!("{at}/maxSeats"), "range", "1 to 100 seats, minSeats the fewer.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::table;

    #[test]
    fn a_plan_that_was_exported_can_be_imported() {
        let mut one = table(1, 4);
        one.combinable_with = vec![TableId(uuid::Uuid::from_u128(2))];
        let tables = [one, table(2, 2)].map(|table| (table.id, table)).into();
        let plan = FloorPlan::of(&tables, &BTreeMap::new(), &BTreeMap::new());
        let text = serde_json::to_string(&plan).unwrap();
        let read: FloorPlan = serde_json::from_str(&text).unwrap();
        assert_eq!(read, plan);
        let mut errors = Errors::default();
        read.check(&mut errors);
        assert!(errors.is_empty());
        assert_eq!(read.tables[0].combinable_with, ["2"]);
    }

    #[test]
    fn a_plan_with_two_tables_of_one_name_is_refused() {
        let tables = [(table(1, 4).id, table(1, 4))].into();
        let mut plan = FloorPlan::of(&tables, &BTreeMap::new(), &BTreeMap::new());
        plan.tables.push(plan.tables[0].clone());
        let mut errors = Errors::default();
        plan.check(&mut errors);
        assert_eq!(errors.iter().next().unwrap().code, "twice");
    }
}
