//! Save many tables at once: a plan that was dragged about.

use std::collections::BTreeSet;

use actix_web::{put, web};
use edge::answer::Versioned;
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::TableId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out_on_plan;
use crate::change_table::{ChangeTable, change_table};
use crate::floor::Floor;
use crate::model::Table;
use crate::plan::TABLES_MAX;
use crate::reads::VenuePath;

/// One of many tables.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveTable {
    /// Which.
    pub id: TableId,
    /// The version that was seen.
    pub version: i64,
    /// Its place on the plan, from the left.
    #[schema(nullable = false)]
    pub x: Option<f64>,
    /// Its place on the plan, from the top.
    #[schema(nullable = false)]
    pub y: Option<f64>,
    /// How wide it is drawn.
    #[schema(nullable = false)]
    pub width: Option<f64>,
    /// How high it is drawn.
    #[schema(nullable = false)]
    pub height: Option<f64>,
    /// How far it is turned, in degrees.
    #[schema(nullable = false)]
    pub rotation: Option<f64>,
}

/// Many tables, a version each.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaveTables {
    /// The tables, each once.
    #[schema(min_items = 1, max_items = 500)]
    pub tables: Vec<SaveTable>,
    /// Save none when one of them was changed meanwhile; otherwise the others are saved.
    #[schema(nullable = false)]
    pub all_or_nothing: Option<bool>,
}

impl Input for SaveTables {
    fn check(&self, errors: &mut Errors) {
        let fits = (1..=TABLES_MAX).contains(&self.tables.len());
        errors.require(fits, "/tables", "length", format!("Give 1 to {TABLES_MAX} tables."));
        let mut seen = BTreeSet::new();
        for (n, table) in self.tables.iter().enumerate() {
            let new = seen.insert(table.id);
            errors.require(new, format!("/tables/{n}/id"), "twice", "It stands twice.");
            let mut own = Errors::default();
            change(table).check(&mut own);
            for error in own.iter() {
                let pointer = format!("/tables/{n}{}", error.pointer);
                errors.require(false, pointer, error.code, error.detail.clone());
            }
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedTables {
    /// Saved, with their new versions.
    pub saved: Vec<Table>,
    /// Changed by somebody else meanwhile, and not saved: as they are now.
    pub stale: Vec<Table>,
}

impl Versioned for SavedTables {}

fn change(table: &SaveTable) -> ChangeTable {
    let SaveTable { x, y, width, height, rotation, .. } = *table;
    ChangeTable { x, y, width, height, rotation, ..ChangeTable::default() }
}

/// Save many tables
///
/// Each with the version that was seen. Those that somebody else has changed meanwhile come back in
/// `stale` as they are now; with `allOrNothing`, or when all are stale, nothing is saved: 412.
#[utoipa::path(
    operation_id = "saveTables", tag = "floor", params(VenuePath), request_body = SaveTables,
    security(("bearer" = [])), responses((status = 200, body = SavedTables), WriteRefusals)
)]
#[put("/api/v1/venues/{venue}/tables")]
pub(crate) async fn put_tables(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<SaveTables>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let tables: Vec<_> = cmd.tables.iter().map(|table| table.id).collect();
        let rule = |floor: &mut Floor| save_tables(floor, &cmd);
        carry_out_on_plan(tx, &tables, None, rule).await.map(Done)
    })
    .await
}

/// The rule.
pub(crate) fn save_tables(floor: &mut Floor, cmd: &SaveTables) -> Result<SavedTables, FloorError> {
    let (mut saved, mut stale) = (Vec::new(), Vec::new());
    for table in &cmd.tables {
        match change_table(floor, table.id, Some(table.version), &change(table)) {
            Ok(table) => saved.push(table),
            Err(FloorError::Stale(_)) => stale.push(floor.table(table.id)?.clone()),
            Err(error) => return Err(error),
        }
    }
    let all = cmd.all_or_nothing == Some(true);
    if !stale.is_empty() && (all || saved.is_empty()) {
        return Err(FloorError::StaleTables(stale));
    }
    Ok(SavedTables { saved, stale })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, table};

    fn save(floor: &mut Floor, all_or_nothing: bool) -> Result<SavedTables, FloorError> {
        let of = |id: u128, version| SaveTable {
            id: TableId(uuid::Uuid::from_u128(id)),
            version,
            x: Some(5.0),
            y: None,
            width: None,
            height: None,
            rotation: None,
        };
        let all_or_nothing = Some(all_or_nothing);
        save_tables(floor, &SaveTables { tables: vec![of(1, 1), of(2, 1)], all_or_nothing })
    }

    #[test]
    fn tables_that_moved_meanwhile_come_back_and_the_others_are_saved_unless_all_or_none() {
        let floor = || {
            let mut floor = Floor::new(at("2026-01-01T20:00:00Z"));
            for table in [table(1, 4), Table { version: 2, ..table(2, 4) }] {
                floor.tables.insert(table.id, table);
            }
            floor
        };
        let done = save(&mut floor(), false).unwrap();
        assert_eq!((done.saved.len(), done.stale.len(), done.saved[0].version), (1, 1, 2));
        let refused = save(&mut floor(), true);
        assert!(matches!(refused, Err(FloorError::StaleTables(tables)) if tables.len() == 1));
    }
}
