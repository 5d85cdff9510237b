//! Change a table: move it, turn it, rename it, take it out of service.

use actix_web::{patch, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Done, IfMatch, Input, OnceIfGiven, Path, Rejection, WriteRefusals,
    can,
};
use kernel::ids::{SectionId, TableId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out_on_plan;
use crate::create_table::{check_joins, check_section};
use crate::floor::{Floor, Key};
use crate::model::{Table, TableShape, TableStatus};
use crate::move_at_once::move_at_once;
use crate::plan::check_place;
use crate::reads::TablePath;

/// What to change; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeTable {
    /// Unique in the venue.
    #[schema(nullable = false, min_length = 1, max_length = 40)]
    pub name: Option<String>,
    /// Its section.
    #[schema(nullable = false)]
    pub section_id: Option<SectionId>,
    /// Takes it out of its section.
    #[schema(nullable = false)]
    pub no_section: Option<bool>,
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
    /// How it is drawn.
    #[schema(nullable = false)]
    pub shape: Option<TableShape>,
    /// The smallest party that it is given to.
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    pub min_seats: Option<i32>,
    /// How many can sit there.
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    pub max_seats: Option<i32>,
    /// Tables that it can be pushed together with.
    #[schema(nullable = false)]
    pub combinable_with: Option<Vec<TableId>>,
    /// Never reserved.
    #[schema(nullable = false)]
    pub walk_in_only: Option<bool>,
    /// `available`, `reserved`, `dirty` or `out_of_service`; parties make it `occupied`.
    #[schema(nullable = false)]
    pub status: Option<TableStatus>,
    /// The version that was seen; `If-Match` says the same.
    #[schema(nullable = false)]
    pub version: Option<i64>,
}

impl Input for ChangeTable {
    fn check(&self, errors: &mut Errors) {
        if let Some(name) = &self.name {
            errors.text(name, "/name", (1, 40));
        }
        let side = |given: Option<f64>| given.unwrap_or(1.0);
        let at = |given: Option<f64>| given.unwrap_or(0.0);
        let place =
            [at(self.x), at(self.y), side(self.width), side(self.height), at(self.rotation)];
        let most = self.max_seats.unwrap_or(100);
        check_place(place, (self.min_seats.unwrap_or(1), most), "", errors);
        check_joins(self.combinable_with.as_deref(), errors);
        let both = self.section_id.is_some() && self.no_section == Some(true);
        errors.require(!both, "/noSection", "either", "Give sectionId or noSection, not both.");
    }
}

/// Change a table
///
/// Give the version that was seen, in `If-Match` or in the body: when somebody else has moved the
/// table meanwhile, the answer is 412 with the table as it is now.
#[utoipa::path(
    operation_id = "changeTable", tag = "floor", params(TablePath), request_body = ChangeTable,
    security(("bearer" = [])), responses((status = 200, body = Table), WriteRefusals)
)]
#[patch("/api/v1/venues/{venue}/tables/{table}")]
pub(crate) async fn patch_table(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TablePath>,
    cmd: Body<ChangeTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let (table, seen, once) = (at.table, seen.0.or(cmd.version), once.of(&cmd));
    let at_once = move_at_once(&app, &actor, once.as_ref(), (table, seen), &cmd).await?;
    if let Some(answer) = at_once {
        return Ok(answer);
    }
    app.write(&actor, once, async move |tx| {
        let rule = |floor: &mut Floor| change_table(floor, table, seen, &cmd);
        carry_out_on_plan(tx, &[table], cmd.section_id, rule).await.map(Done)
    })
    .await
}

/// The rule.
pub(crate) fn change_table(
    floor: &mut Floor,
    id: TableId,
    seen: Option<i64>,
    cmd: &ChangeTable,
) -> Result<Table, FloorError> {
    let status = floor.table(id)?.status;
    floor.check_seen(Key::Table(id), seen)?;
    check_section(floor, cmd.section_id)?;
    check_status(floor.table(id)?, cmd.status)?;
    let action = action(status, cmd);
    let table = floor.change_table(id, action)?;
    if let Some(name) = &cmd.name {
        name.trim().clone_into(&mut table.name);
    }
    if cmd.no_section == Some(true) {
        table.section_id = None;
    }
    table.section_id = cmd.section_id.or(table.section_id);
    table.x = cmd.x.unwrap_or(table.x);
    table.y = cmd.y.unwrap_or(table.y);
    table.width = cmd.width.unwrap_or(table.width);
    table.height = cmd.height.unwrap_or(table.height);
    table.rotation = cmd.rotation.unwrap_or(table.rotation);
    table.shape = cmd.shape.unwrap_or(table.shape);
    table.max_seats = cmd.max_seats.unwrap_or(table.max_seats);
    table.min_seats = cmd.min_seats.unwrap_or(table.min_seats).min(table.max_seats);
    if let Some(ids) = &cmd.combinable_with {
        table.combinable_with.clone_from(ids);
    }
    table.walk_in_only = cmd.walk_in_only.unwrap_or(table.walk_in_only);
    table.status = cmd.status.unwrap_or(table.status);
    Ok(table.clone())
}

pub(crate) fn action(from: TableStatus, cmd: &ChangeTable) -> &'static str {
    match cmd.status {
        Some(to) if to != from => "status_changed",
        _ if cmd.x.is_some() || cmd.y.is_some() || cmd.rotation.is_some() => "moved",
        _ => "changed",
    }
}

/// As long as a party sits there the table is occupied, and only then.
fn check_status(table: &Table, to: Option<TableStatus>) -> Result<(), FloorError> {
    match to {
        Some(TableStatus::Occupied) if table.guest_id.is_none() => Err(FloorError::OnlyBySeating),
        Some(to) if table.guest_id.is_some() && to != TableStatus::Occupied => {
            Err(FloorError::TableInUse(Box::new(table.clone())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::{at, table};

    #[test]
    fn of_two_hosts_the_one_who_saw_an_old_table_is_told() {
        let mut floor = Floor::new(at("2026-01-01T20:00:00Z"));
        let moved = Table { version: 2, x: 7.0, ..table(1, 4) };
        floor.tables.insert(moved.id, moved.clone());
        let cmd = ChangeTable { x: Some(9.0), ..ChangeTable::default() };
        let late = change_table(&mut floor, moved.id, Some(1), &cmd);
        assert!(matches!(late, Err(FloorError::Stale(Some(now))) if now.get().contains("7.0")));
        let table = change_table(&mut floor, moved.id, Some(2), &cmd).unwrap();
        assert_eq!((table.version, table.status), (3, TableStatus::Available));
    }

    #[test]
    fn only_parties_occupy_tables() {
        let free = table(1, 4);
        assert!(check_status(&free, Some(TableStatus::Occupied)).is_err());
        let taken = Table { guest_id: Some(kernel::ids::GuestId(uuid::Uuid::nil())), ..free };
        assert!(check_status(&taken, Some(TableStatus::Available)).is_err());
        assert!(check_status(&taken, None).is_ok());
    }
}
