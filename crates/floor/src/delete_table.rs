//! Take a table from the floor.

use actix_web::{delete, web};
use edge::{Actor, Answer, App, Gone, IfMatch, OnceIfGiven, Path, Rejection, WriteRefusals, can};
use jiff::SignedDuration;
use kernel::ids::TableId;
use pg::Tx;

use crate::FloorError;
use crate::carry_out::carry_out;
use crate::floor::{Fate, Floor, Key, Touched};
use crate::reads::TablePath;

/// No reservation is further ahead.
const EVER: SignedDuration = SignedDuration::from_hours(24 * 366 * 5);

/// Delete a table
///
/// A table where a party sits, or that a reservation needs, stays: 409.
#[utoipa::path(
    operation_id = "deleteTable", tag = "floor", params(TablePath), security(("bearer" = [])),
    responses((status = 204, description = "It is gone"), WriteRefusals)
)]
#[delete("/api/v1/venues/{venue}/tables/{table}")]
pub(crate) async fn delete_table(
    actor: Actor<can::ArrangeFloor>,
    once: OnceIfGiven,
    seen: IfMatch,
    at: Path<TablePath>,
    app: web::Data<App>,
) -> Result<Answer, Rejection> {
    let table = at.table;
    app.write(&actor, once.alone(), async move |tx| {
        let touched = touched_by_deleting(tx, table);
        carry_out(tx, &touched, |floor| remove_table(floor, table, seen.0)).await.map(|()| Gone)
    })
    .await
}

/// Reservations of any day keep the table.
pub(crate) fn touched_by_deleting(tx: &Tx, id: TableId) -> Touched {
    let window = Some((tx.now(), tx.now() + EVER));
    Touched { window, ..Touched::table(id) }
}

/// The rule.
pub(crate) fn remove_table(
    floor: &mut Floor,
    id: TableId,
    seen: Option<i64>,
) -> Result<(), FloorError> {
    let table = floor.table(id)?.clone();
    floor.check_seen(Key::Table(id), seen)?;
    let promised = floor.booked.iter().any(|it| it.table == id && floor.is_awaited(it.reservation));
    if table.guest_id.is_some() || promised {
        return Err(FloorError::TableInUse(Box::new(table)));
    }
    floor.tell(Key::Table(id), Fate::Deleted, "deleted");
    Ok(())
}
