//! Put a new table on the floor.

use actix_web::{post, web};
use edge::body::Errors;
use edge::{
    Actor, Answer, App, Body, Created, Input, OnceIfGiven, Path, Rejection, WriteRefusals, can,
};
use kernel::ids::{SectionId, TableId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::FloorError;
use crate::carry_out::carry_out_on_plan;
use crate::error::Kind;
use crate::floor::{Fate, Floor, Key};
use crate::model::{Table, TableShape, TableStatus};
use crate::plan::check_place;
use crate::reads::VenuePath;

/// What a table is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTable {
    /// Unique in the venue.
    #[schema(min_length = 1, max_length = 40, example = "12")]
    pub name: String,
    /// Its section.
    #[schema(nullable = false)]
    pub section_id: Option<SectionId>,
    /// Its place on the plan, from the left.
    pub x: f64,
    /// Its place on the plan, from the top.
    pub y: f64,
    /// How wide it is drawn; 80 unless given.
    #[schema(nullable = false)]
    pub width: Option<f64>,
    /// How high it is drawn; 80 unless given.
    #[schema(nullable = false)]
    pub height: Option<f64>,
    /// How far it is turned, in degrees.
    #[schema(nullable = false)]
    pub rotation: Option<f64>,
    /// How it is drawn; a rectangle unless given.
    #[schema(nullable = false)]
    pub shape: Option<TableShape>,
    /// The smallest party that it is given to; 1 unless given.
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    pub min_seats: Option<i32>,
    /// How many can sit there.
    #[schema(minimum = 1, maximum = 100)]
    pub max_seats: i32,
    /// Tables that it can be pushed together with.
    #[schema(nullable = false)]
    pub combinable_with: Option<Vec<TableId>>,
    /// Never reserved.
    #[schema(nullable = false)]
    pub walk_in_only: Option<bool>,
}

const SIDE: f64 = 80.0;

impl Input for CreateTable {
    fn check(&self, errors: &mut Errors) {
        errors.text(&self.name, "/name", (1, 40));
        let side = |given: Option<f64>| given.unwrap_or(SIDE);
        let place =
            [self.x, self.y, side(self.width), side(self.height), self.rotation.unwrap_or(0.0)];
        check_place(place, (self.min_seats.unwrap_or(1), self.max_seats), "", errors);
        check_joins(self.combinable_with.as_deref(), errors);
    }
}

/// A table is pushed together with few others.
pub(crate) fn check_joins(ids: Option<&[TableId]>, errors: &mut Errors) {
    let few = ids.is_none_or(|ids| ids.len() <= 20);
    errors.require(few, "/combinableWith", "length", "At most 20 tables.");
}

/// Create a table
///
/// It is available at once.
#[utoipa::path(
    operation_id = "createTable", tag = "floor", params(VenuePath), request_body = CreateTable,
    security(("bearer" = [])), responses((status = 201, body = Table), WriteRefusals)
)]
#[post("/api/v1/venues/{venue}/tables")]
pub(crate) async fn post_table(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    _at: Path<VenuePath>,
    cmd: Body<CreateTable>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    app.write(&actor, once.of(&cmd), async move |tx| {
        let rule = |floor: &mut Floor| create_table(floor, &cmd);
        carry_out_on_plan(tx, &[], cmd.section_id, rule).await.map(Created)
    })
    .await
}

/// The rule.
pub(crate) fn create_table(floor: &mut Floor, cmd: &CreateTable) -> Result<Table, FloorError> {
    check_section(floor, cmd.section_id)?;
    let table = Table {
        id: TableId::fresh(floor.now),
        name: cmd.name.trim().to_owned(),
        section_id: cmd.section_id,
        x: cmd.x,
        y: cmd.y,
        width: cmd.width.unwrap_or(SIDE),
        height: cmd.height.unwrap_or(SIDE),
        rotation: cmd.rotation.unwrap_or(0.0),
        shape: cmd.shape.unwrap_or(TableShape::Rectangle),
        min_seats: cmd.min_seats.unwrap_or(1),
        max_seats: cmd.max_seats,
        combinable_with: cmd.combinable_with.clone().unwrap_or_default(),
        walk_in_only: cmd.walk_in_only.unwrap_or(false),
        status: TableStatus::Available,
        guest_id: None,
        version: 1,
    };
    floor.tell(Key::Table(table.id), Fate::Created, "created");
    floor.tables.insert(table.id, table.clone());
    Ok(table)
}

pub(crate) fn check_section(floor: &Floor, id: Option<SectionId>) -> Result<(), FloorError> {
    match id {
        Some(id) if !floor.sections.contains_key(&id) || floor.is_gone(Key::Section(id)) => {
            Err(FloorError::Absent(Kind::Section))
        }
        _ => Ok(()),
    }
}
