//! Saved layouts and the rules of the floor.

use jiff::Timestamp;
use kernel::ids::LayoutId;
use pg::{Columns, DbError, Json, Reader, Row, Tx, params};
use uuid::Uuid;

use crate::plan::{FloorLayout, FloorPlan};
use crate::settings::{FloorRules, FloorSettings};

pg::statements! {
    FIND_LAYOUT = "select id, name, plan, version from floor.layout where venue_id = $1 and id = $2";
    LIST_LAYOUTS = "select id, name, plan, version from floor.layout
        where venue_id = $1 and id > $2 order by id limit $3";
    INSERT_LAYOUT = "insert into floor.layout (venue_id, id, name, plan, created_at)
        values ($1, $2, $3, $4, $5)";
    DELETE_LAYOUT = "delete from floor.layout where venue_id = $1 and id = $2";
    FIND_SETTINGS = "select rules, version from floor.settings where venue_id = $1";
    // Whoever changes the rules takes the row, so that two managers never overwrite each other
    // unseen; the first change makes it.
    OPEN_SETTINGS = "insert into floor.settings (venue_id, rules, version) values ($1, $2, 0)
        on conflict do nothing";
    LOCK_SETTINGS = "select rules, version from floor.settings where venue_id = $1 for update";
    UPDATE_SETTINGS = "update floor.settings set rules = $2, version = $3 where venue_id = $1";
}

fn layout(row: &Row) -> Result<FloorLayout, DbError> {
    Ok(FloorLayout {
        id: row.col("id")?,
        name: row.col("name")?,
        plan: row.col::<Json<FloorPlan>>("plan")?.0,
        version: row.col("version")?,
    })
}

fn settings(row: &Row) -> Result<FloorSettings, DbError> {
    Ok(FloorSettings {
        rules: row.col::<Json<FloorRules>>("rules")?.0,
        version: row.col("version")?,
    })
}

pub(crate) async fn find_layout(tx: &mut Tx, id: LayoutId) -> Result<Option<FloorLayout>, DbError> {
    let venue = tx.venue()?;
    tx.query(FIND_LAYOUT, &[&venue, &id]).await?.first().map(layout).transpose()
}

pub(crate) async fn list_layouts(
    q: &mut Reader,
    (after, limit): (Uuid, i64),
) -> Result<Vec<FloorLayout>, DbError> {
    let (venue, limit) = (q.venue()?, limit + 1);
    q.query(LIST_LAYOUTS, &[&venue, &after, &limit]).await?.iter().map(layout).collect()
}

pub(crate) fn insert_layout(tx: &mut Tx, new: &FloorLayout, now: Timestamp) -> Result<(), DbError> {
    let row = params![tx.venue()?, new.id, new.name.clone(), Json(new.plan.clone()), now];
    tx.change(INSERT_LAYOUT, row);
    Ok(())
}

pub(crate) fn delete_layout(tx: &mut Tx, id: LayoutId) -> Result<(), DbError> {
    let row = params![tx.venue()?, id];
    tx.change(DELETE_LAYOUT, row);
    Ok(())
}

pub(crate) async fn find_settings(q: &mut Reader) -> Result<FloorSettings, DbError> {
    let venue = q.venue()?;
    let rows = q.query(FIND_SETTINGS, &[&venue]).await?;
    Ok(rows.first().map(settings).transpose()?.unwrap_or_default())
}

/// Locks the rules; they are made first where nobody has changed them yet.
pub(crate) async fn lock_settings(tx: &mut Tx) -> Result<FloorSettings, DbError> {
    let (venue, default) = (tx.venue()?, Json(FloorSettings::default().rules));
    tx.execute(OPEN_SETTINGS, &[&venue, &default]).await?;
    let rows = tx.query(LOCK_SETTINGS, &[&venue]).await?;
    Ok(rows.first().map(settings).transpose()?.unwrap_or_default())
}

pub(crate) fn update_settings(tx: &mut Tx, new: &FloorSettings) -> Result<(), DbError> {
    let row = params![tx.venue()?, Json(new.rules.clone()), new.version];
    tx.change(UPDATE_SETTINGS, row);
    Ok(())
}
